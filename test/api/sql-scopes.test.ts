import t from 'tap'
import { errors, PostgresError, ServerError } from '../../src/index.js'
import { freshDatabase, openDatabase, until } from '../support/database.js'

const QUERY = { code: 'FST_PG_QUERY' }

async function open (t: import('tap').Test, options = {}) {
  const observer = await freshDatabase(t)
  await observer.rows('CREATE TABLE n (a int PRIMARY KEY)')
  const db = await openDatabase(t, observer, options)
  return { observer, db, sql: db.sql, all: async () => (await observer.rows('SELECT a FROM n ORDER BY a')).map(({ a }) => a) }
}

t.test('begin commits what returns and rolls back what throws', async (t) => {
  const { sql, all, db } = await open(t)
  t.equal(await sql.begin(async (sql) => {
    await sql`INSERT INTO n VALUES (${1})`
    return (await sql<[{ a: number }]>`SELECT a FROM n`)[0].a
  }), 1)
  const thrown = new Error('mine')
  await t.rejects(sql.begin(async (sql) => {
    await sql`INSERT INTO n VALUES (${2})`
    throw thrown
  }), thrown)
  await t.rejects(sql.begin(() => { throw thrown }), thrown)
  await t.rejects(sql.begin((sql) => sql`INSERT INTO n VALUES (${1})`), { code: '23505' })
  await t.rejects(sql.begin(async (sql) => { await sql`INSERT INTO n VALUES (${1})`.catch(() => {}) }), { code: 'FST_PG_TRANSACTION_ABORTED' }, 'a swallowed error is no commit')
  const rows = await sql.begin(async (sql) => await sql`SELECT a FROM n`)
  t.strictSame([[...rows], rows.count], [[{ a: 1 }], 1], 'rows stay what they are')
  t.strictSame([...await sql.begin((sql) => sql`SELECT a FROM n`)], [{ a: 1 }])
  t.strictSame(await all(), [1])
  t.match(db.stats(), { busy: 0, waiting: 0 })
})

t.test('the queries of an array that begin returns are run, all or none', async (t) => {
  const { sql, all } = await open(t)
  const [one, two, three] = await sql.begin((sql) => [sql`INSERT INTO n VALUES (${1})`, sql`SELECT a FROM n`, 'x' as const] as const)
  t.strictSame([one.count, [...two], three], [1, [{ a: 1 }], 'x'])
  await t.rejects(sql.begin((sql) => [sql`INSERT INTO n VALUES (${2})`, sql`INSERT INTO n VALUES (${1})`, sql`INSERT INTO n VALUES (${3})`]), { code: '23505' })
  t.strictSame(await all(), [1])
})

t.test('begin takes the words of BEGIN, and the options of transaction', async (t) => {
  const { sql } = await open(t)
  const shown = async (...options: [] | [string | object]): Promise<unknown> => await sql.begin(...options as [string], async (sql) => {
    const [row] = await sql<[Record<string, string>]>`SELECT current_setting('transaction_isolation') AS i, current_setting('transaction_read_only') AS r, current_setting('transaction_deferrable') AS d`
    return `${row['i']} ${row['r']} ${row['d']}`
  })
  t.equal(await shown(''), 'read committed off off')
  t.equal(await shown('isolation level serializable read only deferrable'), 'serializable on on')
  t.equal(await shown('READ WRITE, ISOLATION LEVEL  repeatable read,not deferrable'), 'repeatable read off off')
  t.equal(await shown({ isolation: 'serializable', readOnly: true }), 'serializable on off')
  for (const odd of ['serializable', 'read', 'read only; DROP TABLE n', 'read onlyx', { isolation: 'x' }, 5]) await t.rejects(shown(odd as string), { code: 'FST_PG_OPTION' })
  await t.rejects(sql.begin(5 as never), { ...QUERY, message: /takes a function/ })
  await t.rejects(sql.begin('read only', undefined as never), QUERY)
  let attempts = 0
  const conflict = Object.assign(new Error('again'), { code: '40001' })
  await t.rejects(sql.begin({ retries: 1 }, async () => {
    attempts++
    throw conflict
  }), conflict)
  t.equal(attempts, 1, 'what the server has not said is no conflict')
})

t.test('a savepoint is undone alone', async (t) => {
  const { sql, all } = await open(t)
  await sql.begin(async (sql) => {
    await sql`INSERT INTO n VALUES (${1})`
    await t.rejects(sql.savepoint(async (sql) => {
      await sql`INSERT INTO n VALUES (${2})`
      await sql`INSERT INTO n VALUES (${1})`
    }), { code: '23505' })
    t.equal(await sql.savepoint('named', async (sql) => (await sql`INSERT INTO n VALUES (${3})`).count), 1)
    const both = await sql.savepoint((sql) => [sql`INSERT INTO n VALUES (${4})`, sql`INSERT INTO n VALUES (${5})`] as const)
    t.strictSame(both.map(({ count }) => count), [1, 1])
    await sql.savepoint((sql) => sql.savepoint((sql) => sql`INSERT INTO n VALUES (${6})`))
    await t.rejects(sql.savepoint(async () => await sql`SELECT 1`), { code: 'FST_PG_NESTED_TRANSACTION' })
    await t.rejects(sql.savepoint('x' as never), QUERY)
  })
  t.strictSame(await all(), [1, 3, 4, 5, 6])
})

