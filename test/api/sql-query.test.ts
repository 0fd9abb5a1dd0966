import { writeFile } from 'node:fs/promises'
import path from 'node:path'
import { inspect } from 'node:util'
import t from 'tap'
import type { Queryable } from '../../src/index.js'
import { freshDatabase, openDatabase, until } from '../support/database.js'
import { PLACES } from '../support/places.js'

const QUERY = { code: 'FST_PG_QUERY' }
const kinds = async (q: Queryable): Promise<void> => { await q.sql`CREATE TEMPORARY TABLE kinds (i int, j json, jb jsonb, ia int[], d date, b bytea, t text)` }

for (const [place, within] of Object.entries(PLACES)) {
  t.test(`typed values, texts and shapes of rows on ${place}`, async (t) => {
    const observer = await freshDatabase(t)
    const db = await openDatabase(t, observer, { max: 1 })
    await within(db, async (q) => {
      const { sql } = q
      if (place !== 'db') {
        await kinds(q)
        const json = { a: ["it's", '"', null] }
        await sql`INSERT INTO kinds ${sql({ i: sql.typed('7', 23), j: sql.json(json), jb: sql.json('text'), ia: sql.array([1, null, 3], 23), d: sql.typed('2024-02-29', 1082), b: Buffer.of(0, 255), t: sql.unsafe('upper(\'x\')') })}`
        t.strictSame(await q.fetchOne`SELECT * FROM kinds`, { i: 7, j: json, jb: 'text', ia: [1, null, 3], d: '2024-02-29', b: Buffer.of(0, 255), t: 'X' })
      }
      for (const value of [{ a: 1 }, [1, 'x'], 'text', 5, true]) t.strictSame([...await sql`SELECT ${sql.json(value)} AS v`], [{ v: value }])
      t.strictSame([...await sql`SELECT ${sql.json(null)} AS v, ${sql.typed(1, 20)} + 1 AS n, ${sql.types(2, 0)} AS s, ${sql.array(['a', 'b'], 25)} AS l, ${sql.array([[1], [2]], 1007)} AS m`],
        [{ v: null, n: 2, s: '2', l: ['a', 'b'], m: [[1], [2]] }])
      t.strictSame([...await sql`SELECT 2 = ANY (${sql.array([1, 2])}::int[]) AS v`], [{ v: true }])
      for (let run = 0; run < 4; run++) {
        const values = await sql`SELECT ${1}::int AS a, ${'x'}::text AS a, NULL`.values()
        t.strictSame([...values], [[1, 'x', null]])
        t.equal(values.count, 1)
        t.strictSame([...await sql`SELECT ${-5}::int8 AS a, ''::text, NULL, ${['é']}::text[]`.raw()], [[Buffer.from('-5'), Buffer.of(), null, Buffer.from('{é}')]])
        t.strictSame([...await sql.unsafe('SELECT $1::int AS n, $2::jsonb AS j', [3, sql.json([1])])], [{ n: 3, j: [1] }])
        t.strictSame([...await sql.unsafe('SELECT 1 AS n').values()], [[1]])
      }
      const described = await sql`SELECT relname, oid, ${5}::int8 AS big FROM pg_class WHERE oid = ${'never read'}`.describe()
      t.match(described, { string: /\$2$/, types: [20, 26], columns: [{ name: 'relname', typeName: 'name' }, { name: 'oid', type: 26 }, { name: 'big', type: 20 }] })
      t.strictSame((await sql`CREATE TABLE never (a int)`.describe()).columns, [])
      t.notOk(await q.fetchVal`SELECT to_regclass('never')`, 'nothing was run')
      const script = await sql.unsafe('CREATE TABLE two (a int); INSERT INTO two VALUES (1), (2); SELECT * FROM two')
      t.strictSame([script.length, script.count, script.command, script.columns], [3, null, 'SELECT', []], 'of a script a result for each statement')
      t.equal((await sql`INSERT INTO two VALUES (3); DELETE FROM two WHERE a = 1`.simple()).command, 'DELETE')
      t.strictSame([...await sql`SELECT count(*) AS n FROM two`.simple()], [{ n: 2 }])
      const seen: unknown[] = []
      const told = await sql<Array<{ a: number }>>`SELECT a FROM two ORDER BY a`.forEach(async ({ a }, { count }) => { seen.push([a, count]) })
      t.strictSame([seen, [...told], told.count, told.command, told.columns.length], [[[2, 2], [3, 2]], [], 2, 'SELECT', 1])
      await q.execute('DROP TABLE two')
    })
  })
}

