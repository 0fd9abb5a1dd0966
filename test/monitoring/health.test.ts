import Fastify, { type FastifyInstance, type RouteOptions } from 'fastify'
import t, { type Test } from 'tap'
import postgresJs, { type FastifyPostgresJsOptions, type Lease } from '../../plugins/db.js'
import { startEmbeddedPostgres } from '../../tools/embedded-postgres/embedded-postgres.js'
import { freshDatabase, memoryLog, until, Observer } from '../support/database.js'

/** An app whose checks are not cached, so that each answer is of this moment. */
async function buildApp (t: Test, url: string, options: FastifyPostgresJsOptions = {}): Promise<FastifyInstance> {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(postgresJs, { url, min: 2, max: 3, log: memoryLog(), ...options, ...(options.health !== false && { health: { cache: 0, ...options.health } }) })
  await app.ready()
  return app
}

async function probe (app: FastifyInstance, url = '/api/health'): Promise<{ code: number, status: string, database: Record<string, unknown>, seconds: number }> {
  const start = performance.now()
  const response = await app.inject(url)
  return { code: response.statusCode, ...response.json(), seconds: (performance.now() - start) / 1000 }
}

/** Every connection that there may be, held. */
const holdAll = (app: FastifyInstance): Promise<Lease[]> =>
  Promise.all(Array.from({ length: app.db.stats().max }, () => app.db.acquire()))

/** Waits until the check gave back what it took, and the server knows of no connection that the pool does not know of. */
async function nothingLeaked (t: Test, app: FastifyInstance, observer: Observer): Promise<void> {
  await until(async () => {
    const { size, free, waiting, opening, closing } = app.db.stats()
    return free === size && waiting + opening + closing === 0 && (await observer.backends()).length === size
  })
  t.pass('nothing leaked')
}

t.test('a healthy pool: the keys of the contract come first, in their order', async (t) => {
  const observer = await freshDatabase(t)
  const app = await buildApp(t, observer.url)
  const response = await app.inject('/api/health')
  t.equal(response.statusCode, 200)
  t.same(Object.keys(response.json()).slice(0, 2), ['status', 'database'])
  t.same(Object.keys(response.json().database).slice(0, 5), ['status', 'pool_size', 'free_connections', 'min_size', 'max_size'])
  t.match(response.json(), { status: 'healthy', database: { status: 'healthy', pool_size: 2, free_connections: 2, min_size: 2, max_size: 3, waiting: 0, latency_ms: Number } })
  t.match(response.headers, { 'content-type': 'application/json; charset=utf-8', 'cache-control': 'no-store' })
  await nothingLeaked(t, app, observer)
})

t.test('the numbers are those of pg_stat_activity, at this moment', async (t) => {
  const observer = await freshDatabase(t)
  const app = await buildApp(t, observer.url, { health: { cache: 60 } })
  t.match(await probe(app), { database: { pool_size: 2, free_connections: 2 } })
  const leases = await holdAll(app)
  t.match(await probe(app), { status: 'healthy', database: { pool_size: 3, free_connections: 0 } }, 'not cached with the outcome')
  t.equal((await observer.backends()).length, 3)
  for (const lease of leases) lease.release()
  t.match(await probe(app), { database: { pool_size: 3, free_connections: 3 } })
  await nothingLeaked(t, app, observer)
})

t.test('all connections held, but nobody waiting: healthy', async (t) => {
  const observer = await freshDatabase(t)
  const app = await buildApp(t, observer.url)
  const leases = await holdAll(app)
  const report = await probe(app)
  t.match(report, { code: 200, status: 'healthy', database: { pool_size: 3, free_connections: 0, waiting: 0 } })
  t.equal(app.db.stats().waiting, 0, 'the check does not queue')
  for (const lease of leases) lease.release()
  await nothingLeaked(t, app, observer)
})

t.test('all connections held, and callers waiting: degraded, with 200, within the deadline', async (t) => {
  const observer = await freshDatabase(t)
  const app = await buildApp(t, observer.url)
  const leases = await holdAll(app)
  const waiting = [1, 2].map((n) => app.db.fetchVal('SELECT $1::int', n))
  const report = await probe(app)
  t.match(report, { code: 200, status: 'degraded', database: { status: 'degraded', free_connections: 0, waiting: 2 } })
  t.ok(report.seconds < 5, `long before the callers give up: ${report.seconds} s`)
  for (const lease of leases) lease.release()
  t.same(await Promise.all(waiting), [1, 2])
  t.equal((await probe(app)).status, 'healthy')
  await nothingLeaked(t, app, observer)
})

