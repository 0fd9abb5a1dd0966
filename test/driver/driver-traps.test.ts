import t, { type Test } from 'tap'
import type { Database, DatabaseOptions } from '../../src/index.js'
import { freshDatabase, openDatabase, type Observer } from '../support/database.js'

/** design/driver-traps.md, "Wrong data, silently" and "Errors that users of jsonb and arrays meet", line by line. */
async function open (t: Test, options: DatabaseOptions = {}): Promise<{ db: Database, observer: Observer }> {
  const observer = await freshDatabase(t)
  return { observer, db: await openDatabase(t, observer, { max: 1, commandTimeout: 10, ...options }) }
}

const MIDWAY = 'SELECT 1 / (3 - i) FROM generate_series(1, 10) AS i'
const WHOLE = 'SELECT i FROM generate_series(1, $1) AS i'
const FIVE = [1, 2, 3, 4, 5].map((i) => ({ i }))

/** Ways to fail after some rows have come. */
const FAILURES: Record<string, (t: Test, db: Database) => Promise<unknown>> = {
  'a division by zero': (t, db) => t.rejects(db.fetchAll(MIDWAY), { code: '22012' }),
  // Padded, so that rows leave the server's buffer before the time is up.
  'a statement timeout': (t, db) => t.rejects(
    db.fetchAll({ text: "SELECT i, repeat('x', 9000), CASE WHEN i = 4 THEN pg_sleep(30) END FROM generate_series(1, 10) AS i", timeout: 0.2 }), { code: 'FST_PG_QUERY_TIMEOUT' }),
  'an aborted call': (t, db) => t.rejects(
    db.fetchAll({ text: "SELECT i, repeat('x', 9000), CASE WHEN i = 4 THEN pg_sleep(30) END FROM generate_series(1, 10) AS i", signal: AbortSignal.timeout(200) }), { code: 'FST_PG_ABORTED' }),
  "the server's own statement timeout": async (t, db) => {
    await t.rejects(db.transaction(async (tx) => {
      await tx.execute("SET LOCAL statement_timeout = '100ms'")
      await tx.fetchAll("SELECT i, repeat('x', 9000), CASE WHEN i = 4 THEN pg_sleep(30) END FROM generate_series(1, 10) AS i")
    }), { code: '57014' })
  },
  'a script': (t, db) => t.rejects(db.execute(`SELECT 1; ${MIDWAY}; SELECT 2`), { code: '22012' }),
  'a value that is out of range in executeMany': (t, db) => t.rejects(
    db.executeMany('SELECT 1 / ($1::int - i) FROM generate_series(1, 10) AS i', [[20], [30], [5], [40]]), { code: '22012' }),
}

/** What may come next on the connection. */
const NEXT: Record<string, (t: Test, db: Database) => Promise<unknown>> = {
  fetchAll: async (t, db) => t.strictSame(await db.fetchAll(WHOLE, 5), FIVE),
  fetchOne: async (t, db) => t.strictSame(await db.fetchOne(WHOLE, 5), { i: 1 }),
  fetchVal: async (t, db) => t.equal(await db.fetchVal(WHOLE, 5), 1),
  'fetchAll without arguments': async (t, db) => t.strictSame(await db.fetchAll('SELECT 7 AS i'), [{ i: 7 }]),
  'fetchAll without rows': async (t, db) => t.strictSame(await db.fetchAll('SELECT 7 WHERE false'), []),
  execute: async (t, db) => t.match(await db.execute(WHOLE, 5), { status: 'SELECT 5', count: 5 }),
  transaction: async (t, db) => t.strictSame(await db.transaction((tx) => tx.fetchAll(WHOLE, 5)), FIVE),
  executeManyWithReturning: async (t, db) => t.strictSame(await db.executeManyWithReturning(WHOLE, [[5], [5]]), [...FIVE, ...FIVE]),
  'a parameter of a type that has to be looked up': async (t, db) => {
    t.equal(await db.fetchVal('SELECT $1::mood', 'fine'), 'fine')
    t.strictSame(await db.fetchVal('SELECT $1::mood[]', ['fine']), ['fine'])
  },
  'a column of a type that has to be looked up': async (t, db) => t.strictSame(await db.fetchAll("SELECT '{fine}'::mood[] AS m"), [{ m: ['fine'] }]),
  'a refused value': (t, db) => t.rejects(db.fetchVal('SELECT $1::jsonb', 1n), { code: 'FST_PG_VALUE' }),
  'many callers': async (t, db) => {
    t.strictSame(await Promise.all(Array.from({ length: 5 }, () => db.fetchAll(WHOLE, 5))), Array.from({ length: 5 }, () => FIVE))
  },
}

