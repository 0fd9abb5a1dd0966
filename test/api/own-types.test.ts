import t, { type Test } from 'tap'
import { createDatabase, type Database, type Queryable, type TypeOptions } from '../../src/index.js'
import { freshDatabase, memoryLog, openDatabase } from '../support/database.js'

const SETUP = `CREATE SCHEMA app; CREATE TYPE mood AS ENUM ('sad', 'ha"ppy', 'a,b'); CREATE TYPE app.mood AS ENUM ('calm');
  CREATE DOMAIN money_amount AS numeric CHECK (value >= 0); CREATE DOMAIN price AS money_amount; CREATE DOMAIN prices AS numeric[]; CREATE DOMAIN document AS jsonb;
  CREATE TYPE pair AS (a int, b text); CREATE TYPE app."we""ird.ty\\pe →" AS ENUM ('x')`

/** A value of its own class. */
class Amount {
  readonly text: string
  constructor (text: string) { this.text = text }
}
const amount = (text: string): Amount => new Amount(text)
const numeric = { decode: amount, encode: (value: unknown) => (value as Amount).text }

/** Unprepared, prepared, by the fast lane; and never prepared. */
async function reads (t: Test, q: Queryable, type: string, value: unknown, out: unknown = value, text?: string): Promise<void> {
  for (const prepare of [undefined, undefined, undefined, false]) {
    t.strictSame(await q.fetchVal({ text: `SELECT $1::${type}`, prepare }, value), out, `${type} out`)
    if (text !== undefined) t.equal(await q.fetchVal({ text: `SELECT $1::${type}::text AS text`, prepare }, value), text, `${type} in`)
  }
}

t.test('each word: what it reads, and that what comes out goes back in', async (t) => {
  const observer = await freshDatabase(t)
  await observer.rows(SETUP)
  const cases: Array<[types: TypeOptions, type: string, text: string, value: unknown]> = [
    [{ int8: 'string' }, 'int8', '9223372036854775807', '9223372036854775807'],
    [{ int8: 'string' }, 'int8[]', '{1,NULL,-2}', ['1', null, '-2']],
    [{ bigint: 'bigint' }, 'int8', '7', 7n],
    [{ 20: 'bigint' }, 'int8[]', '{{1,2},{3,NULL}}', [[1n, 2n], [3n, null]]],
    [{ int8: 'number' }, 'int8', '9007199254740991', 9007199254740991],
    [{ integer: 'string' }, 'int4', '-5', '-5'],
    [{ int2: 'bigint' }, 'int2', '-5', -5n],
    [{ numeric: 'number' }, 'numeric', '1.5', 1.5],
    [{ numeric: 'number' }, 'numeric', 'NaN', NaN],
    [{ decimal: 'bigint' }, 'numeric', '123456789012345678901234567890', 123456789012345678901234567890n],
    [{ float8: 'string' }, 'float8', '1e+300', '1e+300'],
    [{ float4: 'number' }, 'float4', '-Infinity', -Infinity],
    [{ boolean: 'string' }, 'bool', 'true', 't'],
    [{ timestamptz: 'string' }, 'timestamptz', '2026-11-27 12:00:00.123456+00', '2026-11-27 12:00:00.123456+00'],
    [{ timestamptz: 'string' }, 'timestamptz[]', '{"2026-11-27 12:00:00.123456+00",infinity}', ['2026-11-27 12:00:00.123456+00', 'infinity']],
    [{ timestamp: 'date' }, 'timestamp', '2026-11-27 12:00:00.123', new Date('2026-11-27T12:00:00.123Z')],
    [{ date: 'date' }, 'date', '2026-11-27', new Date('2026-11-27')],
    [{ date: 'date' }, 'date[]', '{"0044-03-15 BC",infinity,NULL}', [new Date('-000043-03-15'), Infinity, null]],
    [{ date: 'date' }, 'date', '5874897-12-31', '5874897-12-31'],
    [{ date: 'date' }, 'date', '12026-01-01', new Date('+012026-01-01')],
    [{ bytea: 'string' }, 'bytea', '\\x00ff', '\\x00ff'],
    [{ bytea: 'string' }, 'bytea[]', '{"\\\\x00ff"}', ['\\x00ff']],
    [{ jsonb: 'string' }, 'jsonb', '{"a": [1, "b"]}', '{"a": [1, "b"]}'],
    [{ json: 'string' }, 'json[]', '{"{\\"a\\" :1}",NULL,"\\"x\\""}', ['{"a" :1}', null, '"x"']],
    [{ 'jsonb[]': 'string' }, 'jsonb[]', '{"{\\"a\\": 1}"}', '{"{\\"a\\": 1}"}'],
    [{ 'int4[]': 'string' }, 'int4[]', '{1,2}', '{1,2}'],
    [{ _int4: 'string' }, 'int4[]', '{1,2}', '{1,2}'],
    [{ mood: 'string' }, 'mood[]', '{sad,"ha\\"ppy"}', ['sad', 'ha"ppy']],
    [{ 'mood[]': 'string' }, 'mood[]', '{sad}', '{sad}'],
    [{ _mood: 'string' }, 'mood[]', '{sad}', '{sad}'],
    [{ 'app.mood[]': 'string' }, 'app.mood[]', '{calm}', '{calm}'],
    [{ interval: 'string' }, 'interval', '1 day', '1 day'],
  ]
  for (const [types, type, text, value] of cases) {
    const db = await openDatabase(t, observer, { types, max: 1, parameters: { timezone: 'UTC' } })
    await t.test(`${JSON.stringify(types)}: ${type} ${text}`, async (t) => {
      t.strictSame(await db.fetchVal(`SELECT '${text.replaceAll("'", "''")}'::${type}`), value)
      await reads(t, db, type, value, value, text)
      await reads(t, db, type, null, null)
    })
    await db.close()
  }
})

