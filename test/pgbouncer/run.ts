import { spawn, spawnSync } from 'node:child_process'
import { readdir } from 'node:fs/promises'

/**
 * `npm run test:pgbouncer`: the tests through a real PgBouncer, which has to be installed. Apart from `npm test`, which
 * needs nothing that `npm ci` does not bring.
 */
process.env['PATH'] += ':/usr/sbin' // where Debian puts it, which only root's PATH has
const { error, stdout } = spawnSync('pgbouncer', ['--version'], { encoding: 'utf8' })
if (error !== undefined) {
  console.error('pgbouncer is not installed. On Debian or Ubuntu: apt-get install --no-install-recommends pgbouncer; on macOS: brew install pgbouncer')
  process.exit(1)
}
console.log(stdout.split('\n')[0])
const files = (await readdir('test/pgbouncer')).filter((name) => name !== 'run.ts').sort().map((name) => `test/pgbouncer/${name}`)
const tests = spawn(process.execPath, ['--import', 'tsx', 'test/run.ts', '--disable-coverage', ...files], { stdio: 'inherit' })
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => tests.kill(signal))
tests.once('exit', (code) => { process.exitCode = code ?? 1 })
