import t, { type Test } from 'tap'
import type { Database, DatabaseOptions, Queryable, Row } from '../../src/index.js'
import { freshDatabase, openDatabase, type Observer } from '../support/database.js'

/** Each row that the server computes takes a number of the sequence. */
const TAKES = "SELECT i, nextval('taken') FROM generate_series(1, 100) AS i"
const TAKES_UP_TO = "SELECT i, nextval('taken') FROM generate_series(1, $1::int) AS i"
const SERIES = 'SELECT i FROM generate_series(1, $1::int) AS i'

async function setUp (t: Test, options: DatabaseOptions = {}): Promise<{ db: Database, observer: Observer, taken: () => Promise<number> }> {
  const observer = await freshDatabase(t)
  await observer.rows('CREATE SEQUENCE taken; CREATE TABLE items (id int PRIMARY KEY, note text)')
  await observer.rows("INSERT INTO items SELECT i, 'note ' || i FROM generate_series(1, 10) AS i")
  const db = await openDatabase(t, observer, options)
  let last = 0
  /** How many numbers were taken since the last time. */
  const taken = async (): Promise<number> => {
    const [row] = await observer.rows('SELECT CASE WHEN is_called THEN last_value ELSE 0 END::int AS n FROM taken')
    const before = last
    last = Number(row?.['n'])
    return last - before
  }
  return { db, observer, taken }
}

const is = (count: number): Row[] => Array.from({ length: count }, (_, index) => ({ i: index + 1 }))

t.test('the server computes as many rows as the limit says, and no more, in every lane', async (t) => {
  for (const prepare of [true, false]) {
    t.test(`in a pool with prepare: ${prepare}`, async (t) => {
      const { db, taken } = await setUp(t, { prepare, max: 1, min: 1 })
      const lanes: Record<string, (work: (on: Queryable) => Promise<void>) => Promise<void>> = {
        alone: (work) => work(db),
        'on a lease': async (work) => {
          const lease = await db.acquire()
          await work(lease).finally(() => lease.release())
        },
        'behind BEGIN': (work) => db.transaction(work),
        'later in a transaction': (work) => db.transaction(async (tx) => {
          await tx.fetchVal('SELECT 1')
          await work(tx)
        }),
        'in a savepoint': (work) => db.transaction((tx) => tx.transaction(work)),
        'in a transaction by hand': async (work) => {
          const lease = await db.acquire()
          await lease.execute('BEGIN')
          await work(lease)
          await lease.execute('COMMIT')
          await lease.release()
        },
      }
      for (const [lane, run] of Object.entries(lanes)) {
        await t.test(lane, async (t) => {
          for (const wish of [{}, { prepare: true }, { prepare: false }]) {
            for (let round = 0; round < 3; round++) {
              await run(async (on) => { t.equal((await on.fetchAll({ text: TAKES, limit: 3, ...wish })).length, 3) })
              t.equal(await taken(), 3)
              await run(async (on) => { t.equal((await on.fetchAll({ text: TAKES_UP_TO, values: [100], limit: 4, ...wish })).length, 4) })
              t.equal(await taken(), 4)
            }
          }
          await run(async (on) => {
            t.match(await on.fetchOne({ text: TAKES, limit: 1 }), { i: 1 })
            t.equal(await on.fetchVal({ text: TAKES, limit: 1 }), 1)
            t.match(await on.executeWithReturning({ text: TAKES, limit: 1 }), { i: 1 })
            t.strictSame(await on.fetchColumn({ text: TAKES, limit: 2 }), [1, 2])
            t.strictSame((await on.fetchAll({ text: TAKES, limit: 2, rows: 'array' })).map(([i]) => i), [1, 2])
            t.match(await on.query({ text: TAKES, limit: 2 }), { rows: [{ i: 1 }, { i: 2 }], count: null, command: null, columns: [{ name: 'i' }, { name: 'nextval' }] })
            await t.rejects(on.fetchExactlyOne({ text: TAKES, limit: 2 }), { code: 'FST_PG_TOO_MANY_ROWS' })
          })
          t.equal(await taken(), 11)
          await run(async (on) => { t.equal((await on.fetchAll(TAKES)).length, 100, 'without a limit all are there') })
          t.equal(await taken(), 100)
        })
      }
      t.match(db.stats(), { created: 1, errors: 0 })
    })
  }
})

