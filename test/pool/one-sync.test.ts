import t, { type Test } from 'tap'
import type { Database, DatabaseOptions } from '../../src/index.js'
import { freshDatabase, openDatabase, uniqueName, until } from '../support/database.js'
import { seeded } from '../support/random.js'
import { FaultProxy } from '../../tools/fault-proxy.js'

/** Says what it was asked for, and fails for a divisor of 0. */
const DIVIDE = 'SELECT $1::int AS n, 12 / $2::int AS q'

/** Runs a statement until it is prepared and known to be quick. */
async function learn (db: Database, text: string, args: readonly unknown[], limit?: number): Promise<void> {
  for (let round = 0; round < 5; round++) await db.fetchAll({ text, prepare: true, ...limit === undefined ? {} : { limit } }, ...args)
}

/** Makes calls in one turn of the event loop, until they do travel together. */
async function together<T> (db: Database, before: () => Promise<unknown>, make: () => Array<Promise<T>>): Promise<Array<PromiseSettledResult<T>>> {
  for (let attempts = 200; attempts > 0; attempts--) {
    await before()
    const { pipelined } = db.stats()
    const calls = make()
    const isOne = db.stats().pipelined - pipelined === calls.length - 1
    const outcomes = await Promise.allSettled(calls)
    if (isOne) return outcomes
  }
  throw new Error('they do not travel together')
}

interface Asked { readonly n: number, readonly divisor: number }

/** Ways to ask for the row of a number, with what each gives for the one that is asked for. */
const WAYS: Readonly<Record<string, (db: Database, asked: Asked) => Promise<unknown>>> = {
  fetchOne: (db, { n, divisor }) => db.fetchOne(DIVIDE, n, divisor),
  fetchAll: (db, { n, divisor }) => db.fetchAll(DIVIDE, n, divisor).then(([row]) => row),
  fetchVal: (db, { n, divisor }) => db.fetchVal(DIVIDE, n, divisor).then((value) => ({ n: value, q: 12 / divisor })),
  fetchColumn: (db, { n, divisor }) => db.fetchColumn(DIVIDE, n, divisor).then(([value]) => ({ n: value, q: 12 / divisor })),
  query: (db, { n, divisor }) => db.query(DIVIDE, n, divisor).then(({ rows: [row] }) => row),
  arrays: (db, { n, divisor }) => db.fetchAll<unknown[]>({ text: DIVIDE, rows: 'array' }, n, divisor).then(([row]) => ({ n: row?.[0], q: row?.[1] })),
  limit: (db, { n, divisor }) => db.fetchAll({ text: DIVIDE, limit: 1 }, n, divisor).then(([row]) => row),
  'limit that is not reached': (db, { n, divisor }) => db.fetchAll({ text: DIVIDE, limit: 2 }, n, divisor).then(([row]) => row),
}

