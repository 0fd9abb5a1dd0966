import { inspect } from 'node:util'
import t from 'tap'
import { stdSerializers } from 'pino'
import { type Database, errorSerializer } from '../../src/index.js'
import { failure } from '../support/failure.js'
import { freshDatabase, openDatabase } from '../support/database.js'

const boom = new Error('boom')
const SECRET = 'opensesame-4711'
/** Reads a number, but for 13. */
const unlucky = (text: string): unknown => { if (text === '13') throw boom; return Number(text) }
const types = { int4: { decode: unlucky, encode: (value: unknown) => { if (value === 13) throw boom; return String(value) } } }
const read = 'SELECT $1::int8::int4 AS n'

t.test('a decoder that throws fails its call alone: on the pool, in a pipeline, in a transaction; the connection goes on', async (t) => {
  const observer = await freshDatabase(t)
  await observer.rows('CREATE TABLE things (n int, u uuid DEFAULT gen_random_uuid())')
  const db = await openDatabase(t, observer, { min: 1, max: 1, types })
  const refused = { code: 'FST_PG_DECODE', statusCode: 500, message: 'a result cannot be read', cause: boom, advice: /the decoder of int4 threw: see the cause/ }
  for (let round = 0; round < 20; round++) {
    const answers = await Promise.allSettled([1, 13, 2, 13, 3, 4].flatMap((n) => [db.fetchVal(read, n), db.fetchOne(read, n), db.fetchAll('SELECT g FROM generate_series($1::int8::int, $2::int8::int) AS g', n, n + 2), db.fetchVal('SELECT $1::int8', n), db.sql.unsafe(read, [n])]))
    for (const [index, answer] of answers.entries()) {
      const n = [1, 13, 2, 13, 3, 4][Math.floor(index / 5)] ?? 0
      const way = index % 5
      if (n === 13 && way !== 3) t.match(answer, { status: 'rejected', reason: refused })
      else t.strictSame(answer.status === 'fulfilled' ? JSON.stringify(answer.value) : answer.reason, JSON.stringify([n, { n }, [{ g: n }, { g: n + 1 }, { g: n + 2 }], n, [{ n }]][way]))
    }
  }
  t.match(db.stats(), { created: 1 })
  await db.transaction(async (tx) => {
    await tx.execute('INSERT INTO things VALUES (1)')
    t.match(await failure(() => tx.fetchVal('SELECT 13')), refused)
    t.match(await failure(() => tx.executeWithReturning('INSERT INTO things VALUES (13) RETURNING n')), refused)
    t.match(await failure(() => tx.transaction((tx) => tx.fetchVal('SELECT 13'))), refused)
    await tx.execute('INSERT INTO things VALUES (2)')
  })
  t.strictSame(await observer.rows('SELECT n FROM things ORDER BY n'), [{ n: 1 }, { n: 2 }, { n: 13 }], 'the statement has had its effect')
  const lists = Array.from({ length: 80 }, (_, n) => [`${n}`])
  for (const batch of ['auto', 'pipeline'] as const) t.match(await failure(() => db.executeManyWithReturning({ text: 'INSERT INTO things VALUES ($1) RETURNING n', batch }, lists)), refused)
  t.strictSame(await observer.rows('SELECT count(*)::int FROM things'), [{ count: 163 }], 'a batch is committed')
  t.match(db.stats(), { created: 1 })
})

t.test('an encoder that throws, or gives no text, fails its call alone, before anything is sent', async (t) => {
  const observer = await freshDatabase(t)
  await observer.rows('CREATE TABLE things (id int8, v text)')
  const given: Record<string, () => unknown> = {
    throws: () => { throw boom }, number: () => 7, undefined: () => undefined, null: () => null, object: () => ({}), promise: async () => 'x', bytes: () => Buffer.from('x'), half: () => `${SECRET}\ud800`,
  }
  const db = await openDatabase(t, observer, { min: 1, max: 1, types: { text: { encode: (value) => (given[String(value)]?.() ?? (given[String(value)] === undefined ? String(value) : undefined)) as string } } })
  for (let round = 0; round < 4; round++) {
    for (const name of Object.keys(given)) {
      const [before, bad, list, behind] = await Promise.allSettled([db.fetchVal('SELECT $1::text', 'before'), db.fetchVal('SELECT $1::text', name), db.fetchVal('SELECT $1::text[]', ['x', name]), db.fetchVal('SELECT $1::text', 'behind')])
      t.strictSame([before, behind], [{ status: 'fulfilled', value: 'before' }, { status: 'fulfilled', value: 'behind' }])
      for (const refused of [bad, list]) t.match(refused, { status: 'rejected', reason: { code: 'FST_PG_VALUE', message: 'parameter $1 cannot be sent', ...name === 'throws' && { cause: boom } } }, name)
      for (const batch of ['auto', 'pipeline'] as const) {
        const lists = Array.from({ length: 60 }, (_, index) => [index, index === 50 ? name : 'fine'])
        t.match(await failure(() => db.executeMany({ text: 'INSERT INTO things VALUES ($1, $2)', batch }, lists)), { code: 'FST_PG_VALUE', message: 'row 50, parameter $2 cannot be sent' })
      }
    }
  }
  await t.rejects(db.fetchVal('SELECT $1::text', 'a\0b'), { code: '22021' })
  t.strictSame(await observer.rows('SELECT * FROM things'), [])
  t.match(db.stats(), { created: 1 })
})

