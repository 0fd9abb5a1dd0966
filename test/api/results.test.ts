import t, { type Test } from 'tap'
import type { Database, Queryable, QueryResult, ResultColumn, Row } from '../../src/index.js'
import { freshDatabase, openDatabase } from '../support/database.js'

/** Runs a test on everything that has the helpers. */
function onEach (t: Test, db: Database, check: (t: Test, on: Queryable) => Promise<void>): void {
  t.test('on the database', (t) => check(t, db))
  t.test('on a lease', async (t) => {
    const lease = await db.acquire()
    await check(t, lease).finally(() => lease.release())
  })
  t.test('in a transaction, and in one nested in it', async (t) => {
    await db.transaction((tx) => check(t, tx))
    await db.transaction((tx) => tx.transaction((nested) => check(t, nested)))
  })
}

const SERIES = 'SELECT i AS n FROM generate_series(1, $1::int) AS i'

t.test('exactly one row', async (t) => {
  const observer = await freshDatabase(t)
  const db = await openDatabase(t, observer)
  await observer.rows('CREATE TABLE users (id int PRIMARY KEY, name text); INSERT INTO users VALUES (1, $$Ada$$), (2, $$Grace$$)')

  onEach(t, db, async (t, on) => {
    for (let round = 0; round < 3; round++) {
      t.strictSame(await on.fetchExactlyOne<{ n: number }>(SERIES, 1), { n: 1 })
      await t.rejects(on.fetchExactlyOne(SERIES, 0), { code: 'FST_PG_NO_ROW', statusCode: 404 })
      await t.rejects(on.fetchExactlyOne(SERIES, 2), { code: 'FST_PG_TOO_MANY_ROWS', statusCode: 500 })
      await t.rejects(on.fetchExactlyOne(SERIES, 20_000), { code: 'FST_PG_TOO_MANY_ROWS' })
    }
    t.strictSame(await on.fetchExactlyOne("UPDATE users SET name = 'Countess' WHERE id = $1 RETURNING name", 1), { name: 'Countess' })
    t.strictSame(await on.fetchExactlyOne({ text: SERIES, values: [1], rows: 'array' }), [1])
    t.strictSame(await on.fetchExactlyOne({ text: SERIES, values: [1], limit: 2 }), { n: 1 })
    await t.rejects(on.fetchExactlyOne({ text: SERIES, values: [9], limit: 2 }), { code: 'FST_PG_TOO_MANY_ROWS' })
    await t.rejects(on.fetchExactlyOne({ text: SERIES, values: [0], limit: 2 }), { code: 'FST_PG_NO_ROW' })
    await t.rejects(on.fetchExactlyOne({ text: SERIES, values: [1], limit: 1 }), { code: 'FST_PG_OPTION', message: /limit of fetchExactlyOne takes 2 or more/ })
    await t.rejects(on.fetchExactlyOne('SET LOCAL jit = off'), { code: 'FST_PG_NO_ROW' }, 'a statement without rows')
  })

  t.test('the transaction goes on after a wrong number of rows, unless its function rejects', async (t) => {
    await db.transaction(async (tx) => {
      await t.rejects(tx.fetchExactlyOne('UPDATE users SET name = name || $1 RETURNING id', '!'), { code: 'FST_PG_TOO_MANY_ROWS' })
    })
    t.strictSame(await db.fetchColumn('SELECT name FROM users ORDER BY id'), ['Countess!', 'Grace!'])
    await t.rejects(db.transaction((tx) => tx.fetchExactlyOne('UPDATE users SET name = name || $1 RETURNING id', '!')), { code: 'FST_PG_TOO_MANY_ROWS' })
    t.strictSame(await db.fetchColumn('SELECT name FROM users ORDER BY id'), ['Countess!', 'Grace!'])
  })

  t.test('an error of the server, of a value, or of the arguments is that error', async (t) => {
    await t.rejects(db.fetchExactlyOne('SELECT 1 / (2 - i) FROM generate_series(1, 5) AS i'), { code: '22012' })
    await t.rejects(db.fetchExactlyOne(SERIES, {}), { code: 'FST_PG_VALUE' })
    await t.rejects(db.fetchExactlyOne(SERIES), { code: 'FST_PG_PARAMETER_COUNT' })
  })
})

