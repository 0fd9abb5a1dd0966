import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { join } from 'node:path'

/** Apps of several kinds (test/fixtures) that have the packed library from the registry's packages, the newest ones that npm finds. */
const COMPILERS = ['5.4', '5.9', '6', '7']
const RESOLUTIONS = { nodenext: 'nodenext', node16: 'node16', bundler: 'esnext' }
const PACKAGES = ['@fastify/swagger', '@fastify/autoload', 'fastify-plugin', 'fastify-type-provider-zod', 'zod']

const run = (command: string, args: string[], cwd: string, env = process.env): string =>
  execFileSync(command, args, { cwd, env, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] })

/** Compiles them by each TypeScript, under each moduleResolution, without skipLibCheck. */
export function checkConsumers (project: string): void {
  const compilers = COMPILERS.map((version) => `typescript-${version}@npm:typescript@${version}`)
  run('npm', ['install', '--no-audit', '--no-fund', ...PACKAGES, ...compilers], project)
  const common = ['--strict', '--noEmit', '--target', 'es2022', '--lib', 'es2023,esnext.disposable', '--types', 'node']
  for (const version of COMPILERS) {
    const tsc = join(project, `node_modules/typescript-${version}/bin/tsc`)
    for (const [resolution, module] of Object.entries(RESOLUTIONS)) {
      const args = [tsc, ...common, '--module', module, '--moduleResolution', resolution]
      run(process.execPath, [...args, 'fixtures/consumer/main.ts', 'fixtures/consumer/core.ts', 'fixtures/consumer/testing.ts'], project)
      // An app of its own: it declares another `db`.
      run(process.execPath, [...args, 'fixtures/own-db/app.ts'], project)
    }
    console.log(`e2e: consumers compile with TypeScript ${run(process.execPath, [tsc, '--version'], project).trim()} under ${Object.keys(RESOLUTIONS).join(', ')}`)
  }
}

/** Runs them, and sees that they answer without a complaint. */
export function runFixtures (project: string, env: NodeJS.ProcessEnv): void {
  const nodenext = ['tsc', '--strict', '--module', 'nodenext', '--target', 'es2022', '--types', 'node']
  run('npx', [...nodenext, 'fixtures/own-db/app.ts'], project)
  run('npx', [...nodenext, '--skipLibCheck', 'fixtures/zod/app.ts'], project)
  const printed = (name: string): Record<string, unknown> => JSON.parse(run(process.execPath, [`fixtures/${name}`], project, env))
  assert.deepEqual(printed('own-db/app.js'), { both: { db: ['from the ORM'], pg: 42, archive: 43 }, health: 200, code: 'FST_PG_QUERY_TIMEOUT' })
  const documented = ['/api/health', '/api/health/live']
  assert.deepEqual(printed('zod/app.js'), { double: { double: 42 }, refused: 400, health: 200, live: 200, documented: [...documented, '/double/{n}'] })
  assert.deepEqual(printed('autoload/app.js'), { documented, health: 200 })
  const { version, ...answers } = printed('commonjs/app.cjs')
  assert.deepEqual(answers, { first: 1, second: 2, core: 3, health: 200, same: true, counted: true })
  console.log('e2e: apps with a db of their own, with zod, with autoload and in CommonJS run')
}
