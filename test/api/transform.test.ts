import postgres from 'postgres'
import t, { type Test } from 'tap'
import { camel, type Database, kebab, pascal, type TransformOptions } from '../../src/index.js'
import { freshDatabase, openDatabase, type Observer } from '../support/database.js'

const SETUP = `CREATE TABLE user_accounts (user_id int PRIMARY KEY, first_name text, extra_data jsonb, more_data json);
  INSERT INTO user_accounts VALUES (1, 'Ada', '{"the_key": [{"in_ner": 1}], "b": "a_b"}', '{"x_y": null}')`

// Without arrays: where names are transformed, postgres.js no longer learns which types they are.

/** The same queries on both: what is given, and what is left in the table. Names are written by `name`. */
type Tag = ReturnType<typeof postgres>
type Ask = (sql: Tag, name: (name: string) => string) => PromiseLike<unknown>
const plain = (rows: readonly unknown[]): unknown[] => rows.map((row) => Array.isArray(row) ? [...row] : { ...(row as object) })
const rowsOf = async (rows: PromiseLike<readonly unknown[]>): Promise<unknown[]> => plain(await rows)

const ASKED: ReadonlyArray<readonly [what: string, ask: Ask]> = [
  ['all', (sql) => rowsOf(sql`SELECT * FROM user_accounts ORDER BY user_id`)],
  ['values', (sql) => rowsOf(sql`SELECT * FROM user_accounts ORDER BY user_id`.values())],
  ['columns', async (sql) => (await sql`SELECT * FROM user_accounts`).columns.map(({ name, type }) => [name, type])],
  ['no rows', async (sql) => (await sql`SELECT * FROM user_accounts WHERE false`).columns.map(({ name }) => name)],
  ['forEach', async (sql) => { const seen: unknown[] = []; await sql`SELECT * FROM user_accounts ORDER BY user_id`.forEach((row) => { seen.push(row) }); return plain(seen) }],
  ['describe', async (sql) => (await sql`SELECT user_id, first_name FROM user_accounts WHERE user_id = ${1}`.describe()).columns.map(({ name }) => name)],
  ['unsafe', (sql) => rowsOf(sql.unsafe('SELECT user_id, first_name FROM user_accounts WHERE user_id = $1', [1]))],
  ['names in select lists', (sql, name) => rowsOf(sql`SELECT ${sql([name('user_id'), name('first_name')])} FROM user_accounts ORDER BY 1`)],
  ['names, one by one', (sql, name) => rowsOf(sql`SELECT ${sql(name('user_id'), name('first_name'))} FROM user_accounts ORDER BY 1`)],
  ['a name', (sql, name) => rowsOf(sql`SELECT ${sql(name('first_name'))} FROM ${sql(name('user_accounts'))} ORDER BY ${sql(name('user_id'))}`)],
  ['a name of two', (sql, name) => rowsOf(sql`SELECT ${sql(`${name('user_accounts')}.${name('first_name')}`)} FROM user_accounts ORDER BY 1`)],
  ['INSERT of an object', (sql, name) => rowsOf(sql`INSERT INTO user_accounts ${sql({ [name('user_id')]: 2, [name('first_name')]: 'Grace' })} RETURNING *`)],
  ['INSERT of rows', (sql, name) => rowsOf(sql`INSERT INTO user_accounts ${sql([{ [name('user_id')]: 3, [name('first_name')]: 'Linus' }, { [name('user_id')]: 4, [name('first_name')]: 'Alan' }])} RETURNING user_id`)],
  ['INSERT of named columns', (sql, name) => rowsOf(sql`INSERT INTO user_accounts ${sql({ [name('user_id')]: 5, [name('first_name')]: 'x', other: 1 }, name('user_id'), name('first_name'))} RETURNING first_name`)],
  ['UPDATE', (sql, name) => rowsOf(sql`UPDATE user_accounts SET ${sql({ [name('first_name')]: 'Barbara', [name('extra_data')]: sql.json({ a_b: 1 }) })} WHERE user_id = ${5} RETURNING *`)],
  ['UPDATE of named columns', (sql, name) => rowsOf(sql`UPDATE user_accounts SET ${sql({ [name('first_name')]: 'Edsger', [name('user_id')]: 99 }, name('first_name'))} WHERE user_id = ${5} RETURNING *`)],
  ['IN', (sql) => rowsOf(sql`SELECT first_name FROM user_accounts WHERE user_id IN ${sql([1, 2])} ORDER BY user_id`)],
  ['a row in a select list', (sql, name) => rowsOf(sql`SELECT ${sql({ [name('new_name')]: 'x' })}`)],
  ['fragments', (sql, name) => rowsOf(sql`SELECT ${sql(name('first_name'))} FROM user_accounts ${sql`WHERE ${sql(name('user_id'))} = ${1}`}`)],
  ['undefined', (sql) => rowsOf(sql`SELECT ${undefined as never}::text AS no_thing`)],
  ['undefined in INSERT', (sql, name) => rowsOf(sql`INSERT INTO user_accounts ${sql({ [name('user_id')]: 6, [name('first_name')]: undefined } as never)} RETURNING first_name`)],
  ['undefined in UPDATE', (sql, name) => rowsOf(sql`UPDATE user_accounts SET ${sql({ [name('first_name')]: undefined } as never)} WHERE user_id = ${4} RETURNING first_name`)],
  ['NULL', (sql) => rowsOf(sql`SELECT NULL::int AS no_thing, NULL::jsonb AS no_json`)],
  ['two of one name', (sql) => rowsOf(sql`SELECT 1 AS a_b, 2 AS "aB", 3 AS "AB", 4 AS "a-b"`)],
  ['odd names', (sql) => rowsOf(sql`SELECT 1, 2 AS "A b", 3 AS x1_y2`)],
  ['nested JSON', (sql) => rowsOf(sql`SELECT '[[{"a_b": {"c_d": 1}}]]'::jsonb AS nested_list`)],
  ['begin', async (sql, name) => await sql.begin((sql) => rowsOf(sql`SELECT ${sql(name('first_name'))} FROM user_accounts WHERE user_id = ${1}`))],
  ['savepoint', async (sql, name) => await sql.begin((sql) => sql.savepoint((sql) => rowsOf(sql`SELECT ${sql(name('first_name'))} FROM user_accounts WHERE user_id = ${1}`)))],
  ['reserve', async (sql) => { const reserved = await sql.reserve(); const rows = await rowsOf(reserved`SELECT user_id FROM user_accounts WHERE user_id = 1`); await reserved.release(); return rows }],
  // Bytes are what the server sent: `row` is not called for them.
  ['raw', async (sql) => plain(await sql`SELECT user_id, first_name, NULL AS no_thing FROM user_accounts WHERE user_id = 1`.raw()).map((row) => (row as Array<Uint8Array | null>).map((bytes) => bytes === null ? null : Buffer.from(bytes).toString()))],
]

