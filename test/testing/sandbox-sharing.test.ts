import t, { type Test } from 'tap'
import type { Database, DatabaseOptions, Lease } from '../../src/index.js'
import { useSandbox, type Sandbox } from '../../testing/index.js'
import { freshDatabase, openDatabase, until } from '../support/database.js'

const observer = await freshDatabase(t)
await observer.rows('CREATE TABLE items (id int PRIMARY KEY, name text)')
const INSERT = 'INSERT INTO items VALUES ($1)'

async function setUp (t: Test, options: DatabaseOptions = {}): Promise<{ db: Database, sandbox: Sandbox, ids: () => Promise<number[]> }> {
  const db = await openDatabase(t, observer, options)
  const sandbox = await useSandbox(db)
  t.teardown(() => sandbox.close())
  return { db, sandbox, ids: () => db.fetchColumn<number>('SELECT id FROM items ORDER BY id') }
}

/** A promise, and what fulfils it. */
function gate (): { opened: Promise<void>, open: () => void } {
  let open = (): void => {}
  const opened = new Promise<void>((resolve) => { open = resolve })
  return { opened, open }
}

t.test('calls, transactions, batches and leases take turns in the order in which they were made', async (t) => {
  const { db, ids } = await setUp(t)
  const order: string[] = []
  const note = (what: string) => () => { order.push(what) }
  await Promise.all([
    db.execute(INSERT, 1).then(note('call')),
    db.transaction(async (tx) => {
      await tx.execute(INSERT, 2)
      await tx.fetchVal('SELECT pg_sleep(0.05)')
      await tx.execute(INSERT, 3)
    }).then(note('transaction')),
    db.execute(INSERT, 1).catch(note('error')),
    db.executeMany(INSERT, [[4], [5]]).then(note('batch')),
    db.acquire().then(async (lease) => {
      await lease.execute(INSERT, 6)
      await lease.release()
      order.push('lease')
    }),
    db.fetchVal('SELECT count(*) FROM items').then((count) => order.push(`count ${count}`)),
  ])
  t.strictSame(order, ['call', 'transaction', 'error', 'batch', 'lease', 'count 6'])
  t.same(await ids(), [1, 2, 3, 4, 5, 6])
})

t.test('a hundred calls at once, some of which fail', async (t) => {
  const { db, ids } = await setUp(t)
  const settled = await Promise.allSettled(Array.from({ length: 100 }, (_, id) => db.execute(INSERT, id % 50)))
  t.equal(settled.filter(({ status }) => status === 'fulfilled').length, 50)
  t.equal((await ids()).length, 50)
})

t.test('inside the function of a transaction, calls of the database run in that transaction', async (t) => {
  const { db, ids } = await setUp(t, { acquireTimeout: 5 })
  const addBoth = async (first: number, second: number): Promise<void> => {
    await db.transaction(async (tx) => {
      await tx.execute(INSERT, first)
      await db.execute(INSERT, second)
    })
  }
  await t.rejects(db.transaction(async (tx) => {
    await addBoth(1, 2)
    await tx.transaction(async () => { await addBoth(3, 4) })
    await db.executeMany(INSERT, [[5], [6]])
    t.same(await ids(), [1, 2, 3, 4, 5, 6])
    throw new Error('all of it')
  }), { message: 'all of it' })
  t.same(await ids(), [])

  await db.transaction(async () => {
    await Promise.all([addBoth(1, 2), addBoth(3, 4), t.rejects(addBoth(5, 5), { code: '23505' }), addBoth(6, 7)])
  })
  t.same(await ids(), [1, 2, 3, 4, 6, 7], 'one after the other; one that fails is undone alone')

  await db.transaction(async () => {
    await db.transaction(async () => {
      await db.transaction(async () => { await db.execute(INSERT, 8) })
      await t.rejects(db.transaction(async () => { await db.execute(INSERT, 8) }), { code: '23505' })
    })
  })
  await t.rejects(db.transaction(async () => { await db.execute(INSERT, 8).catch(() => {}) }), { code: 'FST_PG_TRANSACTION_ABORTED' })
  await t.rejects(db.transaction(() => db.acquire()), { code: 'FST_PG_SANDBOX' })
  t.same(await ids(), [1, 2, 3, 4, 6, 7, 8])
})

t.test('what goes on after the end of a transaction is in none', async (t) => {
  const { db, ids } = await setUp(t)
  const { opened, open } = gate()
  let later: Promise<unknown> | undefined
  await t.rejects(db.transaction(async (tx) => {
    later = opened.then(() => db.execute(INSERT, 1))
    await tx.execute(INSERT, 2)
    throw new Error('undone')
  }), { message: 'undone' })
  open()
  await later
  t.same(await ids(), [1])
})