t.test('a file is read when it runs', async (t) => {
  const db = await openDatabase(t, await freshDatabase(t))
  const { sql } = db
  const file = path.join(t.testdir(), 'statement.sql')
  const query = sql.file(file, [2])
  await writeFile(file, 'SELECT $1::int * 2 AS n')
  t.strictSame([...await query], [{ n: 4 }])
  await writeFile(file, 'CREATE TABLE f (a int); DROP TABLE f')
  t.equal((await sql.file(new URL(`file://${file}`))).command, 'DROP TABLE')
  await t.rejects(sql.file(`${file}.none`), { name: 'Error', code: 'ENOENT', syscall: 'open', path: `${file}.none`, message: new RegExp(`${path.basename(file)}\\.none`) }, 'as of readFile')
  await t.rejects(sql.file(path.dirname(file)), { code: 'EISDIR' })
  await t.rejects(sql.file(5 as never, []), { code: 'ERR_INVALID_ARG_TYPE' })
  await t.rejects(db.transaction(async (tx) => await tx.sql.file(`${file}.none`)), { code: 'ENOENT' })
  await t.rejects(sql`SELECT ${sql.file(file)}`, { ...QUERY, message: /a file is a query/ })
})

t.test('a query is limited, aborted and cancelled', async (t) => {
  const observer = await freshDatabase(t)
  const db = await openDatabase(t, observer, { max: 1 })
  const { sql } = db
  await t.rejects(sql`SELECT pg_sleep(${30})`.timeout(0.1), { code: 'FST_PG_QUERY_TIMEOUT' })
  const controller = new AbortController()
  const running = async (): Promise<unknown> => await until(async () => (await observer.backends()).some(({ query, state }) => state === 'active' && query.includes('pg_sleep')))
  const aborted = t.rejects(sql`SELECT pg_sleep(${30})`.signal(controller.signal), { code: 'FST_PG_ABORTED' })
  await running()
  controller.abort()
  await aborted
  const starts: Array<() => { execute (): Promise<unknown> & { cancel (): void } }> = [() => sql`SELECT pg_sleep(${31})`, () => sql.unsafe('SELECT pg_sleep(31)'), () => sql`SELECT pg_sleep(${31})`.values()]
  for (const start of starts) {
    const cancelled = start().execute()
    const waiting = sql`SELECT 1 AS waits FROM pg_sleep(30)`.execute()
    const outcome = t.rejects(cancelled, { code: 'FST_PG_ABORTED', cause: { message: 'cancel() was called' } })
    await running()
    waiting.cancel()
    await t.rejects(waiting, { code: 'FST_PG_ABORTED' }, 'one that waits for a connection')
    cancelled.cancel()
    cancelled.cancel()
    await outcome
  }
  const never = sql`SELECT 1`
  never.cancel()
  await t.rejects(never, { code: 'FST_PG_ABORTED' }, 'one that has not begun')
  const done = sql`SELECT 1 AS a`
  await done
  done.cancel()
  t.strictSame([...await done], [{ a: 1 }])
  await db.transaction(async (tx) => {
    const query = tx.sql`SELECT pg_sleep(${30})`.execute()
    const outcome = t.rejects(query, { code: 'FST_PG_ABORTED' })
    await running()
    query.cancel()
    await outcome
  }).catch(({ code }) => t.equal(code, 'FST_PG_TRANSACTION_ABORTED'))
  t.equal(await db.fetchVal`SELECT ${1}::int`, 1)
  await until(() => db.stats().busy === 0)
})

