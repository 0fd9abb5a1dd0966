import Fastify, { type FastifyInstance } from 'fastify'
import fp, { type PluginMetadata } from 'fastify-plugin'
import t, { type Test } from 'tap'
import * as main from '../../plugins/db.js'
import postgresJs, { Database, fastifyPostgresJs, type FastifyPostgresJsOptions } from '../../plugins/db.js'
import * as undeclared from '../../plugins/plugin.js'
import { freshDatabase, until, type Observer } from '../support/database.js'

declare module 'fastify' {
  interface FastifyInstance { reports: Database }
}

/** An app with the plugin, closed when the test ends. */
function buildApp (t: Test, observer: Observer, options: FastifyPostgresJsOptions = {}): FastifyInstance {
  const app = Fastify()
  t.teardown(() => app.close())
  app.register(postgresJs, { url: observer.url, min: 1, max: 4, ...options })
  return app
}

const codeOf = async (work: PromiseLike<unknown>): Promise<unknown> => {
  try {
    await work
    return 'none'
  } catch (error) {
    return (error as { code?: unknown }).code
  }
}

t.test('registering decorates the instance before anything is opened', async (t) => {
  const observer = await freshDatabase(t)
  const app = Fastify()
  t.teardown(() => app.close())
  t.notOk(app.hasDecorator('db'))
  await app.register(postgresJs, { url: observer.url, min: 1, max: 4 })
  t.ok(app.db instanceof Database)
  t.equal(app.getDecorator<Database>('db'), app.db)
  const typed: Database = app.getDecorator<Database>('db')
  t.match(typed.stats(), { size: 0, opening: 0, created: 0, min: 1, max: 4 })
  t.same(await observer.backends(), [])
})

t.test('the plugin is the default export and a named one', async (t) => {
  t.equal(fastifyPostgresJs, postgresJs)
  t.match(Reflect.get(postgresJs, Symbol.for('plugin-meta')), { name: 'fastify-postgres-js', fastify: '5.x || 6.x' })
})

t.test('the entry that declares no fastify.db has the same exports', async (t) => {
  t.strictSame(Object.entries(undeclared), Object.entries(main))
})

t.test('ready opens as many connections as min says, and close leaves none', async (t) => {
  const observer = await freshDatabase(t)
  const app = buildApp(t, observer, { min: 3, max: 5 })
  await app.ready()
  t.equal((await observer.backends()).length, 3)
  t.match(app.db.stats(), { size: 3, free: 3, opening: 0, created: 3 })
  await app.close()
  t.same(await observer.backends(), [])
  t.match(app.db.stats(), { size: 0, free: 0, closing: 0, waiting: 0, closed: { close: 3 } })
})

t.test('a query before ready opens the pool early, and only once', async (t) => {
  const observer = await freshDatabase(t)
  const app = buildApp(t, observer, { min: 2 })
  let early: unknown[] = []
  app.register(async (scope) => {
    early = await Promise.all([1, 2, 3].map((n) => scope.db.fetchVal('SELECT $1::int', n)))
    t.ok((await observer.backends()).length > 0, 'open before ready')
  })
  await app.ready()
  t.same(early, [1, 2, 3])
  await until(() => app.db.stats().opening === 0)
  const { size, created } = app.db.stats()
  t.equal(created, size, 'none was opened twice')
  t.ok(size >= 2 && size <= 3, 'min, or one for each of the three calls')
  t.equal((await observer.backends()).length, size)
})

t.test('close works without ready, whether the pool was used or not', async (t) => {
  const observer = await freshDatabase(t)
  const unused = Fastify()
  await unused.register(postgresJs, { url: observer.url })
  await unused.close()
  t.same(await observer.backends(), [])
  t.equal(await codeOf(unused.db.fetchVal('SELECT 1')), 'FST_PG_CLOSED')

  const used = Fastify()
  await used.register(postgresJs, { url: observer.url, min: 2 })
  t.equal(await used.db.fetchVal('SELECT 1'), 1)
  await used.close()
  await until(async () => (await observer.backends()).length === 0) // one may have been about to connect
})

t.test('after close every helper rejects with FST_PG_CLOSED', async (t) => {
  const observer = await freshDatabase(t)
  const app = buildApp(t, observer)
  await app.ready()
  await app.close()
  const { db } = app
  const calls = [
    db.fetchOne('SELECT 1'), db.fetchAll('SELECT 1'), db.fetchVal('SELECT 1'), db.execute('SELECT 1'), db.executeWithReturning('SELECT 1'),
    db.executeMany('SELECT $1::int', [[1]]), db.executeManyWithReturning('SELECT $1::int', [[1]]), db.transaction(() => 1), db.acquire(),
  ]
  for (const call of calls) await t.rejects(call, { code: 'FST_PG_CLOSED', statusCode: 503 })
  t.equal((await db.health()).status, 'unavailable')
  await db.close()
  t.same(await observer.backends(), [])
  await t.rejects(db.open(), { code: 'FST_PG_CLOSED' }, 'it cannot be opened again')
})

