import t from 'tap'
import { setImmediate } from 'node:timers/promises'
import type { Queryable, SqlQuery } from '../../src/index.js'
import { freshDatabase, openDatabase, until } from '../support/database.js'
import { PLACES } from '../support/places.js'

const SETUP = `CREATE TABLE users (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text NOT NULL, tags text[], data jsonb, big int8, at timestamptz);
  INSERT INTO users (name, big) VALUES ('Ada', 1), ('Grace', 9007199254740993)`
interface User { id: number, name: string }

for (const [place, within] of Object.entries(PLACES)) {
  t.test(`templates on ${place}: the tag and every helper`, async (t) => {
    const observer = await freshDatabase(t)
    await observer.rows(SETUP)
    const db = await openDatabase(t, observer)
    await within(db, async (q) => {
      const { sql } = q
      t.equal(q.sql, sql, 'it is the same each time')
      for (let run = 0; run < 4; run++) { // unprepared, prepared, by the fast lane
        const users = await sql<User[]>`SELECT id, name FROM users WHERE id = ${2}`
        t.strictSame([...users], [{ id: 2, name: 'Grace' }])
        t.strictSame(Object.keys(users), ['0'], 'what the server said is not enumerable')
        t.match({ count: users.count, command: users.command, columns: users.columns }, { count: 1, command: 'SELECT', columns: [{ name: 'id', type: 23, typeName: 'int4' }, { name: 'name', type: 25 }] })
        t.match(users.statement, { string: 'SELECT id, name FROM users WHERE id = $1', types: [23], columns: users.columns })
        t.ok(Array.isArray(users) && Array.isArray(users.map(({ id }) => id)))
        t.equal(await q.fetchVal<string>`SELECT name FROM users WHERE id = ${1}`, 'Ada')
      }
      t.strictSame(await q.fetchOne<User>`SELECT id, name FROM users WHERE ${sql('name')} = ${'Ada'}`, { id: 1, name: 'Ada' })
      t.strictSame(await q.fetchExactlyOne<User>`SELECT id, name FROM users WHERE id = ${1}`, { id: 1, name: 'Ada' })
      await t.rejects(q.fetchExactlyOne`SELECT id FROM users WHERE id = ${99}`, { code: 'FST_PG_NO_ROW' })
      t.strictSame(await q.fetchAll<User>`SELECT id, name FROM users WHERE id IN ${sql([1, 2])} ORDER BY id`, [{ id: 1, name: 'Ada' }, { id: 2, name: 'Grace' }])
      t.strictSame(await q.fetchColumn<number>`SELECT id FROM users ${sql`WHERE id = ${2}`}`, [2])
      t.match(await q.query<User>`SELECT id FROM users WHERE id = ${1}`, { rows: [{ id: 1 }], count: 1, columns: [{ name: 'id' }] })
      t.strictSame(await q.executeWithReturning`UPDATE users SET ${sql({ name: 'Ada L.' })} WHERE id = ${1} RETURNING name`, { name: 'Ada L.' })
      t.strictSame(await q.execute`INSERT INTO users ${sql([{ name: 'x', tags: ['a', null], data: { a: [1] } }, { name: 'y', tags: null, data: 'text' }])}`, { status: 'INSERT 0 2', command: 'INSERT', count: 2 })
      t.strictSame(await q.fetchAll`SELECT tags, data FROM users WHERE id > ${2} ORDER BY id`, [{ tags: ['a', null], data: { a: [1] } }, { tags: null, data: 'text' }])
      t.strictSame(await q.fetchColumn`SELECT big FROM users WHERE id < ${3} ORDER BY id`, [1, 9007199254740993n], 'numbers are exact')
      const strings = ((strings: TemplateStringsArray, ..._: unknown[]) => strings)`INSERT INTO users (name) VALUES (${1})`
      await t.rejects(q.executeMany(strings as never, [['x']]), { code: 'FST_PG_QUERY', message: /a batch takes no template/ })
      await t.rejects(q.executeManyWithReturning(strings as never, [['x']]), { code: 'FST_PG_QUERY', message: /a batch takes no template/ })
      const none = await sql`CREATE TEMPORARY TABLE none (a int)`
      t.strictSame([none.length, none.count, none.command, none.columns], [0, null, 'CREATE TABLE', []])
      t.strictSame([(await sql`SELECT id FROM users WHERE false`).columns.length], [1], 'columns are there without rows')
    })
    t.strictSame(db.stats().waiting, 0)
    await until(() => db.stats().busy === 0)
  })
}

