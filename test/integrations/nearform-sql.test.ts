import SQL from '@nearform/sql'
import t from 'tap'
import { freshDatabase, openDatabase } from '../support/database.js'

const { glue, quoteIdent, unsafe } = SQL

async function open (t: import('tap').Test) {
  const observer = await freshDatabase(t)
  await observer.rows(`CREATE TABLE "user s" (id int GENERATED ALWAYS AS IDENTITY, name text, data jsonb, tags text[], at timestamptz);
    INSERT INTO "user s" (name, data, tags, at) VALUES ('Ada', '{"a": [1]}', '{x,y}', '2026-01-02T03:04:05Z'), ('Grace', '"text"', '{}', NULL)`)
  return await openDatabase(t, observer)
}

t.test('a statement goes by its text and values, to every helper and in transactions', async (t) => {
  const db = await open(t)
  const { text, values } = SQL`SELECT name FROM "user s" WHERE id = ${1} OR name = ${'Grace'} ORDER BY id`
  t.strictSame(await db.fetchAll({ text, values }), [{ name: 'Ada' }, { name: 'Grace' }])
  t.strictSame(await db.fetchColumn(text, ...values), ['Ada', 'Grace'])
  t.strictSame(await db.fetchAll({ text, values, rows: 'array', timeout: 5 }), [['Ada'], ['Grace']])
  t.equal(await db.transaction(async (tx) => {
    const { text, values } = SQL`UPDATE "user s" SET name = ${'Augusta'} WHERE name = ${'Ada'}`
    return (await tx.execute({ text, values })).count
  }), 1)
})

t.test('nested statements, glue, quoted names and unsafe parts number their parameters as the server counts them', async (t) => {
  const db = await open(t)
  const conditions = [SQL`name = ${'Ada'}`, SQL`id < ${2}`, SQL`tags @> ${['x']}`]
  const inner = SQL`SELECT id FROM ${quoteIdent('user s')} WHERE ${glue(conditions, ' AND ')}`
  const { text, values } = SQL`SELECT name, ${'2'}::int AS two FROM "user s" WHERE id IN (${inner}) ORDER BY ${unsafe('name')} LIMIT ${5}`
  t.strictSame(await db.fetchAll({ text, values }), [{ name: 'Ada', two: 2 }])
  const list = SQL`SELECT name FROM "user s" WHERE id IN (${SQL.map([1, 2, 3])}) ORDER BY id`
  t.strictSame(await db.fetchColumn(list.text, ...list.values), ['Ada', 'Grace'])
})

t.test('values of every kind arrive as they are, also what would be SQL', async (t) => {
  const db = await open(t)
  const row = { name: "'; DROP TABLE \"user s\"; --", data: { b: ['"', "'"] }, tags: ['a,b', '{}', 'null'], at: new Date(0) }
  const { text, values } = SQL`INSERT INTO "user s" (name, data, tags, at) VALUES (${row.name}, ${row.data}, ${row.tags}, ${row.at}) RETURNING name, data, tags, at`
  t.strictSame(await db.executeWithReturning({ text, values }), row)
  t.strictSame(await db.executeWithReturning({ text, values: [null, 'a string', [], null] }), { name: null, data: 'a string', tags: [], at: null })
})

t.test('the statement itself is refused with what to write', async (t) => {
  const db = await open(t)
  const statement = SQL`SELECT name FROM "user s" WHERE id = ${1}`
  await t.rejects(db.fetchAll(statement), { code: 'FST_PG_OPTION', message: /text: query\.text, values: query\.values/ })
  await t.rejects(db.fetchAll({ text: statement.text, values: statement.values.slice(1) }), { code: 'FST_PG_PARAMETER_COUNT' })
})