t.test('a large text, and JSON functions that throw', async (t) => {
  const observer = await freshDatabase(t)
  const size = 30_000_000
  const db = await openDatabase(t, observer, {
    max: 1,
    types: { text: { decode: (text) => text.length, encode: () => 'x'.repeat(size) } },
    json: { parse: (text) => { if (text.includes('bad')) throw boom; return text }, stringify: (value) => { if (value === 'bad') throw boom; return value === 'none' ? undefined as never : JSON.stringify(value) } },
  })
  t.equal(await db.fetchVal('SELECT $1::text', 'a'), size)
  for (let round = 0; round < 3; round++) {
    t.match(await failure(() => db.fetchVal("SELECT '\"bad\"'::jsonb")), { code: 'FST_PG_DECODE', cause: boom, advice: /the decoder of jsonb threw/ })
    t.match(await failure(() => db.fetchVal("SELECT ARRAY['\"bad\"']::json[]")), { code: 'FST_PG_DECODE', cause: boom, advice: /the decoder of json threw/ })
    t.match(await failure(() => db.fetchVal('SELECT $1::jsonb', 'bad')), { code: 'FST_PG_VALUE', cause: boom })
    t.match(await failure(() => db.fetchVal('SELECT $1::jsonb', 'none')), { code: 'FST_PG_VALUE' })
    t.equal(await db.fetchVal('SELECT $1::jsonb', 'good'), '"good"')
  }
  t.match(db.stats(), { created: 1 })
})

t.test('functions for names, values and rows that throw fail their call alone; each has an error of its own', async (t) => {
  const observer = await freshDatabase(t)
  const throwing = (given: unknown): never => { if (JSON.stringify(given).includes('bad')) throw boom; return given as never }
  const db = await openDatabase(t, observer, { min: 1, max: 1, transform: { column: throwing, value: throwing, row: throwing } })
  for (let round = 0; round < 3; round++) {
    for (const [query, what] of [['SELECT 1 AS "bad"', 'transform.column'], ["SELECT 'bad'::text AS a", 'transform.value']] as const) {
      const errors = await Promise.all([failure(() => db.fetchOne(query)), failure(() => db.fetchOne(query)), failure(() => db.sql.unsafe(query)), failure(() => db.executeManyWithReturning(query, [[], []]))])
      for (const error of errors) t.match(error, { code: 'FST_PG_DECODE', cause: boom, advice: new RegExp(`${what} threw`) })
      t.equal(new Set(errors).size, 4)
    }
    t.strictSame(await db.fetchOne('SELECT 1 AS a'), { a: 1 })
  }
  const named = db.createSql({ transform: { column: () => 7 as never } })
  t.match(await failure(() => named`SELECT 1 AS a`), { code: 'FST_PG_DECODE', cause: TypeError })
  const rows = db.createSql({ transform: { row: () => { throw boom } } })
  t.match(await failure(() => rows`SELECT 1 AS a`), { code: 'FST_PG_DECODE', advice: /transform.row threw/ })
  t.match(db.stats(), { created: 1 })
})

t.test('decoders that give promises, undefined or functions, and that change what they are given', async (t) => {
  const observer = await freshDatabase(t)
  const db = await openDatabase(t, observer, { max: 1, types: { int4: { decode: async (text) => text }, int8: { decode: () => undefined }, text: { decode: () => () => 'function' }, bool: { decode: () => null } } })
  const [row = {}] = await db.fetchAll<Record<string, unknown>>("SELECT 1 AS a, 1::int8 AS b, 'x'::text AS c, true AS d")
  t.ok(row['a'] instanceof Promise)
  t.equal(await row['a'], '1')
  t.strictSame([row['b'], 'b' in row, typeof row['c'], row['d']], [undefined, true, 'function', null])
  t.equal(await db.fetchVal('SELECT 1::int8'), undefined)
  t.strictSame(await db.fetchColumn('SELECT 1::int8 FROM generate_series(1, 2)'), [undefined, undefined])
  const changed = db.createSql({ transform: { row: (row) => { row['more'] = 1; delete row['a']; return row } } })
  t.strictSame([...await changed`SELECT 1::int2 AS a, 2::int2 AS b`], [{ b: 2, more: 1 }])
  const replaced = db.createSql({ transform: { row: () => undefined, value: { from: (value, column) => Object.isFrozen(column) ? value : 'could be changed' } } })
  t.strictSame([...await replaced`SELECT 1::int2 AS a FROM generate_series(1, 2)`], [undefined, undefined])
  t.match(db.stats(), { created: 1 })
})

