import t from 'tap'
import { ServerError } from '../../src/index.js'
import { freshDatabase, openDatabase } from '../support/database.js'

t.test('the eight helpers', async (t) => {
  const observer = await freshDatabase(t)
  const db = await openDatabase(t, observer)
  await observer.rows('CREATE TABLE users (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text NOT NULL UNIQUE, data jsonb)')

  t.test('fetchOne gives a row as an object, or null', async (t) => {
    t.same(await db.fetchOne('SELECT 1 AS a, $1::text AS b', 'x'), { a: 1, b: 'x' })
    t.equal(await db.fetchOne('SELECT 1 WHERE false'), null)
    t.same(await db.fetchOne('SELECT generate_series(1, 3) AS n'), { n: 1 })
  })

  t.test('fetchAll gives a plain array', async (t) => {
    const rows = await db.fetchAll<{ n: number }>('SELECT generate_series(1, $1::int) AS n', 3)
    t.same(rows, [{ n: 1 }, { n: 2 }, { n: 3 }])
    t.equal(Object.getPrototypeOf(rows), Array.prototype)
    t.same(Object.keys(rows), ['0', '1', '2'])
    t.same(await db.fetchAll('SELECT 1 WHERE false'), [])
  })

  t.test('fetchVal gives the first column of the first row, also where names repeat', async (t) => {
    t.equal(await db.fetchVal('SELECT 1 AS a, 2 AS a'), 1)
    t.equal(await db.fetchVal<number>('SELECT count(*) FROM users'), 0)
    t.equal(await db.fetchVal('SELECT 1 WHERE false'), null)
    t.equal(await db.fetchVal('SELECT NULL'), null)
    t.equal(await db.fetchVal('SELECT false'), false)
  })

  t.test('execute gives status, command and count', async (t) => {
    t.same(await db.execute("INSERT INTO users (name) VALUES ($1), ('bob')", 'ann'), { status: 'INSERT 0 2', command: 'INSERT', count: 2 })
    t.same(await db.execute('UPDATE users SET data = $1', { a: 1 }), { status: 'UPDATE 2', command: 'UPDATE', count: 2 })
    t.same(await db.execute('DELETE FROM users WHERE id = $1', -1), { status: 'DELETE 0', command: 'DELETE', count: 0 })
    t.same(await db.execute('CREATE TABLE other (id int)'), { status: 'CREATE TABLE', command: 'CREATE TABLE', count: 0 })
    t.same(await db.execute('SELECT * FROM users'), { status: 'SELECT 2', command: 'SELECT', count: 2 })
    t.same(await db.execute('-- nothing'), { status: '', command: '', count: 0 })
  })

  t.test('execute runs a script; nothing else takes two statements', async (t) => {
    t.same(await db.execute('CREATE TABLE s (id int); INSERT INTO s VALUES (1); INSERT INTO s VALUES (2)'), { status: 'INSERT', command: 'INSERT', count: 0 })
    await t.rejects(db.fetchAll('DELETE FROM s; SELECT 1'), { code: '42601' })
    await t.rejects(db.fetchVal('DELETE FROM s; SELECT 1'), { code: '42601' })
    await t.rejects(db.execute('DELETE FROM s WHERE id = $1; DELETE FROM s', 1), { code: '42601' })
    t.equal(await db.fetchVal('SELECT count(*) FROM s'), 2)
  })

  t.test('a script that fails leaves nothing of itself', async (t) => {
    await t.rejects(db.execute('INSERT INTO s VALUES (3); SELECT 1 / 0'), { code: '22012' })
    t.equal(await db.fetchVal('SELECT count(*) FROM s'), 2)
  })

  t.test('executeWithReturning gives the row', async (t) => {
    const row = await db.executeWithReturning<{ name: string }>('INSERT INTO users (name) VALUES ($1) RETURNING name', 'cid')
    t.same(row, { name: 'cid' })
    t.equal(await db.executeWithReturning('UPDATE users SET name = name WHERE id = $1 RETURNING id', -1), null)
  })

  t.test('executeMany runs all or none', async (t) => {
    t.same(await db.executeMany('INSERT INTO users (name) VALUES ($1)', Array.from({ length: 1234 }, (_, i) => [`n${i}`])), { count: 1234 })
    await t.rejects(db.executeMany('INSERT INTO users (name) VALUES ($1)', [['new'], ['n5'], ['newer']]), { code: '23505' })
    t.equal(await db.fetchVal("SELECT count(*) FROM users WHERE name LIKE 'new%'"), 0)
    t.same(await db.executeMany('INSERT INTO users (name) VALUES ($1)', []), { count: 0 })
  })

  t.test('executeMany rolls back when a later chunk fails, and the connection goes on', async (t) => {
    const { created } = db.stats()
    const lists = Array.from({ length: 1500 }, (_, i) => [i === 1400 ? 'n5' : `m${i}`])
    await t.rejects(db.executeMany('INSERT INTO users (name) VALUES ($1)', lists), { code: '23505', constraint_name: 'users_name_key', row: 1400 })
    t.equal(await db.fetchVal("SELECT count(*) FROM users WHERE name LIKE 'm%'"), 0)
    t.equal(db.stats().created, created)
  })

  t.test('executeMany takes any iterable and async iterable', async (t) => {
    const generate = function * () { for (let i = 0; i < 3; i++) yield [`g${i}`] }
    const generateLater = async function * () { for (let i = 0; i < 3; i++) yield [`a${i}`] }
    t.same(await db.executeMany('INSERT INTO users (name) VALUES ($1)', generate()), { count: 3 })
    t.same(await db.executeMany('INSERT INTO users (name) VALUES ($1)', generateLater()), { count: 3 })
    const failing = async function * () { yield ['f']; throw new Error('source failed') }
    await t.rejects(db.executeMany('INSERT INTO users (name) VALUES ($1)', failing()), { message: 'source failed' })
    t.equal(await db.fetchVal("SELECT count(*) FROM users WHERE name = 'f'"), 0)
  })

  t.test('executeManyWithReturning gives rows in input order', async (t) => {
    const names = Array.from({ length: 700 }, (_, i) => `r${(i * 7919) % 700}`)
    const rows = await db.executeManyWithReturning<{ name: string }>('INSERT INTO users (name) VALUES ($1) RETURNING name', names.map((name) => [name]))
    t.same(rows.map(({ name }) => name), names)
  })

  t.test('the batch helpers refuse what is no list of lists', async (t) => {
    const insert = 'INSERT INTO users (name) VALUES ($1)'
    await t.rejects(db.executeMany(insert, 5 as never), { code: /^FST_PG_QUERY$/, message: /iterable/ })
    await t.rejects(db.executeMany(insert, ['x'] as never), { code: /^FST_PG_QUERY$/, message: /row 0/ })
    await t.rejects(db.executeMany(insert, [['x1'], 'x'] as never), { code: /^FST_PG_QUERY$/, message: /row 1/ })
    await t.rejects(db.executeMany(insert, [['x1'], ['x2', 'x3']]), { code: 'FST_PG_PARAMETER_COUNT' })
    await t.rejects(db.executeMany(insert, [['x1'], [{}]]), { code: 'FST_PG_VALUE', message: /row 1, parameter \$1/ })
    t.equal(await db.fetchVal("SELECT count(*) FROM users WHERE name LIKE 'x%'"), 0)
  })

  t.test('executeMany without preparing does the same, one by one', async (t) => {
    const lists = Array.from({ length: 20 }, (_, i) => [`p${i}`])
    t.same(await db.executeMany({ text: 'INSERT INTO users (name) VALUES ($1)', prepare: false }, lists), { count: 20 })
    await t.rejects(db.executeMany({ text: 'INSERT INTO users (name) VALUES ($1)', prepare: false }, [['q'], ['p1']]), { code: '23505' })
    t.equal(await db.fetchVal("SELECT count(*) FROM users WHERE name = 'q'"), 0)
  })

  t.test('a query that is not one is refused by name', async (t) => {
    for (const query of [undefined, null, 5, {}, { text: 5 }, Symbol('x')]) {
      await t.rejects(db.fetchOne(query as never), { code: /^FST_PG_QUERY$/ })
    }
    await t.rejects(db.fetchOne(['SELECT 1'] as never), { code: /^FST_PG_QUERY$/, message: /^a query is a string/ })
    await t.rejects(db.fetchOne('SELECT 1\0'), { code: /^FST_PG_QUERY$/, message: /NUL/ })
    await t.rejects(db.execute('COPY users FROM STDIN'), { code: /^FST_PG_QUERY$/, message: /COPY/ })
    await t.rejects(db.execute('CREATE TABLE c (id int); COPY c TO STDOUT'), { code: /^FST_PG_QUERY$/, message: /COPY/ })
    await t.rejects(db.fetchOne({ text: 'SELECT 1', timeot: 1 } as never), { code: 'FST_PG_OPTION', message: /query\.timeot.*query\.timeout/ })
    await t.rejects(db.fetchOne({ text: 'SELECT 1', timeout: -1 }), { code: 'FST_PG_OPTION', message: /timeout/ })
    await t.rejects(db.fetchOne({ text: 'SELECT 1', signal: {} as never }), { code: 'FST_PG_OPTION', message: /signal/ })
    await t.rejects(db.fetchOne({ text: 'SELECT 1', prepare: 1 as never }), { code: 'FST_PG_OPTION', message: /prepare/ })
    t.equal(await db.fetchVal('SELECT 1'), 1)
  })

  t.test('a server error keeps SQLSTATE and names, and hides what may be data', async (t) => {
    const error = await db.execute('INSERT INTO users (name) VALUES ($1)', 'n5').catch((error: unknown) => error)
    if (!(error instanceof ServerError)) throw new Error('no ServerError')
    t.match(error, { name: 'PostgresError', code: '23505', severity: 'ERROR', table_name: 'users', constraint_name: 'users_name_key' })
    t.match(error.detail, /n5/)
    t.match(error.query, /INSERT/)
    t.notMatch(JSON.stringify(error), /n5|INSERT/)
    t.notMatch(error.message, /n5|INSERT/)
  })

  t.test('statements: prepared from the second use on, and within a bound', async (t) => {
    const lease = await db.acquire()
    const prepared = (): Promise<number | null> => lease.fetchVal<number>("SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE '%* bounded%' AND statement NOT LIKE '%pg_prepared%'")
    await lease.fetchVal('SELECT $1::int /* bounded once */', 1)
    t.equal(await prepared(), 0)
    await lease.fetchVal('SELECT $1::int /* bounded once */', 1)
    t.equal(await prepared(), 1)
    await lease.fetchVal({ text: 'SELECT $1::int /* bounded never */', prepare: false }, 1)
    await lease.fetchVal({ text: 'SELECT $1::int /* bounded never */', prepare: false }, 1)
    t.equal(await prepared(), 1)
    await lease.fetchVal({ text: 'SELECT $1::int /* bounded at once */', prepare: true }, 1)
    t.equal(await prepared(), 2)
    for (let i = 0; i < 600; i++) await lease.fetchVal(`SELECT $1::int /* bounded ${i % 300} */`, i)
    for (let i = 0; i < 50; i++) t.same(await lease.executeMany(`SELECT $1::int /* batch ${i} */`, [[1], [2], [3]]), { count: 3 })
    t.equal(await lease.fetchVal('SELECT count(*) <= 256 FROM pg_prepared_statements'), true)
    // A text that was prepared and then forgotten by the cache of texts must still be known to be prepared.
    for (let i = 0; i < 4100; i++) await lease.fetchVal(`SELECT ${i}`)
    for (let i = 0; i < 2; i++) await t.rejects(lease.fetchVal('SELECT $1::int /* bounded once */', {}), { code: 'FST_PG_VALUE' })
    t.equal(await lease.fetchVal('SELECT $1::int /* bounded once */', 3), 3)
    await lease.release()
  })
})