t.test('what has no meaning is refused', async (t) => {
  const db = await openDatabase(t, await freshDatabase(t))
  const { sql } = db
  t.throws(() => sql`SELECT 1`.timeout(-1), { code: 'FST_PG_OPTION' })
  t.throws(() => sql`SELECT 1`.signal({} as never), { code: 'FST_PG_OPTION' })
  t.throws(() => sql`SELECT 1`.cursor(1), { ...QUERY, message: /cursors are not there/ })
  await t.rejects(sql`COPY a TO STDOUT`.readable(), QUERY)
  await t.rejects(sql`COPY a FROM STDIN`.writable(), QUERY)
  await t.rejects(sql.listen('x', () => {}), { ...QUERY, message: /LISTEN is not there/ })
  await t.rejects(sql.subscribe('*', () => {}), QUERY)
  await t.rejects(sql`SELECT ${1}`.simple(), { ...QUERY, message: /takes no values/ })
  for (const odd of [5, null, undefined, {}]) t.throws(() => sql.unsafe(odd as never), QUERY)
  t.throws(() => sql.unsafe('SELECT 1', 5 as never), QUERY)
  t.throws(() => sql.unsafe('SELECT 1', [], { prepar: true } as never), { code: 'FST_PG_OPTION' })
  t.throws(() => sql.unsafe('SELECT 1', [], { prepare: 1 } as never), { code: /FST_PG_/ })
  t.throws(() => sql.typed(1, 999_999), { ...QUERY, advice: /cast/ })
  t.throws(() => sql.array(5 as never), QUERY)
  await t.rejects(sql`SELECT ${sql.unsafe('$1', [1])}`, { ...QUERY, message: /no fragment/ })
  await t.rejects(sql`SELECT ${sql.json([sql`a`])}`, { code: 'FST_PG_VALUE' }, 'no part is a value')
  await t.rejects(sql`SELECT ${[1, sql`a`]}::jsonb`, { code: 'FST_PG_VALUE' })
  await t.rejects(sql`SELECT 1`.forEach(5 as never), QUERY)
  const query = sql`SELECT 1`
  await query
  for (const late of [() => query.values(), () => query.raw(), () => query.simple(), () => query.timeout(1), () => query.signal(AbortSignal.timeout(1))]) t.throws(late, { ...QUERY, message: /runs already/ })
})

t.test('a function for each row may throw or reject', async (t) => {
  const db = await openDatabase(t, await freshDatabase(t))
  let calls = 0
  const thrown = new Error('mine')
  await t.rejects(db.sql`SELECT generate_series(1, 3)`.forEach(() => { calls++; throw thrown }), thrown)
  await t.rejects(db.sql`SELECT generate_series(1, 3)`.forEach(async () => { throw thrown }), thrown)
  t.equal(calls, 1)
  t.match(db.stats(), { busy: 0, waiting: 0 })
})

t.test('a value that is printed with its query or part is not shown', async (t) => {
  const { sql } = await openDatabase(t, await freshDatabase(t))
  const secret = 'hunter2 is secret'
  for (const part of [sql`SELECT ${secret}`, sql({ secret }), sql([secret]), sql.json(secret), sql.array([secret]), sql.unsafe('SELECT $1', [secret])]) {
    t.notMatch(inspect(part, { depth: 9, getters: false }), /hunter2/)
    t.throws(() => JSON.stringify({ part }), QUERY)
  }
})

t.test('notify tells whoever listens', async (t) => {
  const observer = await freshDatabase(t)
  const db = await openDatabase(t, observer)
  const lease = await db.acquire()
  await lease.execute('LISTEN news')
  t.equal((await db.sql.notify('news', "it's")).command, 'SELECT')
  await t.rejects(db.sql.notify('', 'x'), { code: '22023' })
  await lease.release()
})