t.test('executions with one Sync', async (t) => {
  const observer = await freshDatabase(t)

  async function open (t: Test, options: DatabaseOptions = {}): Promise<Database> {
    return await openDatabase(t, observer, { min: 1, max: 1, ...options })
  }

  t.test('each caller has its own row or its own error, whoever fails and however it asks', async (t) => {
    const db = await open(t)
    const { pick, integer, chance } = seeded('one sync')
    const ways = Object.values(WAYS)
    const FAILING: ReadonlyArray<(index: number, count: number) => boolean> = [
      () => false, (index) => index === 0, (index, count) => index === count - 1, (index, count) => index === count >> 1, () => true,
      () => chance(0.3), (index) => index % 2 === 0,
    ]
    for (let round = 0; round < 60; round++) {
      const fails = FAILING[round % FAILING.length] ?? (() => false)
      const count = pick([2, 3, integer(4, 31), 32])
      let asked: Asked[] = []
      let errors = 0
      const outcomes = await together(db, async () => {
        await learn(db, DIVIDE, [1, 1])
        await learn(db, DIVIDE, [1, 1], 1)
        asked = Array.from({ length: count }, (_, index) => ({ n: round * 100 + index, divisor: fails(index, count) ? 0 : integer(1, 12) }))
        errors = db.stats().errors
      }, () => asked.map((each) => pick(ways)(db, each)))
      const failed = asked.filter(({ divisor }) => divisor === 0).length
      t.equal(db.stats().errors - errors, failed, 'each error is counted once')
      for (const [index, outcome] of outcomes.entries()) {
        const { n = 0, divisor = 0 } = asked[index] ?? {}
        if (divisor === 0) t.match(outcome, { status: 'rejected', reason: { code: '22012', serverMessage: 'division by zero' } })
        else t.match(outcome, { status: 'fulfilled', value: { n } })
      }
    }
    t.match(db.stats(), { created: 1, size: 1, free: 1, busy: 0, waiting: 0 })
  })

  t.test('an error says what its own caller gave', async (t) => {
    const text = 'SELECT $1::text::int AS n'
    const db = await open(t)
    for (const bad of [[0], [7], [3, 4], [0, 1, 2, 3, 4, 5, 6, 7]]) {
      const outcomes = await together(db, () => learn(db, text, ['1']),
        () => Array.from({ length: 8 }, (_, index) => db.fetchVal(text, bad.includes(index) ? `bad${index}` : String(index))))
      for (const [index, outcome] of outcomes.entries()) {
        if (bad.includes(index)) t.match(outcome, { reason: { code: '22P02', serverMessage: `invalid input syntax for type integer: "bad${index}"` } })
        else t.match(outcome, { value: index })
      }
    }
  })

  t.test('several texts in turn, some of which fail', async (t) => {
    const db = await open(t)
    const others = ['SELECT $1::int AS n, 6 / $2::int AS q', 'SELECT $1::int AS n, 3 / $2::int AS q']
    const texts = [DIVIDE, DIVIDE, ...others, DIVIDE, DIVIDE, ...others]
    const asked = texts.flatMap((text, index) => [{ text, n: index * 2, divisor: index === 4 ? 0 : 1 }, { text, n: index * 2 + 1, divisor: index === 3 ? 0 : 1 }])
    const outcomes = await together(db, async () => { for (const text of [DIVIDE, ...others]) await learn(db, text, [1, 1]) },
      () => asked.map(({ text, n, divisor }) => db.fetchOne(text, n, divisor)))
    for (const [index, outcome] of outcomes.entries()) {
      const { text = '', n = 0, divisor = 0 } = asked[index] ?? {}
      if (divisor === 0) t.match(outcome, { reason: { code: '22012' } })
      else t.strictSame(outcome, { status: 'fulfilled', value: { n, q: Number(/(\d+) \//.exec(text)?.[1]) } })
    }
  })

  t.test('what all fail by, each of them is told', async (t) => {
    const role = uniqueName('reader')
    await observer.rows(`CREATE TABLE private (id int); CREATE ROLE ${role} LOGIN PASSWORD 'secret'; GRANT SELECT ON private TO ${role}`)
    t.teardown(() => observer.rows(`DROP OWNED BY ${role}; DROP ROLE ${role}`))
    const url = Object.assign(new URL(observer.url), { username: role, password: 'secret' }).href
    const db = await open(t, { url })
    const text = 'SELECT count(*)::int FROM private WHERE id = $1'
    const outcomes = await together(db, async () => {
      await observer.rows(`GRANT SELECT ON private TO ${role}`)
      await learn(db, text, [1])
      await observer.rows(`REVOKE SELECT ON private FROM ${role}`)
    }, () => Array.from({ length: 10 }, (_, n) => db.fetchVal(text, n)))
    for (const outcome of outcomes) t.match(outcome, { reason: { code: '42501' } })
    t.equal(db.stats().created, 1)
    await db.close()
  })

  for (const level of ['repeatable read', 'serializable']) {
    t.test(`default_transaction_isolation = ${level}`, async (t) => {
      await observer.rows('CREATE TABLE IF NOT EXISTS counted (id int PRIMARY KEY, n int); TRUNCATE counted; INSERT INTO counted SELECT n, 0 FROM generate_series(1, 8) n')
      const db = await open(t, { max: 4, parameters: { default_transaction_isolation: level } })
      const text = 'SELECT id, n FROM counted WHERE id = $1'
      await learn(db, text, [1])
      const update = 'UPDATE counted SET n = n + 1 WHERE id = $1'
      const seen = new Map<number, number>()
      for (let round = 0; round < 100; round++) {
        const writers = [1, 2].map((n) => db.execute(update, (round + n) % 8 + 1).catch((error) => t.equal(error.code, '40001')))
        const rows = await Promise.all(Array.from({ length: 20 }, (_, index) => db.fetchOne<{ id: number, n: number }>(text, index % 8 + 1)))
        for (const [index, row] of rows.entries()) {
          t.equal(row?.id, index % 8 + 1)
          t.ok((row?.n ?? -1) >= (seen.get(index) ?? 0), 'nothing older than what was seen before')
          seen.set(index, row?.n ?? 0)
        }
        await Promise.all(writers)
      }
      t.ok(db.stats().pipelined > 0)
    })
  }

  for (const [name, chosen] of Object.entries({ first: [0], middle: [5], last: [9], two: [3, 6], all: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9] })) {
    for (const when of ['at once', 'while it waits for a lock'] as const) {
      t.test(`aborted ${when}: ${name}`, async (t) => {
        await observer.rows('CREATE TABLE IF NOT EXISTS locked (id int)')
        const text = 'SELECT $1::int + count(*)::int FROM locked'
        const db = await open(t)
        let controller = new AbortController()
        const outcomes = await together(db, async () => {
          await observer.rows('ROLLBACK')
          await learn(db, text, [1])
          controller = new AbortController()
          await observer.rows('BEGIN; LOCK TABLE locked IN ACCESS EXCLUSIVE MODE')
        }, () => {
          const { signal } = controller
          const calls = Array.from({ length: 10 }, (_, n) => db.fetchVal(chosen.includes(n) ? { text, signal } : text, n))
          const abort = async (): Promise<void> => {
            if (when !== 'at once') await until(async () => (await observer.rows("SELECT FROM pg_locks WHERE relation = 'locked'::regclass AND NOT granted")).length > 0)
            controller.abort()
            await Promise.allSettled(calls.filter((_, n) => chosen.includes(n)))
            await observer.rows('COMMIT')
          }
          abort().catch((error) => t.fail(error))
          return calls
        })
        for (const [n, outcome] of outcomes.entries()) {
          if (chosen.includes(n)) t.match(outcome, { reason: { code: 'FST_PG_ABORTED' } })
          else t.strictSame(outcome, { status: 'fulfilled', value: n })
        }
        await until(() => db.stats().free === 1)
        t.match(db.stats(), { created: 1, size: 1, free: 1 })
        t.equal(await db.fetchVal('SELECT 3'), 3)
      })
    }
  }

  t.test('a member that times out does not keep the others: they have their rows when it is cancelled', async (t) => {
    await observer.rows('CREATE TABLE naps (id int PRIMARY KEY, seconds float8); INSERT INTO naps SELECT n, 0 FROM generate_series(0, 9) n')
    const text = 'SELECT id FROM naps, pg_sleep($2) WHERE id = $1'
    for (const slow of [0, 4, 9]) {
      const db = await open(t, { commandTimeout: 60 })
      const outcomes = await together(db, () => learn(db, text, [1, 0]),
        () => Array.from({ length: 10 }, (_, n) => n === slow ? db.fetchVal({ text, timeout: 0.1 }, n, 3600) : db.fetchVal(text, n, 0)))
      for (const [n, outcome] of outcomes.entries()) {
        if (n === slow) t.match(outcome, { reason: { code: 'FST_PG_QUERY_TIMEOUT' } })
        else t.strictSame(outcome, { status: 'fulfilled', value: n })
      }
      t.equal(db.stats().created, 1)
    }
  })

  t.test("the server's own limit ends one, and the others have their rows", async (t) => {
    const text = 'SELECT $1::int FROM pg_sleep($2)'
    for (const slow of [0, 4, 9]) {
      const db = await open(t, { commandTimeout: 0.2 })
      const outcomes = await together(db, () => learn(db, text, [1, 0]),
        () => Array.from({ length: 10 }, (_, n) => db.fetchVal(text, n, n === slow ? 3600 : 0)))
      for (const [n, outcome] of outcomes.entries()) {
        if (n === slow) t.match(outcome, { reason: { code: 'FST_PG_QUERY_TIMEOUT' } })
        else t.strictSame(outcome, { status: 'fulfilled', value: n })
      }
      t.match(db.stats(), { created: 1 })
    }
  })

  t.test('aborted at any time, with cancels that come late: each has its own row or is told that it was aborted', async (t) => {
    const proxy = await FaultProxy.start(t, observer.url)
    const text = 'SELECT $1::int AS n FROM pg_sleep($2)'
    for (const late of [0, 3, 20]) {
      const db = await open(t, { url: proxy.url })
      proxy.delay(late)
      const { integer, chance, pick } = seeded(`aborted ${late}`)
      for (let round = 0; round < 25; round++) {
        await learn(db, text, [1, 0])
        const shared = new AbortController()
        const calls = Array.from({ length: integer(2, 32) }, async (_, n) => {
          const controller = chance(0.7) ? undefined : chance(0.3) ? shared : new AbortController()
          const call = db.fetchVal(controller === undefined ? text : { text, signal: controller.signal }, n, chance(0.1) ? 0.02 : 0)
          const outcome = call.catch((error) => error.code)
          for (let turns = pick([0, 0, 1, 2, 5, 20, 100]); turns > 0; turns--) await new Promise(setImmediate)
          controller?.abort()
          const value = await outcome
          t.ok(value === n || (controller !== undefined && value === 'FST_PG_ABORTED'), `${n}: ${value}`)
        })
        await Promise.all(calls)
      }
      await until(() => db.stats().free === 1)
      t.match(db.stats(), { created: 1, busy: 0 })
      await db.close()
    }
  })
})

t.test('a group that is late is broken up', async (t) => {
  const observer = await freshDatabase(t)

  t.test('a call in front of a slow one of the same text is answered within its own time', async (t) => {
    const db = await openDatabase(t, observer, { min: 1, max: 1 })
    const text = 'SELECT $1::int FROM pg_sleep($2)'
    await until(async () => {
      for (let run = 0; run < 40; run++) await db.fetchVal(text, 0, 0)
      const { pipelined } = db.stats()
      const first = db.fetchVal({ text, timeout: 4 }, 1, 0)
      const slow = db.fetchVal(text, 2, 5)
      const last = db.fetchVal(text, 3, 0)
      t.equal(await first, 1)
      const isTogether = db.stats().pipelined === pipelined + 2
      t.same(await Promise.all([slow, last]), [2, 3])
      return isTogether
    }, 60)
    t.match(db.stats(), { errors: 0, queryTimeouts: 0, created: 1 })
  })

  t.test('a migration that locks one partition after the other is in no deadlock with it', async (t) => {
    await observer.rows('CREATE TABLE parted (id int, v int) PARTITION BY LIST (id)')
    await observer.rows('CREATE TABLE p1 PARTITION OF parted FOR VALUES IN (1)')
    await observer.rows('CREATE TABLE p2 PARTITION OF parted FOR VALUES IN (2)')
    await observer.rows('INSERT INTO parted VALUES (1, 10), (2, 20)')
    const db = await openDatabase(t, observer, { min: 1, max: 1 })
    const migration = await openDatabase(t, observer, { min: 1, max: 1 })
    const text = 'SELECT v FROM parted WHERE id = $1'
    for (let run = 0; run < 40; run++) await db.fetchVal(text, 1 + run % 2)
    const reads = await migration.transaction(async (tx) => {
      await tx.execute('LOCK TABLE p2 IN ACCESS EXCLUSIVE MODE')
      const reads = [db.fetchVal(text, 1), db.fetchVal(text, 2)]
      await until(async () => (await observer.rows("SELECT 1 FROM pg_locks WHERE NOT granted AND mode = 'AccessShareLock'")).length > 0)
      await tx.execute('LOCK TABLE p1 IN ACCESS EXCLUSIVE MODE') // waits for the group, which waits for p2
      return reads
    })
    t.same(await Promise.all(reads), [10, 20])
  })
})
