import t from 'tap'
import { beginningOf } from '../../src/transaction/beginning.js'
import { Checkout, ROLLBACK } from '../../src/transaction/checkout.js'
import { readConfig } from '../../src/config/config.js'
import { eventLog } from '../../src/config/event-log.js'
import { Pool } from '../../src/pool/pool.js'
import { toCall } from '../../src/query/query.js'
import { internalCall, type Call } from '../../src/query/call.js'
import { StatementCache } from '../../src/query/statement.js'
import { freshDatabase, memoryLog, openDatabase } from '../support/database.js'
import { FaultProxy } from '../../tools/fault-proxy.js'

const INSERT = 'INSERT INTO items VALUES ($1)'

t.test('BEGIN travels with the first statement', async (t) => {
  const observer = await freshDatabase(t)
  await observer.rows('CREATE TABLE items (id int PRIMARY KEY)')
  const ids = async (): Promise<number[]> => (await observer.rows('SELECT id FROM items ORDER BY id')).map((row) => Number(row['id']))
  const statements = new StatementCache()
  const call = (text: string, ...args: unknown[]): Call => toCall({ text, prepare: true }, args, 'rows', statements)

  const pool = new Pool({ config: readConfig({ url: observer.url, min: 1, max: 1 }, {}), log: eventLog(memoryLog(), 'db') })
  t.teardown(() => pool.close())
  await pool.open()
  async function inCheckout (work: (checkout: Checkout) => Promise<void>): Promise<void> {
    const entry = await pool.acquire('transaction')
    const checkout = new Checkout(pool, entry.connection, 'transaction', entry)
    checkout.enter()
    await work(checkout)
    checkout.leave()
    await checkout.release()
  }

  t.test('a statement that has yet to be prepared', (t) => inCheckout(async (checkout) => {
    checkout.begin.defer(beginningOf('BEGIN'))
    await checkout.perform(call(INSERT, 1))
    t.same(await ids(), [], 'it is in the transaction')
    await checkout.perform(internalCall('COMMIT'))
    t.same(await ids(), [1])
  }))

  t.test('one that is prepared', (t) => inCheckout(async (checkout) => {
    checkout.begin.defer(beginningOf('BEGIN'))
    t.match(await checkout.perform(call(INSERT, 2)), { command: 'INSERT', count: 1 })
    t.same(await ids(), [1], 'it is in the transaction')
    await checkout.perform(internalCall('COMMIT'))
    t.same(await ids(), [1, 2])
  }))

  for (const [what, first] of [['prepared', INSERT], ['not prepared', 'INSERT INTO items SELECT $1::int']] as const) {
    t.test(`the server refuses to begin: nothing is run, also not what comes later (${what})`, (t) => inCheckout(async (checkout) => {
      checkout.begin.defer(beginningOf('BEGIN ISOLATION LEVEL none'))
      await t.rejects(checkout.perform(call(first, 3)), { code: '42601' })
      await t.rejects(checkout.perform(call(INSERT, 4)), { code: 'FST_PG_TRANSACTION_ABORTED', cause: { code: '42601' } })
      await t.rejects(checkout.perform(internalCall('COMMIT')), { code: 'FST_PG_TRANSACTION_ABORTED' })
      await checkout.perform(ROLLBACK)
      t.same(await ids(), [1, 2])
    }))
  }

  t.test('it begins, but the first statement fails: the server refuses the later ones', (t) => inCheckout(async (checkout) => {
    checkout.begin.defer(beginningOf('BEGIN'))
    await t.rejects(checkout.perform(call(INSERT, 1)), { code: '23505' })
    await t.rejects(checkout.perform(call(INSERT, 5)), { code: '25P02' })
    t.equal((await checkout.perform(internalCall('COMMIT'))).command, 'ROLLBACK')
    t.same(await ids(), [1, 2])
  }))

  t.test('a first statement that cannot be sent leaves the transaction usable', (t) => inCheckout(async (checkout) => {
    checkout.begin.defer(beginningOf('BEGIN'))
    await t.rejects(checkout.perform(call(INSERT, {})), { code: 'FST_PG_VALUE' })
    await checkout.perform(call(INSERT, 6))
    await checkout.perform(internalCall('COMMIT'))
    t.same(await ids(), [1, 2, 6])
  }))

  t.test('a first statement that times out, swallowed: nothing is committed', async (t) => {
    const db = await openDatabase(t, observer, { min: 1, max: 1 })
    const slow = { text: 'SELECT pg_sleep($1)', prepare: true }
    await db.fetchVal(slow, 0)
    await t.rejects(db.transaction(async (tx) => {
      await tx.fetchVal({ ...slow, timeout: 0.05 }, 30).catch(() => {})
      await tx.execute(INSERT, 7)
    }), { code: '25P02' })
    await t.rejects(db.transaction((tx) => tx.fetchVal({ ...slow, timeout: 0.05 }, 30).catch(() => {})), { code: 'FST_PG_TRANSACTION_ABORTED' })
    t.same(await ids(), [1, 2, 6])
    t.match(db.stats(), { size: 1, free: 1 })
  })

  t.test('a stale first statement: the transaction begins again, with the statement as it is now', async (t) => {
    await observer.rows('CREATE TABLE changing (id int, v int); INSERT INTO changing VALUES (1, 1)')
    const db = await openDatabase(t, observer, { min: 1, max: 1 })
    const query = { text: 'SELECT v FROM changing WHERE id = $1', prepare: true }
    t.equal(await db.fetchVal(query, 1), 1)
    await observer.rows('ALTER TABLE changing ALTER v TYPE text')
    t.equal(await db.transaction((tx) => tx.fetchVal(query, 1)), '1')
    const [isolation, error] = await db.transaction(async (tx) => {
      await observer.rows('ALTER TABLE changing ALTER v TYPE int USING v::int')
      t.equal(await tx.fetchVal(query, 1), 1)
      return [await tx.fetchVal('SHOW transaction_isolation'), await tx.transaction((inner) => inner.fetchVal('SELECT 1 / $1::int', 0)).catch((error) => error)]
    }, { isolation: 'serializable' })
    t.equal(isolation, 'serializable')
    t.match(error, { code: '22012' })
    t.match(db.stats(), { errors: 1, created: 1 })
  })

  t.test('after a value that was refused while a new statement was being described, BEGIN goes with its own statement', async (t) => {
    const db = await openDatabase(t, observer, { min: 1, max: 1 })
    const insert = { text: INSERT, prepare: true }
    await db.execute(insert, 8)
    await t.rejects(db.fetchVal('SELECT $1::int + 1', {}), { code: 'FST_PG_VALUE' })
    await t.rejects(db.transaction(async (tx) => {
      await tx.execute(insert, 9)
      throw new Error('undo it')
    }, { isolation: 'serializable' }), { message: 'undo it' })
    await t.rejects(db.fetchVal('SELECT 1 / $1::int', 0), { code: '22012' })
    await t.rejects(db.fetchVal('SELECT 1 / $1::int', 0), { code: '22012' }) // prepared now
    await t.rejects(db.transaction(async (tx) => {
      await tx.execute(insert, 10)
      throw new Error('undo it')
    }, { isolation: 'serializable' }), { message: 'undo it' })
    t.same(await ids(), [1, 2, 6, 8])
    const numbers = [101, 102, 103, 104]
    t.same(await Promise.all(numbers.map((n) => db.fetchVal('SELECT $1::int', n))), numbers)
  })

  t.test('a lease is usable after a transaction whose first statement failed', async (t) => {
    const db = await openDatabase(t, observer, { min: 1, max: 1 })
    const lease = await db.acquire()
    const insert = { text: INSERT, prepare: true }
    for (let i = 0; i < 2; i++) await t.rejects(lease.transaction((tx) => tx.execute(insert, 1)), { code: '23505' })
    t.equal(await lease.fetchVal('SELECT 3'), 3)
    await lease.execute('BEGIN')
    await lease.execute('ROLLBACK')
    await lease.release()
  })

  t.test('the first call can be aborted while BEGIN is on its way', async (t) => {
    const proxy = await FaultProxy.start(t, observer.url)
    const db = await openDatabase(t, observer, { url: proxy.url, min: 1, max: 1 })
    const started = performance.now()
    await t.rejects(db.transaction(async (tx) => {
      await proxy.set('black-hole')
      await tx.fetchVal({ text: 'SELECT 11', signal: AbortSignal.timeout(100) })
    }), { code: 'FST_PG_ABORTED' })
    t.ok(performance.now() - started < 30_000, 'long before commandTimeout')
    await proxy.set('forward')
  })

  t.test('a transaction without statements sends nothing', async (t) => {
    const db = await openDatabase(t, observer, { min: 1, max: 1 })
    const before = await observer.backends()
    t.equal(await db.transaction(() => 7), 7)
    await t.rejects(db.transaction(() => { throw new Error('no') }), { message: 'no' })
    t.same(await observer.backends(), before)
    t.match(db.stats(), { size: 1, free: 1 })
  })

  t.test('after all that, the session is in no transaction', async (t) => {
    t.same((await observer.backends()).map(({ state }) => state), ['idle'])
  })
})
