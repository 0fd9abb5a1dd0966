import t from 'tap'
import { freshDatabase, openDatabase } from '../support/database.js'
import { Bouncer } from '../support/pgbouncer.js'

/** PgBouncer takes turns between its sessions: callers at once meet all of them. */
const CALLERS = 64

t.test("templates and types of one's own through PgBouncer in transaction mode", async (t) => {
  const observer = await freshDatabase(t)
  await observer.rows("CREATE TYPE mood AS ENUM ('fine', 'sad'); CREATE TABLE diary (caller int, mood mood, moods mood[], at timestamptz, amount numeric)")
  const bouncer = await Bouncer.start(t, observer.url, { default_pool_size: 4 })
  const db = await openDatabase(t, observer, { url: bouncer.url, prepare: false, min: 6, max: 6 })
  const own = db.createSql({
    types: { mood: { decode: (text) => ({ mood: text }), encode: (given: { mood: string }) => given.mood }, timestamptz: 'string' },
    transform: { column: (name) => name.toUpperCase() },
  })
  own.options.parsers[1700] = (text: string) => Number(text)

  t.test('each tag reads in its own way, by whichever session', async (t) => {
    await Promise.all(Array.from({ length: CALLERS }, async (_, caller) => {
      for (let round = 0; round < 3; round++) {
        const row = { caller, mood: 'fine', moods: ['sad', 'fine'], at: '2026-11-27 12:00:00.123456+00', amount: '1.50' }
        await db.sql`INSERT INTO diary ${db.sql(row)}`
        const [mine] = await own`SELECT * FROM diary WHERE caller = ${caller} LIMIT 1`
        t.strictSame(mine, { CALLER: caller, MOOD: { mood: 'fine' }, MOODS: [{ mood: 'sad' }, { mood: 'fine' }], AT: '2026-11-27 12:00:00.123456+00', AMOUNT: 1.5 })
        const [usual] = await db.sql`SELECT * FROM diary WHERE caller = ${caller} LIMIT 1`
        t.strictSame(usual, { ...row, at: new Date('2026-11-27T12:00:00.123Z') })
      }
    }))
    t.strictSame([...await own`SELECT ${[{ mood: 'sad' }]}::mood[] AS moods`], [{ MOODS: [{ mood: 'sad' }] }])
  })

  t.test('transactions and savepoints of a tag, and reserved connections', async (t) => {
    await Promise.all(Array.from({ length: CALLERS }, async (_, caller) => {
      const undone = new Error('undone')
      const rows = await own.begin(async (sql) => {
        await sql`DELETE FROM diary WHERE caller = ${caller}`
        await sql.savepoint(async (sql) => {
          await sql`INSERT INTO diary (caller) VALUES (${-caller})`
          throw undone
        }).catch((error) => { if (error !== undone) throw error })
        return await sql`INSERT INTO diary (caller, mood) VALUES (${caller}, ${{ mood: 'sad' }}) RETURNING caller, mood`
      })
      t.strictSame([...rows], [{ CALLER: caller, MOOD: { mood: 'sad' } }])
    }))
    t.strictSame([...await own`SELECT count(*) AS n, min(caller) AS least FROM diary`], [{ N: CALLERS, LEAST: 0 }])
  })

  t.test('scripts and errors', async (t) => {
    await t.rejects(own`SELECT ${'angry'}::mood`, { code: 'FST_PG_VALUE' }, 'its encoder gives no string')
    await t.rejects(db.sql`SELECT ${'angry'}::text::mood`, { code: '22P02' })
    t.strictSame([...await own.unsafe('SELECT 1 AS a; SELECT 2.5 AS b')].map((rows) => [...rows as unknown as object[]]), [[{ A: 1 }], [{ B: 2.5 }]])
    t.match(await db.health(), { status: 'healthy' })
  })
})