t.test('a limit that is not reached', async (t) => {
  const { db } = await setUp(t)
  for (let round = 0; round < 3; round++) {
    t.strictSame(await db.fetchAll({ text: SERIES, values: [3], limit: 4 }), is(3))
    t.strictSame(await db.fetchAll({ text: SERIES, values: [3], limit: 3 }), is(3))
    t.strictSame(await db.fetchAll({ text: SERIES, values: [0], limit: 3 }), [])
    t.strictSame(await db.fetchAll({ text: SERIES, values: [3], limit: 2_147_483_647 }), is(3))
    t.match(await db.query({ text: SERIES, values: [3], limit: 4 }), { rows: is(3), count: 3, command: 'SELECT' }, 'the server has told')
    t.match(await db.query({ text: SERIES, values: [0], limit: 4 }), { rows: [], count: 0, command: 'SELECT', columns: [{ name: 'i' }] })
  }
  t.strictSame(await db.fetchAll({ text: SERIES, values: [3], limit: undefined }), is(3))
})

t.test('calls with a limit, without one and failing ones on one connection each get their own', async (t) => {
  const { db } = await setUp(t, { min: 1, max: 1 })
  const midway = 'SELECT 6 / (4 - i) AS i FROM generate_series(1, $1::int) AS i'
  const checks: Array<() => Promise<unknown>> = [
    async () => t.strictSame(await db.fetchAll({ text: SERIES, values: [9], limit: 2 }), is(2)),
    async () => t.strictSame(await db.fetchAll(SERIES, 9), is(9)),
    async () => t.strictSame(await db.fetchAll({ text: midway, values: [9], limit: 3 }), [{ i: 2 }, { i: 3 }, { i: 6 }], 'it stops before the error'),
    () => t.rejects(db.fetchAll({ text: midway, values: [9], limit: 4 }), { code: '22012' }),
    () => t.rejects(db.fetchAll(midway, 9), { code: '22012' }),
    async () => t.strictSame(await db.fetchOne({ text: `${SERIES} /* other */`, values: [9], limit: 5 }), { i: 1 }),
    async () => t.match(await db.execute(`${SERIES} /* effect */`, 7), { status: 'SELECT 7' }),
    async () => t.strictSame(await db.transaction((tx) => tx.fetchAll({ text: SERIES, values: [9], limit: 1 })), is(1)),
    () => t.rejects(db.fetchAll({ text: 'SELECT nothing', limit: 1 }), { code: '42703' }),
    () => t.rejects(db.fetchAll({ text: SERIES, values: [{}], limit: 1 }), { code: 'FST_PG_VALUE' }),
    () => t.rejects(db.transaction(async (tx) => {
      await tx.fetchAll({ text: SERIES, values: [9], limit: 1 })
      await tx.fetchAll({ text: midway, values: [9], limit: 4 })
    }), { code: '22012' }),
  ]
  for (let round = 0; round < 8; round++) {
    const rotated = [...checks.slice(round), ...checks.slice(0, round)]
    await Promise.all(rotated.map((check) => check()))
  }
  t.equal(db.stats().created, 1)
})

