import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import t, { type Test } from 'tap'
import { startEmbeddedPostgres } from '../../tools/embedded-postgres/embedded-postgres.js'
import { createDatabase, type Database } from '../../src/index.js'
import { freshDatabase, memoryLog, Observer, openDatabase, until, type MemoryLog } from '../support/database.js'
import { FaultProxy } from '../../tools/fault-proxy.js'

const FULL = { code: 'FST_PG_QUEUE_FULL', statusCode: 503, headers: { 'retry-after': '1' }, message: 'the database is busy', advice: /^\d callers wait for a connection already/ }

t.test('the queue is bounded', async (t) => {
  const observer = await freshDatabase(t)
  /** Where calls of one subtest show whether they were run. */
  const landing = async (name: string): Promise<string> => {
    await observer.rows(`CREATE TABLE ${name} (n int PRIMARY KEY)`)
    return name
  }

  t.test('maxWaiting callers wait, the next one is refused at once, and places are given up again', async (t) => {
    const db = await openDatabase(t, observer, { min: 1, max: 1, maxWaiting: 3 })
    const lease = await db.acquire()
    const waiting = [1, 2, 3].map((n) => db.fetchVal('SELECT $1::int', n))
    t.equal(db.stats().waiting, 3)
    let refused: unknown
    db.fetchVal('SELECT 4').catch((error) => { refused = error })
    await new Promise(setImmediate)
    t.match(refused, FULL, 'within one turn of the event loop')
    t.match(db.stats(), { waiting: 3, refused: 1, errors: 1, waited: 3 })
    await lease.release()
    t.same(await Promise.all(waiting), [1, 2, 3])
    t.equal(await db.fetchVal('SELECT 5'), 5)
    t.match(db.stats(), { waiting: 0, free: 1, size: 1, refused: 1, errors: 1 })
  })

  t.test('whatever wants a connection is refused alike, and leaves nothing behind', async (t) => {
    const db = await openDatabase(t, observer, { min: 1, max: 1, maxWaiting: 1 })
    const lease = await db.acquire()
    const waiting = db.fetchVal('SELECT 1')
    const landed = await landing('landed_of_refused')
    let begun = 0
    await t.rejects(db.execute(`INSERT INTO ${landed} VALUES (1)`), FULL)
    await t.rejects(db.transaction(() => begun++), FULL)
    await t.rejects(db.executeMany(`INSERT INTO ${landed} VALUES ($1)`, [[2], [3]]), FULL)
    await t.rejects(db.acquire(), FULL)
    const { signal } = new AbortController()
    await t.rejects(db.fetchVal({ text: 'SELECT 1', signal }), FULL)
    t.match(db.stats(), { waiting: 1, refused: 5, errors: 5 })
    await lease.release()
    t.equal(await waiting, 1)
    t.equal(begun, 0)
    t.same(await observer.rows(`SELECT * FROM ${landed}`), [], 'nothing of it was run')
    t.match(db.stats(), { waiting: 0, free: 1, busy: 0 })
  })

  t.test('a waiter that gives up, or whose time is over, makes room', async (t) => {
    const db = await openDatabase(t, observer, { min: 1, max: 1, maxWaiting: 1, acquireTimeout: 0.1 })
    const lease = await db.acquire()
    const controller = new AbortController()
    const aborted = db.fetchVal({ text: 'SELECT 1', signal: controller.signal })
    await t.rejects(db.fetchVal('SELECT 2'), FULL)
    controller.abort()
    await t.rejects(aborted, { code: 'FST_PG_ABORTED' })
    const late = db.fetchVal('SELECT 3')
    await t.rejects(db.fetchVal('SELECT 4'), FULL)
    await t.rejects(late, { code: 'FST_PG_ACQUIRE_TIMEOUT' })
    const served = db.fetchVal('SELECT 5')
    await lease.release()
    t.equal(await served, 5)
  })

  t.test('callers that wait for the pool to open count too', async (t) => {
    const db = createDatabase({ url: observer.url, min: 1, max: 4, maxWaiting: 2, log: memoryLog() }, {})
    t.teardown(() => db.close())
    const outcomes = await Promise.allSettled([1, 2, 3, 4].map((n) => db.fetchVal('SELECT $1::int', n)))
    t.match(outcomes, [{ value: 1 }, { value: 2 }, { reason: FULL }, { reason: FULL }])
  })

  t.test('idle connections that are asked first whether they are alive do not fill the queue', async (t) => {
    const db = await openDatabase(t, observer, { min: 4, max: 4, maxWaiting: 1, checkIdle: 0.001 })
    await until(() => db.stats().free === 4)
    const idleSince = performance.now()
    await until(() => performance.now() - idleSince > 1) // all have been idle for longer than checkIdle
    t.same(await Promise.all([1, 2, 3, 4].map((n) => db.fetchVal('SELECT $1::int', n))), [1, 2, 3, 4])
    t.equal(db.stats().refused, 0)
  })

  t.test('health answers although the queue is full, and is not counted', async (t) => {
    const db = await openDatabase(t, observer, { min: 1, max: 1, maxWaiting: 1, health: { cache: 0 } })
    const lease = await db.acquire()
    const waiting = db.fetchVal('SELECT 1')
    t.match(await db.health(), { status: 'degraded', database: { waiting: 1, latency_ms: null } })
    t.equal(db.stats().refused, 0)
    await lease.release()
    await waiting
    t.match(await db.health(), { status: 'healthy' })
  })

  t.test('health waits for a connection although the queue is full, where there is none', async (t) => {
    const db = await openDatabase(t, observer, { min: 0, max: 1, maxWaiting: 1, health: { cache: 0, timeout: 5 } })
    db.expire()
    t.equal(db.stats().size, 0)
    const waiting = db.fetchVal('SELECT 1')
    t.match(await db.health(), { status: 'healthy' })
    t.equal(await waiting, 1)
    t.match(db.stats(), { refused: 0, errors: 0 })
  })

  t.test('db.* inside a transaction is refused like any other, and the transaction goes on', async (t) => {
    const db = await openDatabase(t, observer, { min: 2, max: 2, maxWaiting: 1 })
    const lease = await db.acquire()
    await db.transaction(async (tx) => {
      const waiting = db.fetchVal('SELECT 1')
      await t.rejects(db.fetchVal('SELECT 2'), FULL)
      t.equal(await tx.fetchVal('SELECT 3'), 3)
      await lease.release()
      t.equal(await waiting, 1)
    })
    t.match(db.stats(), { free: 2, waiting: 0 })
  })

  t.test('10,000 callers on 10 connections: each has its row, none is lost', async (t) => {
    const landed = await landing('landed_of_all')
    const db = await openDatabase(t, observer, { min: 10, max: 10 })
    await Promise.all(Array.from({ length: 10_000 }, (_, n) => db.execute(`INSERT INTO ${landed} VALUES ($1)`, n)))
    t.same(await observer.rows(`SELECT count(*)::int, min(n), max(n) FROM ${landed}`), [{ count: 10_000, min: 0, max: 9999 }])
    t.match(db.stats(), { waiting: 0, free: 10, size: 10, errors: 0 })
  })

  t.test('10,000 callers and room for 1,000: each is either served or refused, and the rows are those of the served', async (t) => {
    const landed = await landing('landed_of_served')
    const db = await openDatabase(t, observer, { min: 10, max: 10, maxWaiting: 1000 })
    const outcomes = await Promise.all(Array.from({ length: 10_000 }, (_, n) => db.execute(`INSERT INTO ${landed} VALUES ($1)`, n).then(() => n, (error) => error.code)))
    const served = outcomes.filter((outcome) => typeof outcome === 'number')
    t.ok(served.length >= 1000)
    t.ok(outcomes.every((outcome) => typeof outcome === 'number' || outcome === FULL.code))
    t.same((await observer.rows(`SELECT n FROM ${landed} ORDER BY n`)).map(({ n }) => n), served)
    t.match(db.stats(), { waiting: 0, free: 10, refused: 10_000 - served.length })
  })
})

