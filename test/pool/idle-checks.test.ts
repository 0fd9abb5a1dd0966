import t from 'tap'
import { createDatabase, type Database } from '../../src/index.js'
import { freshDatabase, memoryLog, type Observer, openDatabase, until } from '../support/database.js'
import { FaultProxy } from '../../tools/fault-proxy.js'

/** Until so many connections have been idle for so long, by the server's clock, and then by ours: on a busy machine we hear later that they are. */
async function idleOn (observer: Observer, count: number, milliseconds: number): Promise<void> {
  await until(async () => {
    const [row] = await observer.rows(`SELECT count(*)::int AS n FROM pg_stat_activity WHERE application_name <> 'observer' AND datname = current_database()
      AND state = 'idle' AND now() - state_change > $1 * interval '1 ms'`, [milliseconds])
    return row?.['n'] === count
  })
  const heard = performance.now()
  await until(() => performance.now() - heard > milliseconds)
}

t.test('idle connections are checked before use', async (t) => {
  const observer = await freshDatabase(t)
  const pids = async (): Promise<number[]> => (await observer.backends()).map(({ pid }) => pid)
  const idle = (count: number, milliseconds: number): Promise<void> => idleOn(observer, count, milliseconds)
  const checks = async (): Promise<number> => (await observer.backends()).filter(({ query }) => query.includes('pg_is_in_recovery')).length

  t.test('one that was idle for long and does not answer is replaced, and the caller is served (case 26)', async (t) => {
    const proxy = await FaultProxy.start(t, observer.url)
    const db = await openDatabase(t, observer, { url: proxy.url, min: 1, max: 1, checkIdle: 0.05 })
    const [before] = await pids()
    proxy.hold(true) // the connection is swallowed, new ones are not
    await idle(1, 60)
    t.not(await db.fetchVal('SELECT pg_backend_pid()'), before)
    t.match(db.stats(), { size: 1, closed: { check: 1 }, errors: 0 })
  })

  t.test('one that was idle for long and answers is used', async (t) => {
    const db = await openDatabase(t, observer, { min: 2, max: 2, checkIdle: 0.02 })
    const known = await pids()
    for (let i = 0; i < 20; i++) {
      await idle(2, 25)
      t.ok(known.includes(await db.fetchVal<number>('SELECT pg_backend_pid()') ?? 0))
    }
    t.match(db.stats(), { size: 2, free: 2, created: 2 })
    t.strictSame({ ...db.stats().closed }, {})
  })

  t.test('no connect is begun for a caller that an idle connection may serve once it is checked', async (t) => {
    const db = await openDatabase(t, observer, { min: 1, max: 4, checkIdle: 0.02 })
    await idle(1, 25)
    const call = db.fetchVal('SELECT 1')
    t.match(db.stats(), { waiting: 1, opening: 0 })
    t.equal(await call, 1)
    t.equal(db.stats().created, 1)
  })

  t.test('200 callers find ten connections that were all swallowed while idle', async (t) => {
    const proxy = await FaultProxy.start(t, observer.url)
    const db = await openDatabase(t, observer, { url: proxy.url, min: 10, max: 10, checkIdle: 0.01, commandTimeout: 20 })
    proxy.hold(true)
    await idle(10, 20)
    const values = await Promise.all(Array.from({ length: 200 }, (_, i) => db.fetchVal('SELECT $1::int', i)))
    t.same(values, Array.from({ length: 200 }, (_, i) => i))
    t.match(db.stats(), { errors: 0, closed: { check: 10 } })
    await until(() => db.stats().size === 10)
  })

  t.test('a fatal error on one connection: the idle ones are asked at once; an ordinary one: none is (case 24)', async (t) => {
    const proxy = await FaultProxy.start(t, observer.url)
    const db = await openDatabase(t, observer, { url: proxy.url, min: 4, max: 4 })
    await Promise.all(Array.from({ length: 4 }, (_, i) => db.fetchVal('SELECT $1::int FROM pg_sleep(0.02)', i)))
    t.equal(await checks(), 0)
    await t.rejects(db.fetchVal('SELECT 1 / $1::int', 0), { code: '22012' })
    await t.rejects(db.fetchVal('SELECT nothing'), { code: '42703' })
    t.equal(await checks(), 0)
    const lease = await db.acquire()
    const held = await lease.fetchVal<number>('SELECT pg_backend_pid()')
    await observer.kill([held ?? 0])
    await until(async () => await checks() >= 3)
    await lease.release()
    await until(() => db.stats().free === 4)
    t.match(db.stats(), { size: 4, created: 5, closed: { lost: 1 } })
  })

  t.test('a fatal error on one connection: idle ones that are dead without notice are found at once (case 24)', async (t) => {
    const proxy = await FaultProxy.start(t, observer.url)
    const db = await openDatabase(t, observer, { url: proxy.url, min: 3, max: 4 })
    proxy.hold(true)
    const leases = await Promise.all([db.acquire(), db.acquire(), db.acquire()])
    const fourth = await db.acquire() // a new one, on which all gets through
    for (const lease of leases) await lease.release()
    await observer.kill([await fourth.fetchVal<number>('SELECT pg_backend_pid()') ?? 0])
    await until(() => db.stats().closed.check === 3)
    await fourth.release()
    await until(() => db.stats().free >= 3)
    t.equal(await db.fetchVal('SELECT 1'), 1)
  })

  t.test('with min: 0 the only idle connection was swallowed: the caller is served by a new one', async (t) => {
    const proxy = await FaultProxy.start(t, observer.url)
    const db = await openDatabase(t, observer, { url: proxy.url, min: 0, max: 1, checkIdle: 0.05 })
    t.equal(await db.fetchVal('SELECT 1'), 1)
    proxy.hold(true) // the connection is swallowed, new ones are not
    await idle(1, 60)
    t.equal(await db.fetchVal('SELECT 2'), 2)
    t.match(db.stats(), { created: 2, closed: { check: 1 }, errors: 0 })
  })

  t.test('checkIdle: 0 checks none: a caller meets the dead connection itself', async (t) => {
    const proxy = await FaultProxy.start(t, observer.url)
    const db = await openDatabase(t, observer, { url: proxy.url, min: 1, max: 1, checkIdle: 0, commandTimeout: 0.2 })
    proxy.hold(true)
    await idle(1, 50)
    await t.rejects(db.fetchVal('SELECT 1'), { code: 'FST_PG_QUERY_TIMEOUT' })
    t.equal(db.stats().closed.check, undefined)
  })
})