t.test('what has effects of its own has all of them, whatever comes back', async (t) => {
  const { db, observer } = await setUp(t)
  const count = async (where: string): Promise<unknown> => (await observer.rows(`SELECT count(*)::int AS n FROM items WHERE ${where}`))[0]?.['n']
  for (let round = 0; round < 3; round++) {
    const first = 100 * (round + 1)
    const insert = 'INSERT INTO items SELECT i FROM generate_series($1::int, $1 + 4) AS i RETURNING id'
    t.strictSame(await db.fetchAll({ text: insert, values: [first], limit: 2 }), [{ id: first }, { id: first + 1 }])
    t.equal(await count(`id >= ${first}`), 5)
    const update = "UPDATE items SET note = 'changed ' || $1::int WHERE id <= 10 RETURNING id"
    t.equal((await db.fetchAll({ text: update, values: [round], limit: 3 })).length, 3)
    t.equal(await count(`note = 'changed ${round}'`), 10)
    const within = 'WITH gone AS (DELETE FROM items WHERE id >= $1 RETURNING id) SELECT id FROM gone'
    t.equal((await db.transaction((tx) => tx.fetchAll({ text: within, values: [first], limit: 1 }))).length, 1)
    t.equal(await count(`id >= ${first}`), 0)
  }
  t.strictSame(await db.fetchAll({ text: "UPDATE items SET note = 'silent'", limit: 1 }), [], 'without RETURNING')
  t.equal(await count("note = 'silent'"), 10)
  t.equal((await db.fetchAll({ text: 'EXPLAIN SELECT 1', limit: 1 })).length, 1)
  const merge = 'MERGE INTO items USING generate_series(1, 10) AS i ON id = i WHEN MATCHED THEN DELETE RETURNING id'
  t.equal((await db.fetchAll({ text: merge, limit: 1 })).length, 1)
  t.equal(await count('true'), 0)
  await db.transaction(async (tx) => {
    await tx.execute('DECLARE numbers CURSOR FOR SELECT i FROM generate_series(1, 9) AS i')
    t.strictSame(await tx.fetchAll({ text: 'FETCH 5 FROM numbers', limit: 2 }), is(2))
    t.strictSame(await tx.fetchOne('FETCH numbers'), { i: 6 }, 'the cursor has moved by five')
  })
  t.match(await db.fetchOne({ text: 'SHOW server_encoding', limit: 1 }), { server_encoding: 'UTF8' })
})

t.test('what a procedure leaves in the session is cleaned away, although its command tag does not come', async (t) => {
  const { db, observer } = await setUp(t, { min: 1, max: 1 })
  await observer.rows(`CREATE PROCEDURE leaves (INOUT done bool) LANGUAGE plpgsql AS $$ BEGIN
    PERFORM set_config('search_path', 'pg_catalog', false); done := true; END $$`)
  for (const text of ['CALL leaves(NULL)', '/* first */ call leaves (NULL)', '-- \n CALL public.leaves($1)']) {
    t.strictSame(await db.fetchOne({ text, values: text.includes('$1') ? [null] : [], limit: 1 }), { done: true })
    t.equal(await db.fetchVal('SHOW search_path'), '"$user", public', text)
  }
})

t.test('further rows are not locked, and the lock on what it reads goes with its statement', async (t) => {
  const { db, observer } = await setUp(t)
  const free = async (): Promise<unknown[]> => {
    await observer.rows('BEGIN')
    const rows = await observer.rows('SELECT id FROM items ORDER BY id FOR UPDATE SKIP LOCKED')
    await observer.rows('ROLLBACK')
    return rows.map(({ id }) => id)
  }
  await db.transaction(async (tx) => {
    t.equal((await tx.fetchAll({ text: 'SELECT id FROM items ORDER BY id FOR UPDATE', limit: 2 })).length, 2)
    t.strictSame(await free(), [3, 4, 5, 6, 7, 8, 9, 10])
    const pid = await tx.fetchVal({ text: 'SELECT pg_backend_pid() FROM items', limit: 1 })
    t.match(await observer.rows('SELECT state, backend_xmin FROM pg_stat_activity WHERE pid = $1', [pid]), [{ state: 'idle in transaction', backend_xmin: null }],
      'no portal keeps its snapshot')
    await tx.execute('ALTER TABLE items ADD more int')
  })
})

t.test('calls with a limit travel together, and what is learned of them is theirs alone', async (t) => {
  const { db } = await setUp(t, { min: 1, max: 1 })
  const text = 'SELECT $1::int AS n, CASE WHEN i > 1 THEN pg_sleep(0.03) END FROM generate_series(1, 2) AS i'
  const limited = (n: number): Promise<unknown> => db.fetchVal({ text, values: [n], limit: 1, prepare: true })
  const whole = (n: number): Promise<unknown> => db.fetchVal({ text, values: [n], prepare: true })
  /** How many of four calls made in one turn joined the first. */
  const joined = async (call: (n: number) => Promise<unknown>): Promise<number> => {
    const { pipelined } = db.stats()
    const calls = [0, 1, 2, 3].map(call)
    const count = db.stats().pipelined - pipelined
    t.strictSame(await Promise.all(calls), [0, 1, 2, 3])
    return count
  }
  let together = 0
  // On a busy machine even these may seem slow for a while.
  for (let attempts = 200; attempts > 0 && together < 3; attempts--) {
    for (let n = 0; n < 5; n++) await limited(n)
    t.equal(await joined(whole), 0, 'whole results are slow')
    if (await joined(limited) === 3) together++
  }
  t.equal(together, 3)
})

