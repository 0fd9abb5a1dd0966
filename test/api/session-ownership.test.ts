import t from 'tap'
import { createDatabase, type Queryable } from '../../src/index.js'
import { freshDatabase, memoryLog, openDatabase, until } from '../support/database.js'
import { FaultProxy } from '../../tools/fault-proxy.js'

t.test('nobody works in a session that is somebody else’s', async (t) => {
  const observer = await freshDatabase(t)
  await observer.rows('CREATE TABLE rows (n int UNIQUE)')
  t.beforeEach(async () => { await observer.rows('TRUNCATE rows') })
  const numbers = async (): Promise<unknown[]> => (await observer.rows('SELECT n FROM rows ORDER BY n')).map(({ n }) => n)

  t.test('a statement that onConnect gave up has ended before anyone gets the connection', async (t) => {
    const db = createDatabase({
      url: observer.url,
      max: 1,
      log: memoryLog(),
      onConnect: async (connection) => { await connection.fetchVal({ text: 'SELECT pg_sleep(30)', timeout: 0.02 }).catch(() => {}) },
    }, {})
    t.teardown(() => db.close())
    // They wait while it opens.
    const call = db.fetchVal('SELECT 1 FROM pg_sleep(0.1)')
    const lease = await db.acquire()
    t.equal(await lease.fetchVal('SELECT 2'), 2)
    await lease.release()
    t.equal(await call, 1)
    t.same(db.stats().closed, {})
  })

  t.test('a lease released in the middle of its transaction: what others write next is theirs and stays', async (t) => {
    const db = await openDatabase(t, observer, { min: 1, max: 1 })
    const lease = await db.acquire()
    let goOn = (): void => {}
    const pause = new Promise<void>((resolve) => { goOn = resolve })
    const transaction = lease.transaction(async (tx) => {
      await tx.execute('INSERT INTO rows VALUES (1)')
      await pause
      await tx.execute('INSERT INTO rows VALUES (2)')
    })
    transaction.catch(() => {})
    await until(() => db.stats().busy === 1)
    await lease.release()
    await db.execute('INSERT INTO rows VALUES ($1)', 50)
    t.same(await numbers(), [50])
    goOn()
    await t.rejects(transaction, { code: 'FST_PG_RELEASED' })
    t.equal(await db.fetchVal('SELECT count(*) FROM rows'), 1)
    t.equal(db.stats().created, 1)
  })

  t.test('a BEGIN that worked but was not heard of leaves no transaction in the pool', async (t) => {
    const proxy = await FaultProxy.start(t, observer.url)
    const db = await openDatabase(t, observer, { url: proxy.url, min: 1, max: 1, commandTimeout: 0.2 })
    await proxy.set('black-hole')
    const transaction = db.transaction((tx) => tx.execute('INSERT INTO rows VALUES (1)'))
    await t.rejects(transaction.then(() => {}), { code: 'FST_PG_QUERY_TIMEOUT' })
    await proxy.set('forward')
    await db.execute('INSERT INTO rows VALUES ($1)', 2)
    t.same(await numbers(), [2])
  })

  t.test('onConnect: what it sets stays, it costs no reconnects, and its handle ends with it', async (t) => {
    let kept: Queryable | undefined
    const db = await openDatabase(t, observer, {
      min: 1,
      max: 1,
      onConnect: async (connection) => {
        await connection.execute("SET application_name = 'set up'")
        kept = connection
        connection.fetchVal('SELECT pg_sleep(0.1)').catch(() => {}) // not awaited, but over before anyone else comes
      },
    })
    t.equal((await observer.backends()).filter(({ state }) => state === 'active').length, 0)
    for (let i = 0; i < 10; i++) t.equal(await db.fetchVal('SHOW application_name'), 'set up')
    t.equal(db.stats().created, 1)
    await t.rejects(async () => await kept?.execute('SELECT 1'), { code: 'FST_PG_RELEASED' })
    const begins = createDatabase({ url: observer.url, min: 1, startupTimeout: 0.3, log: memoryLog(), onConnect: (connection) => connection.execute('BEGIN') }, {})
    await t.rejects(begins.open(), { code: 'FST_PG_STARTUP', cause: { code: /^FST_PG_QUERY$/ } })
  })

  t.test('two transactions at once on one lease are refused: they would be one', async (t) => {
    const db = await openDatabase(t, observer, { min: 1, max: 1 })
    const lease = await db.acquire()
    const first = lease.transaction((tx) => tx.execute('INSERT INTO rows VALUES (1)'))
    await t.rejects(lease.transaction((tx) => tx.execute('INSERT INTO rows VALUES (2)')), { code: 'FST_PG_NESTED_TRANSACTION' })
    await t.rejects(lease.executeMany('INSERT INTO rows VALUES ($1)', [[3]]), { code: 'FST_PG_NESTED_TRANSACTION' })
    await t.rejects(lease.execute('INSERT INTO rows VALUES (4)'), { code: 'FST_PG_NESTED_TRANSACTION' })
    await first
    await lease.execute('INSERT INTO rows VALUES (5)')
    await lease.release()
    t.same(await numbers(), [1, 5])
  })

  t.test('tx.executeMany is all or nothing, also where it is not awaited or its error is swallowed', async (t) => {
    const db = await openDatabase(t, observer, { min: 1, max: 1 })
    const many = (from: number): Array<[number]> => Array.from({ length: 1500 }, (_, i) => [from + i])
    await t.rejects(db.transaction((tx) => {
      tx.executeMany('INSERT INTO rows VALUES ($1)', many(0)).catch(() => {})
      throw new Error('undo')
    }), { message: 'undo' })
    t.same(await numbers(), [])
    await db.transaction((tx) => { tx.executeMany('INSERT INTO rows VALUES ($1)', many(0)).catch(() => {}) })
    t.equal((await numbers()).length, 1500)
    await db.transaction(async (tx) => {
      await t.rejects(tx.executeMany('INSERT INTO rows VALUES ($1)', [[5001], [undefined]]), { code: 'FST_PG_VALUE' })
      await t.rejects(tx.executeMany('INSERT INTO rows VALUES ($1)', [[5002], [1]]), { code: '23505' })
      await tx.execute('INSERT INTO rows VALUES (5003)')
    })
    t.same((await numbers()).slice(1500), [5003])
  })

  t.test('a COMMIT by hand that rolls back is an error: what failed in the transaction was swallowed', async (t) => {
    const db = await openDatabase(t, observer, { min: 1, max: 1 })
    const lease = await db.acquire()
    for (const end of ['COMMIT', '/* it */ end', 'commit work', 'COMMIT AND CHAIN', "PREPARE TRANSACTION 'it'"]) {
      await lease.execute('BEGIN')
      await lease.execute('INSERT INTO rows VALUES (1)')
      await t.rejects(lease.execute('SELECT 1 / 0'), { code: '22012' })
      await t.rejects(lease.execute(end), { code: 'FST_PG_TRANSACTION_ABORTED' }, end)
      t.equal(lease.begun, false, end)
    }
    await lease.sql`BEGIN`
    await t.rejects(lease.sql`SELECT nothing`, { code: '42703' })
    await t.rejects(lease.sql`COMMIT`, { code: 'FST_PG_TRANSACTION_ABORTED' })
    for (const end of ['ROLLBACK', 'abort', 'ROLLBACK AND NO CHAIN']) {
      await lease.execute('BEGIN')
      await t.rejects(lease.execute('SELECT 1 / 0'), { code: '22012' })
      t.match(await lease.execute(end), { command: 'ROLLBACK' })
    }
    await lease.execute('BEGIN; SAVEPOINT a')
    await t.rejects(lease.execute('SELECT 1 / 0'), { code: '22012' })
    await lease.execute('ROLLBACK TO a')
    await lease.execute('INSERT INTO rows VALUES (2)')
    t.match(await lease.execute('COMMIT'), { command: 'COMMIT' }, 'what was undone by itself is not in the way')
    await lease.release()
    t.same(await numbers(), [2])
    await observer.rows('DELETE FROM rows')
  })

  t.test('a BEGIN by hand that ended in a failure is over for the lease too', async (t) => {
    const db = await openDatabase(t, observer, { min: 1, max: 1 })
    await db.execute('CREATE TABLE late (n int UNIQUE DEFERRABLE INITIALLY DEFERRED)')
    const lease = await db.acquire()
    await lease.execute('BEGIN; INSERT INTO late VALUES (1); INSERT INTO late VALUES (1)')
    await t.rejects(lease.execute('COMMIT'), { code: '23505' })
    await t.rejects(lease.executeMany('INSERT INTO rows VALUES ($1)', [[1], [2], ['zz']]), { code: '22P02' })
    t.same(await numbers(), [])
    await t.rejects(lease.execute('BEGIN; SELECT 1 / 0'), { code: '22012' })
    await lease.execute('INSERT INTO rows VALUES (3)')
    await lease.execute('BEGIN')
    await lease.execute('COMMIT AND CHAIN')
    await t.rejects(lease.transaction(() => 1, { readOnly: true }), { code: /^FST_PG_QUERY$/, message: /savepoint/ })
    await lease.transaction((tx) => tx.execute('INSERT INTO rows VALUES (4)'))
    await lease.execute('ROLLBACK')
    await lease.release()
    t.same(await numbers(), [3])
  })
})
