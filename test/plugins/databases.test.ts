import Fastify, { type FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import postgresJs, { Database, type FastifyPostgresJsOptions, type HealthReport } from '../../plugins/db.js'
import { freshDatabase, memoryLog, until, type MemoryLog } from '../support/database.js'
import { failure } from '../support/failure.js'
import { FaultProxy } from '../../tools/fault-proxy.js'

declare module 'fastify' {
  interface FastifyPostgresDatabases { archive: true, replica: true }
}

interface Built { app: FastifyInstance, log: MemoryLog }

/** An app with the plugin, not yet ready; closed when the test ends. Health is of this moment. */
async function buildApp (t: Test, options: FastifyPostgresJsOptions): Promise<Built> {
  const app = Fastify()
  const log = memoryLog()
  t.teardown(() => app.close())
  await app.register(postgresJs, { min: 1, max: 2, log, health: { cache: 0, timeout: 5 }, ...options })
  return { app, log }
}

const small = { min: 1, max: 2, health: { cache: 0 } }

async function probe (app: FastifyInstance, url = '/api/health'): Promise<HealthReport & { code: number }> {
  const response = await app.inject(url)
  return { code: response.statusCode, ...response.json() }
}

t.test('each database is there by its name, with its own pool and its own name in the log', async (t) => {
  const [main, other] = [await freshDatabase(t), await freshDatabase(t)]
  await other.rows('CREATE TABLE only_there (id int)')
  const { app, log } = await buildApp(t, { url: main.url, databases: { archive: { url: other.url, ...small, max: 3 }, replica: { url: main.url, ...small } } })
  t.ok(app.db.archive instanceof Database)
  t.equal(app.db.databases.archive, app.db.archive)
  t.strictSame(Object.keys(app.db.databases), ['archive', 'replica'])
  t.ok(Object.isFrozen(app.db.databases))
  t.throws(() => { Object.assign(app.db, { archive: undefined }) }, TypeError)
  t.strictSame([await main.backends(), await other.backends()], [[], []], 'nothing is opened yet')

  await app.ready()
  t.strictSame([(await main.backends()).length, (await other.backends()).length], [2, 1])
  t.equal(await app.db.archive.fetchVal('SELECT count(*) FROM only_there'), 0)
  await t.rejects(app.db.fetchVal('SELECT count(*) FROM only_there'), { code: '42P01' })
  t.equal(app.db.archive.stats().max, 3)
  t.strictSame(app.db.archive.databases, {})
  t.strictSame(log.lines.map(({ object }) => object).filter((line) => 'event' in line && line.event === 'pool.open').map((line) => Reflect.get(line, 'pool')).sort(), ['archive', 'db', 'replica'])

  await app.close()
  t.strictSame([await main.backends(), await other.backends()], [[], []])
  for (const db of [app.db, ...Object.values(app.db.databases)]) await t.rejects(db.fetchVal('SELECT 1'), { code: 'FST_PG_CLOSED' })
})

t.test('under another name of the decorator, and without further ones', async (t) => {
  const observer = await freshDatabase(t)
  const { app } = await buildApp(t, { url: observer.url, name: 'pg', databases: { archive: { url: observer.url, ...small } } })
  const plain = await buildApp(t, { url: observer.url })
  t.equal(await app.getDecorator<FastifyInstance['db']>('pg').archive.fetchVal('SELECT 1'), 1)
  t.strictSame(plain.app.db.databases, {})
  await plain.app.ready()
  t.notOk('databases' in await plain.app.db.health())
  t.notOk('databases' in await probe(plain.app))
})

t.test('a bad option is one coded error that names the database', async (t) => {
  const url = 'postgres://localhost/none'
  const refusals: Array<[databases: unknown, message: string | RegExp]> = [
    [{ archive: { url, min: -1 } }, 'option databases.archive.min takes a whole number from 0 to 10000'],
    [{ archive: { url, mni: 1 } }, 'unknown option databases.archive.mni: did you mean databases.archive.min?'],
    [{ archive: { url, min: 5, max: 2 } }, /^option databases\.archive: min \(5\) is greater than max \(2\)/],
    [{ archive: { url: 'mysql://x' } }, /^option databases\.archive\.url /],
    [{ archive: { url, name: 'other' } }, /^unknown option databases\.archive\.name/],
    [{ archive: { url, health: { path: '/x' } } }, /^unknown option databases\.archive\.health\.path/],
    [{ archive: { url, health: { timeout: 0 } } }, /^option databases\.archive\.health\.timeout takes more than 0/],
    [{ archive: { url, health: false } }, 'option databases.archive.health takes an object'],
    [{ archive: { url, onRelease: 1 } }, 'option databases.archive.onRelease takes a function'],
    [{ archive: { min: 1 } }, /^option databases\.archive takes url, host or database/],
    [{ archive: { url: undefined } }, /^option databases\.archive takes url, host or database/],
    [{ archive: url }, /^option databases\.archive takes an object of options/],
    [{ archive: undefined }, /^option databases\.archive takes an object of options/],
    [{ get archive () { throw new Error('no') } }, /^option databases cannot be read/],
    [{ archive: { url, get min () { throw new Error('no') } } }, /^option databases\.archive cannot be read/],
    [[], /^option databases takes an object/],
    [null, /^option databases takes an object/],
    [new Map([['archive', { url }]]), /^option databases takes an object/],
    [{ 'a-b': { url } }, 'option databases takes identifiers as names, not "a-b"'],
    [{ '': { url } }, /^option databases takes identifiers as names/],
  ]
  const taken = ['fetchOne', 'stats', 'then', 'constructor', 'detached', 'databases', 'afterCommit', 'transaction', 'settings', 'commitOn', 'toString', 'release', 'statements', '__proto__']
  for (const name of taken) refusals.push([JSON.parse(`{ "${name}": { "url": "${url}" } }`), new RegExp(`^option databases\\.${name}: the name has another meaning`)])
  for (const [databases, message] of refusals) {
    const app = Fastify()
    t.match(await failure(() => app.register(postgresJs, { url, databases } as FastifyPostgresJsOptions)), { code: 'FST_PG_OPTION', message }, String(message))
    t.notOk(app.hasDecorator('db'))
    await app.close().catch(() => {})
  }
})

t.test('a variable that is wrong is not blamed on the further database', async (t) => {
  process.env['DB_MIN_POOL_SIZE'] = 'many'
  t.teardown(() => { delete process.env['DB_MIN_POOL_SIZE'] })
  const app = Fastify()
  const error = await failure(() => app.register(postgresJs, { databases: { archive: { database: 'archive' } } }))
  t.match(error, { code: 'FST_PG_OPTION', message: /^environment variable DB_MIN_POOL_SIZE takes/ })
})

t.test('a required one that does not open fails the start with its error, the log names it, and nothing is left open', async (t) => {
  const observer = await freshDatabase(t)
  const proxy = await FaultProxy.start(t, observer.url)
  await proxy.set('refuse')
  const { app, log } = await buildApp(t, { url: observer.url, databases: { archive: { url: proxy.url, ...small, startupTimeout: 0.3 }, replica: { url: observer.url, ...small } } })
  t.match(await failure(() => app.ready()), { code: 'FST_PG_STARTUP', cause: { code: 'ECONNREFUSED' } })
  t.match(log.lines.filter(({ object }) => Reflect.get(object, 'event') === 'startup.failed'), [{ level: 'error', object: { pool: 'archive', err: { code: 'FST_PG_STARTUP' } } }])
  await until(async () => (await observer.backends()).length === 0)
  for (const db of [app.db, app.db.replica]) t.match(db.stats(), { size: 0, opening: 0, closing: 0 })
  await t.rejects(app.db.fetchVal('SELECT 1'), { code: 'FST_PG_CLOSED' })
})

t.test('without one that is not required the app starts, and that one goes on trying', async (t) => {
  const observer = await freshDatabase(t)
  const proxy = await FaultProxy.start(t, observer.url)
  await proxy.set('refuse')
  const { app } = await buildApp(t, { url: observer.url, databases: { replica: { url: proxy.url, ...small, required: false } } })
  await app.ready()
  t.match(await probe(app), { code: 200, status: 'healthy', database: { status: 'healthy' }, databases: { replica: { status: 'unavailable', pool_size: 0, latency_ms: null } } })
  t.match(await app.db.health(), { status: 'healthy', databases: { replica: { status: 'unavailable' } } }, 'db.health() says the same')
  t.match(await app.db.replica.health(), { status: 'unavailable', database: { status: 'unavailable' } }, 'and of itself alone')
  await proxy.set('forward')
  await until(async () => (await probe(app)).databases?.['replica']?.status === 'healthy')
})

t.test('one that fails to close does not keep the others', async (t) => {
  const observer = await freshDatabase(t)
  const app = Fastify()
  await app.register(postgresJs, { url: observer.url, min: 1, log: memoryLog(), databases: { archive: { url: observer.url, ...small }, replica: { url: observer.url, ...small } } })
  await app.ready()
  const close = app.db.archive.close.bind(app.db.archive)
  app.db.archive.close = async () => { await close(); throw new Error('not closed') }
  await failure(() => app.close()).catch(() => {})
  t.strictSame(await observer.backends(), [])
})

t.test('the grace of all begins at once', async (t) => {
  const observer = await freshDatabase(t)
  const { app } = await buildApp(t, { url: observer.url, closeTimeout: 0.2, databases: { archive: { url: observer.url, ...small, closeTimeout: 0.2 } } })
  await app.ready()
  const leases = [await app.db.acquire(), await app.db.archive.acquire()]
  const running = leases.map((lease) => failure(() => lease.fetchVal('SELECT pg_sleep(60)')))
  await app.close()
  for (const error of await Promise.all(running)) t.match(error, { code: 'FST_PG_CONNECTION_LOST', advice: /forced/ })
})

t.test('health: contract keys first, the worst of the required ones decides', async (t) => {
  const observer = await freshDatabase(t)
  const proxy = await FaultProxy.start(t, observer.url)
  const { app } = await buildApp(t, { url: observer.url, databases: { archive: { url: proxy.url, ...small, max: 1 }, replica: { url: observer.url, ...small } } })
  await app.ready()
  const { code, ...report } = await probe(app)
  t.equal(code, 200)
  t.strictSame(Object.keys(report), ['status', 'database', 'databases'])
  const keys = ['status', 'pool_size', 'free_connections', 'min_size', 'max_size', 'waiting', 'latency_ms']
  for (const database of [report.database, ...Object.values(report.databases ?? {})]) t.strictSame(Object.keys(database), keys)
  t.match(report, { status: 'healthy', databases: { archive: { status: 'healthy', pool_size: 1, free_connections: 1, max_size: 1, latency_ms: Number }, replica: { status: 'healthy' } } })

  const lease = await app.db.archive.acquire()
  const waiting = app.db.archive.fetchVal('SELECT 1')
  t.match(await probe(app), { code: 200, status: 'degraded', database: { status: 'healthy' }, databases: { archive: { status: 'degraded', waiting: 1 } } })
  await lease.release()
  await waiting

  await proxy.set('refuse')
  await observer.kill()
  await until(async () => (await probe(app)).database.status === 'healthy')
  t.match(await probe(app), { code: 503, status: 'unavailable', database: { status: 'healthy' }, databases: { archive: { status: 'unavailable' }, replica: { status: 'healthy' } } })
})

t.test('the schema of the health route names them', async (t) => {
  const app = Fastify()
  t.teardown(() => app.close())
  const schemas: unknown[] = []
  app.addHook('onRoute', ({ url, method, schema }) => { if (url === '/api/health' && method === 'GET') schemas.push(schema) })
  await app.register(postgresJs, { url: 'postgres://localhost/none', databases: { archive: { url: 'postgres://localhost/none' } } })
  const [schema] = schemas as [{ response: Record<string, { properties: { database: object, databases: { properties: { archive: object } } } }> }]
  for (const code of ['200', '503']) {
    const properties = schema.response[code]?.properties
    t.ok(properties?.database)
    t.strictSame(properties?.databases.properties, { archive: properties?.database })
  }
})

t.test('a check that is slower than the default’s timeout counts as unavailable: the whole answers within it', async (t) => {
  const observer = await freshDatabase(t)
  const proxy = await FaultProxy.start(t, observer.url)
  const patient = { ...small, health: { cache: 0, timeout: 30 }, commandTimeout: 60 }
  const { app } = await buildApp(t, { url: observer.url, health: { cache: 0, timeout: 0.3 }, databases: { archive: { url: proxy.url, ...patient }, replica: { url: proxy.url, ...patient, required: false } } })
  await app.ready()
  await proxy.set('black-hole')
  const start = performance.now()
  t.match(await probe(app), { code: 503, status: 'unavailable', databases: { archive: { status: 'unavailable', latency_ms: null }, replica: { status: 'unavailable' } } })
  t.ok(performance.now() - start < 15_000, 'and not within 30 s')
  await proxy.set('forward')
  await until(async () => (await probe(app)).status === 'healthy', 60)
})

t.test('a default that is not required still decides', async (t) => {
  const observer = await freshDatabase(t)
  const proxy = await FaultProxy.start(t, observer.url)
  await proxy.set('refuse')
  const { app } = await buildApp(t, { url: proxy.url, required: false, databases: { archive: { url: observer.url, ...small } } })
  await app.ready()
  t.match(await probe(app), { code: 503, status: 'unavailable', database: { status: 'unavailable' }, databases: { archive: { status: 'healthy' } } })
})

t.test('separate registrations stay as they are', async (t) => {
  const observer = await freshDatabase(t)
  const { app } = await buildApp(t, { url: observer.url, databases: { archive: { url: observer.url, ...small } } })
  await app.register(postgresJs, { name: 'second', url: observer.url, ...small, log: memoryLog() })
  await app.ready()
  t.notOk('databases' in await probe(app, '/api/health/second'))
  t.strictSame(Object.keys((await probe(app)).databases ?? {}), ['archive'])
})