t.test('a column', async (t) => {
  const observer = await freshDatabase(t)
  const db = await openDatabase(t, observer)
  await observer.rows("CREATE TYPE mood AS ENUM ('sad', 'fine'); CREATE TABLE empty ()")

  onEach(t, db, async (t, on) => {
    for (let round = 0; round < 3; round++) {
      const numbers = await on.fetchColumn<number>(SERIES, 3)
      t.strictSame(numbers, [1, 2, 3])
      t.equal(Object.getPrototypeOf(numbers), Array.prototype)
    }
    t.strictSame(await on.fetchColumn(SERIES, 0), [])
    t.strictSame(await on.fetchColumn('SELECT i AS a, -i AS a FROM generate_series(1, 2) AS i'), [1, 2], 'names repeat')
    t.strictSame(await on.fetchColumn('SELECT NULLIF(i, 2) FROM generate_series(1, 3) AS i'), [1, null, 3])
    t.strictSame(await on.fetchColumn('SELECT ARRAY[i, NULL] FROM generate_series(1, 2) AS i'), [[1, null], [2, null]])
    t.strictSame(await on.fetchColumn({ text: SERIES, values: [5], limit: 2 }), [1, 2])
    t.strictSame(await on.fetchColumn('SELECT FROM generate_series(1, 2)'), [null, null], 'rows without columns')
    await t.rejects(on.fetchColumn({ text: SERIES, values: [1], rows: 'array' } as unknown as string), { code: 'FST_PG_OPTION', message: /query\.rows is for helpers that give rows/ })
  })

  t.test('of a type that has to be looked up first', async (t) => {
    const fresh = await openDatabase(t, observer)
    t.strictSame(await fresh.fetchColumn("SELECT ARRAY['sad', 'fine']::mood[] FROM generate_series(1, 2)"), [['sad', 'fine'], ['sad', 'fine']])
    t.strictSame(await fresh.fetchVal("SELECT '{fine}'::mood[], 'sad'::mood"), ['fine'])
  })

  t.test('only the first column is read', async (t) => {
    const read = await parses(() => db.fetchColumn("SELECT '1'::json, '2'::json, '3'::json FROM generate_series(1, 10)"))
    t.strictSame(read, Array.from({ length: 10 }, () => '1'))
  })
})

/** The texts of JSON that are read while something is done. */
async function parses (work: () => Promise<unknown>): Promise<string[]> {
  const { parse } = JSON
  const texts: string[] = []
  JSON.parse = (text: string) => {
    texts.push(text)
    return parse(text)
  }
  await work().finally(() => { JSON.parse = parse })
  return texts
}

