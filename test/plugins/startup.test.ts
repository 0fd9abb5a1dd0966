import Fastify, { type FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import postgresJs, { type FastifyPostgresJsOptions } from '../../plugins/db.js'
import { startEmbeddedPostgres } from '../../tools/embedded-postgres/embedded-postgres.js'
import { freshDatabase, memoryLog, until, uniqueName } from '../support/database.js'
import { FaultProxy } from '../../tools/fault-proxy.js'

/** Every start here has to end well before the deadlines that it does not set. */
const LONG = 8

async function buildApp (t: Test, options: FastifyPostgresJsOptions): Promise<FastifyInstance> {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(postgresJs, { min: 1, max: 4, log: memoryLog(), ...options })
  return app
}

/** Why `work` failed. */
async function failure (work: PromiseLike<unknown>): Promise<Error & { code?: string, cause?: unknown }> {
  return await Promise.resolve(work).then(() => { throw new Error('it worked') }, (error) => error)
}

const seconds = (start: number): number => (performance.now() - start) / 1000

t.test('without a server, ready rejects within startupTimeout, after repeated attempts, with the true cause', async (t) => {
  const observer = await freshDatabase(t)
  const proxy = await FaultProxy.start(t, observer.url)
  await proxy.set('refuse')
  const app = await buildApp(t, { url: proxy.url, startupTimeout: 0.5 })
  const start = performance.now()
  const error = await failure(app.ready())
  t.match(error, { code: 'FST_PG_STARTUP', statusCode: 503, message: 'the database is unavailable', advice: /0\.5 s; last failure: ECONNREFUSED/ })
  t.match(error.cause, { code: 'ECONNREFUSED' })
  t.ok(seconds(start) >= 0.45, 'not at once')
  t.ok(seconds(start) < LONG, `within the time: ${seconds(start)} s`)
  t.ok(app.db.stats().connectFailures > 1, 'tried again')
})

t.test('a failed start leaves nothing open, and no timer that would go on', async (t) => {
  const observer = await freshDatabase(t)
  const proxy = await FaultProxy.start(t, observer.url)
  await proxy.set('refuse')
  const app = await buildApp(t, { url: proxy.url, startupTimeout: 0.2 })
  await failure(app.ready())
  const { connectFailures } = app.db.stats()
  await proxy.set('forward')
  t.equal((await failure(app.db.fetchVal('SELECT 1'))).code, 'FST_PG_STARTUP', 'a call tells why')
  t.equal((await failure(app.db.acquire())).code, 'FST_PG_STARTUP')
  t.match(app.db.stats(), { size: 0, opening: 0, closing: 0, waiting: 0, connectFailures })
  await app.close()
  t.equal(proxy.accepted, 0, 'no attempt after the end')
  t.same(await observer.backends(), [])
})

t.test('connections that were open when the start failed are closed', async (t) => {
  const observer = await freshDatabase(t)
  const name = new URL(observer.url).pathname.slice(1)
  const username = uniqueName('few')
  await observer.rows(`CREATE ROLE ${username} LOGIN PASSWORD 'few' CONNECTION LIMIT 1`)
  t.teardown(() => observer.rows(`DROP ROLE IF EXISTS ${username}`))
  const url = new URL(observer.url)
  Object.assign(url, { username, password: 'few' })
  const app = await buildApp(t, { url: url.href, min: 3, startupTimeout: 3 })
  const error = await failure(app.ready())
  t.match(error, { code: 'FST_PG_STARTUP', cause: { code: '53300' } }, name)
  await until(async () => (await observer.backends()).length === 0)
  t.match(app.db.stats(), { size: 0, opening: 0, closing: 0 })
  await observer.rows(`DROP ROLE ${username}`)
})

t.test('a server that swallows everything: the cause is the timeout of the connect', async (t) => {
  const observer = await freshDatabase(t)
  const proxy = await FaultProxy.start(t, observer.url)
  await proxy.set('black-hole')
  const app = await buildApp(t, { url: proxy.url, startupTimeout: 0.6, connectTimeout: 0.2 })
  const error = await failure(app.ready())
  t.match(error, { code: 'FST_PG_STARTUP', cause: { code: 'CONNECT_TIMEOUT' } })
  t.ok(proxy.accepted > 1, 'tried again')
})

t.test('a server that hangs up at once is tried again, at a bearable rate', async (t) => {
  const observer = await freshDatabase(t)
  const proxy = await FaultProxy.start(t, observer.url)
  await proxy.set('hang-up')
  const app = await buildApp(t, { url: proxy.url, startupTimeout: 0.6 })
  t.equal((await failure(app.ready())).code, 'FST_PG_STARTUP')
  t.ok(proxy.accepted > 1 && proxy.accepted < 30, `${proxy.accepted} attempts`)
})

t.test('a server that comes up during the attempts is found', async (t) => {
  const observer = await freshDatabase(t)
  const proxy = await FaultProxy.start(t, observer.url)
  await proxy.set('refuse')
  const app = await buildApp(t, { url: proxy.url, min: 3, startupTimeout: LONG })
  const ready = Promise.resolve(app.ready())
  await until(() => app.db.stats().connectFailures >= 2)
  await proxy.set('forward')
  await ready
  t.match(app.db.stats(), { size: 3, free: 3 })
  t.equal((await observer.backends()).length, 3)
})

t.test('a query before ready hears of the failed start through its own call', async (t) => {
  const observer = await freshDatabase(t)
  const proxy = await FaultProxy.start(t, observer.url)
  await proxy.set('refuse')
  const app = await buildApp(t, { url: proxy.url, startupTimeout: 0.2 })
  t.match(await failure(app.db.fetchVal('SELECT 1')), { code: 'FST_PG_STARTUP', cause: { code: 'ECONNREFUSED' } })
  t.equal((await failure(app.ready())).code, 'FST_PG_STARTUP')
})

t.test('what cannot get better is not tried again', async (t) => {
  const observer = await freshDatabase(t)
  const wrongPassword = new URL(observer.url)
  wrongPassword.password = 'wrong'
  const cases: Array<[what: string, options: FastifyPostgresJsOptions, code: string]> = [
    ['a wrong password', { url: wrongPassword.href }, '28P01'],
    ['an unknown user', { url: observer.url, user: 'nobody_at_all' }, '28P01'],
    ['an unknown database', { url: observer.url, database: 'no_such_database' }, '3D000'],
    ['an unknown session setting', { url: observer.url, parameters: { no_such_setting: 1 } }, '42704'],
    ['a bad value of a session setting', { url: observer.url, parameters: { work_mem: 'much' } }, '22023'],
    ['TLS where the server has none', { url: observer.url, ssl: 'require' }, 'TLS_REFUSED'],
  ]
  for (const [what, options, code] of cases) {
    for (const min of [1, 4]) {
      const app = await buildApp(t, { ...options, min, startupTimeout: 60 })
      const start = performance.now()
      const error = await failure(app.ready())
      t.match(error, { code: /^FST_PG_CONNECT$/, statusCode: 503, advice: `(${code})`, cause: { code } }, `${what}, min ${min}`)
      t.ok(seconds(start) < LONG, 'at once')
      t.equal(app.db.stats().connectFailures, 1, `${what}, min ${min}: one attempt is enough to know`)
      t.match(await failure(app.db.fetchVal('SELECT 1')), { code: /^FST_PG_CONNECT$/, cause: { code } }, 'a call tells why')
    }
  }
  await until(async () => (await observer.backends()).length === 0)
})

t.test('onConnect that always fails stops the start with its own error as the cause', async (t) => {
  const observer = await freshDatabase(t)
  const onConnect = (): never => { throw Object.assign(new Error('no extension'), { code: 'NO_EXTENSION' }) }
  const app = await buildApp(t, { url: observer.url, startupTimeout: 0.3, onConnect })
  t.match(await failure(app.ready()), { code: 'FST_PG_STARTUP', cause: { code: 'NO_EXTENSION' } })
  await until(async () => (await observer.backends()).length === 0)
})

t.test('required: false boots without a server, and heals by itself when the server starts', async (t) => {
  const server = await startEmbeddedPostgres()
  t.teardown(() => server.close())
  await server.stop()
  const app = await buildApp(t, { url: server.url, required: false, min: 2, acquireTimeout: 0.2, health: { cache: 0 } })
  app.get('/one', () => app.db.fetchOne('SELECT 1 AS one'))
  const start = performance.now()
  await app.ready()
  t.ok(seconds(start) < LONG, 'does not wait for the server')
  t.match(await app.inject('/api/health').then((response) => [response.statusCode, response.json()]), [503, { status: 'unavailable', database: { status: 'unavailable', pool_size: 0 } }])
  const one = await app.inject('/one')
  t.match([one.statusCode, one.json().code], [503, 'FST_PG_ACQUIRE_TIMEOUT'])

  await server.start()
  await until(() => app.db.stats().size === 2)
  t.match(await app.inject('/api/health').then((response) => [response.statusCode, response.json().status]), [200, 'healthy'])
  t.same((await app.inject('/one')).json(), { one: 1 })
  t.match(app.db.stats(), { size: 2, free: 2, waiting: 0, opening: 0 })
})

t.test('required: false with min: 0 heals by the health check alone', async (t) => {
  const observer = await freshDatabase(t)
  const proxy = await FaultProxy.start(t, observer.url)
  await proxy.set('refuse')
  const app = await buildApp(t, { url: proxy.url, required: false, min: 0, health: { cache: 0, timeout: 0.1 } })
  await app.ready()
  t.equal((await app.inject('/api/health')).statusCode, 503)
  t.equal((await app.inject('/api/health')).statusCode, 503)
  await proxy.set('forward')
  await until(async () => (await app.inject('/api/health')).statusCode === 200, 5).catch(() => {})
  t.equal((await app.inject('/api/health')).statusCode, 200)
})

t.test('required: false does not wait for a server that swallows everything either', async (t) => {
  const observer = await freshDatabase(t)
  const proxy = await FaultProxy.start(t, observer.url)
  await proxy.set('black-hole')
  const app = await buildApp(t, { url: proxy.url, required: false, startupTimeout: 0.3, connectTimeout: 60 })
  const start = performance.now()
  await app.ready()
  t.ok(seconds(start) < LONG)
  t.equal((await app.inject('/api/health')).statusCode, 503)
  await proxy.set('forward')
  await until(() => app.db.stats().size === 1)
  t.equal(await app.db.fetchVal('SELECT 1'), 1)
})

t.test('closing while the start is under way leaves nothing', async (t) => {
  const observer = await freshDatabase(t)
  const proxy = await FaultProxy.start(t, observer.url)
  proxy.delay(200)
  const app = await buildApp(t, { url: proxy.url, min: 3 })
  const call = failure(app.db.fetchVal('SELECT 1'))
  await until(() => proxy.size > 0)
  await app.close()
  t.equal((await call).code, 'FST_PG_CLOSED')
  t.match(app.db.stats(), { size: 0, opening: 0, closing: 0, waiting: 0 })
  await until(() => proxy.size === 0)
  await until(async () => (await observer.backends()).length === 0)
})
