import { connect, type AddressInfo } from 'node:net'
import { once } from 'node:events'
import underPressure from '@fastify/under-pressure'
import Fastify, { type FastifyInstance, type FastifyReply } from 'fastify'
import t, { type Test } from 'tap'
import postgresJs, { type FastifyPostgresJsOptions } from '../../plugins/db.js'
import { freshDatabase, memoryLog, until, type Observer } from '../support/database.js'

async function build (t: Test, observer: Observer, options: FastifyPostgresJsOptions): Promise<FastifyInstance> {
  const app = Fastify({ forceCloseConnections: true }) // fetch keeps connections for seconds
  t.teardown(() => app.close())
  await app.register(postgresJs, { url: observer.url, min: 1, log: memoryLog(), ...options })
  return app
}

const BODY = { statusCode: 503, code: 'FST_PG_QUEUE_FULL', error: 'Service Unavailable', message: /^the database is busy$/ }

t.test('a full queue', async (t) => {
  const observer = await freshDatabase(t)

  for (const [what, handler] of [
    ['Fastify itself', undefined],
    ['an error handler that sends the error', (error: Error, _: unknown, reply: FastifyReply) => { reply.send(error) }],
  ] as const) {
    t.test(`is answered by ${what} with 503, Retry-After and the code`, async (t) => {
      const app = await build(t, observer, { max: 1, maxWaiting: 1 })
      if (handler !== undefined) app.setErrorHandler(handler)
      app.get('/one', async () => await app.db.fetchVal('SELECT 1'))
      await app.ready()
      const lease = await app.db.acquire()
      const waiting = app.inject('/one').then(({ statusCode }) => statusCode)
      await until(() => app.db.stats().waiting === 1)
      const refused = await app.inject('/one')
      t.equal(refused.statusCode, 503)
      t.equal(refused.headers['retry-after'], '1')
      t.match(refused.json(), BODY)
      await lease.release()
      t.equal(await waiting, 200)
      t.equal((await app.inject('/one')).statusCode, 200)
    })
  }
})

t.test('load is shed as docs/patterns.md says: who is in is served, who comes is refused at once, and it recovers', async (t) => {
  const observer = await freshDatabase(t)
  const app = await build(t, observer, { max: 2, maxWaiting: 40, health: { routeOptions: { config: { pressureHandler: () => {} } } } })
  await app.register(underPressure, { healthCheck: async () => app.db.stats().waiting < 10, healthCheckInterval: 20, retryAfter: 1 })
  app.get<{ Params: { n: number } }>('/slow/:n', async ({ params }) => ({ n: await app.db.fetchVal('SELECT $1::int FROM pg_sleep(0.02)', params.n) }))
  const url = await app.listen({ port: 0, host: '127.0.0.1' })

  const leases = [await app.db.acquire(), await app.db.acquire()]
  const early = Array.from({ length: 10 }, async (_, n) => {
    const response = await fetch(`${url}/slow/${n}`)
    return { status: response.status, body: await response.json() }
  })
  await until(() => app.isUnderPressure())
  const { waited } = app.db.stats()
  const late = await Promise.all(Array.from({ length: 100 }, () => fetch(`${url}/slow/0`)))
  t.equal(app.db.stats().waiting, 10, 'they were all answered while the first were still waiting')
  t.same([...new Set(late.map(({ status, headers }) => `${status} ${headers.get('retry-after')}`))], ['503 1'])
  t.match(await late[0]?.json(), { code: 'FST_UNDER_PRESSURE' })
  t.same([app.db.stats().waited, app.db.stats().refused], [waited, 0], 'none of them got to the pool')
  t.equal((await fetch(`${url}/api/health/live`)).status, 200, 'probes are answered')
  t.match(await (await fetch(`${url}/api/health`)).json(), { status: 'degraded' })

  for (const lease of leases) await lease.release()
  t.same(await Promise.all(early), Array.from({ length: 10 }, (_, n) => ({ status: 200, body: { n } })))
  await until(() => !app.isUnderPressure())
  t.equal((await fetch(`${url}/slow/7`)).status, 200)
})