t.test('a failure of another plugin leaves nothing open once the app is closed', async (t) => {
  const observer = await freshDatabase(t)
  const hook = buildApp(t, observer, { min: 2 })
  hook.addHook('onReady', async () => { throw new Error('cannot warm the cache') })
  await t.rejects(async () => await hook.ready(), { message: 'cannot warm the cache' })
  await hook.close()
  t.same(await observer.backends(), [])

  const plugin = buildApp(t, observer, { min: 2 })
  plugin.register(async (scope) => {
    await scope.db.fetchVal('SELECT 1')
    throw new Error('no such user')
  })
  await t.rejects(async () => await plugin.ready(), { message: 'no such user' })
  await plugin.close()
  // Connects that were under way are cut, which the server learns a moment later.
  await until(async () => (await observer.backends()).length === 0)
})

t.test('requests in flight when the app closes are answered, also where they still have queries to make', async (t) => {
  const observer = await freshDatabase(t)
  const app = buildApp(t, observer)
  app.get('/slow', async () => {
    await app.db.fetchVal('SELECT pg_advisory_lock_shared(1)')
    return { sum: await app.db.fetchVal<number>('SELECT 40 + 2') }
  })
  const address = await app.listen({ port: 0, host: '127.0.0.1' })
  await observer.rows('SELECT pg_advisory_lock(1)')
  const request = fetch(`${address}/slow`, { headers: { connection: 'close' } })
  await until(async () => (await observer.backends()).some(({ query }) => query.includes('advisory')))
  const closed = app.close()
  await until(async () => await fetch(address).then(() => false, () => true)) // no new ones are taken any more
  await observer.rows('SELECT pg_advisory_unlock(1)')
  const response = await request
  t.equal(response.status, 200)
  t.same(await response.json(), { sum: 42 })
  await closed
  t.same(await observer.backends(), [])
})

t.test('registering twice under one name is an error that names the way out', async (t) => {
  const observer = await freshDatabase(t)
  const app = buildApp(t, observer)
  app.register(postgresJs, { url: observer.url })
  await t.rejects(async () => await app.ready(), { code: 'FST_PG_ALREADY_REGISTERED', message: /fastify\.db exists already: .*\{ name: '…' \}/ })
  t.same(await observer.backends(), [])
})

t.test('two databases live under two names', async (t) => {
  const [first, second] = [await freshDatabase(t), await freshDatabase(t)]
  const app = buildApp(t, first)
  app.register(postgresJs, { name: 'reports', url: second.url, min: 2, max: 2 })
  await app.ready()
  t.equal(await app.db.fetchVal('SELECT current_database()'), new URL(first.url).pathname.slice(1))
  t.equal(await app.reports.fetchVal('SELECT current_database()'), new URL(second.url).pathname.slice(1))
  t.equal((await app.inject('/api/health')).json().database.max_size, 4)
  t.equal((await app.inject('/api/health/reports')).json().database.max_size, 2)
  await app.close()
  t.same([...await first.backends(), ...await second.backends()], [])
})

t.test('a database of its own for an encapsulated scope with a prefix', async (t) => {
  const observer = await freshDatabase(t)
  const app = Fastify()
  t.teardown(() => app.close())
  app.register(async (scope) => {
    await scope.register(postgresJs, { url: observer.url, min: 1, max: 2 })
    scope.get('/one', () => scope.db.fetchOne('SELECT 1 AS one'))
  }, { prefix: '/tenant' })
  app.register(async (sibling) => { t.notOk(sibling.hasDecorator('db')) })
  await app.ready()
  t.notOk(app.hasDecorator('db'))
  t.same((await app.inject('/tenant/one')).json(), { one: 1 })
  t.equal((await app.inject('/tenant/api/health')).statusCode, 200)
  t.equal((await app.inject('/api/health')).statusCode, 404)
  await app.close()
  t.same(await observer.backends(), [])
})

t.test('the prefix option stands in front of the health routes only', async (t) => {
  const observer = await freshDatabase(t)
  const app = buildApp(t, observer, { prefix: '/internal' })
  app.get('/one', () => app.db.fetchOne('SELECT 1 AS one'))
  await app.ready()
  t.equal((await app.inject('/internal/api/health')).statusCode, 200)
  t.equal((await app.inject('/internal/api/health/live')).statusCode, 200)
  t.equal((await app.inject('/api/health')).statusCode, 404)
  t.equal((await app.inject('/one')).statusCode, 200)
})

