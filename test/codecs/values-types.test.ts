import t, { type Test } from 'tap'
import type { Database } from '../../src/index.js'
import { freshDatabase, openDatabase, type Observer } from '../support/database.js'

/** Types that no client knows beforehand. */
const TYPES: ReadonlyArray<{ type: string, create: string, value: unknown, text: string, read?: unknown }> = [
  { type: 'mood', create: "CREATE TYPE mood AS ENUM ('fine', 'so, {so}', 'the \"end\"')", value: 'so, {so}', text: 'so, {so}' },
  { type: 'positive', create: 'CREATE DOMAIN positive AS int CHECK (VALUE > 0)', value: 7, text: '7' },
  { type: 'big', create: 'CREATE DOMAIN big AS int8', value: 2n ** 62n, text: '4611686018427387904' },
  { type: 'email', create: "CREATE DOMAIN email AS text CHECK (VALUE LIKE '%@%')", value: '"a,b"@c', text: '"a,b"@c' },
  { type: 'document', create: 'CREATE DOMAIN document AS jsonb', value: { a: [1, 'x', null] }, text: '{"a": [1, "x", null]}' },
  { type: 'label', create: 'CREATE DOMAIN label AS jsonb', value: 'no { brace', text: '"no { brace"' },
  { type: 'list', create: 'CREATE DOMAIN list AS jsonb', value: [1, [true]], text: '[1, [true]]' },
  { type: 'moment', create: 'CREATE DOMAIN moment AS timestamp', value: new Date(Date.UTC(2024, 2, 10, 2, 30)), text: '2024-03-10 02:30:00' },
  { type: 'inner_domain', create: 'CREATE DOMAIN base_domain AS bool; CREATE DOMAIN inner_domain AS base_domain', value: true, text: 'true' },
  { type: 'numbers', create: 'CREATE DOMAIN numbers AS int[]', value: [1, null, 3], text: '{1,NULL,3}' },
  { type: 'documents', create: 'CREATE DOMAIN documents AS jsonb[]', value: [{ a: 1 }, [2], null], text: '{"{\\"a\\": 1}",[2],NULL}' },
  { type: 'moods', create: "CREATE TYPE feeling AS ENUM ('a', 'b c'); CREATE DOMAIN moods AS feeling[]", value: ['b c', null], text: '{"b c",NULL}' },
  { type: 'pair', create: 'CREATE TYPE pair AS (a int, b text)', value: '(1,"a ""b"", \\\\{c}")', text: '(1,"a ""b"", \\\\{c}")' },
  { type: 'pair_domain', create: 'CREATE TYPE couple AS (a int, b text); CREATE DOMAIN pair_domain AS couple', value: '(1,)', text: '(1,)' },
  { type: 'span', create: 'CREATE TYPE span AS RANGE (subtype = float8)', value: '[1.5,2)', text: '[1.5,2)' },
  { type: 'citext', create: 'CREATE EXTENSION citext', value: 'Ab, {c}', text: 'Ab, {c}' },
  { type: 'hstore', create: 'CREATE EXTENSION hstore', value: '"a"=>"1, 2", "b"=>NULL', text: '"a"=>"1, 2", "b"=>NULL' },
]

const INSERT = 'INSERT INTO held (v, vs) VALUES ($1, $2) RETURNING v, vs'
const AS_TEXT = 'v::text AS text, vs IS NULL AS none, to_json(ARRAY(SELECT vs[i]::text FROM generate_subscripts(vs, 1) AS i ORDER BY i)) AS texts'

interface Held { n: number, v: unknown, vs: unknown }

