import t from 'tap'
import { type Database, errors, ServerError } from '../../src/index.js'
import { freshDatabase, openDatabase, until } from '../support/database.js'

t.test('load', async (t) => {
  const observer = await freshDatabase(t)

  t.test('100 concurrent requests', async (t) => {
    const db = await openDatabase(t, observer, { min: 10, max: 50 })
    const values = await Promise.all(Array.from({ length: 100 }, (_, i) => db.fetchVal('SELECT $1::int', i)))
    t.same(values, Array.from({ length: 100 }, (_, i) => i))
  })

  t.test('200 against a pool of 10, none fails', async (t) => {
    const db = await openDatabase(t, observer, { min: 10, max: 10 })
    await db.execute('CREATE TABLE hits (n int)')
    await Promise.all(Array.from({ length: 200 }, async (_, i) => {
      if (i % 4 === 0) await db.transaction((tx) => tx.execute('INSERT INTO hits VALUES ($1)', i))
      else if (i % 4 === 1) await db.execute('INSERT INTO hits VALUES ($1)', i)
      else if (i % 4 === 2) await db.executeMany('INSERT INTO hits VALUES ($1)', [[i]])
      else await db.executeWithReturning('INSERT INTO hits VALUES ($1) RETURNING n', i)
    }))
    t.same(await db.fetchOne('SELECT count(*) AS n, sum(n) AS sum FROM hits'), { n: 200, sum: 19900 })
    t.match(db.stats(), { size: 10, free: 10, errors: 0 })
  })

  t.test('the numbers are exact: 64 callers, quick, slow, failing, timed out, transactions, kills (case 39)', async (t) => {
    const db = await openDatabase(t, observer, { min: 4, max: 12 })
    const gate = new Gate()
    const end = new AbortController()
    let samples = 0
    const check = (): void => {
      const { size, free, busy, closing, max } = db.stats()
      if (size !== free + busy || size + closing > max) t.fail(`size ${size}, free ${free}, busy ${busy}, closing ${closing}`)
      samples++
    }
    const callers = Array.from({ length: 64 }, async (_, caller) => {
      for (let i = 0; !end.signal.aborted; i++) {
        await gate.pass()
        check()
        await work(db, (caller * 31 + i * 17) % 10).catch(expected)
        check()
      }
    })
    for (let round = 0; round < 10; round++) {
      // Kill in the middle of the work, three times, then have a moment of quiet.
      for (let kills = 0; kills < 3; kills++) {
        const backends = await observer.backends()
        const victim = backends[(round + kills) % Math.max(backends.length, 1)]
        if (victim !== undefined) await observer.kill([victim.pid])
        await db.fetchVal('SELECT 1').catch(expected)
      }
      const goOn = await gate.close(64)
      const leases = await Promise.all(Array.from({ length: round % 4 }, () => db.acquire()))
      for (const lease of leases) await lease.execute('BEGIN').catch(expected)
      await until(async () => {
        const backends = await observer.backends()
        const { size, busy, opening, closing } = db.stats()
        return opening + closing === 0 && backends.length === size && backends.filter(({ state }) => state === 'idle in transaction').length === busy
      })
      check()
      for (const lease of leases) await lease.release()
      goOn()
    }
    end.abort()
    await Promise.all(callers)
    t.ok(samples > 1000)
    t.ok((db.stats().closed.lost ?? 0) > 0, 'connections were killed')
    await until(() => db.stats().busy === 0)
    await until(async () => (await observer.backends()).length === db.stats().size)
    t.match(db.stats(), { busy: 0, waiting: 0 })
    t.ok(db.stats().size >= 4)
  })

  t.test('200 concurrent transactions and inserts on 2 connections: none lost, none failed (case 45)', async (t) => {
    const db = await openDatabase(t, observer, { min: 2, max: 2 })
    await db.execute('CREATE TABLE both_kinds (n int)')
    await Promise.all(Array.from({ length: 200 }, (_, i) => i % 2 === 0
      ? db.transaction(async (tx) => { await tx.execute('INSERT INTO both_kinds VALUES ($1)', i) })
      : db.execute('INSERT INTO both_kinds VALUES ($1)', i)))
    t.equal(await db.fetchVal('SELECT count(DISTINCT n) FROM both_kinds'), 200)
  })
})

async function work (db: Database, kind: number): Promise<unknown> {
  if (kind < 4) return await db.fetchVal('SELECT $1::int', kind)
  if (kind === 4) return await db.fetchVal('SELECT pg_sleep(0.02)')
  if (kind === 5) return await db.fetchVal('SELECT 1 / (2 - i) FROM generate_series(1, 5) i')
  if (kind === 6) return await db.fetchVal({ text: 'SELECT pg_sleep(1)', timeout: 0.01 })
  if (kind === 7) return await db.transaction(async (tx) => [await tx.fetchVal('SELECT 1'), await tx.fetchVal('SELECT 2')])
  if (kind === 8) return await db.transaction(() => { throw new Error('undo') })
  return await db.executeMany('SELECT $1::int', [[1], [2], [3]])
}

/** What a caller may meet while statements fail on purpose and connections are killed. */
function expected (error: unknown): void {
  const fine = error instanceof ServerError
    ? ['22012', '57014'].includes(error.code)
    : error instanceof errors.ConnectionLostError || error instanceof errors.QueryTimeoutError || (error instanceof Error && error.message === 'undo')
  if (!fine) throw error
}

/** Lets callers pass, or holds them all at one place. */
class Gate {
  #parked = 0
  #open: Promise<void> | undefined

  async pass (): Promise<void> {
    if (this.#open === undefined) return
    this.#parked++
    await this.#open
    this.#parked--
  }

  /** Resolves when all callers have arrived, with the function that lets them go on. */
  async close (callers: number): Promise<() => void> {
    let open = (): void => {}
    this.#open = new Promise((resolve) => { open = resolve })
    await until(() => this.#parked === callers, 30)
    return () => {
      this.#open = undefined
      open()
    }
  }
}
