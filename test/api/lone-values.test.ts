import t from 'tap'
import type { Sql } from '../../src/index.js'
import { loneItems } from '../../src/sql/lone-items.js'
import { freshDatabase, openDatabase } from '../support/database.js'
import { PLACES } from '../support/places.js'

const DATE = new Date('2026-11-27T12:00:00.123Z')

for (const [place, within] of Object.entries(PLACES)) {
  t.test(`values that are items of a select list by themselves come back as they are, on ${place}`, async (t) => {
    const db = await openDatabase(t, await freshDatabase(t))
    await within(db, async (q) => {
      const { sql } = q
      for (let run = 0; run < 4; run++) { // unprepared, prepared, by the fast lane
        const [row] = await sql`SELECT ${true} AS t, ${false} AS f, ${DATE} AS d, ${9007199254740993n} AS big, ${5n} AS small, ${Buffer.from('é')} AS bytes, ${'x'} AS s, ${1} AS n, ${null} AS none`
        t.strictSame(row, { t: true, f: false, d: DATE, big: 9007199254740993n, small: 5, bytes: Buffer.from('é'), s: 'x', n: '1', none: null })
        const [lists] = await sql`SELECT ${sql.array([1, 2])} AS a, ${['x', null]} AS b, ${sql.array([[DATE], [DATE]])} AS c, ${[null, false]} AS d, ${[]} AS e, ${[[5n]]} AS f`
        t.strictSame(lists, { a: ['1', '2'], b: ['x', null], c: [[DATE], [DATE]], d: [null, false], e: [], f: [[5]] })
        t.strictSame([...await sql`SELECT ${sql.array([1, 2], 23)} AS a, ${sql.json([true])} AS b, ${sql({ c: true, d: DATE })}`], [{ a: [1, 2], b: [true], c: true, d: DATE }])
        t.equal(await q.fetchVal<Date>`SELECT ${DATE}`.then(Number), Number(DATE))
        t.strictSame(await q.fetchColumn<boolean>`SELECT ${run % 2 === 0}, n FROM generate_series(1, ${2}::int) AS n`, [run % 2 === 0, run % 2 === 0], 'the same template with another value')
      }
      t.strictSame((await sql`SELECT ${true} AS a, ${'x'} AS b, ${[1]} AS c`.describe()).types, [16, 25, 1009])
    })
  })
}

t.test('elsewhere nothing has changed: the type is what the server says', async (t) => {
  const observer = await freshDatabase(t)
  await observer.rows('CREATE TABLE held (b bool, at date, n numeric)')
  const db = await openDatabase(t, observer)
  const { sql } = db
  for (const [b, n] of [[true, 5n], [false, 6n]]) await sql`INSERT INTO held SELECT ${b}, ${DATE}, ${n}`
  t.strictSame([...await sql`SELECT b, at, n::text FROM held ORDER BY n`], [{ b: true, at: '2026-11-27', n: '5' }, { b: false, at: '2026-11-27', n: '6' }])
  t.strictSame([...await sql`SELECT ${'2026-01-01'} AS at UNION SELECT at FROM held ORDER BY at`], [{ at: '2026-01-01' }, { at: '2026-11-27' }], 'of the other side')
  t.strictSame([...await sql`SELECT ${DATE} AS at UNION SELECT at FROM held`], [{ at: '2026-11-27' }])
  await t.rejects(sql`SELECT ${DATE} AS at UNION SELECT ${'x'}`, { code: 'FST_PG_VALUE' })
  await t.rejects(sql`SELECT ${{}} AS a`, { code: 'FST_PG_VALUE' })
  await t.rejects(sql`SELECT ${[{}]} AS a`, { code: 'FST_PG_VALUE' })
  await t.rejects(sql`SELECT ${new Date(NaN)} AS a`, { code: 'FST_PG_VALUE' })
  await t.rejects(sql`SELECT ${2n ** 63n} AS a`, { code: '22003' }, 'it is no int8')
  t.strictSame([...await sql`SELECT ${true} || 'x' AS a, ${true}::text AS b, coalesce(${true}, 'x') AS c`], [{ a: 'truex', b: 'true', c: 'true' }])
  await t.rejects(db.sql.unsafe('SELECT $1 AS a', [DATE]), { code: 'FST_PG_VALUE' }, 'a text is sent as it is')
  t.strictSame([...await db.sql.unsafe('SELECT $1 AS a', [true])], [{ a: 'true' }])
})

t.test('a table or a type of the same name is not met', async (t) => {
  const observer = await freshDatabase(t)
  await observer.rows('CREATE SCHEMA evil; CREATE DOMAIN evil.bool AS text; CREATE DOMAIN evil.timestamptz AS text')
  const db = await openDatabase(t, observer, { parameters: { search_path: 'evil, pg_catalog, public' } })
  t.strictSame([...await db.sql`SELECT ${true} AS a, ${DATE} AS b`], [{ a: true, b: DATE }])
})

t.test('types of one\'s own are asked as for a column of that type', async (t) => {
  const observer = await freshDatabase(t)
  const db = await openDatabase(t, observer)
  const sql = db.createSql({ types: { timestamptz: 'string', int8: 'string', point: { encode: ([x, y]: number[]) => `(${x},${y})` } } })
  t.match((await sql`SELECT ${DATE} AS a, ${5n} AS b`)[0], { a: /^2026-11-27 /, b: '5' })
  t.strictSame([...await sql`SELECT ${sql.types['point']?.([1, 2])}::point::text AS a`], [{ a: '(1,2)' }])
  t.strictSame([...await sql`SELECT ${sql.types['point']?.([1, 2])} AS a`], [...await sql`SELECT '(1,2)'::point AS a`], 'by its name')
})

// What the casts rest on: whatever stands around such an item, the server itself knows nothing of its type.
t.test('the server takes each parameter that is found for text', async (t) => {
  const observer = await freshDatabase(t)
  await observer.rows('CREATE TABLE held (a int, b date); CREATE FUNCTION twice (a int) RETURNS int LANGUAGE sql AS $$ SELECT a * 2 $$')
  const db = await openDatabase(t, observer)
  const lists = ['$1', 'a, $1', '$1 AS x, $2 AS y', 'ALL $1, a', '$1, *', 'count(*) OVER (), $1', 'DISTINCT a, $1', 'a IN (1, 2), $1 AS x', '(SELECT 1 UNION SELECT 2 LIMIT 1), $1 AS x', 'ARRAY[1, 2], $1', 'twice(a), $1 AS a']
  const rests = ['', ' FROM held', ' FROM held WHERE a = $3', ' FROM held ORDER BY 2, 1', ' FROM held AS h, LATERAL (SELECT b UNION SELECT b) AS u (c)', ' FROM held FOR UPDATE', ' FROM held GROUP BY ROLLUP (a, b) LIMIT 1', ';', " FROM held WHERE b > '2026-01-01' AND a NOT IN (SELECT a FROM held EXCEPT SELECT 1)"]
  let checked = 0
  for (const list of lists) {
    for (const rest of rests) {
      const text = `SELECT ${list}${rest}`
      const [items, types] = [loneItems(text), await typesOf(db.sql, text)]
      for (const { index } of types === undefined ? [] : items) {
        t.equal(types?.[index], 25, text)
        checked++
      }
    }
  }
  t.ok(checked > 40, `${checked} parameters`)
})

/** Undefined for what the server refuses. */
async function typesOf (sql: Sql, text: string): Promise<readonly number[] | undefined> {
  return await sql.unsafe(text).describe().then(({ types }) => types, () => undefined)
}
