import t, { type Test } from 'tap'
import { createDatabase, type Database, type DatabaseOptions } from '../../src/index.js'
import { memoryLog, until } from '../support/database.js'
import { FaultProxy } from '../../tools/fault-proxy.js'
import { swallowStatement } from '../support/swallow.js'
import { TlsServer } from '../support/tls-server.js'

t.jobs = 1 // one server, which shows one certificate at a time

const server = await TlsServer.start(t)
await server.show('local')
const { observer, certificates: { ca } } = server
const unhandled: unknown[] = []
process.on('unhandledRejection', (reason) => unhandled.push(reason))
t.teardown(() => { if (unhandled.length > 0) throw new Error('unhandled', { cause: unhandled[0] }) })

async function open (t: Test, options: DatabaseOptions = {}): Promise<Database> {
  const db = createDatabase({ url: server.url(), ssl: { ca: ca.cert }, min: 2, max: 2, log: memoryLog(), ...options }, {})
  t.teardown(() => db.close())
  await db.open()
  return db
}

const SLEEPING = "SELECT pid FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%pg_sleep%' AND pid <> pg_backend_pid()"
const sleepers = async (): Promise<number> => (await observer.rows(SLEEPING)).length

async function worksEncrypted (t: Test, db: Database): Promise<void> {
  t.equal(await db.fetchVal('SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()'), true)
  const { max } = db.stats()
  await until(() => db.stats().free === max)
  t.match(db.stats(), { size: max, busy: 0, waiting: 0, opening: 0 })
  t.match(await db.health(), { status: 'healthy' })
}

/** Two statements that are running on the server, and how they end: in an array, because a promise that a promise resolves with would be waited for. */
async function start (db: Database): Promise<[Promise<Array<PromiseSettledResult<unknown>>>]> {
  const calls = Promise.allSettled([1, 2].map((n) => db.fetchVal('SELECT pg_sleep(60), $1::int', n)))
  await until(async () => await sleepers() === 2)
  return [calls]
}

function allLost (t: Test, outcomes: Array<PromiseSettledResult<unknown>>): void {
  for (const outcome of outcomes) t.match(outcome, { status: 'rejected', reason: { code: /^(FST_PG_CONNECTION_LOST|57P01)$/ } })
}

t.test('backends that are killed: callers learn it, and the pool refills', async (t) => {
  const db = await open(t)
  const [calls] = await start(db)
  await observer.rows(`SELECT pg_terminate_backend(pid) FROM (${SLEEPING}) AS sleeping`)
  allLost(t, await calls)
  await worksEncrypted(t, db)
})

t.test('sockets that are cut: callers learn it at once, and the pool refills', async (t) => {
  const proxy = await FaultProxy.start(t, server.url())
  const db = await open(t, { url: proxy.url })
  const [calls] = await start(db)
  proxy.cut()
  allLost(t, await calls)
  await worksEncrypted(t, db)
  await observer.rows(`SELECT pg_terminate_backend(pid) FROM (${SLEEPING}) AS sleeping`)
  await until(async () => await sleepers() === 0)
})

t.test('sockets that are cut while the pool is idle, or in the middle of a connect', async (t) => {
  const proxy = await FaultProxy.start(t, server.url())
  const db = await open(t, { url: proxy.url })
  proxy.cut()
  await until(() => db.stats().closed.lost === 2)
  await worksEncrypted(t, db)
  proxy.delay(100)
  db.expire()
  await until(() => proxy.size === 2)
  proxy.cut()
  proxy.delay(0)
  await worksEncrypted(t, db)
})

t.test('a black hole: our own clock answers, and it works again when healed', async (t) => {
  const proxy = await FaultProxy.start(t, server.url())
  const db = await open(t, { url: proxy.url, min: 1, max: 1, commandTimeout: 0.3, connectTimeout: 0.5, acquireTimeout: 20 })
  await swallowStatement(t, proxy, db)
  await worksEncrypted(t, db)
})

t.test('a handshake that hangs ends with connectTimeout', async (t) => {
  const proxy = await FaultProxy.start(t, server.url())
  await proxy.set('black-hole')
  const db = createDatabase({ url: proxy.url, ssl: { ca: ca.cert }, min: 1, connectTimeout: 0.1, startupTimeout: 0.3, log: memoryLog() }, {})
  await t.rejects(db.open(), { code: 'FST_PG_STARTUP', cause: { code: 'CONNECT_TIMEOUT' } })
})

