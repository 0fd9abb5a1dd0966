import Fastify, { type FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import postgresJs, { type Database } from '../../plugins/db.js'
import { useSandbox, type Sandbox } from '../../testing/index.js'
import { freshDatabase, memoryLog, openDatabase } from '../support/database.js'

const observer = await freshDatabase(t)
await observer.rows('CREATE TABLE items (id int PRIMARY KEY, name text)')

/** The rows that others see. */
const committed = async (): Promise<number> => Number((await observer.rows('SELECT count(*) AS n FROM items'))[0]?.['n'])

async function setUp (t: Test, options = {}): Promise<{ db: Database, sandbox: Sandbox, ids: () => Promise<number[]> }> {
  const db = await openDatabase(t, observer, options)
  const sandbox = await useSandbox(db)
  t.teardown(() => sandbox.close())
  return { db, sandbox, ids: () => db.fetchColumn<number>('SELECT id FROM items ORDER BY id') }
}

const INSERT = 'INSERT INTO items VALUES ($1)'

t.test('an app: everything is undone by reset and by close, and afterwards its database works as usual', async (t) => {
  const app: FastifyInstance = Fastify()
  t.teardown(() => app.close())
  app.register(postgresJs, { url: observer.url, min: 1, max: 3, log: memoryLog() })
  app.post('/items', async () => await app.db.execute('INSERT INTO items VALUES ((SELECT count(*) FROM items) + 1)'))
  app.get('/items', async () => await app.db.fetchVal('SELECT count(*) FROM items'))
  await app.ready()
  const { db } = app
  const count = async (): Promise<string> => (await app.inject('/items')).body

  const sandbox = await useSandbox(app)
  for (let times = 0; times < 4; times++) {
    for (let rows = 1; rows <= 4; rows++) {
      t.equal((await app.inject({ method: 'POST', url: '/items' })).statusCode, 200)
      t.equal(await count(), String(rows))
    }
    t.equal(await committed(), 0)
    await sandbox.reset()
    t.equal(await count(), '0')
  }
  await app.inject({ method: 'POST', url: '/items' })
  await sandbox.close()
  t.equal(app.db, db)
  t.equal(await count(), '0')
  await app.inject({ method: 'POST', url: '/items' })
  t.equal(await committed(), 1)
  await observer.rows('TRUNCATE items')
})

t.test('every helper runs in it', async (t) => {
  const { db, sandbox, ids } = await setUp(t)
  t.same(await db.execute(INSERT, 1), { status: 'INSERT 0 1', command: 'INSERT', count: 1 })
  t.same(await db.executeMany('INSERT INTO items VALUES ($1, $2)', [[2, 'two'], [3, 'three']]), { count: 2 })
  t.same(await db.executeManyWithReturning('INSERT INTO items VALUES ($1) RETURNING id', [[4], [5]]), [{ id: 4 }, { id: 5 }])
  t.same(await db.executeWithReturning('UPDATE items SET name = $1 WHERE id = 1 RETURNING *', 'one'), { id: 1, name: 'one' })
  t.same(await db.fetchExactlyOne({ text: 'SELECT id FROM items WHERE id = $1', rows: 'array' }, 2), [2])
  await t.rejects(db.fetchExactlyOne('SELECT id FROM items WHERE id = 99'), { code: 'FST_PG_NO_ROW' })
  t.same((await db.query('SELECT id FROM items WHERE id < $1', 2)).rows, [{ id: 1 }])
  t.same(await db.execute('INSERT INTO items VALUES (6); INSERT INTO items VALUES (7)'), { status: 'INSERT', command: 'INSERT', count: 0 })
  t.same(await ids(), [1, 2, 3, 4, 5, 6, 7])
  t.equal(await committed(), 0)
  await sandbox.reset()
  t.same(await ids(), [])
})

t.test('an error in one call does not concern the next', async (t) => {
  const { db, ids } = await setUp(t)
  for (let times = 0; times < 4; times++) {
    await db.execute({ text: INSERT, prepare: times > 1 }, times)
    await t.rejects(db.execute(INSERT, times), { code: '23505' })
    await t.rejects(db.execute(`INSERT INTO items VALUES (${100 + times}); SELECT 1 / 0`), { code: '22012' })
    await t.rejects(db.fetchVal('SELECT nothing'), { code: '42703' })
    await t.rejects(db.execute(INSERT, {}), { code: 'FST_PG_VALUE' })
    await t.rejects(db.execute(INSERT, 'x'), { code: '22P02' })
    await t.rejects(db.executeMany(INSERT, [[200], [201], [200]]), { code: '23505', row: 2 })
    await t.rejects(db.transaction(async (tx) => {
      await tx.execute(INSERT, 300)
      await tx.execute(INSERT, 300)
    }), { code: '23505' })
  }
  t.same(await ids(), [0, 1, 2, 3])
})

t.test('nor does the error of a prepared statement, which is closed, the next call that is prepared', async (t) => {
  const observer = await freshDatabase(t)
  await observer.rows('CREATE TABLE items (id int PRIMARY KEY)')
  const db = await openDatabase(t, observer)
  const sandbox = await useSandbox(db)
  t.teardown(() => sandbox.close())
  const fail = async (n: number): Promise<void> => { await t.rejects(db.execute(`SELECT ${n} / 0`), { code: '22012' }) }
  for (let n = 0; n < 3; n++) {
    await fail(n)
    t.equal(await db.fetchVal(`SELECT ${n}`), n)
    await fail(n) // prepared by now
    t.equal(await db.fetchVal(`SELECT ${n}`), n)
    await fail(n)
    t.same(await db.executeMany('INSERT INTO items VALUES ($1)', [[10 * n], [10 * n + 1]]), { count: 2 })
    await fail(n)
    await db.transaction((tx) => tx.execute('INSERT INTO items VALUES ($1)', 10 * n + 2))
  }
  t.equal(await db.fetchVal('SELECT count(*) FROM items'), 9)
})

t.test('transactions: what is committed stays, what is rolled back goes', async (t) => {
  const { db, ids } = await setUp(t)
  t.equal(await db.transaction(async (tx) => {
    await tx.execute(INSERT, 1)
    await t.rejects(tx.transaction(async (tx) => {
      await tx.execute(INSERT, 2)
      throw new Error('no')
    }), { message: 'no' })
    await tx.transaction((tx) => tx.execute(INSERT, 3))
    return 'done'
  }, { isolation: 'serializable', readOnly: false, deferrable: true }), 'done')
  t.same(await ids(), [1, 3])
  await t.rejects(db.transaction(async (tx) => {
    await tx.execute(INSERT, 4)
    throw new Error('no')
  }), { message: 'no' })
  t.same(await ids(), [1, 3])
  await t.rejects(db.transaction(async (tx) => {
    await tx.execute(INSERT, 5)
    await tx.execute(INSERT, 1).catch(() => {})
  }), { code: 'FST_PG_TRANSACTION_ABORTED', cause: { code: '23505' } })
  t.equal(await db.transaction(async () => 'nothing'), 'nothing')
  await t.rejects(db.transaction(async () => {}, { isolation: 'wrong' as never }), { code: 'FST_PG_OPTION' })
  t.same(await ids(), [1, 3])
  t.equal(await committed(), 0)
})