t.test('functions of any kind may call the database themselves, while others wait on the same connection', async (t) => {
  const observer = await freshDatabase(t)
  let inner: Array<Promise<unknown>> = []
  const opened: { db?: Database } = {}
  const asking = (): void => { if (opened.db !== undefined && inner.length < 200) inner.push(opened.db.fetchVal('SELECT $1::int2', inner.length)) }
  const db = opened.db = await openDatabase(t, observer, {
    min: 1,
    max: 1,
    types: { int4: { decode: (text) => { asking(); return Number(text) }, encode: (value) => { asking(); return String(value) } } },
    transform: { column: (name) => { asking(); return name }, row: (row) => { asking(); return row } },
  })
  for (let round = 0; round < 10; round++) {
    inner = []
    const values = await Promise.all(Array.from({ length: 10 }, (_, n) => db.fetchOne(`SELECT $1::int4 AS "round ${round % 5}"`, n)))
    t.strictSame(values, Array.from({ length: 10 }, (_, n) => ({ [`round ${round % 5}`]: n })))
    for (let index = 0; index < inner.length; index++) t.equal(await inner[index], index)
  }
  t.match(db.stats(), { created: 1 })
})

t.test('functions of a tag that are changed while its queries are under way: a query has those of when it began', async (t) => {
  const observer = await freshDatabase(t)
  const db = await openDatabase(t, observer, { min: 1, max: 1 })
  const sql = db.createSql()
  const { parsers } = sql.options
  const asked: Array<PromiseLike<unknown>> = []
  const expected: unknown[] = []
  for (let n = 0; n < 300; n++) {
    if (n % 3 === 0) delete parsers[23]
    else parsers[23] = (text: string) => `${n} ${text}`
    asked.push(sql.unsafe('SELECT $1::int4 AS n', [n]).execute())
    expected.push([{ n: n % 3 === 0 ? n : `${n} ${n}` }])
  }
  t.strictSame((await Promise.all(asked)).map((rows) => [...rows as unknown[]]), expected)
})

t.test('two tags and the database on one connection, with other functions for the same prepared statement', async (t) => {
  const observer = await freshDatabase(t)
  await observer.rows("CREATE TYPE mood AS ENUM ('sad')")
  const db = await openDatabase(t, observer, { min: 1, max: 1 })
  const tags = ['a', 'b'].map((tag) => db.createSql({ types: { mood: { decode: (text) => tag + text }, int4: { decode: (text) => tag + text, encode: (value) => String(value).slice(1) } }, transform: { column: (name) => tag + name } }))
  const query = "SELECT $1::int4 AS n, 'sad'::mood AS m, NULL AS o"
  const waiting: Array<PromiseLike<unknown>> = []
  const expected: unknown[] = []
  for (let n = 0; n < 1_000; n++) {
    const which = n % 3
    const tag = ['a', 'b'][which]
    waiting.push(tag === undefined ? db.fetchAll(query, n) : tags[which]?.unsafe(query, [tag + n]).then((rows) => [...rows]) ?? Promise.reject(boom))
    expected.push(tag === undefined ? [{ n, m: 'sad', o: null }] : [{ [`${tag}n`]: tag + n, [`${tag}m`]: `${tag}sad`, [`${tag}o`]: null }])
    if (n % 50 === 0) await Promise.all(waiting)
  }
  t.strictSame(await Promise.all(waiting), expected)
  t.match(db.stats(), { created: 1 })
})

t.test('no value, parameter or text is shown', async (t) => {
  const observer = await freshDatabase(t)
  const refuse = (): never => { throw new Error('the function says no') }
  const db = await openDatabase(t, observer, { types: { text: { decode: refuse, encode: (value) => value === SECRET ? refuse() : String(value) }, int8: 'number' }, json: { parse: refuse }, transform: { value: (value) => value === 4711471147 ? refuse() : value } })
  const calls = [
    () => db.fetchVal(`SELECT '${SECRET}'::text`), () => db.fetchVal(`SELECT $1::text /* ${SECRET} */`, SECRET), () => db.fetchVal('SELECT $1::text[]', [SECRET]), () => db.fetchVal(`SELECT '"${SECRET}"'::jsonb`),
    () => db.sql`SELECT ${SECRET}::text`, () => db.sql.unsafe(`SELECT '${SECRET}'::text`), () => db.executeMany(`SELECT $1::text /* ${SECRET} */`, [[SECRET]]), () => db.executeManyWithReturning("SELECT $1::varchar || 'x'", [[SECRET]]),
    () => db.fetchVal("SELECT '4711471147'::int4range"), () => db.fetchVal('SELECT 4711471147114711471::int8 * 2'), () => db.fetchVal('SELECT 4711471147114711471::int8'), () => db.fetchVal('SELECT 4711471147::float8'),
    () => db.fetchVal("SELECT '{4711471147114711471}'::int8[]"),
  ]
  for (const call of calls) {
    const error = await failure(call) as Error
    t.match(error, { code: /^(FST_PG_(VALUE|DECODE)|22.*)$/ })
    const shown = [error.message, error.stack, JSON.stringify(error), inspect(error), JSON.stringify(stdSerializers.errWithCause(error)), JSON.stringify(errorSerializer(error))].join('\n').replace(/\n +at .*|\\n +at [^\\"]*/g, '')
    t.notMatch(shown, /opensesame|47114711/, shown.slice(0, 200))
  }
})