t.test('a time limit and a signal end a call with a limit like any other', async (t) => {
  const { db } = await setUp(t, { min: 1, max: 1 })
  const slow = 'SELECT i, pg_sleep(CASE WHEN i > $1::int THEN 30 ELSE 0 END) FROM generate_series(1, 5) AS i'
  for (let round = 0; round < 3; round++) {
    t.equal((await db.fetchAll({ text: slow, values: [2], limit: 2, timeout: 10 })).length, 2)
    await t.rejects(db.fetchAll({ text: slow, values: [2], limit: 3, timeout: 0.1 }), { code: 'FST_PG_QUERY_TIMEOUT' })
    await t.rejects(db.fetchAll({ text: slow, values: [2], limit: 3, signal: AbortSignal.timeout(50) }), { code: 'FST_PG_ABORTED' })
    t.strictSame(await db.fetchAll({ text: SERIES, values: [3], limit: 2 }), is(2))
  }
})

t.test('a prepared statement that is stale is prepared again, and types are looked up', async (t) => {
  const { db, observer } = await setUp(t, { min: 1, max: 1 })
  await observer.rows("CREATE TYPE mood AS ENUM ('sad', 'fine')")
  const read = (): Promise<Row[]> => db.fetchAll({ text: 'SELECT * FROM items WHERE id > $1 ORDER BY id', values: [0], limit: 1 })
  for (let round = 0; round < 3; round++) t.strictSame(await read(), [{ id: 1, note: 'note 1' }])
  await observer.rows("ALTER TABLE items ADD moods mood[] DEFAULT '{sad}'")
  for (let round = 0; round < 3; round++) t.strictSame(await read(), [{ id: 1, note: 'note 1', moods: ['sad'] }])
  await observer.rows('ALTER TABLE items ALTER id TYPE bigint')
  for (let round = 0; round < 3; round++) t.strictSame(await read(), [{ id: 1, note: 'note 1', moods: ['sad'] }])
  await db.execute('DEALLOCATE ALL')
  for (let round = 0; round < 3; round++) t.strictSame(await read(), [{ id: 1, note: 'note 1', moods: ['sad'] }])
  t.equal(db.stats().created, 1)
})

t.test('a limit has no place in scripts, effects and batches', async (t) => {
  const { db } = await setUp(t)
  const refused = async (call: (on: Queryable) => Promise<unknown>, message: RegExp): Promise<void> => {
    await t.rejects(call(db), { code: 'FST_PG_OPTION', message })
    await t.rejects(db.transaction(call), { code: 'FST_PG_OPTION', message })
  }
  for (const text of ['SELECT 1', 'SELECT 1; SELECT 2', 'INSERT INTO items VALUES (99) RETURNING id']) {
    for (const option of [{ limit: 1 }, { rows: 'array' }]) {
      const query = { text, ...option } as { text: string }
      const [name = ''] = Object.keys(option)
      await refused((on) => on.execute(query), new RegExp(`^query\\.${name} is for helpers that give rows, of one statement: execute gives none`))
      await refused((on) => on.executeMany(query, [[]]), new RegExp(`^query\\.${name} is not for a batch: it gives all rows`))
      await refused((on) => on.executeManyWithReturning(query, [[]]), new RegExp(`^query\\.${name} is not for a batch`))
    }
  }
  await t.rejects(db.fetchAll({ text: 'SELECT 1; SELECT 2', limit: 1 }), { code: '42601' })
  for (const limit of [0, -1, 1.5, NaN, Infinity, 2_147_483_648, '5', 5n, null, true, [5], {}]) {
    await t.rejects(db.fetchAll({ text: 'SELECT 1', limit: limit as number }), { code: 'FST_PG_OPTION', message: /^query\.limit takes a whole number of rows from 1 to 2147483647$/ })
  }
  for (const rows of ['arrays', 10, true, null]) {
    await t.rejects(db.fetchAll({ text: 'SELECT 1', rows: rows as 'array' }), { code: 'FST_PG_OPTION', message: /^query\.rows takes 'array' or 'object'$/ })
  }
  t.equal(await db.fetchVal('SELECT count(*) FROM items'), 10)
})
