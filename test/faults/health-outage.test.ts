import { Writable } from 'node:stream'
import Fastify, { type FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import postgresJs, { type FastifyPostgresJsOptions } from '../../plugins/db.js'
import { startEmbeddedPostgres, type EmbeddedPostgres } from '../../tools/embedded-postgres/embedded-postgres.js'
import { freshDatabase, memoryLog, until, Observer } from '../support/database.js'
import { FaultProxy } from '../../tools/fault-proxy.js'

/** Longer than any answer may take, and shorter than what a check that hangs would wait for. */
const DEADLINE = 5

async function buildApp (t: Test, url: string, options: FastifyPostgresJsOptions = {}): Promise<FastifyInstance> {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(postgresJs, { url, min: 2, max: 3, log: memoryLog(), closeTimeout: 1, ...options, ...(options.health !== false && { health: { cache: 0, ...options.health } }) })
  await app.ready()
  return app
}

interface Probe { code: number, status: string, body: string, seconds: number }

async function probe (app: FastifyInstance): Promise<Probe> {
  const start = performance.now()
  const response = await app.inject('/api/health')
  return { code: response.statusCode, status: response.json().status, body: response.body, seconds: (performance.now() - start) / 1000 }
}

/** The pool is whole again, and the server knows of no connection that the pool does not know of. */
async function whole (t: Test, app: FastifyInstance, observer: Observer): Promise<void> {
  await until(async () => {
    const { size, free, waiting, opening, closing, min } = app.db.stats()
    return size >= min && free === size && waiting + opening + closing === 0 && (await observer.backends()).length === size
  })
  t.pass('nothing leaked')
}

/** A server of the test's own, to be stopped and started. */
async function ownServer (t: Test): Promise<EmbeddedPostgres> {
  const server = await startEmbeddedPostgres()
  t.teardown(() => server.close())
  return server
}

async function observe (t: Test, server: EmbeddedPostgres): Promise<Observer> {
  const observer = await new Observer(server.url).open()
  t.teardown(() => observer.close())
  return observer
}

t.test('the server stops and starts', async (t) => {
  const server = await ownServer(t)

  t.test('stopped: 503 within the deadline, and the body tells nobody why; started: healthy by itself', async (t) => {
    const app = await buildApp(t, server.url)
    t.equal((await probe(app)).status, 'healthy')
    await server.stop()
    for (let n = 0; n < 3; n++) {
      const report = await probe(app)
      t.match(report, { code: 503, status: 'unavailable' })
      t.ok(report.seconds < DEADLINE, `within the deadline: ${report.seconds} s`)
      const { host, port, user, password } = server
      for (const hidden of [host, String(port), user, password, 'ECONN', 'refused', 'error', 'cause', 'SELECT']) {
        t.notOk(report.body.includes(hidden), `the body does not say ${hidden === password ? 'the password' : hidden}: ${report.body}`)
      }
      t.same(Object.keys(JSON.parse(report.body)), ['status', 'database'])
    }
    await server.start()
    await until(async () => (await probe(app)).code === 200)
    await whole(t, app, await observe(t, server))
  })

  t.test('with min: 0 it becomes healthy again by being asked alone', async (t) => {
    const app = await buildApp(t, server.url, { min: 0, health: { timeout: 0.2 } })
    t.equal((await probe(app)).status, 'healthy')
    await server.stop()
    await until(async () => (await probe(app)).code === 503)
    t.equal((await probe(app)).code, 503)
    await server.start()
    await until(async () => (await probe(app)).code === 200, DEADLINE).catch(() => {})
    t.equal((await probe(app)).code, 200)
  })

  t.test('a success is not believed for the cache time once all connections are gone', async (t) => {
    const app = await buildApp(t, server.url, { health: { cache: 60 } })
    t.equal((await probe(app)).status, 'healthy')
    await server.stop()
    await until(() => app.db.stats().size === 0)
    t.equal((await probe(app)).code, 503)
    await server.start()
  })

  t.test('a failure is kept for the cache time, so that it costs no attempt of its own', async (t) => {
    const log = memoryLog()
    const app = await buildApp(t, server.url, { log, health: { cache: 60 } })
    await server.stop('immediate')
    await until(() => app.db.stats().size === 0)
    t.equal((await probe(app)).code, 503)
    await server.start()
    await until(() => app.db.stats().size === 2)
    const { acquired } = app.db.stats()
    t.equal((await probe(app)).code, 503)
    t.equal(app.db.stats().acquired, acquired)
  })

  t.test('the liveness route never asks the database', async (t) => {
    const app = await buildApp(t, server.url)
    const live = async () => {
      const response = await app.inject('/api/health/live')
      return [response.statusCode, response.json(), response.headers['cache-control']]
    }
    const { acquired } = app.db.stats()
    t.same(await live(), [200, { status: 'alive' }, 'no-store'])
    t.equal(app.db.stats().acquired, acquired)
    await server.stop()
    t.same(await live(), [200, { status: 'alive' }, 'no-store'])
    await app.db.close()
    t.same(await live(), [200, { status: 'alive' }, 'no-store'])
    await server.start()
  })

  t.test('the cause goes to the log, once for an outage, and probes do not fill it', async (t) => {
    const lines: Array<{ level: number, msg: string, code?: string }> = []
    const stream = new Writable({
      write (chunk, _encoding, done) {
        lines.push(JSON.parse(String(chunk)))
        done()
      }
    })
    const app = Fastify({ logger: { level: 'info', stream } })
    t.teardown(() => app.close())
    await app.register(postgresJs, { url: server.url, min: 1, max: 2, health: { cache: 0 } })
    await app.ready()
    await server.stop()
    await until(() => app.db.stats().size === 0)
    for (let n = 0; n < 5; n++) await probe(app)
    await server.start()
    await until(async () => (await probe(app)).code === 200)
    const about = (text: string) => lines.filter(({ msg }) => msg.includes(text))
    t.equal(about('does not answer the health check').length, 1)
    t.match(about('does not answer the health check')[0], { level: 50, code: /^[A-Z0-9_]+$/ })
    t.equal(about('answers the health check again').length, 1)
    t.same(about('incoming request'), [])
    t.same(about('request completed'), [])
  })
})

t.test('a black hole: 503 within the deadline, and healthy again after it heals', async (t) => {
  const observer = await freshDatabase(t)
  const proxy = await FaultProxy.start(t, observer.url)
  const app = await buildApp(t, proxy.url)
  t.equal((await probe(app)).status, 'healthy')
  await proxy.set('black-hole')
  for (let n = 0; n < 3; n++) {
    const report = await probe(app)
    t.match(report, { code: 503, status: 'unavailable' })
    t.ok(report.seconds < DEADLINE, `within the deadline: ${report.seconds} s`)
  }
  await proxy.set('forward')
  await until(async () => (await probe(app)).code === 200)
  await whole(t, app, observer)
})

t.test('a black hole while all connections are held: the check does not mistake silence for health', async (t) => {
  const observer = await freshDatabase(t)
  const proxy = await FaultProxy.start(t, observer.url)
  const app = await buildApp(t, proxy.url, { commandTimeout: 60 })
  const leases = await Promise.all([app.db.acquire(), app.db.acquire(), app.db.acquire()])
  t.equal((await probe(app)).status, 'healthy')
  await proxy.set('black-hole')
  const report = await probe(app)
  t.match(report, { code: 503, status: 'unavailable' })
  t.ok(report.seconds < DEADLINE, `within the deadline: ${report.seconds} s`)
  await proxy.set('forward')
  t.equal((await probe(app)).status, 'healthy')
  for (const lease of leases) lease.release()
  await whole(t, app, observer)
})

t.test('the deadline can be set', async (t) => {
  const observer = await freshDatabase(t)
  const proxy = await FaultProxy.start(t, observer.url)
  const quick = await buildApp(t, proxy.url, { health: { timeout: 0.05 } })
  const patient = await buildApp(t, proxy.url, { health: { timeout: 2 } })
  await proxy.set('black-hole')
  const [first, second] = await Promise.all([probe(quick), probe(patient)])
  t.same([first.code, second.code], [503, 503])
  t.ok(first.seconds < second.seconds, `${first.seconds} s < ${second.seconds} s`)
  t.ok(second.seconds >= 1.9 && second.seconds < 2 + DEADLINE, `${second.seconds} s`)
})

t.test('two hundred requests in an outage are one check', async (t) => {
  const observer = await freshDatabase(t)
  const proxy = await FaultProxy.start(t, observer.url)
  const app = await buildApp(t, proxy.url, { health: { cache: 60, timeout: 0.2 } })
  await proxy.set('black-hole')
  const { acquired } = app.db.stats()
  const reports = await Promise.all(Array.from({ length: 200 }, () => probe(app)))
  t.same([...new Set(reports.map(({ code }) => code))], [503])
  t.equal(app.db.stats().acquired - acquired, 1)
  await proxy.set('forward')
  await whole(t, app, observer)
})

t.test('backends that were killed are replaced, and the check finds the new ones', async (t) => {
  const observer = await freshDatabase(t)
  const app = await buildApp(t, observer.url)
  await observer.kill()
  await until(async () => (await probe(app)).code === 200)
  await whole(t, app, observer)
})

t.test('refused: connections that exist keep the pool healthy', async (t) => {
  const observer = await freshDatabase(t)
  const proxy = await FaultProxy.start(t, observer.url)
  const app = await buildApp(t, proxy.url)
  await proxy.set('refuse')
  t.equal((await probe(app)).status, 'healthy')
  proxy.cut()
  await until(() => app.db.stats().size === 0)
  t.equal((await probe(app)).code, 503)
  await proxy.set('forward')
  await until(async () => (await probe(app)).code === 200)
  await whole(t, app, observer)
})