t.test('a lease is an exclusive turn', async (t) => {
  const { db, sandbox, ids } = await setUp(t)
  const usual = await db.fetchVal('SHOW work_mem')
  const lease = await db.acquire()
  const waiting = db.fetchVal('SHOW work_mem')
  await lease.execute("SET work_mem = '5MB'")
  await t.rejects(lease.execute('SELECT 1 / 0'), { code: '22012' })
  await lease.execute(INSERT, 1)
  await t.rejects(lease.execute(INSERT, 1), { code: '23505' })
  await lease.execute(INSERT, 2)
  await t.rejects(lease.transaction(async (tx) => {
    await tx.execute(INSERT, 3)
    throw new Error('undone')
  }, { isolation: 'serializable' }), { message: 'undone' })
  await lease.transaction(async (tx) => {
    await tx.execute(INSERT, 4)
    await db.execute(INSERT, 5)
    await t.rejects(lease.fetchVal('SELECT 1'), { code: 'FST_PG_NESTED_TRANSACTION' })
  })
  await lease.executeMany(INSERT, [[6], [7]])
  await t.rejects(lease.executeMany(INSERT, [[8], [7]]), { code: '23505' })
  for (const text of ['BEGIN', 'COMMIT', 'ROLLBACK', 'BEGIN; SELECT 1; COMMIT']) {
    await t.rejects(lease.execute(text), { code: 'FST_PG_QUERY', advice: /transaction\(async/ }, text)
    await t.rejects(db.execute(text), { code: 'FST_PG_QUERY' }, text)
  }
  t.notOk(lease.begun)
  t.equal(db.stats().busy, 1)
  await lease.release()
  await lease.release()
  await t.rejects(lease.fetchVal('SELECT 1'), { code: 'FST_PG_RELEASED' })
  t.equal(await waiting, '5MB', 'it waited; a setting stays until a reset')
  t.same(await ids(), [1, 2, 4, 5, 6, 7])
  await sandbox.reset()
  t.equal(await db.fetchVal('SHOW work_mem'), usual)
})

t.test('what is of the session is undone by a reset', async (t) => {
  const { db, sandbox } = await setUp(t)
  await db.fetchVal('SELECT pg_advisory_lock(1)')
  await db.execute('CREATE TEMP TABLE scratch (id int)')
  await db.execute('PREPARE mine AS SELECT 1')
  await db.execute('SET search_path TO nowhere')
  await sandbox.reset()
  t.equal(await db.fetchVal("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"), 0)
  t.equal(await db.fetchVal("SELECT to_regclass('scratch')"), null)
  t.equal(await db.fetchVal('SELECT count(*) FROM pg_prepared_statements WHERE from_sql'), 0)
  t.equal(await db.fetchVal('SELECT count(*) FROM items'), 0)
})

t.test('statements that were prepared before a change of the schema was undone', async (t) => {
  const { db, sandbox } = await setUp(t)
  const all = { text: 'SELECT * FROM items', prepare: true }
  for (let times = 0; times < 3; times++) {
    await db.execute(INSERT, 1)
    t.same(await db.fetchAll(all), [{ id: 1, name: null }])
    await db.execute('ALTER TABLE items ADD COLUMN more int DEFAULT 7; ALTER TABLE items ALTER COLUMN name TYPE int USING 3')
    t.same(await db.fetchAll(all), [{ id: 1, name: null, more: 7 }].map((row) => ({ ...row, name: 3 })))
    t.same(await db.transaction((tx) => tx.fetchAll(all)), [{ id: 1, name: 3, more: 7 }])
    await sandbox.reset()
    t.same(times === 1 ? await db.transaction((tx) => tx.fetchAll(all)) : await db.fetchAll(all), [])
  }
})

t.test('waiting for a lease takes no longer than acquireTimeout, and a signal ends it', async (t) => {
  const { db, sandbox } = await setUp(t, { acquireTimeout: 0.1 })
  const lease = await db.acquire()
  const { errors } = db.stats()
  await t.rejects(db.fetchVal('SELECT 1'), { code: 'FST_PG_ACQUIRE_TIMEOUT', advice: /sandbox is used by a lease/ })
  await t.rejects(db.transaction(async () => {}), { code: 'FST_PG_ACQUIRE_TIMEOUT' })
  await t.rejects(db.executeMany(INSERT, [[1]]), { code: 'FST_PG_ACQUIRE_TIMEOUT' })
  await t.rejects(db.acquire(), { code: 'FST_PG_ACQUIRE_TIMEOUT' })
  await t.rejects(sandbox.reset(), { code: 'FST_PG_ACQUIRE_TIMEOUT' })
  await t.rejects(db.fetchVal({ text: 'SELECT 1', signal: AbortSignal.abort() }), { code: 'FST_PG_ABORTED' })
  const controller = new AbortController()
  const waiting = [db.fetchVal({ text: 'SELECT 1', signal: controller.signal }), db.acquire({ signal: controller.signal })]
  controller.abort()
  for (const each of waiting) await t.rejects(each, { code: 'FST_PG_ABORTED' })
  t.ok(db.stats().errors > errors)
  await lease.release()
  t.equal(await db.fetchVal('SELECT 1'), 1)
})

t.test('a timeout or a signal ends a call, and concerns no other', async (t) => {
  const { db, ids } = await setUp(t)
  for (const prepare of [false, true]) {
    await db.execute(INSERT, prepare ? 1 : 2)
    await t.rejects(db.fetchVal({ text: 'SELECT pg_sleep(10)', timeout: 0.05, prepare }), { code: 'FST_PG_QUERY_TIMEOUT' })
    t.equal(await db.fetchVal('SELECT 1'), 1)
    const controller = new AbortController()
    const sleeping = db.fetchVal({ text: 'SELECT pg_sleep(10)', signal: controller.signal, prepare })
    await until(async () => (await observer.backends()).some(({ state, query }) => state === 'active' && /sleep/.test(query)))
    controller.abort()
    const behind = db.fetchVal('SELECT 2')
    await t.rejects(sleeping, { code: 'FST_PG_ABORTED' })
    t.equal(await behind, 2)
    await t.rejects(db.transaction(async (tx) => {
      await tx.execute(INSERT, 3)
      await tx.fetchVal({ text: 'SELECT pg_sleep(10)', timeout: 0.05 })
    }), { code: 'FST_PG_QUERY_TIMEOUT' })
    await t.rejects(db.transaction(async (tx) => {
      await tx.execute(INSERT, 3)
      await tx.fetchVal({ text: 'SELECT pg_sleep(10)', timeout: 0.05 }).catch(() => {})
    }), { code: 'FST_PG_TRANSACTION_ABORTED' })
    t.equal(await db.fetchVal({ text: 'SELECT 1', timeout: 100 }), 1, 'longer than commandTimeout')
  }
  t.same(await ids(), [1, 2])
})

t.test('aborts at any time lose nothing of what was done before', async (t) => {
  const { db, ids } = await setUp(t)
  let id = 0
  for (let times = 0; times < 150; times++) {
    await db.execute(INSERT, ++id)
    const controller = new AbortController()
    const texts = ['SELECT pg_sleep(0.002)', 'SELECT count(*) FROM generate_series(1, 20000)', `INSERT INTO items VALUES (${1000 + times}) RETURNING pg_sleep(0.001)`]
    const call = db.fetchVal({ text: texts[times % 3] ?? '', signal: controller.signal, prepare: times % 2 === 0 }).catch(() => {})
    if (times % 5 === 0) controller.abort()
    else setTimeout(() => controller.abort(), times % 4)
    await call
    if (times % 10 === 0) await db.transaction((tx) => tx.execute(INSERT, ++id))
    if (times % 15 === 0) await db.executeMany(INSERT, [[++id]])
  }
  t.same((await ids()).filter((id) => id < 1000), Array.from({ length: id }, (_, index) => index + 1))
})

t.test('a connection that dies: calls are rejected until a reset, which begins on another one', async (t) => {
  const { db, sandbox, ids } = await setUp(t, { min: 1, max: 2 })
  await db.execute(INSERT, 1)
  const pid = await db.fetchVal<number>('SELECT pg_backend_pid()')
  const sleeping = db.fetchVal('SELECT pg_sleep(10)')
  const waiting = db.fetchVal('SELECT 1')
  await until(async () => (await observer.backends()).some(({ state, query }) => state === 'active' && /sleep/.test(query)))
  const lost = [sleeping, waiting].map((call) => t.rejects(call, { code: 'FST_PG_CONNECTION_LOST' })) // before it is killed
  await observer.kill([pid ?? 0])
  await Promise.all(lost)
  await t.rejects(db.execute(INSERT, 2), { code: 'FST_PG_CONNECTION_LOST' })
  await t.rejects(db.executeMany(INSERT, [[2]]), { code: 'FST_PG_CONNECTION_LOST' })
  await t.rejects(db.transaction(async () => {}), { code: 'FST_PG_CONNECTION_LOST' })
  await t.rejects(db.acquire(), { code: 'FST_PG_CONNECTION_LOST' })
  await sandbox.reset()
  t.same(await ids(), [])
  await db.execute(INSERT, 3)

  let inside = 0
  await t.rejects(db.transaction(async (tx) => {
    await tx.execute(INSERT, 4)
    inside = await tx.fetchVal<number>('SELECT pg_backend_pid()') ?? 0
    await observer.kill([inside])
    await tx.fetchVal('SELECT 1')
  }), { code: 'FST_PG_CONNECTION_LOST' })
  t.not(inside, pid)
  let lease: Lease | undefined
  await sandbox.reset()
  lease = await db.acquire()
  await observer.kill([await lease.fetchVal<number>('SELECT pg_backend_pid()') ?? 0])
  await t.rejects(lease.fetchVal('SELECT 1'), { code: 'FST_PG_CONNECTION_LOST' })
  await lease.release()
  lease = undefined
  await sandbox.reset()
  t.same(await ids(), [])
})