for (const [failure, fail] of Object.entries(FAILURES)) {
  t.test(`after ${failure} midway through its rows the next result is whole (postgres.js #1119, #1181)`, async (t) => {
    const observer = await freshDatabase(t)
    await observer.rows("CREATE TYPE mood AS ENUM ('sad', 'fine')")
    for (const [name, next] of Object.entries(NEXT)) {
      await t.test(`when it is ${name}`, async (t) => {
        const db = await openDatabase(t, observer, { max: 1, commandTimeout: 5, closeTimeout: 1 })
        const pid = await db.fetchVal('SELECT pg_backend_pid()')
        for (let use = 0; use < 3; use++) {
          await fail(t, db)
          await next(t, db)
          t.strictSame(await db.fetchAll(WHOLE, 5), FIVE)
        }
        t.equal(await db.fetchVal('SELECT pg_backend_pid()'), pid)
      })
    }
  })
}

t.test("a boolean parameter 'true', 't' or 1 is stored as true (postgres.js #858)", async (t) => {
  const { db, observer } = await open(t)
  await observer.rows('CREATE TABLE held (v bool)')
  for (const value of ['true', 't', 1, 'yes', 'on', '1', true, 1n]) {
    for (let use = 0; use < 3; use++) t.equal(await db.fetchVal('INSERT INTO held VALUES ($1) RETURNING v', value), true)
  }
  t.strictSame(await observer.rows('SELECT DISTINCT v FROM held'), [{ v: true }])
  await t.rejects(db.execute('INSERT INTO held VALUES ($1)', 'maybe'), { code: '22P02' })
})

t.test('NULL elements of arrays are read as null (postgres.js #1049, #1124)', async (t) => {
  const { db } = await open(t)
  for (let use = 0; use < 3; use++) {
    t.strictSame(await db.fetchOne(`SELECT '{1,NULL}'::int[] AS i, '{NULL,"NULL",null}'::text[] AS t, '{NULL,"null"}'::jsonb[] AS j,
      '{NULL,t}'::bool[] AS b, '{NULL}'::timestamptz[] AS z, '{NULL}'::bytea[] AS y, '{NULL,9007199254740993}'::int8[] AS l`),
    { i: [1, null], t: [null, 'NULL', null], j: [null, null], b: [null, true], z: [null], y: [null], l: [null, 9007199254740993n] })
  }
})

t.test('a timestamp without zone comes back as it was written', async (t) => {
  const { db, observer } = await open(t)
  const noon = new Date(Date.UTC(2024, 0, 2, 12))
  for (let use = 0; use < 3; use++) {
    t.strictSame(await db.fetchVal("SELECT '2024-01-02 12:00'::timestamp"), noon)
    t.equal(await db.fetchVal('SELECT $1::timestamp::text', noon), '2024-01-02 12:00:00')
  }
  t.strictSame(await observer.rows("SELECT '2024-01-02 12:00'::timestamp::text AS v"), [{ v: '2024-01-02 12:00:00' }])
})

