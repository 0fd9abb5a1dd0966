import t from 'tap'
import type { SqlResult } from '../../src/index.js'
import { freshDatabase, openDatabase } from '../support/database.js'
import { PLACES } from '../support/places.js'

type Results = Array<SqlResult<Array<Record<string, unknown>>>>

for (const [place, within] of Object.entries(PLACES)) {
  t.test(`a script resolves with a result for each statement on ${place}`, async (t) => {
    const observer = await freshDatabase(t)
    await observer.rows("CREATE TYPE mood AS ENUM ('glad', 'sad'); CREATE DOMAIN small AS int; CREATE TABLE s (a int, m mood)")
    const db = await openDatabase(t, observer, { max: 1 })
    await within(db, async (q) => {
      const { sql } = q
      const script = "INSERT INTO s VALUES (1, 'sad'), (2, NULL); SELECT a, ARRAY[m] AS moods FROM s ORDER BY a; DELETE FROM s WHERE false RETURNING a; CREATE TABLE none (); SELECT 1::small AS n, ARRAY[2]::small[] AS l;"
      for (let run = 0; run < 3; run++) {
        const results: Results = await sql.unsafe<Results>(script)
        t.strictSame(results.map((each) => [...each]), [[], [{ a: 1, moods: ['sad'] }, { a: 2, moods: [null] }], [], [], [{ n: 1, l: [2] }]])
        t.strictSame(results.map(({ count, command }) => [count, command]), [[2, 'INSERT'], [2, 'SELECT'], [0, 'DELETE'], [null, 'CREATE TABLE'], [1, 'SELECT']])
        t.strictSame(results.map(({ columns }) => columns.map(({ name, typeName }) => `${name} ${typeName}`)), [[], ['a int4', 'moods mood[]'], ['a int4'], [], ['n int4', 'l small[]']])
        await q.execute('DELETE FROM s; DROP TABLE none')
      }
      t.strictSame((await sql<Results>`SELECT 1 AS a; SELECT 2 AS a, 'x' AS b`.simple().values()).map((rows) => [...rows]), [[[1]], [[2, 'x']]])
      t.strictSame((await sql.unsafe('SELECT 1; SELECT NULL').raw()).map((rows) => [...rows]), [[[Buffer.from('1')]], [[null]]])
      const seen: unknown[] = []
      const told = await sql<Results>`SELECT 1 AS a UNION SELECT 2 ORDER BY a; SELECT 3 AS a`.simple().forEach((row, { count }) => { seen.push([row, count]) })
      t.strictSame([seen, told.length, told.command], [[[{ a: 1 }, 2], [{ a: 2 }, 2], [{ a: 3 }, 1]], 0, 'SELECT'])
      t.strictSame(await q.execute('SELECT 1; DELETE FROM s'), { status: 'DELETE', command: 'DELETE', count: 0 }, 'execute tells of the last')
    })
  })
}

t.test('a script with one statement is that statement, one that fails tells nothing of those before it', async (t) => {
  const db = await openDatabase(t, await freshDatabase(t))
  const { sql } = db
  for (const text of ['SELECT 1 AS a;', ';SELECT 1 AS a', '-- first\nSELECT 1 AS a;;']) {
    const rows = await sql.unsafe(text)
    t.strictSame([[...rows], rows.count, rows.command, rows.columns[0]?.name], [[{ a: 1 }], 1, 'SELECT', 'a'], text)
  }
  for (const text of ['', ';', '-- nothing']) {
    const rows = await sql.unsafe(text)
    t.strictSame([rows.length, rows.count, rows.command, rows.columns], [0, null, null, []], text)
  }
  await t.rejects(sql.unsafe('CREATE TABLE gone (a int); SELECT 1 / 0; SELECT 2'), { code: '22012' })
  t.equal(await db.fetchVal("SELECT pg_catalog.to_regclass('gone')"), null)
})