t.test('a word refuses what it cannot hold, and shows none of it', async (t) => {
  const observer = await freshDatabase(t)
  const db = await openDatabase(t, observer, { types: { int8: 'number', numeric: 'bigint' }, max: 1 })
  for (const text of ["'9007199254740993'::int8", "'{1,-9007199254740993}'::int8[]", '4711471147.25::numeric', "'NaN'::numeric"]) {
    const error: unknown = await db.fetchVal(`SELECT ${text}`).catch((error: unknown) => error)
    t.match(error, { code: 'FST_PG_DECODE', statusCode: 500, message: 'a result cannot be read', cause: RangeError, advice: /the decoder of (int8|numeric) threw/ }, text)
    t.notMatch(String((error as Error).stack) + String((error as { cause: unknown }).cause), /90071|4711/)
  }
  t.match(db.stats(), { created: 1, errors: 0 })
})

t.test('a codec reads and writes its type, its arrays and its domains, on each way', async (t) => {
  const observer = await freshDatabase(t)
  await observer.rows(SETUP)
  const db = await openDatabase(t, observer, { types: { numeric }, max: 2 })
  const [one, two] = [amount('1.50'), amount('2')]
  await reads(t, db, 'numeric', one, one, '1.50')
  await reads(t, db, 'numeric', null)
  await reads(t, db, 'numeric[]', [one, null, two], [one, null, two], '{1.50,NULL,2}')
  await reads(t, db, 'numeric[]', [[one], [two]], [[one], [two]], '{{1.50},{2}}')
  await reads(t, db, 'numeric[]', [], [])
  for (const domain of ['money_amount', 'price']) {
    await reads(t, db, domain, one, one, '1.50')
    await reads(t, db, `${domain}[]`, [[one], [null]])
  }
  await reads(t, db, 'prices', [one, null], [one, null], '{1.50,NULL}')
  await reads(t, db, 'prices[]', [[one], null, [two]])
  t.strictSame(await db.fetchVal("SELECT '[0:1]={1.50,2}'::numeric[]"), [one, two])
  t.strictSame(await db.fetchVal('SELECT $1::text', 'as usual'), 'as usual')
  await t.rejects(db.fetchVal('SELECT $1::price', amount('-1')), { code: '23514' })
  await t.rejects(db.fetchVal('SELECT $1::numeric[]', [one, undefined]), { code: 'FST_PG_VALUE' })
})

