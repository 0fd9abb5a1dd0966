import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startEmbeddedPostgres } from '../../tools/embedded-postgres/embedded-postgres.js'
import { Observer, until } from '../support/database.js'
import { checkConsumers, runFixtures } from './consumers.js'

/**
 * `npm run e2e`: what a new user does. Packs the project, installs the tarball into an empty project, writes down the
 * README's first example as it is, type-checks and runs it, asks it over HTTP, and stops the database under it.
 */
const run = (command: string, args: string[], cwd: string): string => execFileSync(command, args, { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] })
const step = (text: string): void => console.log(`e2e: ${text}`)

const project = await mkdtemp(join(tmpdir(), 'fastify-postgres-js-e2e-'))
const server = await startEmbeddedPostgres()
try {
  const [{ filename, files }] = JSON.parse(run('npm', ['pack', '--json', '--pack-destination', project], process.cwd())) as [{ filename: string, files: Array<{ path: string }> }]
  const strange = files.map(({ path }) => path).filter((path) => !/^(dist\/(src|plugins|routes)\/.*\.(js|js\.map|d\.ts)|docs\/.*\.(md|svg|json)|README\.md|CHANGELOG\.md|SECURITY\.md|LICENSE|package\.json|\.env\.example)$/.test(path))
  assert.deepEqual(strange, [], 'only what a user needs')
  step(`packed ${files.length} files`)

  await writeFile(join(project, 'package.json'), JSON.stringify({ type: 'module', private: true }))
  run('npm', ['install', '--no-audit', '--no-fund', `./${filename}`, 'fastify@5', 'typescript@5.9', '@types/node@20'], project)
  const readme = await readFile('README.md', 'utf8')
  const example = /```ts\n([^]*?)```/.exec(readme)?.[1]
  assert.ok(example !== undefined, 'README has an example')
  await writeFile(join(project, 'app.ts'), example)
  await writeFile(join(project, 'core.ts'), "import { createDatabase } from 'fastify-postgres-js/core'\nconst db = createDatabase({ min: 1, max: 1 })\nconsole.log(await db.fetchVal<number>('SELECT 42'))\nawait db.close()\n")
  run('npx', ['tsc', '--strict', '--module', 'nodenext', '--target', 'es2022', '--types', 'node', 'app.ts', 'core.ts'], project)
  step('installed and type-checked, without skipLibCheck')
  await cp('test/fixtures', join(project, 'fixtures'), { recursive: true })
  checkConsumers(project)

  const observer = await new Observer(server.url).open()
  await observer.rows('CREATE TABLE users (id int PRIMARY KEY, name text)')
  await observer.rows("INSERT INTO users VALUES (1, 'Ada')")
  await observer.close()
  const env = { ...process.env, DATABASE_URL: server.url, NODE_ENV: 'production' }
  assert.match(execFileSync(process.execPath, ['core.js'], { cwd: project, env, encoding: 'utf8' }), /^42$/m)
  step('the core answers in a script, which ends by itself')
  runFixtures(project, env)

  const app = spawn(process.execPath, ['app.js'], { cwd: project, env, stdio: ['ignore', 'pipe', 'inherit'] })
  let log = ''
  app.stdout.setEncoding('utf8').on('data', (text) => { log += text })
  while (!log.includes('Server listening')) await once(app.stdout, 'data')
  const get = async (path: string): Promise<{ status: number, body: Record<string, unknown> }> => {
    const response = await fetch(`http://localhost:3000${path}`)
    return { status: response.status, body: await response.json() as Record<string, unknown> }
  }
  assert.deepEqual(await get('/users/1'), { status: 200, body: { id: 1, name: 'Ada' } })
  const healthy = await get('/api/health')
  assert.equal(healthy.status, 200)
  assert.deepEqual(Object.keys(healthy.body['database'] as object).slice(0, 5), ['status', 'pool_size', 'free_connections', 'min_size', 'max_size'])
  const wrong = await get('/users/not-a-number-but-a-secret')
  assert.equal(wrong.status, 500)
  assert.doesNotMatch(JSON.stringify(wrong.body), /secret/)
  step('the README example answers, and wrong input leaks nothing')

  await server.stop('immediate')
  await until(async () => (await get('/api/health')).status === 503, 15)
  assert.equal((await get('/api/health/live')).status, 200)
  await server.start()
  await until(async () => (await get('/api/health')).status === 200, 15)
  assert.equal((await get('/users/1')).status, 200)
  step('the database was stopped under it and started again')

  const exited = once(app, 'exit')
  app.kill('SIGKILL')
  await exited
  assert.ok(!log.includes(server.password), 'no password in the log')
  console.log('e2e: passed')
} finally {
  await server.close()
  await rm(project, { recursive: true })
}