/** What was logged about connections that were held for long. */
function reports (log: MemoryLog): MemoryLog['lines'] {
  return log.lines.filter(({ message }) => /has held a connection/.test(message))
}

t.test('a connection that is held for long', async (t) => {
  const observer = await freshDatabase(t)

  async function watched (t: Test, leakWarning: number | undefined): Promise<{ db: Database, log: MemoryLog }> {
    const log = memoryLog()
    return { db: await openDatabase(t, observer, { min: 1, max: 2, log, leakWarning, idleTimeout: 0.04 }), log }
  }
  /** Until the housekeeper has looked: it closes a connection beyond `min` that is idle, and then looks for leaks. */
  const looks = async (db: Database): Promise<void> => {
    const { max, busy, closed: { idle = 0 } } = db.stats()
    const idleOnes = await Promise.all(Array.from({ length: max - busy }, () => db.acquire()))
    await Promise.all(idleOnes.map((lease) => lease.release()))
    await until(() => (db.stats().closed.idle ?? 0) > idle)
  }

  t.test('a lease is reported once, with who took it, and then as returned (case 40)', async (t) => {
    const { db, log } = await watched(t, 0.04)
    const lease = await db.acquire()
    const backendPid = await lease.fetchVal('SELECT pg_backend_pid()')
    await until(() => reports(log).length > 0)
    await looks(db)
    t.match(reports(log), [{ level: 'warn', object: { event: 'leak.suspected', holder: 'lease', backendPid, heldFor: Number }, message: /^a lease has held a connection for longer than leakWarning/ }])
    t.equal(reports(log).length, 1)
    t.match(Reflect.get(reports(log)[0]?.object ?? {}, 'takenBy')[0], /overload\.test\.ts:\d+/)
    await lease.release()
    t.match(log.lines.at(-1), { level: 'info', object: { event: 'leak.returned', holder: 'lease', backendPid }, message: /^the lease that held a connection for long has returned it$/ })

    const again = await db.acquire()
    await until(() => reports(log).length === 2)
    await again.release()
    t.equal(log.lines.filter(({ message }) => message.endsWith('has returned it')).length, 2, 'each time again')
  })

  t.test('a transaction is reported, with who took it, where leakWarning was given', async (t) => {
    const { db, log } = await watched(t, 0.04)
    await db.transaction(async () => await until(() => reports(log).length > 0))
    t.match(reports(log), [{ object: { holder: 'transaction' }, message: /takenBy says who took it$/ }])
    t.match(Reflect.get(reports(log)[0]?.object ?? {}, 'takenBy').join(), /overload\.test\.ts:\d+/)
    t.ok(log.lines.some(({ message }) => message === 'the transaction that held a connection for long has returned it'))
  })

  t.test('so is a batch, whose lists may come slowly', async (t) => {
    const { db, log } = await watched(t, 0.04)
    async function * lists (): AsyncGenerator<unknown[]> {
      yield [1]
      await until(() => reports(log).length > 0)
      yield [2]
    }
    t.same(await db.executeMany('SELECT $1::int', lists()), { count: 2 })
    t.match(reports(log), [{ object: { holder: 'transaction' } }])
    t.match(Reflect.get(reports(log)[0]?.object ?? {}, 'takenBy').join(), /overload\.test\.ts:\d+/)
  })

  t.test('statements are not reported: commandTimeout bounds them', async (t) => {
    const { db, log } = await watched(t, 0.02)
    await db.fetchVal('SELECT pg_sleep(0.15)')
    t.same(reports(log), [])
  })

  t.test('0 turns it off', async (t) => {
    const { db, log } = await watched(t, 0)
    const lease = await db.acquire()
    await looks(db)
    await lease.release()
    t.same(reports(log), [])
    t.notOk(log.lines.some(({ message }) => /returned/.test(message)))
  })

  t.test('a connection that dies after its report is not said to be returned', async (t) => {
    const { db, log } = await watched(t, 0.04)
    const lease = await db.acquire()
    await until(() => reports(log).length > 0)
    await observer.kill()
    await until(() => log.lines.some(({ message }) => message === 'database connection lost'))
    await lease.release()
    await looks(db)
    t.equal(reports(log).length, 1)
    t.notOk(log.lines.some(({ message }) => /returned/.test(message)))
    t.equal(await db.fetchVal('SELECT 1'), 1)
  })

  t.test('a lease that nobody has any more is reported', async (t) => {
    const { db, log } = await watched(t, 0.04)
    const forgotten = await (async () => new WeakRef(await db.acquire()))()
    setFlagsFromString('--expose-gc')
    const collect: () => void = runInNewContext('gc')
    await until(() => {
      collect()
      return forgotten.deref() === undefined && reports(log).length > 0
    })
    t.match(reports(log), [{ object: { holder: 'lease', takenBy: [/overload\.test\.ts:\d+/] } }])
    await observer.kill() // so that closing need not wait for it
    await until(() => db.stats().busy === 0)
  })
})