t.test('a reserved connection is the caller\'s until its release', async (t) => {
  const { sql, db } = await open(t, { max: 1 })
  const reserved = await sql.reserve()
  t.equal(db.stats().busy, 1)
  await reserved`SELECT set_config('app.x', ${'y'}, false)`
  t.strictSame([...await reserved`SELECT current_setting('app.x') AS v`], [{ v: 'y' }])
  t.equal(await reserved.begin(async (sql) => (await sql`SELECT ${1}::int AS one`).length), 1)
  await t.rejects(reserved.reserve(), QUERY)
  await reserved.release()
  await t.rejects(reserved`SELECT 1`, { code: 'FST_PG_RELEASED' })
  t.strictSame([...await sql`SELECT current_setting('app.x', true) AS v`], [{ v: '' }])
  await until(() => db.stats().busy === 0)
})

t.test('the tag says how it is connected, and cannot be changed nor ended', async (t) => {
  const { sql, db } = await open(t)
  t.match(sql.options, { host: [/./], database: /^test_/, max: 4, prepare: true })
  t.notOk(JSON.stringify(sql.options).includes('password'))
  t.throws(() => Object.assign(sql.options, { max: 7 }), TypeError)
  t.throws(() => Object.assign(sql.options.parsers, { 20: () => 1 }), QUERY)
  t.throws(() => Object.assign(sql.options.serializers, { 20: () => 1 }), QUERY)
  await t.rejects(sql.end(), { ...QUERY, advice: /db\.close/ })
  t.equal(await db.fetchVal`SELECT ${1}::int`, 1)
})

t.test('a tag of its own ends when what it has begun is done; the pool and other tags go on', async (t) => {
  const { db } = await open(t)
  const own = db.createSql()
  const undone = own`SELECT 1 AS n`
  const [slow, begun] = [own`SELECT 1 AS n FROM pg_sleep(0.2)`.execute(), own.begin(async (sql) => {
    await sql`SELECT pg_sleep(0.1)`
    return await sql`SELECT 2 AS n`
  })]
  let isDone = false
  const both = Promise.all([slow, begun]).finally(() => { isDone = true })
  await Promise.all([own.end(), own.end({ timeout: 1 })])
  t.ok(isDone)
  t.strictSame((await both).flat(), [{ n: 1 }, { n: 2 }])
  const ended = { ...QUERY, message: 'this tag has ended' }
  for (const call of [() => undone, () => own`SELECT 1`.describe(), () => own.unsafe('SELECT 1'), () => own.begin(() => []), () => own.reserve()]) {
    await t.rejects(async () => await call(), ended)
  }
  await own.end()
  t.equal(await db.createSql()`SELECT 3 AS n`.then(([row]) => row?.['n']), 3)
  t.equal(await db.fetchVal`SELECT ${1}::int`, 1)
})

t.test('what the server reports is a PostgresError', async (t) => {
  const { sql } = await open(t)
  const error = await sql`SELECT nothing`.catch((error) => error)
  t.ok(error instanceof PostgresError && error instanceof sql.PostgresError && error instanceof ServerError)
  t.notOk(new errors.QueryError('x') instanceof PostgresError)
})

t.test('a transaction whose connection is killed rejects, and leaves nothing open', async (t) => {
  const { sql, db, observer } = await open(t)
  await t.rejects(sql.begin(async (sql) => {
    await sql`INSERT INTO n VALUES (${1})`
    await observer.kill()
    await sql`INSERT INTO n VALUES (${2})`
  }), { code: 'FST_PG_CONNECTION_LOST' })
  await Promise.all(Array.from({ length: 40 }, (_, n) => sql.begin(async (sql) => {
    await sql`INSERT INTO n VALUES (${n})`
    await sql.savepoint((sql) => sql`UPDATE n SET a = a WHERE a = ${n}`)
  })))
  t.equal(await db.fetchVal`SELECT count(*) FROM n`, 40)
  t.match(db.stats(), { busy: 0, waiting: 0 })
})

t.test('the connection of a transaction dies with its first call: those behind it reject too', async (t) => {
  const { db, observer } = await open(t, { max: 1 })
  const sleep = 'SELECT pg_sleep($1)'
  for (let run = 0; run < 3; run++) await db.fetchVal(sleep, 0) // prepared: BEGIN leaves with it
  const outcomes = db.transaction((tx) => Promise.allSettled([tx.fetchVal(sleep, 30), tx.sql`SELECT ${1}`, tx.fetchVal('SELECT 2')]).then((results) => {
    t.strictSame(results.map((result) => result.status === 'rejected' && result.reason.code), Array(3).fill('FST_PG_CONNECTION_LOST'))
  }))
  outcomes.catch(() => {})
  await until(async () => (await observer.backends()).some(({ state, query }) => state === 'active' && query === sleep))
  await observer.kill()
  await t.rejects(outcomes)
})
