import t, { type Test } from 'tap'
import { startEmbeddedPostgres, type EmbeddedPostgres } from '../../tools/embedded-postgres/embedded-postgres.js'
import { createDatabase, type Database, type DatabaseOptions } from '../../src/index.js'
import { memoryLog, Observer, until } from '../support/database.js'

/** A server of the test's own, to be stopped and started, and a pool on it. */
async function start (t: Test, options: DatabaseOptions): Promise<{ server: EmbeddedPostgres, db: Database, log: ReturnType<typeof memoryLog> }> {
  const server = await startEmbeddedPostgres()
  const log = memoryLog()
  const db = createDatabase({ url: server.url, log, ...options }, {})
  t.teardown(async () => {
    await db.close()
    await server.close()
  })
  return { server, db, log }
}

t.test('all die and replacements fail: waiters learn the true cause, and when the server returns the pool works by itself (cases 15, 16)', async (t) => {
  const { server, db, log } = await start(t, { min: 3, max: 3, acquireTimeout: 0.5 })
  await db.open()
  const running = db.fetchVal('SELECT pg_sleep(30)')
  running.catch(() => {})
  await until(() => db.stats().busy === 1)
  await server.stop('immediate')
  await t.rejects(running, { code: 'FST_PG_CONNECTION_LOST', statusCode: 503 })
  await until(() => db.stats().size === 0) // each connection learns of it by itself
  const waiting = await Promise.allSettled(Array.from({ length: 20 }, () => db.fetchVal('SELECT 1')))
  for (const outcome of waiting) {
    if (outcome.status === 'fulfilled') throw new Error('nobody can be served')
    t.match(outcome.reason, { code: 'FST_PG_ACQUIRE_TIMEOUT', advice: /connecting fails \(ECONNREFUSED\)/, cause: { code: 'ECONNREFUSED' } })
    t.notMatch(`${outcome.reason.message} ${outcome.reason.advice}`, /127\.0\.0\.1|localhost/)
  }
  t.match(db.stats(), { size: 0, free: 0, busy: 0, waiting: 0 })
  const served = db.fetchVal('SELECT 1')
  served.catch(() => {})
  await server.start()
  await until(() => db.stats().free === 3, 5)
  t.match(db.stats(), { size: 3, free: 3, busy: 0 })
  t.equal(await db.fetchVal('SELECT 1'), 1)
  await served.catch((error) => t.equal(error.code, 'FST_PG_ACQUIRE_TIMEOUT'))
  const observer = await new Observer(server.url).open()
  t.equal((await observer.backends()).length, 3)
  await observer.close()
  t.ok(log.lines.some(({ message }) => message === 'database connection lost'))
})

t.test('refused, and up a moment later: served within the deadline (case 18)', async (t) => {
  const { server, db } = await start(t, { min: 1, max: 2, acquireTimeout: 20 })
  await db.open()
  await server.stop('fast')
  await until(() => db.stats().size === 0)
  const calls = Array.from({ length: 10 }, (_, i) => db.fetchVal('SELECT $1::int', i))
  await until(() => db.stats().connectFailures > 0)
  await server.start()
  t.same(await Promise.all(calls), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
})

t.test('the server asks us to leave (fast shutdown) in the middle of transactions: each rejects, none is half done', async (t) => {
  const { server, db } = await start(t, { min: 4, max: 4, acquireTimeout: 20 })
  await db.execute('CREATE TABLE moves (id int)')
  const moves = Array.from({ length: 4 }, (_, i) => db.transaction(async (tx) => {
    await tx.execute('INSERT INTO moves VALUES ($1)', i)
    await tx.fetchVal('SELECT pg_sleep(30)')
  }))
  const outcomes = Promise.allSettled(moves)
  await until(() => db.stats().busy === 4)
  await server.stop('fast')
  for (const outcome of await outcomes) t.equal(outcome.status === 'rejected' && outcome.reason.code, 'FST_PG_CONNECTION_LOST')
  await server.start()
  t.equal(await db.fetchVal('SELECT count(*) FROM moves'), 0)
})

t.test('a retry storm: 16 workers on 8 connections, 20 kills, retried at once: everything works afterwards (case 44)', async (t) => {
  const { server, db } = await start(t, { min: 8, max: 8 })
  await db.open()
  const observer = await new Observer(server.url).open()
  const end = new AbortController()
  const workers = Array.from({ length: 16 }, async () => {
    while (!end.signal.aborted) {
      await db.fetchVal('SELECT 1 FROM pg_sleep(0.001)').catch((error) => {
        if (error.code !== 'FST_PG_CONNECTION_LOST') throw error
      })
    }
  })
  for (let kills = 0; kills < 20; kills++) {
    await observer.kill()
    await db.fetchVal('SELECT 1').catch(() => {})
  }
  end.abort()
  await Promise.all(workers)
  const later = await Promise.all(Array.from({ length: 32 }, (_, i) => db.fetchVal('SELECT $1::int', i)))
  t.same(later, Array.from({ length: 32 }, (_, i) => i))
  await until(() => db.stats().free === 8)
  t.match(db.stats(), { size: 8, free: 8, busy: 0, waiting: 0 })
  await until(async () => (await observer.backends()).length === 8)
  t.equal((await observer.backends()).length, 8)
  await observer.close()
})

t.test('too many connections for the server: callers wait and are served by those there are (case 49)', async (t) => {
  const server = await startEmbeddedPostgres({ settings: { max_connections: 6, superuser_reserved_connections: 0, reserved_connections: 0, max_wal_senders: 0 } })
  const db = createDatabase({ url: server.url, min: 2, max: 20, log: memoryLog() }, {})
  t.teardown(async () => {
    await db.close()
    await server.close()
  })
  const values = await Promise.all(Array.from({ length: 40 }, (_, i) => db.fetchVal('SELECT $1::int FROM pg_sleep(0.01)', i)))
  t.same(values, Array.from({ length: 40 }, (_, i) => i))
  t.ok(db.stats().size <= 6)
  t.ok(db.stats().connectFailures > 0, 'the server refused some')
  t.match(db.stats(), { errors: 0, acquireTimeouts: 0, waiting: 0 })
})

t.test('the pool needs more connections than the server has: the start says so', async (t) => {
  const server = await startEmbeddedPostgres({ settings: { max_connections: 5, superuser_reserved_connections: 0, reserved_connections: 0, max_wal_senders: 0 } })
  t.teardown(() => server.close())
  const db = createDatabase({ url: server.url, min: 10, max: 10, startupTimeout: 1, log: memoryLog() }, {})
  await t.rejects(db.open(), { code: 'FST_PG_STARTUP', advice: /53300/, cause: { code: '53300' } })
  t.match(db.stats(), { size: 0, opening: 0, closing: 0 })
})