t.test('other plugins can depend on fastify-postgres-js, and on its decorator', async (t) => {
  const observer = await freshDatabase(t)
  const users = async (scope: FastifyInstance): Promise<void> => {
    scope.decorate('two', await scope.db.fetchVal<number>('SELECT 2') ?? 0)
  }
  const app = buildApp(t, observer)
  app.register(fp(users, { name: 'users', dependencies: ['fastify-postgres-js'], decorators: { fastify: ['db'] } }))
  await app.ready()
  t.equal(app.getDecorator<number>('two'), 2)

  const without = (options: PluginMetadata) => async () => { await Fastify().register(fp(users, { name: 'users', ...options })) }
  await t.rejects(without({ dependencies: ['fastify-postgres-js'] }), { code: 'FST_ERR_PLUGIN_DEPENDENCY_NOT_REGISTERED', message: /fastify-postgres-js/ })
  await t.rejects(without({ decorators: { fastify: ['db'] } }), { code: 'FST_ERR_PLUGIN_NOT_PRESENT_IN_INSTANCE', message: /'db'/ })
  t.throws(() => Fastify().getDecorator<Database>('db'), { code: 'FST_ERR_DEC_UNDECLARED' })
})

t.test('a bad option or variable rejects the registration with one coded error', async (t) => {
  const bad: Array<[options: object, says: RegExp]> = [
    [{ mni: 1 }, /^unknown option mni: did you mean min\?$/],
    [{ min: -1 }, /^option min takes/],
    [{ min: 5, max: 4 }, /^min \(5\) is greater than max \(4\)/],
    [{ url: 'http://localhost' }, /^option url is not a Postgres URL/],
    [{ name: '' }, /^option name takes/],
    [{ name: 5 }, /^option name takes/],
    [{ health: true }, /^option health takes/],
    [{ health: null }, /^option health takes/],
    [{ health: { pahts: '/x' } }, /^unknown option health\.pahts: did you mean health\.path\?$/],
    [{ health: { cache: -1 } }, /^option health\.cache takes/],
    [{ health: { path: 5 } }, /^option health\.path takes/],
    [{ health: { routeOptions: 5 } }, /^option health\.routeOptions takes/],
    [{ prefix: 5 }, /^option prefix takes/],
  ]
  for (const [options, message] of bad) {
    const app = Fastify()
    app.register(postgresJs, { startupTimeout: 0.1, ...options }) // one that is wrongly accepted must not take long
    await t.rejects(async () => await app.ready(), { code: 'FST_PG_OPTION', message }, JSON.stringify(options))
    await app.close()
  }
  process.env['DB_MAX_POOL_SIZE'] = 'many'
  t.teardown(() => { delete process.env['DB_MAX_POOL_SIZE'] })
  await t.rejects(async () => await Fastify().register(postgresJs, {}), { code: 'FST_PG_OPTION', message: /^environment variable DB_MAX_POOL_SIZE takes a whole number/ })
})

t.test('the environment alone is enough', async (t) => {
  const observer = await freshDatabase(t)
  Object.assign(process.env, { DATABASE_URL: observer.url, DB_MIN_POOL_SIZE: '2', DB_MAX_POOL_SIZE: '3' })
  t.teardown(() => { for (const name of ['DATABASE_URL', 'DB_MIN_POOL_SIZE', 'DB_MAX_POOL_SIZE']) delete process.env[name] })
  const app = Fastify()
  t.teardown(() => app.close())
  app.register(postgresJs)
  await app.ready()
  t.equal(await app.db.fetchVal('SELECT current_database()'), new URL(observer.url).pathname.slice(1))
  t.match(app.db.stats(), { size: 2, min: 2, max: 3 })
})

t.test("errors of the library carry the status codes that Fastify's error handler answers with", async (t) => {
  const observer = await freshDatabase(t)
  const app = buildApp(t, observer, { max: 1, acquireTimeout: 0.05 })
  app.get('/full', () => app.db.fetchVal('SELECT 1'))
  app.get('/slow', () => app.db.fetchVal({ text: 'SELECT pg_sleep(60)', timeout: 0.05 }))
  await app.ready()
  const slow = await app.inject('/slow')
  t.match([slow.statusCode, slow.json().code], [504, 'FST_PG_QUERY_TIMEOUT'])
  const lease = await app.db.acquire()
  const full = await app.inject('/full')
  t.match([full.statusCode, full.json().code], [503, 'FST_PG_ACQUIRE_TIMEOUT'])
  lease.release()
})