t.test('query tells what the server said', async (t) => {
  const observer = await freshDatabase(t)
  const db = await openDatabase(t, observer)
  await observer.rows('CREATE TABLE a (id int, name text); CREATE TABLE b (id int, name text)')
  await observer.rows("INSERT INTO a VALUES (1, 'of a'), (2, 'too'); INSERT INTO b VALUES (1, 'of b')")

  onEach(t, db, async (t, on) => {
    const columns: ResultColumn[] = [{ name: 'n', type: 23, typeName: 'int4' }]
    for (let round = 0; round < 3; round++) {
      t.strictSame(await on.query<{ n: number }>(SERIES, 2), { rows: [{ n: 1 }, { n: 2 }], count: 2, command: 'SELECT', columns })
      t.strictSame(await on.query(SERIES, 0), { rows: [], count: 0, command: 'SELECT', columns }, 'the columns are told without rows too')
      t.strictSame(await on.query({ text: SERIES, values: [2], rows: 'array' }), { rows: [[1], [2]], count: 2, command: 'SELECT', columns })
      t.strictSame(await on.query({ text: SERIES, values: [2], rows: 'object' }), { rows: [{ n: 1 }, { n: 2 }], count: 2, command: 'SELECT', columns })
      t.strictSame(await on.query({ text: SERIES, values: [2], prepare: false }), { rows: [{ n: 1 }, { n: 2 }], count: 2, command: 'SELECT', columns })
    }
    t.strictSame(await on.query('INSERT INTO a SELECT 7 FROM generate_series(1, $1::int)', 3), { rows: [], count: 3, command: 'INSERT', columns: [] })
    t.strictSame(await on.query('DELETE FROM a WHERE id = 7 RETURNING id'), {
      rows: [{ id: 7 }, { id: 7 }, { id: 7 }], count: 3, command: 'DELETE', columns: [{ name: 'id', type: 23, typeName: 'int4' }]
    })
    t.strictSame(await on.query('SET LOCAL jit = off'), { rows: [], count: null, command: 'SET', columns: [] })
    t.strictSame(await on.query('SHOW server_encoding'), {
      rows: [{ server_encoding: 'UTF8' }], count: null, command: 'SHOW', columns: [{ name: 'server_encoding', type: 25, typeName: 'text' }]
    })
    t.strictSame(await on.query('-- nothing'), { rows: [], count: null, command: null, columns: [] })
  })

  t.test('columns of one name are all there in arrays, and in the columns', async (t) => {
    const join = 'SELECT * FROM a JOIN b ON a.id = b.id'
    const { rows, columns } = await db.query({ text: join, rows: 'array' })
    t.strictSame(rows, [[1, 'of a', 1, 'of b']])
    t.strictSame(columns.map(({ name }) => name), ['id', 'name', 'id', 'name'])
    t.strictSame((await db.query(join)).rows, [{ id: 1, name: 'of b' }])
    t.strictSame(await db.fetchAll({ text: join, rows: 'array' }), [[1, 'of a', 1, 'of b']])
    t.strictSame(await db.fetchOne({ text: join, rows: 'array' }), [1, 'of a', 1, 'of b'])
    t.strictSame(await db.executeWithReturning({ text: 'UPDATE a SET id = id RETURNING id, id', rows: 'array' }), [1, 1])
  })

  t.test('it runs one statement', async (t) => {
    await t.rejects(db.query('SELECT 1; SELECT 2'), { code: '42601' })
    await t.rejects(db.query('BEGIN'), { code: 'FST_PG_QUERY' })
  })

  t.test('types that have to be looked up have their names, also without rows', async (t) => {
    await observer.rows("CREATE TYPE mood AS ENUM ('sad', 'fine'); CREATE DOMAIN small AS int CHECK (VALUE < 10); CREATE TYPE pair AS (a int, b text)")
    const text = "SELECT 'sad'::mood AS a, '{fine}'::mood[] AS b, 3::small AS c, '(1,x)'::pair AS d, '[1,2)'::int4range AS e, '(1,2)'::point AS f, ARRAY[4]::small[] AS g"
    // The server describes a domain as what it is over, but not in an array.
    const names = ['mood', 'mood[]', 'int4', 'pair', 'int4range', 'point', 'small[]']
    const typesOf = ({ columns }: QueryResult<unknown>): unknown[] => columns.map(({ typeName }) => typeName)
    for (const where of ['false', 'true']) {
      const fresh = await openDatabase(t, observer)
      t.strictSame(typesOf(await fresh.query(`${text} WHERE ${where}`)), names)
      const { rows: [row] } = await fresh.query<Row>(text)
      t.match(row, { a: 'sad', b: ['fine'], c: 3, g: [4] })
    }
  })

  t.test('built-in types have the names that the server gives them', async (t) => {
    const types = await observer.rows(`SELECT t.typname AS name, t.oid FROM pg_type t JOIN pg_type a ON a.oid = t.typarray
      WHERE t.typnamespace = 'pg_catalog'::regnamespace AND t.typtype = 'b' AND t.typname NOT LIKE 'pg\\_%'`)
    t.ok(types.length > 50)
    const fresh = await openDatabase(t, observer)
    for (const { name, oid } of types) {
      const { columns } = await fresh.query(`SELECT NULL::pg_catalog."${name}" AS a, NULL::pg_catalog."${name}"[] AS b`)
      t.strictSame(columns.map(({ typeName }) => typeName), [name, `${name}[]`])
      t.equal(columns[0]?.type, Number(oid))
    }
  })

  t.test('after a change of the table the columns are the new ones', async (t) => {
    await observer.rows('CREATE TABLE changing (id int)')
    const names = async (): Promise<string[]> => (await db.query('SELECT * FROM changing')).columns.map(({ name, typeName }) => `${name} ${typeName}`)
    for (let round = 0; round < 3; round++) t.strictSame(await names(), ['id int4'])
    await observer.rows('ALTER TABLE changing ADD name text')
    for (let round = 0; round < 3; round++) t.strictSame(await names(), ['id int4', 'name text'])
    await observer.rows('ALTER TABLE changing ALTER id TYPE bigint')
    for (let round = 0; round < 3; round++) t.strictSame(await names(), ['id int8', 'name text'])
  })
})