t.test('every connection busy with a long statement: the check still answers', async (t) => {
  const observer = await freshDatabase(t)
  const app = await buildApp(t, observer.url)
  await observer.rows('SELECT pg_advisory_lock(1)')
  const work = Array.from({ length: 5 }, () => app.db.fetchVal('SELECT 1 FROM (SELECT pg_advisory_lock_shared(1)) AS locked'))
  await until(async () => (await observer.backends()).filter(({ state }) => state === 'active').length === 3)
  t.match(await probe(app), { code: 200, status: 'degraded', database: { free_connections: 0, waiting: 2 } })
  await observer.rows('SELECT pg_advisory_unlock(1)')
  await Promise.all(work)
  await nothingLeaked(t, app, observer)
})

t.test('a pool with min: 0 is healthy with and without an open connection', async (t) => {
  const observer = await freshDatabase(t)
  const app = await buildApp(t, observer.url, { min: 0, idleTimeout: 0.05 })
  t.match(await probe(app), { code: 200, status: 'healthy', database: { min_size: 0 } })
  await until(() => app.db.stats().size === 0)
  t.match(await probe(app), { code: 200, status: 'healthy', database: { min_size: 0 } }, 'it opens one to see')
  await nothingLeaked(t, app, observer)
})

t.test('a database that answered a moment ago is not unavailable because idle connections were closed', async (t) => {
  const observer = await freshDatabase(t)
  for (const min of [0, 2]) {
    const app = await buildApp(t, observer.url, { min, health: { cache: 60 } })
    t.equal((await probe(app)).status, 'healthy')
    app.db.expire()
    t.match(await probe(app), { code: 200, status: 'healthy' }, `min ${min}, from the cache`)
    const fresh = await buildApp(t, observer.url, { min })
    fresh.db.expire()
    t.match(await probe(fresh), { code: 200, status: 'healthy' }, `min ${min}, by a check`)
    await Promise.all([app.close(), fresh.close()])
  }
})

t.test('while the pool closes, and after: unavailable, at once', async (t) => {
  const observer = await freshDatabase(t)
  const app = await buildApp(t, observer.url, { health: { cache: 60 } })
  t.equal((await probe(app)).status, 'healthy')
  const lease = await app.db.acquire()
  const closed = app.db.close()
  const report = await probe(app)
  t.match(report, { code: 503, status: 'unavailable', database: { status: 'unavailable', pool_size: 1, free_connections: 0 } })
  t.ok(report.seconds < 5, `within the deadline: ${report.seconds} s`)
  lease.release()
  await closed
  t.match(await probe(app), { code: 503, status: 'unavailable', database: { pool_size: 0, free_connections: 0 } })
  t.same(await observer.backends(), [])
})

t.test('two hundred requests at once are one query, and the next ones in the cache time are none', async (t) => {
  const lines: string[] = []
  // The server itself counts: it logs each statement.
  const server = await startEmbeddedPostgres({ settings: { log_statement: 'all' }, log: (line) => lines.push(line) })
  t.teardown(() => server.close())
  const observer = await new Observer(server.url).open()
  t.teardown(() => observer.close())
  const checks = async (mark: string): Promise<number> => {
    await observer.rows(`SELECT '${mark}'`)
    await until(() => lines.some((line) => line.includes(mark)))
    return lines.filter((line) => /: SELECT 1$/.test(line)).length
  }
  const app = await buildApp(t, server.url, { min: 3, max: 20, health: { cache: 60, timeout: 30 } })
  t.equal(await checks('before'), 0)
  const reports = await Promise.all(Array.from({ length: 200 }, () => probe(app)))
  t.same([...new Set(reports.map(({ status }) => status))], ['healthy'])
  t.equal(await checks('after'), 1)
  await probe(app)
  t.equal(await checks('later'), 1)
  t.equal(app.db.stats().size, 3, 'none was opened for it')
  await nothingLeaked(t, app, observer)
})

