import path from 'node:path'
import { writeFile } from 'node:fs/promises'
import t from 'tap'
import type { PostgresJsType } from '../../src/index.js'
import type { ServerError } from '../../src/index.js'
import { freshDatabase, openDatabase } from '../support/database.js'
import { PLACES } from '../support/places.js'

const QUERY = { code: 'FST_PG_QUERY' }

t.test('parameters are those that the server reports of the newest session, and of a reserved one', async (t) => {
  const observer = await freshDatabase(t)
  const [shown] = await observer.rows("SELECT current_setting('server_version') AS version")
  const db = await openDatabase(t, observer, { min: 0, max: 2, required: false, applicationName: 'parity', parameters: { TimeZone: 'Asia/Tokyo' } })
  const { sql } = db
  t.match(sql.parameters, { server_version: shown?.['version'], application_name: 'parity', TimeZone: 'Asia/Tokyo', client_encoding: 'UTF8' })
  t.throws(() => { (sql.parameters as Record<string, string>)['TimeZone'] = 'UTC' }, TypeError)
  const reserved = await sql.reserve()
  await reserved`SET TimeZone = 'Europe/Oslo'`
  t.equal(reserved.parameters['TimeZone'], 'Europe/Oslo')
  t.equal(sql.parameters['TimeZone'], 'Asia/Tokyo', 'as it began')
  await reserved.release()
})

t.test('before the first connection there are no parameters', async (t) => {
  const { url } = await freshDatabase(t)
  const { createDatabase } = await import('../../src/index.js')
  const db = createDatabase({ url, min: 0 }, {})
  t.teardown(() => db.close())
  t.strictSame(db.sql.parameters, {})
  await db.sql`SELECT 1`
  t.ok(db.sql.parameters['server_version'])
})

for (const [place, within] of Object.entries(PLACES)) {
  t.test(`a result knows its statement and the columns of tables on ${place}`, async (t) => {
    const observer = await freshDatabase(t)
    await observer.rows('CREATE TABLE c (a int, b text)')
    const [table] = await observer.rows("SELECT 'c'::regclass::oid AS oid")
    const db = await openDatabase(t, observer, { max: 1 })
    await within(db, async (q) => {
      const { sql } = q
      const columns = [{ name: 'b', type: 25, table: table?.['oid'], number: 2 }, { name: 'n', type: 23, table: 0, number: 0 }]
      const names: string[] = []
      for (let run = 0; run < 4; run++) {
        const rows = await sql`SELECT b, 1 AS n FROM c WHERE a = ${run} AND b <> ${''}`
        t.match(rows.columns, columns)
        t.match(rows.statement, { types: [23, 25], columns })
        names.push(rows.statement.name)
      }
      t.equal(names[0], '', 'not prepared at its first use')
      const [{ n } = { n: 0 }] = await sql<[{ n: number }]>`SELECT count(*) AS n FROM pg_prepared_statements WHERE name = ${names[3]}`
      t.equal(n, 1, 'the name is that of the server')
      t.not((await sql.unsafe('SELECT $1::int AS a', [1], { prepare: true })).statement.name, '')
      t.match(await sql`SELECT b, 1 AS n FROM c WHERE a = ${1}`.describe(), { name: '', types: [23], columns })
    })
  })
}

t.test('a template without values may number its parameters, to be described', async (t) => {
  const db = await openDatabase(t, await freshDatabase(t))
  const { sql } = db
  const text = "SELECT relname, '$7' AS no FROM pg_class WHERE relname LIKE $1 AND relpages > $2"
  t.match(await sql`SELECT relname, '$7' AS no FROM pg_class WHERE relname LIKE $1 AND relpages > $2`.describe(), { string: text, types: [25, 23], columns: [{ name: 'relname' }, {}] })
  t.match(await sql.unsafe(text).describe(), { types: [25, 23] })
  await t.rejects(sql`SELECT $1::int`, { code: 'FST_PG_PARAMETER_COUNT' }, 'but not run')
  await t.rejects(sql`SELECT ${sql`$1`}, ${2}`, { ...QUERY, message: /numbers its values itself/ }, 'nor stand in another one')
  await t.rejects(sql`SELECT ${1}, $1`, { ...QUERY, message: /numbers its values itself/ })
})

t.test('values are of any built-in type by its OID', async (t) => {
  const observer = await freshDatabase(t)
  const db = await openDatabase(t, observer)
  const { sql } = db
  const types = await observer.rows(`SELECT typname AS name, oid, typarray AS "arrayOid" FROM pg_type WHERE typtype IN ('b', 'r', 'm') AND typcategory <> 'A'
    AND oid < 16384 AND typarray <> 0 AND typnamespace = 'pg_catalog'::regnamespace AND typname NOT IN ('pg_node_tree', 'gtsvector')`)
  t.ok(types.length > 60)
  for (const { name, oid, arrayOid } of types) {
    const [row] = await sql`SELECT pg_typeof(${sql.typed(null, oid)})::oid AS a, pg_typeof(${sql.array([], oid)})::oid AS b, pg_typeof(${sql.typed(null, arrayOid)})::oid AS c`
    t.strictSame({ ...row }, { a: oid, b: arrayOid, c: arrayOid }, name)
  }
  t.strictSame([...await sql`SELECT (${sql.typed('(1,2)', 600)})[0] AS x, ${sql.typed('[1,5)', 3904)} @> 4 AS y, ${sql.array(['08:00:2b:01:02:03'], 829)} AS z`], [{ x: 1, y: true, z: ['08:00:2b:01:02:03'] }])
  t.throws(() => sql.typed(1, 70_000), { ...QUERY, message: /not that of a built-in type/ })
})