t.test('only the first row', async (t) => {
  const observer = await freshDatabase(t)
  const db = await openDatabase(t, observer)
  const json = "SELECT i::text::json AS a, '0'::json AS b FROM generate_series(1, $1::int) AS i"

  onEach(t, db, async (t, on) => {
    for (let round = 0; round < 3; round++) {
      t.strictSame(await parses(() => on.fetchOne(json, 5000)), ['1', '0'])
      t.strictSame(await parses(() => on.fetchVal(json, 5000)), ['1'])
      t.strictSame(await parses(() => on.executeWithReturning(json, 5000)), ['1', '0'])
      t.strictSame(await parses(() => on.fetchExactlyOne(json, 1)), ['1', '0'])
      t.equal((await parses(() => on.fetchAll(json, 5))).length, 10)
    }
    t.strictSame(await on.fetchOne(json, 5000), { a: 1, b: 0 })
    t.strictSame(await on.fetchOne({ text: json, values: [5000], rows: 'array' }), [1, 0])
    t.strictSame(await on.fetchOne(json, 0), null)
    t.strictSame(await on.fetchVal(json, 0), null)
  })

  t.test('errors in later rows still reject, and the connection goes on', async (t) => {
    const { created } = db.stats()
    const midway = 'SELECT 1 / ($1::int - i) AS n FROM generate_series(1, 10) AS i'
    for (let round = 0; round < 3; round++) {
      await t.rejects(db.fetchOne(midway, 5), { code: '22012' })
      await t.rejects(db.fetchVal(midway, 5), { code: '22012' })
      await t.rejects(db.fetchExactlyOne(midway, 5), { code: '22012' })
      await t.rejects(db.executeWithReturning(midway, 5), { code: '22012' })
      t.strictSame(await db.fetchOne(midway, 100), { n: 0 })
    }
    t.equal(db.stats().created, created)
  })

  t.test('many rows do not stay in memory', async (t) => {
    const large = "SELECT repeat('x', 1000) AS a, i FROM generate_series(1, 100000) AS i"
    t.match(await db.fetchOne(large), { i: 1 })
    const before = process.memoryUsage().heapUsed
    let most = 0
    const watch = setInterval(() => { most = Math.max(most, process.memoryUsage().heapUsed) }, 5)
    t.match(await db.fetchOne(large), { i: 1 })
    clearInterval(watch)
    t.ok(most - before < 60_000_000, `${most - before} bytes at most`)
  })
})