t.test('without a cache, requests at the same time still share one check', async (t) => {
  const observer = await freshDatabase(t)
  const app = await buildApp(t, observer.url)
  const { acquired } = app.db.stats()
  await Promise.all(Array.from({ length: 50 }, () => app.db.health()))
  t.equal(app.db.stats().acquired - acquired, 1)
  await probe(app)
  t.equal(app.db.stats().acquired - acquired, 2, 'and the next one is a new check')
})

t.test('the outcome is checked again once the cache time is over', async (t) => {
  const observer = await freshDatabase(t)
  const app = await buildApp(t, observer.url, { health: { cache: 0.05 } })
  const { acquired } = app.db.stats()
  await until(async () => {
    await app.db.health()
    return app.db.stats().acquired - acquired === 3
  })
  await nothingLeaked(t, app, observer)
})

t.test('HEAD answers like GET, without a body', async (t) => {
  const observer = await freshDatabase(t)
  const app = await buildApp(t, observer.url)
  for (const url of ['/api/health', '/api/health/live']) {
    const response = await app.inject({ method: 'HEAD', url })
    t.match({ code: response.statusCode, body: response.body, header: response.headers['cache-control'] }, { code: 200, body: '', header: 'no-store' })
  }
  await app.db.close()
  t.equal((await app.inject({ method: 'HEAD', url: '/api/health' })).statusCode, 503)
})

t.test('the path can be chosen, and false turns the routes off', async (t) => {
  const observer = await freshDatabase(t)
  const moved = await buildApp(t, observer.url, { health: { path: '/healthz' } })
  t.equal((await moved.inject('/healthz')).statusCode, 200)
  t.equal((await moved.inject('/healthz/live')).statusCode, 200)
  t.equal((await moved.inject('/api/health')).statusCode, 404)
  const off = await buildApp(t, observer.url, { health: false })
  t.equal((await off.inject('/api/health')).statusCode, 404)
  t.equal((await off.inject('/api/health/live')).statusCode, 404)
  t.equal((await off.db.health()).status, 'healthy', 'the check itself is still there')
  const root = await buildApp(t, observer.url, { prefix: '/health', health: { path: '/' } })
  t.equal((await root.inject('/health')).statusCode, 200)
  t.equal((await root.inject('/health/live')).statusCode, 200)
})

t.test('route options are passed on: an onRequest hook can guard the route', async (t) => {
  const observer = await freshDatabase(t)
  const app = await buildApp(t, observer.url, {
    health: { routeOptions: { onRequest: async (request, reply) => request.headers['x-token'] === 'yes' ? undefined : await reply.code(401).send() } }
  })
  const { acquired } = app.db.stats()
  t.equal((await app.inject('/api/health')).statusCode, 401)
  t.equal((await app.inject({ method: 'HEAD', url: '/api/health' })).statusCode, 401)
  t.equal(app.db.stats().acquired, acquired, 'the database was not asked')
  t.equal((await app.inject({ url: '/api/health', headers: { 'x-token': 'yes' } })).statusCode, 200)
})

t.test('the routes have response schemas, so that they show in OpenAPI', async (t) => {
  const observer = await freshDatabase(t)
  const routes: RouteOptions[] = []
  const app = Fastify()
  t.teardown(() => app.close())
  app.addHook('onRoute', (route) => { routes.push(route) })
  await app.register(postgresJs, { url: observer.url, health: { routeOptions: { schema: { operationId: 'health', hide: true } as object } } })
  const find = (url: string): any => routes.find((route) => route.url === url && route.method === 'GET')
  const { schema } = find('/api/health')
  t.match(schema, { summary: String, tags: ['health'], operationId: 'health', hide: true })
  t.same(Object.keys(schema.response), ['200', '503'])
  for (const code of [200, 503]) {
    const { properties } = schema.response[code]
    t.same(properties.status.enum, ['healthy', 'degraded', 'unavailable'])
    t.same(Object.keys(properties.database.properties).slice(0, 5), ['status', 'pool_size', 'free_connections', 'min_size', 'max_size'])
    t.strictSame(Object.keys(properties), ['status', 'database'])
  }
  t.same(Object.keys(find('/api/health/live').schema.response), ['200'])
})