/** As docs/patterns.md has it. */
function whenGone (reply: FastifyReply): AbortSignal {
  const controller = new AbortController()
  reply.raw.once('close', () => { if (!reply.raw.writableFinished) controller.abort() })
  return controller.signal
}

t.test('a client that goes away', async (t) => {
  const observer = await freshDatabase(t)

  /** An app with one connection, and how its handlers' calls ended. */
  async function listening (t: Test): Promise<{ app: FastifyInstance, url: string, codes: string[] }> {
    const app = await build(t, observer, { max: 1 })
    const codes: string[] = []
    const sleep = async (signal: AbortSignal) => await app.db.fetchVal({ text: 'SELECT 1 FROM pg_sleep(30)', signal }).catch((error) => {
      codes.push(error.code)
      throw error
    })
    app.get('/request-signal', (request) => sleep(request.signal))
    app.get('/when-gone', (_, reply) => sleep(whenGone(reply)))
    app.post('/when-gone', (_, reply) => sleep(whenGone(reply)))
    app.post('/answered', async (_, reply) => ({ value: await app.db.fetchVal({ text: 'SELECT 1 FROM pg_sleep(0.05)', signal: whenGone(reply) }) }))
    return { app, url: await app.listen({ port: 0, host: '127.0.0.1' }), codes }
  }

  const json = { method: 'POST', body: '{"a":1}', headers: { 'content-type': 'application/json' } }

  for (const [path, init] of [['/request-signal', {}], ['/when-gone', {}], ['/when-gone', json]] as const) {
    t.test(`leaves the queue, by ${path} of a ${'method' in init ? 'POST' : 'GET'}`, async (t) => {
      const { app, url, codes } = await listening(t)
      const lease = await app.db.acquire()
      const controllers = Array.from({ length: 20 }, () => new AbortController())
      const requests = controllers.map(({ signal }) => fetch(url + path, { ...init, signal }))
      await until(() => app.db.stats().waiting === 20)
      for (const controller of controllers) controller.abort()
      for (const each of requests) await t.rejects(each, { name: 'AbortError' })
      await until(() => app.db.stats().waiting === 0)
      t.same(codes, Array(20).fill('FST_PG_ABORTED'))
      await lease.release()
      t.equal(await app.db.fetchVal('SELECT 2'), 2)
    })

    t.test(`has its running statement cancelled, by ${path} of a ${'method' in init ? 'POST' : 'GET'}`, async (t) => {
      const { app, url, codes } = await listening(t)
      const controller = new AbortController()
      const request = fetch(url + path, { ...init, signal: controller.signal })
      const running = async (): Promise<boolean> => (await observer.backends()).some(({ state, query }) => state === 'active' && query.includes('pg_sleep'))
      await until(running)
      controller.abort()
      await t.rejects(request, { name: 'AbortError' })
      await until(async () => !await running())
      await until(() => app.db.stats().free === 1)
      t.same(codes, ['FST_PG_ABORTED'])
      t.match(app.db.stats(), { created: 1, waiting: 0 }, 'the connection is kept')
    })
  }

  t.test('by a socket that is destroyed while it waits', async (t) => {
    const { app, codes } = await listening(t)
    const lease = await app.db.acquire()
    const socket = connect((app.server.address() as AddressInfo).port, '127.0.0.1')
    await once(socket, 'connect')
    socket.write('GET /request-signal HTTP/1.1\r\nHost: test\r\n\r\n')
    await until(() => app.db.stats().waiting === 1)
    socket.destroy()
    await until(() => app.db.stats().waiting === 0)
    t.same(codes, ['FST_PG_ABORTED'])
    await lease.release()
  })

  t.test('and one that stays gets its answer, also to a POST', async (t) => {
    const { url } = await listening(t)
    const response = await fetch(`${url}/answered`, json)
    t.same([response.status, await response.json()], [200, { value: 1 }])
  })
})