t.test("timestamps given as strings keep their microseconds, and 'now', 'infinity' and 'epoch' are what the server makes of them", async (t) => {
  const { db } = await open(t, { parameters: { TimeZone: 'UTC' } })
  for (const type of ['timestamp', 'timestamptz']) {
    const zone = type === 'timestamp' ? '' : '+00'
    for (let use = 0; use < 3; use++) {
      t.equal(await db.fetchVal(`SELECT $1::${type}::text`, '2024-01-02 12:00:00.123456'), `2024-01-02 12:00:00.123456${zone}`)
      t.equal(await db.fetchVal(`SELECT $1::${type}::text`, 'epoch'), `1970-01-01 00:00:00${zone}`)
      t.equal(await db.fetchVal(`SELECT $1::${type}`, '-infinity'), -Infinity)
      t.equal(await db.fetchVal(`SELECT $1::${type} = now()::${type}`, 'now'), true)
    }
  }
  t.equal(await db.fetchVal('SELECT $1::date = current_date', 'today'), true)
})

t.test('an object for text is refused, never stored as [object Object]', async (t) => {
  const { db, observer } = await open(t)
  await observer.rows('CREATE TABLE held (v text)')
  for (let use = 0; use < 3; use++) {
    for (const value of [{}, { a: 1 }, [], ['a'], new Date(), new Map()]) await t.rejects(db.execute('INSERT INTO held VALUES ($1)', value), { code: 'FST_PG_VALUE' })
  }
  t.strictSame(await observer.rows('SELECT * FROM held'), [])
})

t.test('a string for bytea is refused, never stored as its own characters', async (t) => {
  const { db, observer } = await open(t)
  await observer.rows('CREATE TABLE held (v bytea)')
  for (let use = 0; use < 3; use++) await t.rejects(db.execute('INSERT INTO held VALUES ($1)', 'text'), { code: 'FST_PG_VALUE' })
  await db.execute('INSERT INTO held VALUES ($1)', Buffer.from('text'))
  t.strictSame(await observer.rows("SELECT encode(v, 'hex') AS v FROM held"), [{ v: '74657874' }])
})

t.test('jsonb takes true, [true], a Date and a Buffer as JSON; a bigint is refused (postgres.js #386)', async (t) => {
  const { db } = await open(t)
  const date = new Date(0)
  for (const type of ['json', 'jsonb']) {
    for (const value of [true, false, [true], [[]], [1, 'a', null], date, [date], { date }, 'text', 1.5, Buffer.from([1]), []]) {
      for (let use = 0; use < 3; use++) {
        t.strictSame(await db.fetchVal(`SELECT $1::${type}`, value), JSON.parse(JSON.stringify(value)))
        t.strictSame(await db.fetchVal(`SELECT $1::${type}[]`, [value, null]), [JSON.parse(JSON.stringify(value)), null])
      }
    }
    await t.rejects(db.fetchVal(`SELECT $1::${type}`, 1n), { code: 'FST_PG_VALUE' })
  }
})

t.test('arrays of booleans, Dates, bigints and Buffers are sent as such (postgres.js #471)', async (t) => {
  const { db } = await open(t)
  const values = { bool: [true, false], timestamptz: [new Date(0)], int8: [2n ** 60n], bytea: [Buffer.from([0, 1])], float8: [1.5], date: ['2024-01-01'] }
  for (const [type, list] of Object.entries(values)) {
    for (let use = 0; use < 3; use++) {
      t.strictSame(await db.fetchVal(`SELECT $1::${type}[]`, list), list)
      t.equal(await db.fetchVal(`SELECT $1::${type} = ANY ($2::${type}[])`, list[0], list), true)
    }
  }
})

t.test('one text with values of three JavaScript types is one prepared statement', async (t) => {
  const { db } = await open(t)
  const lease = await db.acquire()
  t.teardown(() => lease.release())
  for (let round = 0; round < 3; round++) {
    for (const value of ['1', 1, 1n, null, '2', true]) await lease.fetchVal('SELECT $1::text /* many types */', value)
    for (const value of [true, 'text', new Date(), [1n.toString()], { a: 1 }, null, 5]) await lease.fetchVal('SELECT $1::jsonb /* many types */', value)
  }
  t.equal(await lease.fetchVal("SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE '%::%/* many types */'"), 2)
})