for (const { type, create, value, text, read = value } of TYPES) {
  const lists = [[value, [value, null]], [value, []], [null, null]]
  const rows = [{ v: read, vs: [read, null] }, { v: read, vs: [] }, { v: null, vs: null }]
  const held = [{ text, none: false, texts: [text, null] }, { text, none: false, texts: [] }, { text: null, none: true, texts: [] }]

  const ways: Record<string, (t: Test, db: Database) => Promise<void>> = {
    'at the first, second and third use of a text': async (t, db) => {
      for (const [index, list] of lists.entries()) t.strictSame(await db.fetchOne(INSERT, ...list), rows[index])
    },
    'prepared at the first use': async (t, db) => {
      for (const [index, list] of lists.entries()) t.strictSame(await db.fetchOne({ text: INSERT, prepare: true }, ...list), rows[index])
    },
    'never prepared': async (t, db) => {
      for (const [index, list] of lists.entries()) t.strictSame(await db.fetchOne({ text: INSERT, prepare: false }, ...list), rows[index])
    },
    'after NULLs': async (_t, db) => {
      for (let use = 0; use < 3; use++) await db.execute('INSERT INTO held (v, vs) VALUES ($1, $2)', null, null)
      await db.execute('TRUNCATE held RESTART IDENTITY')
      for (const list of lists) await db.execute('INSERT INTO held (v, vs) VALUES ($1, $2)', ...list)
    },
    'in a transaction': async (t, db) => {
      await db.transaction(async (tx) => {
        for (const [index, list] of lists.entries()) t.strictSame(await tx.fetchOne(INSERT, ...list), rows[index])
      })
    },
    'in a savepoint that is undone': async (t, db) => {
      await db.transaction(async (tx) => {
        await t.rejects(tx.transaction(async (nested) => {
          t.strictSame(await nested.fetchOne(INSERT, value, null), { v: read, vs: null })
          throw new Error('undo')
        }), { message: 'undo' })
        for (const [index, list] of lists.entries()) t.strictSame(await tx.fetchOne(INSERT, ...list), rows[index])
      })
    },
    'in executeMany': async (t, db) => {
      t.strictSame(await db.executeMany('INSERT INTO held (v, vs) VALUES ($1, $2)', lists), { count: 3 })
    },
    'in executeManyWithReturning': async (t, db) => {
      t.strictSame(await db.executeManyWithReturning(INSERT, lists), rows)
    },
    'by a lease': async (t, db) => {
      const lease = await db.acquire()
      t.teardown(() => lease.release())
      for (const [index, list] of lists.entries()) t.strictSame(await lease.fetchOne(INSERT, ...list), rows[index])
    },
    'cast in the statement': async (t, db) => {
      for (let use = 0; use < 3; use++) {
        t.strictSame(await db.fetchOne(`SELECT $1::${type} AS v, $2::${type}[] AS vs`, value, [value, null]), { v: read, vs: [read, null] })
        t.strictSame(await db.fetchVal(`SELECT $1::${type}`, value), read)
        t.strictSame(await db.fetchVal(`SELECT $1::${type}[]`, [value, null]), [read, null])
      }
      await db.executeMany(INSERT, lists)
    },
  }

  t.test(`${type}, which no client knows beforehand`, async (t) => {
    const observer = await freshDatabase(t)
    for (const [way, run] of Object.entries(ways)) {
      await t.test(way, async (t) => {
        const db = await openThenCreate(t, observer, type, create)
        await run(t, db)
        t.strictSame(await observer.rows(`SELECT ${AS_TEXT} FROM held ORDER BY n`), held)
        t.equal(db.stats().created, 1)
      })
    }

    await t.test('read before it is written, and written back', async (t) => {
      const db = await openThenCreate(t, observer, type, create)
      await observer.rows(`INSERT INTO held (v) VALUES (CAST($1 AS ${type}))`, [text])
      await observer.rows('UPDATE held SET vs[1] = v')
      await observer.rows('UPDATE held SET vs[2] = NULL')
      for (let use = 0; use < 3; use++) {
        t.strictSame(await db.fetchAll('SELECT v, vs FROM held'), [rows[0]])
        t.strictSame(await db.fetchVal('SELECT vs FROM held'), [read, null])
        const { n, v, vs } = await db.fetchOne<Held>('SELECT * FROM held') as Held
        await db.execute('UPDATE held SET v = $2, vs = $3 WHERE n = $1', n, v, vs)
      }
      t.strictSame(await observer.rows(`SELECT ${AS_TEXT} FROM held`), [held[0]])
    })
  })
}

/** A pool that was open before the type was made, so that it cannot know it. */
async function openThenCreate (t: Test, observer: Observer, type: string, create: string): Promise<Database> {
  const db = await openDatabase(t, observer, { max: 1 })
  t.equal(await db.fetchVal('SELECT 1'), 1)
  await observer.rows('DROP SCHEMA public CASCADE; CREATE SCHEMA public')
  await observer.rows(`${create}; CREATE TABLE held (n serial PRIMARY KEY, v ${type}, vs ${type}[])`)
  return db
}