t.test('what a check must not take for the end of a connection', async (t) => {
  const observer = await freshDatabase(t)

  t.test('a session that onConnect has made read-only is as it should be', async (t) => {
    const db = await openDatabase(t, observer, { min: 3, max: 3, checkIdle: 0.02, onConnect: (connection) => connection.execute('SET default_transaction_read_only = on') })
    await t.rejects(db.execute('CREATE TABLE nope (a int)'), { code: '25006' })
    await idleOn(observer, 3, 50)
    t.equal(await db.fetchVal('SELECT 1'), 1)
    t.match(db.stats(), { size: 3, created: 3 })
    t.strictSame({ ...db.stats().closed }, {}, 'none was closed')
  })

  t.test('answers that are late because this process was busy', async (t) => {
    const db = await openDatabase(t, observer, { min: 4, max: 4, checkIdle: 0.01 })
    await idleOn(observer, 4, 50)
    const calls = Array.from({ length: 8 }, (_, i) => db.fetchVal('SELECT $1::int', i))
    const end = performance.now() + 1300
    while (performance.now() < end); // longer than a check may take
    t.same(await Promise.all(calls), [0, 1, 2, 3, 4, 5, 6, 7])
    await until(() => db.stats().free === 4)
    t.equal(db.stats().created, 4)
    t.strictSame({ ...db.stats().closed }, {}, 'none was closed')
  })
})

t.test('expire() also means connections that are just being opened', async (t) => {
  const observer = await freshDatabase(t)
  let connects = 0
  const db: Database = createDatabase({ url: observer.url, min: 1, max: 1, log: memoryLog(), onConnect: () => { if (++connects === 1) db.expire() } }, {})
  t.teardown(() => db.close())
  await db.open()
  t.match(db.stats(), { size: 1, created: 2, closed: { expired: 1 } })
})
