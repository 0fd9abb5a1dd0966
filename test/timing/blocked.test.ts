import { setImmediate as turn } from 'node:timers/promises'
import t from 'tap'
import { FairTimer } from '../../src/timing/fair-timer.js'
import { freshDatabase, openDatabase, until } from '../support/database.js'

/** Keeps this process from reading anything. */
function block (milliseconds: number): void {
  const end = performance.now() + milliseconds
  while (performance.now() < end);
}

t.test('a blocked event loop is no timeout', async (t) => {
  const observer = await freshDatabase(t)
  /** Of the rows are more than the sockets between hold. */
  const LARGE = "SELECT n, repeat('x', 1000) FROM generate_series(1, 20000) n"

  t.test('of statements, whether they were sent before or not', async (t) => {
    const db = await openDatabase(t, observer, { min: 2, max: 2, commandTimeout: 20 })
    for (const milliseconds of [700, 3000]) {
      for (const isSent of [true, false]) {
        const calls = [db.fetchVal({ text: 'SELECT $1::int', timeout: 0.3 }, 1), db.fetchVal({ text: 'SELECT $1::int', timeout: 0.3 }, 2)]
        if (isSent) await turn()
        block(milliseconds)
        t.same(await Promise.all(calls), [1, 2], `${milliseconds} ms, ${isSent ? 'sent' : 'not sent'}`)
      }
    }
    t.match(db.stats(), { queryTimeouts: 0, created: 2, size: 2 })
  })

  t.test('of transactions and batches', async (t) => {
    const db = await openDatabase(t, observer, { min: 1, max: 1, commandTimeout: 0.5 })
    await db.execute('CREATE TABLE written (n int)')
    await db.transaction(async (tx) => {
      const call = tx.execute('INSERT INTO written VALUES (1)')
      await turn()
      block(1200)
      await call
    })
    const batch = db.executeMany({ text: 'INSERT INTO written VALUES ($1)', batch: 'pipeline' }, Array.from({ length: 100 }, (_, n) => [n]))
    await turn()
    block(1200)
    await batch
    t.equal(await db.fetchVal('SELECT count(*) FROM written'), 101)
    t.match(db.stats(), { errors: 0, created: 1 })
  })

  t.test('of large results', async (t) => {
    const db = await openDatabase(t, observer, { min: 1, max: 1, commandTimeout: 20 })
    const call = db.fetchAll({ text: LARGE, timeout: 2 })
    await turn()
    block(2300)
    t.equal((await call).length, 20_000)
  })

  t.test('of callers that wait for a connection', async (t) => {
    const db = await openDatabase(t, observer, { min: 1, max: 1, acquireTimeout: 0.3 })
    const first = db.fetchVal('SELECT $1::int FROM pg_sleep(0.05)', 1)
    const second = db.fetchVal('SELECT 2')
    await turn()
    block(1000)
    t.same(await Promise.all([first, second]), [1, 2])
    t.equal(db.stats().acquireTimeouts, 0)
  })

  t.test('of connects', async (t) => {
    const db = await openDatabase(t, observer, { min: 0, max: 2, connectTimeout: 0.5 })
    db.expire()
    for (let turns = 0; turns < 8; turns++) {
      const call = db.fetchVal('SELECT 3')
      for (let n = 0; n < turns; n++) await turn()
      block(800)
      t.equal(await call, 3, `blocked after ${turns} turns`)
      db.expire()
      await until(() => db.stats().size === 0)
    }
    t.match(db.stats(), { connectFailures: 0 })
  })

  t.test('of health', async (t) => {
    const db = await openDatabase(t, observer, { min: 1, max: 1, health: { timeout: 0.2, cache: 0 } })
    for (let turns = 0; turns < 4; turns++) {
      const health = db.health()
      for (let n = 0; n < turns; n++) await turn()
      block(700)
      t.match(await health, { status: 'healthy' }, `blocked after ${turns} turns`)
    }
  })

  t.test('what did not arrive in time, with all that has arrived read, has timed out', async (t) => {
    const db = await openDatabase(t, observer, { min: 1, max: 1, commandTimeout: 20 })
    const call = db.fetchVal({ text: 'SELECT pg_sleep(30)', timeout: 0.3 })
    const outcome = t.rejects(call, { code: 'FST_PG_QUERY_TIMEOUT' })
    await turn()
    block(700)
    await outcome
    t.equal(await db.fetchVal('SELECT 1'), 1)
  })
})

t.test('a timer of a process that is always busy goes off all the same', async (t) => {
  const outcome = { isOver: false }
  const timer = new FairTimer(10, () => { outcome.isOver = true })
  t.teardown(() => timer.clear())
  let blocks = 0
  for (; !outcome.isOver && blocks < 60; blocks++) {
    block(370)
    await turn()
  }
  t.ok(outcome.isOver && blocks > 1, `after ${blocks} blocks`)
})