t.test('a query runs when it is awaited, once, and not before', async (t) => {
  const observer = await freshDatabase(t)
  await observer.rows('CREATE TABLE hits (n int)')
  const db = await openDatabase(t, observer)
  const { sql } = db
  const hits = async (): Promise<unknown> => (await observer.rows('SELECT count(*)::int AS n FROM hits'))[0]?.['n']
  const hit = (): SqlQuery => sql`INSERT INTO hits VALUES (${1})`
  const unused = hit()
  await setImmediate()
  t.equal(await hits(), 0)
  t.equal(`${Object.prototype.toString.call(unused)}`, '[object SqlQuery]')
  const query = hit()
  const [one, two] = await Promise.all([query, query])
  t.equal(one, two)
  await query
  t.equal(await hits(), 1)
  const executed = hit().execute()
  await until(async () => await hits() === 2)
  t.equal((await executed).count, 1)
  t.equal(await hits(), 2)
  let settled = 0
  await hit().finally(() => { settled++ })
  t.equal(await hit().then(({ count }) => count), 1)
  t.equal((await hit().catch(() => undefined))?.count, 1)
  t.strictSame([settled, await hits()], [1, 5])
  await t.rejects(sql`SELECT ${sql`nothing`}`, { code: '42703' })
  t.equal(await sql`SELECT ${sql`nothing`}`.catch(({ code }) => code), '42703')
  await t.rejects(async () => await sql`SELECT 1 ${query}`, { code: 'FST_PG_QUERY', message: /a query that was run is no fragment/ })
  await t.rejects(sql`SELECT ${undefined}`, { code: 'FST_PG_VALUE', message: /\$1/ })
  await t.rejects(db.fetchOne`SELECT ${undefined}`, { code: 'FST_PG_VALUE' })
  await t.rejects(sql`SELECT ${{}}`, { code: 'FST_PG_VALUE' }, 'no object is text')
  await t.rejects(sql`INSERT INTO hits ${sql([])}`, { code: 'FST_PG_QUERY' })
  await t.rejects(sql`BEGIN`, { code: 'FST_PG_QUERY', message: /a transaction needs a connection of its own/ })
  await t.rejects(sql`SELECT ${1}::int; SELECT 2`, { code: '42601' }, 'a template is one statement')
  t.strictSame(await db.execute`SELECT 1; SELECT 2`, { status: 'SELECT', command: 'SELECT', count: 0 })
})

t.test('errors name the code that awaits the query', async (t) => {
  const db = await openDatabase(t, await freshDatabase(t))
  for (const debug of [false, true]) {
    const db2 = debug ? await openDatabase(t, await freshDatabase(t), { debug: true }) : db
    const named = async function theCaller (q: Queryable): Promise<void> { await q.sql`SELECT nothing` }
    const error: Error = await named(db2).catch((error) => error)
    t.match(error.stack, /theCaller/)
    const early = async function theCaller (q: Queryable): Promise<void> { await q.sql`SELECT ${q.sql({})}` }
    t.match((await early(db2).catch((error) => error)).stack, /theCaller/)
  }
})

t.test('a killed connection, a timeout and a closed pool are the errors that they are of a helper', async (t) => {
  const observer = await freshDatabase(t)
  const db = await openDatabase(t, observer, { commandTimeout: 0.2 })
  await t.rejects(db.sql`SELECT pg_sleep(${10})`, { code: 'FST_PG_QUERY_TIMEOUT' })
  const killed = openDatabase(t, observer)
  const sleeping = (await killed).sql`SELECT pg_sleep(${30})`
  sleeping.catch(() => {})
  await until(async () => (await observer.backends()).some(({ query }) => query.includes('pg_sleep($1)')))
  await observer.kill()
  await t.rejects(sleeping, { code: 'FST_PG_CONNECTION_LOST' })
  await db.close()
  await t.rejects(db.sql`SELECT 1`, { code: 'FST_PG_CLOSED' })
})

t.test('a tag after the end of its transaction or lease runs nothing', async (t) => {
  const db = await openDatabase(t, await freshDatabase(t))
  const { sql, late } = await db.transaction((tx) => ({ sql: tx.sql, late: [tx.sql`SELECT 1`] }))
  await t.rejects(sql`SELECT 1`, { code: 'FST_PG_RELEASED' })
  await t.rejects(Promise.all(late), { code: 'FST_PG_RELEASED' })
  const lease = await db.acquire()
  await lease.release()
  await t.rejects(lease.sql`SELECT 1`, { code: 'FST_PG_RELEASED' })
})

t.test('forty at once on four connections, templates and texts, leave nothing open', async (t) => {
  const observer = await freshDatabase(t)
  const db = await openDatabase(t, observer)
  const all = await Promise.all(Array.from({ length: 400 }, async (_, n) => n % 2 === 0 ? (await db.sql<[{ n: number }]>`SELECT ${n}::int AS n`)[0].n : await db.fetchVal<number>`SELECT ${n}::int`))
  t.strictSame(all, Array.from({ length: 400 }, (_, n) => n))
  t.match(db.stats(), { busy: 0, waiting: 0 })
})