t.test('what is not there says so', async (t) => {
  const db = await openDatabase(t, await freshDatabase(t))
  const { sql } = db
  await t.rejects(sql.largeObject(), { ...QUERY, advice: /lo_put/ })
  await t.rejects(sql.begin(async (sql) => await sql.prepare('one')), { ...QUERY, advice: /PREPARE TRANSACTION/ })
  t.throws(() => sql`SELECT 1`.stream(() => {}), { ...QUERY, advice: /forEach/ })
  for (const method of ['then', 'catch', 'finally']) t.throws(() => Reflect.get(sql('a'), method).call(sql('a'), () => {}), { ...QUERY, message: /this is no query/ }, method)
  t.equal(sql.CLOSE, sql.END)
  t.ok(Object.isFrozen(sql.END))
})

t.test('an error names the place in the server, not enumerable', async (t) => {
  const db = await openDatabase(t, await freshDatabase(t))
  const error = await db.sql`SELECT (1, 2) = ${'x'}::int`.then(() => t.fail('it should fail'), (error: ServerError) => error)
  t.match(error, { routine: /^\w+$/, file: /\.c$/, line: /^\d+$/ })
  for (const name of ['routine', 'file', 'line']) t.notOk(Object.keys(error as object).includes(name), name)
})

t.test('a file takes the option cache, and is read each time', async (t) => {
  const db = await openDatabase(t, await freshDatabase(t))
  const { sql } = db
  const file = path.join(t.testdir(), 'statement.sql')
  for (const cache of [true, false]) {
    for (const n of [1, 2]) {
      await writeFile(file, `SELECT ${n} AS n`)
      t.strictSame([...await sql.file(file, { cache })], [{ n }])
      t.strictSame([...await sql.file(Buffer.from(file), [], { cache })], [{ n }])
    }
  }
  t.throws(() => sql.file(file, { cache: 'no' as never }), { code: 'FST_PG_QUERY' })
  t.throws(() => sql.unsafe('SELECT 1', [], { cache: true } as never), { code: 'FST_PG_OPTION' })
})

t.test('types of a tag are called by their names, also in arrays', async (t) => {
  const observer = await freshDatabase(t)
  await observer.rows('CREATE TABLE p (at point, list point[], ints int[])')
  const db = await openDatabase(t, observer)
  const point = { decode: (text: string) => text.slice(1, -1).split(',').map(Number), encode: (value: unknown) => `(${String(value)})` }
  const sql = db.createSql({ types: { point, name: 'string' }, transform: { undefined: null } })
  const { point: pointOf } = sql.types
  const { name: nameOf } = sql.types as unknown as Record<string, (value: unknown) => unknown>
  await sql.begin(async (sql) => {
    await sql`INSERT INTO p ${sql({ at: sql.typed['point']?.([1, 2]), list: sql.array([pointOf?.([3, 4])]), ints: [1, undefined, 3] })}`
  })
  t.strictSame([...await sql`SELECT * FROM p`], [{ at: [1, 2], list: [[3, 4]], ints: [1, null, 3] }])
  t.strictSame([...await sql`SELECT ${nameOf?.('x')}::name AS n`], [{ n: 'x' }])
  t.strictSame([...await sql`SELECT 1 AS a; SELECT '(7,8)'::point AS at`.simple()].map((rows) => Object.values(rows)), [[{ a: 1 }], [{ at: [7, 8] }]], 'a script is converted')
  t.equal(db.sql.types['point'], undefined)
})

t.test('types of a tag by their names have the type that is built in, on every tag, also as postgres.js has them', async (t) => {
  const observer = await freshDatabase(t)
  const rect = { to: 600, from: [600], serialize: ({ x, y }: { x: number, y: number }) => `(${x},${y})`, parse: (text: string) => text.slice(1, -1).split(',').map(Number) }
  const db = await openDatabase(t, observer, { types: { rect: rect as PostgresJsType, int8: 'bigint' } })
  for (const sql of [db.sql, db.createSql() as unknown as typeof db.sql, db.createSql({ types: { integer: 'string' } }) as unknown as typeof db.sql]) {
    t.strictSame([...await sql`SELECT ${sql.types['rect']?.({ x: 1, y: 2 })} AS p, ${sql.typed['int8']?.(7)} AS n`], [{ p: [1, 2], n: 7n }])
  }
})

t.test('a transaction that was to be prepared is not committed, also where nobody awaits that', async (t) => {
  const observer = await freshDatabase(t)
  await observer.rows('CREATE TABLE t (a int)')
  const db = await openDatabase(t, observer)
  await t.rejects(db.sql.begin(async (sql) => {
    await sql`INSERT INTO t VALUES (1)`
    sql.prepare('x')
  }), { code: 'FST_PG_QUERY' })
  t.strictSame(await observer.rows('SELECT a FROM t'), [])
})