t.test('more connections than the server has', async (t) => {
  // A reserve of each kind: 20 - 2 - 3 are left.
  const server = await startEmbeddedPostgres({ settings: { max_connections: 20, superuser_reserved_connections: 2, reserved_connections: 3 } })
  t.teardown(() => server.close())
  const observer = await new Observer(server.url).open()
  t.teardown(() => observer.close())
  const warnings = async (options: object): Promise<Array<{ object: object, message: string }>> => {
    const log = memoryLog()
    const db = createDatabase({ url: server.url, min: 2, log, ...options }, {})
    await db.open()
    await db.transaction(async () => await db.fetchVal('SELECT 1'))
    await db.close()
    return log.lines.filter(({ level }) => level === 'warn')
  }

  t.test('are warned of once, with the arithmetic', async (t) => {
    t.match(await warnings({ max: 16 }), [{
      object: { max: 16, instances: 1, max_connections: 20, reserved: 5 },
      message: 'the pool may open more connections than the server has: max 16 × instances 1 = 16, but max_connections 20 - 5 reserved = 15: set max to 15 at most, or raise max_connections on the server',
    }])
    t.equal((await warnings({ max: 16 })).length, 1)
  })

  t.test('count for all instances together', async (t) => {
    t.match((await warnings({ max: 8, instances: 2 })).map(({ message }) => message), [/max 8 × instances 2 = 16, but .* = 15: set max to 7 at most/])
    t.match((await warnings({ max: 2, instances: 16 })).map(({ message }) => message), [/max 2 × instances 16 = 32, but .* = 15: run fewer instances, or/])
  })

  t.test('what fits exactly is not warned of', async (t) => {
    t.same(await warnings({ max: 15 }), [])
    t.same(await warnings({ max: 5, instances: 3 }), [])
  })
})

t.test('a lease that was returned is not reported again while its aborted statement is still ending', async (t) => {
  const observer = await freshDatabase(t)
  const proxy = await FaultProxy.start(t, observer.url)
  const log = memoryLog()
  const db = await openDatabase(t, observer, { url: proxy.url, min: 1, max: 1, leakWarning: 0.1, log })
  const warnings = (): number => log.lines.filter(({ level, message }) => level === 'warn' && message.includes('leakWarning')).length
  const lease = await db.acquire()
  const controller = new AbortController()
  const call = lease.fetchVal({ text: 'SELECT pg_sleep(30)', signal: controller.signal })
  call.catch(() => {})
  await until(() => warnings() === 1)
  proxy.delay(500) // for the cancel
  controller.abort()
  await t.rejects(call, { code: 'FST_PG_ABORTED' })
  await lease.release()
  await until(() => db.stats().free === 1)
  t.equal(warnings(), 1)
})