const shout = (value: unknown): unknown => typeof value === 'string' ? `${value}!` : value
const TRANSFORMS: Readonly<Record<string, { transform: TransformOptions, theirs?: unknown, name?: (name: string) => string }>> = {
  camel: { transform: { ...camel, undefined: null }, theirs: { ...postgres.camel, undefined: null }, name: postgres.toCamel },
  pascal: { transform: pascal, theirs: postgres.pascal, name: postgres.toPascal },
  kebab: { transform: { ...kebab, undefined: null }, theirs: { ...postgres.kebab, undefined: null }, name: postgres.toKebab },
  "postgres.js's own camel": { transform: postgres.camel as TransformOptions, theirs: postgres.camel, name: postgres.toCamel },
  "postgres.js's own toPascal": { transform: postgres.toPascal as TransformOptions },
  fromKebab: { transform: postgres.fromKebab as TransformOptions, name: postgres.toKebab },
  'a function for names': { transform: { column: (name) => name.toUpperCase() } },
  'both ways': { transform: { column: { from: (name) => `_${name}`, to: (name) => name.slice(1) } }, name: (name) => `_${name}` },
  'a function for values': { transform: { value: shout } },
  'values by their columns': { transform: { value: { from: (value, { name, type }) => [name, type, value] } } },
  'a function for rows': { transform: { row: (row) => ({ wrapped: row }) } },
  'all at once': { transform: { column: postgres.toCamel, value: shout, row: { from: (row) => Array.isArray(row) ? [...row, 'seen'] : { ...row, seen: true } }, undefined: null } },
}

/** The outcome of each, or that it is refused. */
async function outcomes (sql: Tag, observer: Observer, name: (name: string) => string): Promise<Map<string, unknown>> {
  const all = new Map<string, unknown>()
  for (const [what, ask] of ASKED) {
    for (let run = 0; run < 3; run++) {
      await observer.rows('BEGIN; TRUNCATE user_accounts; COMMIT')
      await observer.rows(SETUP.slice(SETUP.indexOf('INSERT')))
      for (const id of [4, 5]) if (/UPDATE/.test(what)) await observer.rows('INSERT INTO user_accounts VALUES ($1)', [id])
      const outcome = await Promise.resolve().then(() => ask(sql, name)).catch((error: { code?: string }) => /^(FST_PG_VALUE|UNDEFINED_VALUE)$/.test(String(error.code)) ? 'undefined is refused' : error)
      all.set(`${what}, ${run}`, outcome instanceof Error ? `refused: ${Reflect.get(outcome, 'code')}` : outcome)
      all.set(`left by ${what}, ${run}`, await observer.rows('SELECT * FROM user_accounts ORDER BY user_id'))
    }
  }
  return all
}

