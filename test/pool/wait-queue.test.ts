import { getEventListeners } from 'node:events'
import t from 'tap'
import type { Database } from '../../src/index.js'
import { FaultProxy } from '../../tools/fault-proxy.js'
import { freshDatabase, openDatabase, until } from '../support/database.js'

t.test('callers in the wait queue', async (t) => {
  const observer = await freshDatabase(t)

  t.test('each of several callers in a row times out, not only the first', async (t) => {
    const db = await openDatabase(t, observer, { min: 1, max: 1, acquireTimeout: 0.1 })
    const lease = await db.acquire()
    for (const round of [1, 2, 3]) await t.rejects(db.fetchVal('SELECT 1'), { code: 'FST_PG_ACQUIRE_TIMEOUT' }, `round ${round}`)
    t.equal(db.stats().acquireTimeouts, 3)
    await lease.release()
  })

  t.test('a caller that came later goes on waiting when an earlier one times out, and is served', async (t) => {
    const db = await openDatabase(t, observer, { min: 1, max: 1, acquireTimeout: 1 })
    const lease = await db.acquire()
    const first = db.fetchVal('SELECT 1')
    const came = performance.now()
    await until(() => performance.now() - came > 500)
    const second = db.fetchVal('SELECT 2')
    await t.rejects(first, { code: 'FST_PG_ACQUIRE_TIMEOUT' })
    t.equal(db.stats().waiting, 1, 'the second still waits')
    await lease.release()
    t.equal(await second, 2)
  })

  t.test('a caller that came later times out in its turn, after its own time', async (t) => {
    const db = await openDatabase(t, observer, { min: 1, max: 1, acquireTimeout: 1 })
    const lease = await db.acquire()
    const waited: number[] = []
    const wait = async (): Promise<void> => {
      const came = performance.now()
      await t.rejects(db.fetchVal('SELECT 1'), { code: 'FST_PG_ACQUIRE_TIMEOUT' })
      waited.push(performance.now() - came)
    }
    const first = wait()
    const came = performance.now()
    await until(() => performance.now() - came > 100)
    await Promise.all([first, wait()])
    const [one = NaN, other = NaN] = waited
    t.ok(one >= 999 && other >= 999 && other < 1.6 * one, `${one} ms and ${other} ms`)
    await lease.release()
  })

  t.test('expire() serves the callers that wait, on new connections, and never opens more than max', async (t) => {
    const db = await openDatabase(t, observer, { min: 2, max: 2 })
    const before = (await observer.backends()).map(({ pid }) => pid)
    const leases = [await db.acquire(), await db.acquire()]
    const waiting = [db.fetchVal<number>('SELECT pg_backend_pid()'), db.fetchVal<number>('SELECT pg_backend_pid()')]
    db.expire()
    for (const lease of leases) await lease.release()
    for (const pid of await Promise.all(waiting)) t.notOk(before.includes(pid ?? 0), 'a new connection')
  })

  t.test('connections that are closing count against max', async (t) => {
    const db = await openDatabase(t, observer, { min: 4, max: 4 })
    db.expire()
    const { closing } = db.stats()
    t.equal(closing, 4)
    const calls = [1, 2, 3, 4].map((n) => db.fetchVal('SELECT $1::int', n))
    let most = 0
    const watch = (): void => {
      const { size, opening, closing } = db.stats()
      most = Math.max(most, size + opening + closing)
    }
    watch()
    await until(() => { watch(); return db.stats().waiting === 0 })
    t.equal(most, 4)
    t.same(await Promise.all(calls), [1, 2, 3, 4])
  })

  t.test('a nested caller that timed out no longer counts as waiting: a call of another transaction is no deadlock', async (t) => {
    const db = await openDatabase(t, observer, { min: 2, max: 2, acquireTimeout: 0.5 })
    const other = await db.acquire()
    let timedOut = (): void => {}
    const hasTimedOut = new Promise<void>((resolve) => { timedOut = resolve })
    let end = (): void => {}
    const first = db.transaction(async (tx) => {
      await tx.fetchVal('SELECT 1')
      await t.rejects(db.fetchVal('SELECT 1'), { code: 'FST_PG_ACQUIRE_TIMEOUT' })
      const ending = new Promise<void>((resolve) => { end = resolve })
      timedOut()
      await ending
    })
    await hasTimedOut
    await other.release()
    const second = db.transaction(async (tx) => {
      await tx.fetchVal('SELECT 2')
      return await db.fetchVal('SELECT 3') // the first transaction can still end, and does
    })
    second.catch(() => {}) // is looked at below
    await until(() => db.stats().waiting === 1)
    end()
    await first
    t.equal(await second, 3)
  })

  t.test('a transaction that has ended holds no connection, although another one has it by then', async (t) => {
    const db = await openDatabase(t, observer, { min: 1, max: 1 })
    let later = (): Promise<unknown> => Promise.resolve()
    let start = (): void => {}
    await db.transaction(async (tx) => {
      await tx.fetchVal('SELECT 1')
      // A promise of the function's that goes on after it: it still runs in the function's async context.
      const ended = new Promise<void>((resolve) => { start = resolve })
      const call = ended.then(() => db.fetchVal('SELECT 7'))
      later = () => call
    })
    await db.transaction(async (tx) => {
      await tx.fetchVal('SELECT 2')
      start()
      await until(() => db.stats().waiting === 1)
    })
    t.equal(await later(), 7)
  })

  t.test('the cause of an acquire timeout is no failure of a time before the last success', async (t) => {
    const proxy = await FaultProxy.start(t, observer.url)
    const db = await openDatabase(t, observer, { url: proxy.url, min: 1, max: 1, acquireTimeout: 0.3 })
    await proxy.set('refuse')
    await observer.kill()
    await until(() => db.stats().connectFailures > 0)
    await t.rejects(db.fetchVal('SELECT 1'), { code: 'FST_PG_ACQUIRE_TIMEOUT', cause: { code: 'ECONNREFUSED' } })
    await proxy.set('forward')
    await until(() => db.stats().size === 1)
    const lease = await db.acquire()
    const error = await db.fetchVal('SELECT 1').then(() => undefined, (error: Error) => error)
    t.match(error, { code: 'FST_PG_ACQUIRE_TIMEOUT', advice: /release connections sooner/ })
    t.equal(error?.cause, undefined)
    await lease.release()
  })

  t.test('a new call that could travel with those just sent does not overtake those that wait', async (t) => {
    const db = await openDatabase(t, observer, { min: 1, max: 1 })
    const quick = (): Promise<unknown> => db.fetchVal('SELECT 1')
    const mayJoin = async (): Promise<boolean> => {
      const { pipelined } = db.stats()
      await Promise.all([quick(), quick()])
      return db.stats().pipelined > pipelined
    }
    for (let round = 0; round < 5; round++) {
      await until(mayJoin) // a busy machine may just have made the statement look slow
      const order: string[] = []
      const calls = [['sent', quick()], ['waits', db.fetchVal(`SELECT ${round} AS unknown`)], ['new', quick()]] as const
      await Promise.all(calls.map(async ([name, call]) => {
        await call
        order.push(name)
      }))
      t.ok(order.indexOf('waits') < order.indexOf('new'), `round ${round}: ${order.join(', ')}`)
    }
  })

  t.test('waitTime is in seconds, and pipelined counts calls that had to queue', async (t) => {
    const db = await openDatabase(t, observer, { min: 1, max: 1 })
    const read = (): Promise<unknown> => db.fetchVal('SELECT 1')
    for (let count = 0; count < 20; count++) await read()
    await until(async () => {
      const lease = await db.acquire()
      const before = db.stats()
      const came = performance.now()
      const calls = Array.from({ length: 8 }, read)
      await lease.fetchVal('SELECT pg_sleep(0.2)')
      await lease.release()
      await Promise.all(calls)
      const [waited, passed] = [db.stats().waitTime - before.waitTime, (performance.now() - came) / 1000]
      t.ok(waited >= 8 * 0.19 && waited <= 8 * passed, `${waited} s of 8 callers in ${passed} s`)
      return db.stats().pipelined > before.pipelined // a busy machine may just have made the statement look slow
    }, 30)
  })

  t.test('the numbers are a snapshot: what a caller does with them changes nothing', async (t) => {
    const db = await openDatabase(t, observer, { min: 1, max: 1 })
    db.expire()
    await until(() => db.stats().size === 1)
    Object.assign(db.stats().closed, { expired: 1000, lost: 5 })
    t.strictSame({ ...db.stats().closed }, { expired: 1 })
  })

  t.test('the signal of a caller has no listener of ours left, whatever came of the call', async (t) => {
    const db = await openDatabase(t, observer, { min: 1, max: 1, acquireTimeout: 0.1 })
    const { signal } = new AbortController()
    const listeners = (): number => getEventListeners(signal, 'abort').length
    const outcomes: Array<[what: string, call: (db: Database) => Promise<unknown>]> = [
      ['a call', (db) => db.fetchVal({ text: 'SELECT 1', signal })],
      ['a call that fails', (db) => t.rejects(db.fetchVal({ text: 'SELECT 1 / 0', signal }), { code: '22012' })],
      ['a batch', (db) => db.executeMany({ text: 'SELECT $1::int', signal }, [[1], [2]])],
      ['a batch that fails', (db) => t.rejects(db.executeMany({ text: 'SELECT 1 / $1::int', signal }, [[1], [0]]), { code: '22012' })],
      ['a lease', async (db) => await (await db.acquire({ signal })).release()],
      ['a wait that timed out', async (db) => {
        const lease = await db.acquire()
        await t.rejects(db.fetchVal({ text: 'SELECT 1', signal }), { code: 'FST_PG_ACQUIRE_TIMEOUT' })
        await t.rejects(db.acquire({ signal }), { code: 'FST_PG_ACQUIRE_TIMEOUT' })
        await lease.release()
      }],
      ['a wait that ended well', async (db) => {
        const lease = await db.acquire()
        const call = db.fetchVal({ text: 'SELECT 1', signal })
        t.equal(listeners(), 1, 'it listens while it waits')
        await lease.release()
        await call
      }],
    ]
    for (const [what, call] of outcomes) {
      await call(db)
      t.equal(listeners(), 0, what)
    }
  })

  t.test('idle connections that are too old are replaced without calls', async (t) => {
    const db = await openDatabase(t, observer, { min: 2, max: 2, maxLifetime: 0.2 })
    const before = (await observer.backends()).map(({ pid }) => pid)
    await until(async () => !(await observer.backends()).some(({ pid }) => before.includes(pid)))
    await until(() => (db.stats().closed.age ?? 0) >= 2)
    t.match(db.stats(), { acquired: 0 }, 'nobody asked')
  })

  t.test('the error says who has held a connection for longest', async (t) => {
    const db = await openDatabase(t, observer, { min: 2, max: 2, acquireTimeout: 0.3 })
    const lease = await db.acquire()
    const came = performance.now()
    await until(() => performance.now() - came > 150)
    await db.transaction(async () => {
      await t.rejects(db.acquire(), { code: 'FST_PG_ACQUIRE_TIMEOUT', advice: /1 by a (lease|transaction), 1 by a (lease|transaction); the longest for \d\.\d s by a lease\)/ })
    })
    await lease.release()
  })

  t.test('a call that needs a further connection gets one that has yet to be opened: that is no deadlock', async (t) => {
    const db = await openDatabase(t, observer, { min: 1, max: 2 })
    t.equal(await db.transaction(async () => await db.fetchVal('SELECT 7')), 7)
    t.match(db.stats(), { created: 2, errors: 0 })
  })

  t.test('what goes on when the transaction of a lease is over may wait for the lease', async (t) => {
    const db = await openDatabase(t, observer, { min: 1, max: 1 })
    const lease = await db.acquire()
    let end: () => void = () => {}
    const isOver = new Promise<void>((resolve) => { end = resolve })
    let leftover: Promise<unknown> | undefined
    await lease.transaction(async () => { leftover = isOver.then(() => db.fetchVal('SELECT 8')) })
    end()
    await until(() => db.stats().waiting === 1)
    await lease.release()
    t.equal(await leftover, 8)
  })
})