t.test('a domain by its own name: the server calls its parameters and its arrays so, and its columns by their base type', async (t) => {
  const observer = await freshDatabase(t)
  await observer.rows(SETUP)
  const db = await openDatabase(t, observer, { types: { price: { decode: (text) => `price ${text}`, encode: (value) => String(value).slice(6) } } })
  for (let run = 0; run < 3; run++) {
    t.strictSame(await db.fetchOne('SELECT $1::price AS one, $2::price[] AS list, 2::numeric AS other', 'price 1.5', ['price 2', null]), { one: '1.5', list: ['price 2', null], other: '2' })
  }
})

const tagged = (tag: string): { decode: (text: string) => unknown, encode: (value: unknown) => string } => ({
  decode: (text) => ({ [tag]: text }), encode: (value) => String(Reflect.get(value as object, tag)),
})

t.test('types by name, with their schema, by OID; enums, composites and names that need quotes', async (t) => {
  const observer = await freshDatabase(t)
  await observer.rows(SETUP)
  const [{ pair = 0 } = {}] = await observer.rows("SELECT 'pair'::regtype::oid AS pair")
  const types = { mood: tagged('any'), 'app.mood': tagged('app'), [String(pair)]: tagged('pair'), 'app.we"ird.ty\\pe →': tagged('weird'), point: tagged('point') }
  const db = await openDatabase(t, observer, { types })
  await reads(t, db, 'mood', { any: 'ha"ppy' }, { any: 'ha"ppy' }, 'ha"ppy')
  await reads(t, db, 'mood[]', [{ any: 'ha"ppy' }, null, { any: 'a,b' }])
  await reads(t, db, 'app.mood', { app: 'calm' })
  await reads(t, db, 'app.mood[]', [[{ app: 'calm' }]])
  await reads(t, db, 'pair', { pair: '(1,"x, y")' })
  await reads(t, db, 'pair[]', [{ pair: '(1,"x, y")' }, null])
  await reads(t, db, 'app."we""ird.ty\\pe →"', { weird: 'x' })
  await reads(t, db, 'point', { point: '(1,2)' })
  await reads(t, db, 'point[]', [{ point: '(1,2)' }, { point: '(3,4)' }])
  const boxes = await openDatabase(t, observer, { types: { box: tagged('box') } })
  await reads(t, boxes, 'box[]', [{ box: '(2,2),(1,1)' }, null, { box: '(4,4),(3,3)' }])
  await reads(t, boxes, 'mood[]', ['sad'])
})

t.test('a list that is a value is none of more dimensions', async (t) => {
  const observer = await freshDatabase(t)
  const vector = { decode: (text: string): unknown => JSON.parse(text.replace('(', '[').replace(')', ']')), encode: (value: unknown) => `(${String(value)})` }
  const db = await openDatabase(t, observer, { types: { point: vector, jsonb: { decode: JSON.parse, encode: JSON.stringify } } })
  await reads(t, db, 'point', [1, 2])
  await reads(t, db, 'point[]', [[1, 2], [3, 4]])
  await reads(t, db, 'jsonb[]', [[1, 2], { a: [3] }, null, 'x'])
})

t.test('a type of a tag comes before those of its database, whatever each calls it; functions by OID before both', async (t) => {
  const observer = await freshDatabase(t)
  await observer.rows(SETUP)
  const db = await openDatabase(t, observer, { types: { 1700: tagged('database'), 'public.mood': tagged('database'), int8: 'string' } })
  const sql = db.createSql({ types: { numeric: tagged('tag'), mood: tagged('tag') } })
  const row = async (): Promise<unknown> => (await sql`SELECT ${{ tag: '1.5' }}::numeric AS numeric, ${{ tag: 'sad' }}::mood AS mood, 7::int8 AS big`)[0]
  for (let run = 0; run < 3; run++) t.strictSame(await row(), { numeric: { tag: '1.5' }, mood: { tag: 'sad' }, big: '7' })
  t.strictSame(await db.fetchOne('SELECT $1::numeric AS n', { database: '1' }), { n: { database: '1' } })
  const [oid] = await observer.rows("SELECT 'mood'::regtype::oid::int AS mood")
  sql.options.parsers[1700] = (text: string) => `parsed ${text}`
  sql.options.parsers[Number(oid?.['mood'])] = (text: string) => `parsed ${text}`
  for (let run = 0; run < 3; run++) t.strictSame(await row(), { numeric: 'parsed 1.5', mood: 'parsed sad', big: '7' }, 'what writes them is still that of the tag')
  sql.options.serializers[1700] = String as never
  t.strictSame(await sql`SELECT ${2}::numeric AS n`.then(([row]) => row), { n: 'parsed 2' })
  delete sql.options.parsers[1700]
  t.strictSame(await sql`SELECT ${2}::numeric AS n`.then(([row]) => row), { n: { tag: '2' } })
  t.strictSame(await db.createSql()`SELECT 1.5 AS n`.then(([row]) => row), { n: { database: '1.5' } }, 'what a tag leaves out is as of the database')
})

