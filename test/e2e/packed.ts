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
// What is committed must be there again after an immediate stop.
const server = await startEmbeddedPostgres({ settings: { synchronous_commit: 'on' } })
try {
  const [{ filename, files }] = JSON.parse(run('npm', ['pack', '--json', '--pack-destination', project], process.cwd())) as [{ filename: string, files: Array<{ path: string }> }]
  const strange = files.map(({ path }) => path).filter((path) => !/^(dist\/(src|plugins|routes|testing)\/.*\.(js|js\.map|d\.ts)|docs\/.*\.(md|svg|json)|README\.md|CHANGELOG\.md|SECURITY\.md|LICENSE|package\.json|\.env\.example)$/.test(path))
  assert.deepEqual(strange, [], 'only what a user needs')
  step(`packed ${files.length} files`)

  const readme = await readFile('README.md', 'utf8')
  const block = (language: string, start = ''): string => {
    const found = new RegExp(`\`\`\`${language}\\n(${start}[^]*?)\`\`\``).exec(readme)?.[1]
    assert.ok(found !== undefined, `README has a block of ${language} that begins with ${start}`)
    return found
  }
  for (const line of block('sh', 'npm init').trim().split('\n')) {
    const [command = '', ...args] = line.split(' ')
    run(command, args.map((word) => word === 'fastify-postgres-js' ? `./${filename}` : word), project)
  }
  await writeFile(join(project, 'app.ts'), block('ts'))
  step('an empty folder is a project, by the commands of the README')
  run('npm', ['install', '--no-audit', '--no-fund', 'typescript@5.9', '@types/node@20'], project)
  await writeFile(join(project, 'core.ts'), "import { createDatabase } from 'fastify-postgres-js/core'\nconst db = createDatabase({ min: 1, max: 1 })\nconsole.log(await db.fetchVal<number>('SELECT 42'))\nawait db.close()\n")
  run('npx', ['tsc', '--strict', '--module', 'nodenext', '--target', 'es2022', '--types', 'node', 'app.ts', 'core.ts'], project)
  step('installed and type-checked, without skipLibCheck')
  await cp('test/fixtures', join(project, 'fixtures'), { recursive: true })
  checkConsumers(project)

  const env = { ...process.env, DATABASE_URL: server.url, NODE_ENV: 'production' }
  assert.match(execFileSync(process.execPath, ['core.js'], { cwd: project, env, encoding: 'utf8' }), /^42$/m)
  step('the core answers in a script, which ends by itself')
  runFixtures(project, env)

  const app = spawn(process.execPath, ['node_modules/tsx/dist/cli.mjs', 'app.ts'], { cwd: project, env, stdio: ['ignore', 'pipe', 'inherit'] })
  let log = ''
  app.stdout.setEncoding('utf8').on('data', (text) => { log += text })
  while (!log.includes('Server listening')) await once(app.stdout, 'data')
  const get = async (path: string): Promise<{ status: number, body: Record<string, unknown> }> => {
    const response = await fetch(`http://localhost:3000${path}`)
    return { status: response.status, body: await response.json() as Record<string, unknown> }
  }
  assert.deepEqual(await get('/cities/1'), { status: 404, body: { statusCode: 404, code: 'FST_PG_NO_ROW', error: 'Not Found', message: 'no row was found' } })
  const observer = await new Observer(server.url).open()
  await observer.rows("INSERT INTO cities VALUES (1, 'Oslo')")
  await observer.close()
  assert.deepEqual(await get('/cities/1'), { status: 200, body: { id: 1, name: 'Oslo' } })
  const healthy = await get('/api/health')
  assert.equal(healthy.status, 200)
  assert.deepEqual(Object.keys(healthy.body['database'] as object).slice(0, 5), ['status', 'pool_size', 'free_connections', 'min_size', 'max_size'])
  const wrong = await get('/cities/not-a-number-but-a-secret')
  assert.equal(wrong.status, 400)
  assert.doesNotMatch(JSON.stringify(wrong.body), /secret/)
  step('the README example answers, and wrong input leaks nothing')
  const [probe = '', ...probed] = JSON.parse(block('dockerfile').replace('HEALTHCHECK CMD ', '')) as string[]
  run(probe, probed, project)
  step('the HEALTHCHECK of the README finds it alive')

  await server.stop('immediate')
  await until(async () => (await get('/api/health')).status === 503, 15)
  assert.equal((await get('/api/health/live')).status, 200)
  await server.start()
  await until(async () => (await get('/api/health')).status === 200, 15)
  assert.equal((await get('/cities/1')).status, 200)
  step('the database was stopped under it and started again')

  const exited = once(app, 'exit')
  app.kill('SIGTERM')
  await exited
  assert.throws(() => run(probe, probed, project), 'nobody is alive there any more')
  assert.ok(!log.includes(server.password), 'no password in the log')
  console.log('e2e: passed')
} finally {
  await server.close()
  await rm(project, { recursive: true })
}