t.test('a statement that takes too long, or is aborted, is cancelled on the server: the request for it is encrypted too', async (t) => {
  const db = await open(t, { url: server.url({ username: 'guarded' }) })
  const pids = await observer.rows("SELECT pid FROM pg_stat_activity WHERE usename = 'guarded' ORDER BY pid")
  await t.rejects(db.fetchVal({ text: 'SELECT pg_sleep(60)', timeout: 0.1 }), { code: 'FST_PG_QUERY_TIMEOUT' })
  await until(async () => await sleepers() === 0)
  const controller = new AbortController()
  const aborted = db.fetchVal({ text: 'SELECT pg_sleep(60)', signal: controller.signal })
  await until(async () => await sleepers() === 1)
  controller.abort()
  await t.rejects(aborted, { code: 'FST_PG_ABORTED' })
  await until(async () => await sleepers() === 0)
  await worksEncrypted(t, db)
  t.same(await observer.rows("SELECT pid FROM pg_stat_activity WHERE usename = 'guarded' ORDER BY pid"), pids, 'no connection was given up for it')
})

t.test('batches, pipelined calls and large results', async (t) => {
  await observer.rows('CREATE TABLE numbers (n int PRIMARY KEY, word text)')
  t.teardown(() => observer.rows('DROP TABLE numbers'))
  const db = await open(t)
  const lists = Array.from({ length: 5000 }, (_, n) => [n, `word ${n}`])
  t.same(await db.executeMany('INSERT INTO numbers VALUES ($1, $2)', lists), { count: 5000 })
  t.same(await db.executeMany('UPDATE numbers SET word = $2 WHERE n = $1', lists.map(([n]) => [n, `new ${n}`])), { count: 5000 })
  const rows = await db.executeManyWithReturning<{ n: number }>('DELETE FROM numbers WHERE n = $1 RETURNING n', lists.slice(0, 500).map(([n]) => [n]))
  t.same(rows.map(({ n }) => n), lists.slice(0, 500).map(([n]) => n))
  for (let round = 0; round < 3; round++) {
    const words = await Promise.all(lists.slice(500, 900).map(([n]) => db.fetchVal('SELECT word FROM numbers WHERE n = $1', n)))
    t.same(words, lists.slice(500, 900).map(([n]) => `new ${n}`))
  }
  t.ok(db.stats().pipelined > 0, `${db.stats().pipelined} calls travelled with others`)
  const large = await db.fetchVal<string>("SELECT repeat('0123456789', 1048576)")
  t.equal(large?.length, 10_485_760)
  t.equal(await db.fetchVal<number>('SELECT length($1::text)', large), 10_485_760)
  t.equal((await db.fetchAll('SELECT n, repeat(md5(n::text), 32) AS filler FROM generate_series(1, 10000) AS n')).length, 10_000)
  await t.rejects(db.executeMany('INSERT INTO numbers VALUES ($1, $2)', [[1, 'a'], [1, 'b']]), { code: '23505', row: 1 })
  await worksEncrypted(t, db)
})

t.test('a batch whose connection is killed settles, and leaves nothing', async (t) => {
  await observer.rows('CREATE TABLE kept (n int)')
  t.teardown(() => observer.rows('DROP TABLE kept'))
  const db = await open(t)
  const batch = db.executeMany('INSERT INTO kept SELECT $1::int FROM pg_sleep(0.01)', Array.from({ length: 2000 }, (_, n) => [n])).then(() => undefined, (error) => error)
  await until(async () => await sleepers() > 0)
  await observer.rows(`SELECT pg_terminate_backend(pid) FROM (${SLEEPING}) AS sleeping`)
  t.match(await batch, { code: /^(FST_PG_CONNECTION_LOST|57P01)$/ })
  await worksEncrypted(t, db)
  t.same(await observer.rows('SELECT count(*)::int AS count FROM kept'), [{ count: 0 }])
})

t.test('the health check of a pool whose connections are all held asks a server that wants TLS', async (t) => {
  const db = await open(t, { url: server.url({ username: 'guarded' }), health: { cache: 0 } })
  const leases = await Promise.all([db.acquire(), db.acquire()])
  t.match(await db.health(), { status: 'healthy', database: { free_connections: 0, latency_ms: null } })
  for (const lease of leases) await lease.release()
  await worksEncrypted(t, db)
})

t.test('close ends what is running after closeTimeout, and every socket', async (t) => {
  const proxy = await FaultProxy.start(t, server.url())
  const db = await open(t, { url: proxy.url, closeTimeout: 0.1 })
  const [calls] = await start(db)
  await db.close()
  for (const outcome of await calls) t.equal(outcome.status, 'rejected')
  await until(async () => proxy.size === 0 && await sleepers() === 0)
})

t.test('the server stops and comes back', async (t) => {
  const db = await open(t, { acquireTimeout: 20, health: { cache: 0 } })
  const [calls] = await start(db)
  await server.postgres.stop()
  allLost(t, await calls)
  await until(() => db.stats().size === 0 && db.stats().connectFailures > 0)
  t.match(await db.health(), { status: 'unavailable' })
  await server.postgres.start()
  await worksEncrypted(t, db)
})