t.test('functions by OID: what is none is refused, and those of db.sql cannot be set', async (t) => {
  const observer = await freshDatabase(t)
  const db = await openDatabase(t, observer)
  const { parsers, serializers } = db.createSql().options
  for (const functions of [parsers, serializers]) {
    for (const [oid, value] of [[20, 7], [20, undefined], ['int8', String], [-1, String], ['__proto__', String]]) t.throws(() => Reflect.set(functions, oid as number, value), { code: 'FST_PG_OPTION' })
    t.throws(() => Object.defineProperty(functions, '20', { get: () => String }), { code: 'FST_PG_OPTION' })
  }
  for (const shared of [db.sql.options.parsers, db.sql.options.serializers]) t.throws(() => { shared[20] = String }, { code: 'FST_PG_QUERY', advice: /db.createSql\(\)/ })
  t.equal(await db.fetchVal('SELECT 1::int8'), 1)
})

t.test('a type that is made when the pool is open, dropped, and made again', async (t) => {
  const observer = await freshDatabase(t)
  const db = await openDatabase(t, observer, { max: 2 })
  const sql = db.createSql({ types: { late: tagged('late') } })
  const make = async (kind: string): Promise<void> => { await observer.rows(`DROP TABLE IF EXISTS kept; DROP TYPE IF EXISTS late; CREATE TYPE late AS ${kind}; CREATE TABLE kept (v late, vs late[])`) }
  for (const [kind, text] of [["ENUM ('a')", 'a'], ['(a int, b text)', '(1,b)'], ["ENUM ('c')", 'c']] as const) {
    await make(kind)
    for (let run = 0; run < 3; run++) {
      await sql`INSERT INTO kept ${sql({ v: { late: text }, vs: [{ late: text }, null] })}`
      t.strictSame([...await sql`SELECT v, vs FROM kept`][run], { v: { late: text }, vs: [{ late: text }, null] }, kind)
      t.strictSame(await db.fetchOne('SELECT v, vs FROM kept LIMIT 1'), { v: text, vs: [text, null] }, 'and as usual beside it')
    }
  }
  t.match(db.stats(), { errors: 0 })
})

t.test('two databases with other OIDs for the same name', async (t) => {
  const [a, b] = [await freshDatabase(t), await freshDatabase(t)]
  await a.rows("CREATE TYPE mood AS ENUM ('sad'); CREATE TYPE other AS ENUM ('x')")
  await b.rows("CREATE TYPE filler AS ENUM ('x'); CREATE TYPE other AS ENUM ('x'); CREATE TYPE mood AS ENUM ('sad')")
  const open = (url: string): Database => createDatabase({ url, types: { mood: tagged('mood') }, log: memoryLog() }, {})
  const databases = [open(a.url), open(b.url)]
  t.teardown(() => Promise.all(databases.map((db) => db.close())))
  for (const db of databases) {
    await reads(t, db, 'mood', { mood: 'sad' })
    await reads(t, db, 'other', 'x')
    await reads(t, db, 'mood[]', [{ mood: 'sad' }])
  }
})

t.test("'range' for a type that is none is said when it is met", async (t) => {
  const observer = await freshDatabase(t)
  await observer.rows("CREATE TYPE mood AS ENUM ('fine')")
  const sql = (await openDatabase(t, observer)).createSql({ types: { mood: 'range' } })
  await t.rejects(sql`SELECT 'fine'::mood`, { code: 'FST_PG_DECODE', cause: { code: 'FST_PG_OPTION', message: /'range' is for ranges/ } })
  await t.rejects(sql`SELECT ${'fine'}::mood`, { code: 'FST_PG_VALUE', cause: { code: 'FST_PG_OPTION' } })
})
