import { setMaxListeners } from 'node:events'
import t from 'tap'
import { freshDatabase, openDatabase, until } from '../support/database.js'

t.test('who gets a connection, and when', async (t) => {
  const observer = await freshDatabase(t)

  t.test('20 holders, max 4: exactly 4 connects (case 6)', async (t) => {
    const db = await openDatabase(t, observer, { min: 0, max: 4 })
    await Promise.all(Array.from({ length: 20 }, async () => {
      const lease = await db.acquire()
      await lease.fetchVal('SELECT pg_sleep(0.01)')
      await lease.release()
    }))
    const { created, size, free, waited } = db.stats()
    t.same({ created, size, free }, { created: 4, size: 4, free: 4 })
    t.ok(waited >= 16)
    t.equal((await observer.backends()).length, 4)
  })

  t.test('waiters are served in call order (case 7)', async (t) => {
    const db = await openDatabase(t, observer, { min: 1, max: 1 })
    const order: number[] = []
    await Promise.all(Array.from({ length: 30 }, (_, i) => (i % 3 === 0
      ? db.transaction((tx) => tx.fetchVal('SELECT 1'))
      : i % 3 === 1 ? db.fetchOne('SELECT 1') : db.acquire().then(async (lease) => await lease.release())
    ).then(() => order.push(i))))
    t.same(order, [...order].sort((a, b) => a - b))
  })

  t.test('100 workers on 10 connections: nobody waits much longer than the others (case 8)', async (t) => {
    const db = await openDatabase(t, observer, { min: 10, max: 10 })
    const waits: number[] = []
    await Promise.all(Array.from({ length: 100 }, async () => {
      for (let i = 0; i < 10; i++) {
        const start = performance.now()
        const lease = await db.acquire()
        waits.push(performance.now() - start)
        await lease.fetchVal('SELECT pg_sleep(0.002)')
        await lease.release()
      }
    }))
    waits.sort((a, b) => a - b)
    const mean = waits.reduce((sum, wait) => sum + wait, 0) / waits.length
    t.ok((waits[Math.floor(waits.length * 0.99)] ?? Infinity) < 3 * mean, 'the 99th percentile is near the mean')
  })

  t.test('an acquire timeout is a typed error with the numbers, and the next acquire works (case 9)', async (t) => {
    const db = await openDatabase(t, observer, { min: 1, max: 2, acquireTimeout: 0.1 })
    const leases = [await db.acquire(), await db.acquire()]
    await t.rejects(db.fetchOne('SELECT 1'), {
      code: 'FST_PG_ACQUIRE_TIMEOUT',
      statusCode: 503,
      advice: /within 0\.1 s: 2 of 2 open connections are busy \(2 by a lease; the longest for \d+\.\d s by a lease\), at most 2; callers waiting: 1: .*raise max/,
    })
    await leases[0]?.release()
    t.equal(await db.fetchVal('SELECT 1'), 1)
    await leases[1]?.release()
    t.match(db.stats(), { acquireTimeouts: 1, waiting: 0, free: 2, size: 2, errors: 1 })
  })

  t.test('one waiter times out, the one behind it is still served (case 10)', async (t) => {
    const db = await openDatabase(t, observer, { min: 1, max: 1, acquireTimeout: 0.1 })
    const lease = await db.acquire()
    const first = db.fetchVal('SELECT 1')
    await t.rejects(first, { code: 'FST_PG_ACQUIRE_TIMEOUT' })
    const second = db.fetchVal('SELECT 2')
    await lease.release()
    t.equal(await second, 2)
  })

  t.test('a waiter is aborted: its place is not lost (case 11)', async (t) => {
    const db = await openDatabase(t, observer, { min: 1, max: 1 })
    const lease = await db.acquire()
    const controller = new AbortController()
    const aborted = db.fetchVal({ text: 'SELECT 1', signal: controller.signal })
    const acquired = db.acquire({ signal: controller.signal })
    const behind = db.fetchVal('SELECT 2')
    t.equal(db.stats().waiting, 3)
    controller.abort(new Error('the client went away'))
    await t.rejects(aborted, { code: 'FST_PG_ABORTED', cause: { message: 'the client went away' } })
    await t.rejects(acquired, { code: 'FST_PG_ABORTED' })
    t.equal(db.stats().waiting, 1)
    await lease.release()
    t.equal(await behind, 2)
    await t.rejects(db.fetchVal({ text: 'SELECT 1', signal: AbortSignal.abort() }), { code: 'FST_PG_ABORTED' })
    await t.rejects(db.acquire({ signal: AbortSignal.abort() }), { code: 'FST_PG_ABORTED' })
    t.match(db.stats(), { waiting: 0, free: 1, size: 1 })
  })

  t.test('10,000 callers that wait at once are all served', async (t) => {
    const db = await openDatabase(t, observer, { min: 10, max: 10 })
    const values = await Promise.all(Array.from({ length: 10_000 }, (_, i) => db.fetchVal('SELECT $1::int', i)))
    t.ok(values.every((value, i) => value === i), 'each got its own answer')
    t.match(db.stats(), { waiting: 0, free: 10, size: 10 })
  })

  t.test('10,000 waiters that give up leave at once', async (t) => {
    const db = await openDatabase(t, observer, { min: 1, max: 1 })
    const lease = await db.acquire()
    const controller = new AbortController()
    // Node warns of more than 10 listeners on a signal unless told that they are meant.
    setMaxListeners(0, controller.signal)
    const calls = Array.from({ length: 10_000 }, () => db.fetchVal({ text: 'SELECT 1', signal: controller.signal }).catch((error) => error.code))
    t.equal(db.stats().waiting, 10_000)
    controller.abort()
    t.ok((await Promise.all(calls)).every((code) => code === 'FST_PG_ABORTED'))
    t.equal(db.stats().waiting, 0)
    await lease.release()
    t.equal(await db.fetchVal('SELECT 1'), 1)
  })

  t.test('20,000 waiting calls that are refused before they are sent', async (t) => {
    const db = await openDatabase(t, observer, { min: 1, max: 1 })
    const running = db.fetchVal('SELECT 1 FROM pg_sleep(0.2)')
    const codes = await Promise.all(Array.from({ length: 20_000 }, () => db.fetchVal('SELECT $1::int', undefined).catch((error) => error.code)))
    t.ok(codes.every((code) => code === 'FST_PG_VALUE'))
    t.equal(await running, 1)
    t.match(db.stats(), { waiting: 0, free: 1 })
  })

  t.test('saturated, then eased: timeouts subside (case 38)', async (t) => {
    const db = await openDatabase(t, observer, { min: 2, max: 2, acquireTimeout: 0.05 })
    const burst = await Promise.allSettled(Array.from({ length: 50 }, () => db.fetchVal('SELECT pg_sleep(0.02)')))
    t.ok(burst.some(({ status }) => status === 'rejected'))
    for (let i = 0; i < 20; i++) await db.fetchVal('SELECT pg_sleep(0.002)')
    t.equal(db.stats().acquireTimeouts, burst.filter(({ status }) => status === 'rejected').length)
    t.match(db.stats(), { waiting: 0, free: 2 })
  })

  t.test('db.* inside transactions that hold every connection: advice at once, not a deadlock (case 50)', async (t) => {
    const db = await openDatabase(t, observer, { min: 2, max: 2, acquireTimeout: 30 })
    const start = performance.now()
    const outcomes = await Promise.allSettled([1, 2].map((n) => db.transaction(async (tx) => {
      await tx.fetchVal('SELECT pg_sleep(0.05)')
      return await db.fetchVal('SELECT $1::int', n)
    })))
    const rejected = outcomes.filter((outcome) => outcome.status === 'rejected')
    t.equal(rejected.length, 1, 'one gives way, and the other one goes on')
    t.match(rejected[0]?.reason, { code: 'FST_PG_NESTED_ACQUIRE', advice: /call tx\.fetchOne/ })
    t.ok(performance.now() - start < 15_000, 'long before the acquire timeout')
    await until(() => db.stats().free === 2)
  })

  t.test('db.* inside a transaction while another connection is only busy: it waits', async (t) => {
    const db = await openDatabase(t, observer, { min: 2, max: 2 })
    const other = db.fetchVal('SELECT pg_sleep(0.1)')
    t.equal(await db.transaction(() => db.fetchVal('SELECT 7')), 7)
    await other
  })

  t.test('a nested acquire on a pool of one is refused', async (t) => {
    const db = await openDatabase(t, observer, { min: 1, max: 1 })
    await t.rejects(db.transaction(() => db.transaction(() => 1)), { code: 'FST_PG_NESTED_ACQUIRE' })
    await t.rejects(db.transaction(() => db.acquire()), { code: 'FST_PG_NESTED_ACQUIRE' })
    t.equal(await db.fetchVal('SELECT 1'), 1)
  })

  t.test('connections are used last in, first out', async (t) => {
    const db = await openDatabase(t, observer, { min: 5, max: 5 })
    const pids = new Set<unknown>()
    for (let i = 0; i < 20; i++) pids.add(await db.fetchVal('SELECT pg_backend_pid()'))
    t.equal(pids.size, 1)
  })
})