for (const [what, { transform, theirs = transform, name = (name: string) => name }] of Object.entries(TRANSFORMS)) {
  t.test(`transform: ${what}: the same as with postgres.js`, async (t: Test) => {
    const observer = await freshDatabase(t)
    await observer.rows(SETUP)
    const reference = postgres(observer.url, { max: 2, transform: theirs as never, onnotice: () => {} })
    const db: Database = await openDatabase(t, observer, { max: 2, transform })
    const expected = await outcomes(reference, observer, name)
    await reference.end()
    for (const [where, sql] of [['db.sql', db.sql], ['createSql', (await openDatabase(t, observer, { max: 2 })).createSql({ transform })]] as const) {
      const ours = await outcomes(sql as never, observer, name)
      for (const [asked, outcome] of expected) if (transform.row === undefined || !asked.startsWith('raw')) t.strictSame(ours.get(asked), outcome, `${where}: ${asked}`)
    }
    t.ok(db.stats().created <= 2, 'no connection was replaced')
  })
}

t.test('a name that would be the prototype of a row is a column', async (t) => {
  const observer = await freshDatabase(t)
  const db = await openDatabase(t, observer, { transform: { column: () => '__proto__' } })
  for (let run = 0; run < 4; run++) {
    const [row] = await db.fetchAll('SELECT 1 AS a, \'{"x": 1}\'::jsonb AS b')
    t.equal(Object.getPrototypeOf(row), Object.prototype)
    t.strictSame(Object.entries(row ?? {}), [['__proto__', { x: 1 }]])
  }
  t.equal(Reflect.get({}, 'x'), undefined)
})

t.test('of columns that become one name a row has the last, a list has all, and a value is the first', async (t) => {
  const observer = await freshDatabase(t)
  const decoded: string[] = []
  const db = await openDatabase(t, observer, { transform: { column: () => 'same', value: (value, column) => [column.name, value] }, types: { int4: { decode: (text) => { decoded.push(text); return text } }, 16: 'string' } })
  const query = 'SELECT 1 AS a, true AS b, NULL AS c, 2 AS d'
  for (let run = 0; run < 3; run++) {
    decoded.length = 0
    t.strictSame(await db.fetchOne(query), { same: ['same', '2'] })
    t.strictSame(decoded, ['2'], 'what is in no row is not read')
    t.strictSame(await db.fetchOne({ text: query, rows: 'array' }), [['same', '1'], ['same', 't'], ['same', null], ['same', '2']])
    t.strictSame(await db.fetchVal(query), ['same', '1'])
    t.strictSame((await db.query(query)).columns.map(({ name }) => name), ['same', 'same', 'same', 'same'])
  }
})

t.test('names that a function gives are quoted, and what it gives that is none is refused', async (t) => {
  const observer = await freshDatabase(t)
  await observer.rows('CREATE TABLE things (id int)')
  const db = await openDatabase(t, observer, { max: 1 })
  for (const evil of ['id") VALUES (1); DROP TABLE things; --', 'id" = 1; --', '"; DROP TABLE things', "'; DROP TABLE things; --", '\\"', '$1', 'a"."b', '*/ DROP TABLE things /*']) {
    const sql = db.createSql({ transform: { column: { to: () => evil } } })
    const quoted = `"${evil.replaceAll('"', '""').replaceAll('.', '"."')}"`
    for (const query of [sql`INSERT INTO things ${sql({ id: 1 })}`, sql`INSERT INTO things ${sql([{ id: 1 }])}`, sql`UPDATE things SET ${sql({ id: 1 })}`, sql`SELECT ${sql('id')} FROM things`, sql`SELECT ${sql(['id'])} FROM things`]) {
      t.match(await query.catch((error: unknown) => error), { code: /^(42703|42P01)$/ }, evil)
    }
    t.strictSame(Object.keys((await sql`SELECT ${sql({ id: 1 })}`.catch(() => [{ [evil]: 1 }]))[0] ?? {}), [evil], quoted)
  }
  for (const given of ['', undefined, null, 7, {}, 'a\0b']) {
    const sql = db.createSql({ transform: { column: { to: () => given as string } } })
    for (const query of [sql`INSERT INTO things ${sql({ id: 1 })}`, sql`UPDATE things SET ${sql({ id: 1 })}`, sql`SELECT ${sql({ id: 1 })}`, sql`SELECT ${sql('id')} FROM things`]) {
      t.match(await query.catch((error: unknown) => error), { code: 'FST_PG_QUERY' }, String(given))
    }
  }
  const boom = new Error('boom')
  const sql = db.createSql({ transform: { column: { to: () => { throw boom } } } })
  t.match(await sql`SELECT ${sql('id')} FROM things`.catch((error: unknown) => error), { code: 'FST_PG_QUERY', cause: boom })
  t.strictSame(await observer.rows('SELECT * FROM things'), [])
  t.match(db.stats(), { created: 1 })
})
