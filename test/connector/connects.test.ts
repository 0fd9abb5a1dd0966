import t from 'tap'
import { createDatabase, type Queryable } from '../../src/index.js'
import { freshDatabase, memoryLog, openDatabase, until } from '../support/database.js'
import { FaultProxy } from '../../tools/fault-proxy.js'
import { swallowStatement } from '../support/swallow.js'

t.test('connects that fail, hang or come late', async (t) => {
  const observer = await freshDatabase(t)

  t.test('a connect succeeds after its waiter gave up: pooled, not leaked (case 12)', async (t) => {
    const proxy = await FaultProxy.start(t, observer.url)
    const db = await openDatabase(t, observer, { url: proxy.url, min: 1, max: 2, acquireTimeout: 0.2 })
    const lease = await db.acquire()
    proxy.delay(600)
    await t.rejects(db.fetchVal('SELECT 1'), { code: 'FST_PG_ACQUIRE_TIMEOUT' })
    t.equal(db.stats().opening, 1)
    await until(() => db.stats().free === 1)
    t.match(db.stats(), { size: 2, free: 1, busy: 1, created: 2 })
    t.equal(await db.fetchVal('SELECT 1'), 1)
    await lease.release()
    t.equal((await observer.backends()).length, 2)
  })

  t.test('the first connect fails: the second waiter proceeds (case 13)', async (t) => {
    let failures = 1
    const db = createDatabase({ url: observer.url, min: 0, max: 2, log: memoryLog(), onConnect: () => { if (failures-- > 0) throw new Error('not this one') } }, {})
    t.teardown(() => db.close())
    t.same(await Promise.all([db.fetchVal('SELECT 1'), db.fetchVal('SELECT 2')]), [1, 2])
    t.equal(db.stats().connectFailures, 1)
  })

  t.test('the middle of three connects fails: the other two are kept (case 14)', async (t) => {
    let connects = 0
    const db = createDatabase({ url: observer.url, min: 3, max: 3, log: memoryLog(), onConnect: () => { if (++connects === 2) throw new Error('not this one') } }, {})
    t.teardown(() => db.close())
    await db.open()
    t.match(db.stats(), { size: 3, created: 3, connectFailures: 1 })
    t.strictSame({ ...db.stats().closed }, {}, 'none was closed')
  })

  t.test('one connect hangs: others are not blocked (case 17)', async (t) => {
    let connects = 0
    let go = (): void => {}
    const gate = new Promise<void>((resolve) => { go = resolve })
    const db = createDatabase({ url: observer.url, min: 0, max: 4, log: memoryLog(), onConnect: async () => { if (++connects === 1) await gate } }, {})
    t.teardown(() => db.close())
    t.same(await Promise.all([1, 2, 3].map((n) => db.fetchVal('SELECT $1::int', n))), [1, 2, 3])
    await until(() => db.stats().opening === 1)
    go()
    await until(() => db.stats().opening === 0)
    t.equal(db.stats().size, db.stats().free)
  })

  t.test('a connection is released while connects fail: the waiter gets it (case 19)', async (t) => {
    const proxy = await FaultProxy.start(t, observer.url)
    const db = await openDatabase(t, observer, { url: proxy.url, min: 1, max: 3 })
    const lease = await db.acquire()
    await proxy.set('refuse')
    const waiting = db.fetchVal('SELECT 5')
    await until(() => db.stats().connectFailures > 1)
    await lease.release()
    t.equal(await waiting, 5)
  })

  t.test('close while connecting: no connection is left on the server (case 36)', async (t) => {
    const proxy = await FaultProxy.start(t, observer.url)
    proxy.delay(300)
    const db = createDatabase({ url: proxy.url, min: 4, max: 4, log: memoryLog() }, {})
    const opening = db.open()
    const early = db.fetchVal('SELECT 1')
    await until(() => proxy.accepted === 4)
    const closing = db.close()
    await t.rejects(opening, { code: 'FST_PG_CLOSED' })
    await t.rejects(early, { code: 'FST_PG_CLOSED' })
    await closing
    t.match(db.stats(), { size: 0, opening: 0, closing: 0, waiting: 0 })
    await until(() => proxy.size === 0)
    t.same(await observer.backends(), [])
  })

  t.test('50 callers, slow connects, demand ends: no needless connects (case 37)', async (t) => {
    const proxy = await FaultProxy.start(t, observer.url)
    const db = await openDatabase(t, observer, { url: proxy.url, min: 1, max: 50 })
    proxy.delay(200)
    await Promise.all(Array.from({ length: 50 }, () => db.fetchVal('SELECT 1')))
    await until(() => db.stats().opening === 0)
    t.ok(db.stats().created <= 5, 'one connection was quicker than fifty connects')
  })

  t.test('the server closes each connect at once: told in bounded time, without a storm of connects', async (t) => {
    const proxy = await FaultProxy.start(t, observer.url)
    await proxy.set('hang-up')
    const db = createDatabase({ url: proxy.url, min: 2, max: 2, startupTimeout: 1, log: memoryLog() }, {})
    await t.rejects(db.open(), { code: 'FST_PG_STARTUP' })
    t.ok(proxy.accepted < 40, `${proxy.accepted} connects`)
  })

  t.test('a connect into a black hole ends after connectTimeout, with that as the cause', async (t) => {
    const proxy = await FaultProxy.start(t, observer.url)
    await proxy.set('black-hole')
    const db = createDatabase({ url: proxy.url, min: 1, max: 1, connectTimeout: 0.2, startupTimeout: 0.7, log: memoryLog() }, {})
    await t.rejects(db.open(), { code: 'FST_PG_STARTUP', cause: { code: 'CONNECT_TIMEOUT' } })
    t.ok(db.stats().connectFailures >= 2)
  })

  t.test('a black hole in a statement: our own clock answers, the connection goes, and it works again when healed', async (t) => {
    const proxy = await FaultProxy.start(t, observer.url)
    const db = await openDatabase(t, observer, { url: proxy.url, min: 1, max: 1, commandTimeout: 0.3, connectTimeout: 0.5, acquireTimeout: 20 })
    await swallowStatement(t, proxy, db)
    t.match(db.stats(), { size: 1, busy: 0 })
  })

  t.test('a reset in the middle of work: callers learn it at once', async (t) => {
    const proxy = await FaultProxy.start(t, observer.url)
    const db = await openDatabase(t, observer, { url: proxy.url, min: 3, max: 3 })
    const calls = Promise.allSettled(Array.from({ length: 3 }, () => db.fetchVal('SELECT pg_sleep(30)')))
    await until(async () => (await observer.backends()).filter(({ state }) => state === 'active').length === 3)
    proxy.cut()
    for (const outcome of await calls) t.equal(outcome.status === 'rejected' && outcome.reason.code, 'FST_PG_CONNECTION_LOST')
    await observer.kill()
    t.equal(await db.fetchVal('SELECT 1'), 1)
  })

  t.test('several hosts are tried in turn, and targetSessionAttrs chooses among them', async (t) => {
    const dead = await FaultProxy.start(t, observer.url)
    await dead.set('refuse')
    const [{ host }, port] = [new URL(dead.url), Number(new URL(observer.url).port)]
    const both = observer.url.replace(/@[^/]+/, `@${host},127.0.0.1:${port}`)
    const db = await openDatabase(t, observer, { url: both, targetSessionAttrs: 'read-write' })
    t.equal(await db.fetchVal('SELECT 1'), 1)
    const standby = createDatabase({ url: both, min: 1, targetSessionAttrs: 'standby', startupTimeout: 0.5, log: memoryLog() }, {})
    await t.rejects(standby.open(), { code: 'FST_PG_STARTUP', cause: { code: 'WRONG_SERVER' } })
    const preferred = await openDatabase(t, observer, { url: both, targetSessionAttrs: 'prefer-standby' })
    t.equal(await preferred.fetchVal('SELECT 1'), 1)
  })

  t.test('a host that has answered is not silent because onConnect takes long, and one that is silent does not hold up what is only preferred', async (t) => {
    const [first, second] = [await FaultProxy.start(t, observer.url), await FaultProxy.start(t, observer.url)]
    const host = [first, second].map(({ url }) => new URL(url).host)
    const { username, password, pathname } = new URL(observer.url)
    const hosts = { url: undefined, host, user: username, password, database: pathname.slice(1) }
    let connects = 0
    const onConnect = async (connection: Queryable): Promise<unknown> => ++connects === 1 ? await connection.fetchVal('SELECT pg_sleep(1)') : undefined
    const patient = await openDatabase(t, observer, { ...hosts, min: 3, max: 3, connectTimeout: 0.4, onConnect })
    t.match(patient.stats(), { size: 3, created: 3 })
    t.equal(second.accepted, 1, 'only for the connect whose onConnect took too long')

    await first.set('black-hole')
    const before = first.accepted
    const preferring = await openDatabase(t, observer, { ...hosts, min: 1, max: 8, connectTimeout: 0.4, targetSessionAttrs: 'prefer-standby' })
    const after = first.accepted
    t.ok(after > before, 'it was asked')
    const leases = await Promise.all([1, 2, 3, 4].map(() => preferring.acquire()))
    t.equal(first.accepted, after, 'and is not for the next ones')
    for (const lease of leases) await lease.release()
    await first.set('forward')
  })
})
