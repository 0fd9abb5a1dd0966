import t, { type Test } from 'tap'
import type { Database, DatabaseOptions } from '../../src/index.js'
import { useSandbox, type Sandbox } from '../../testing/index.js'
import { freshDatabase, openDatabase } from '../support/database.js'

const observer = await freshDatabase(t)
await observer.rows('CREATE TABLE items (id int PRIMARY KEY)')
const INSERT = 'INSERT INTO items VALUES ($1)'

async function setUp (t: Test, options: DatabaseOptions = {}): Promise<{ db: Database, sandbox: Sandbox, ids: () => Promise<number[]> }> {
  const db = await openDatabase(t, observer, { acquireTimeout: 5, ...options })
  const sandbox = await useSandbox(db)
  t.teardown(() => sandbox.close())
  return { db, sandbox, ids: () => db.fetchColumn<number>('SELECT id FROM items ORDER BY id') }
}

t.test('a source of a batch that asks the database, and one that fails or hangs', async (t) => {
  const { db, ids } = await setUp(t)
  async function * lists (last: number): AsyncGenerator<[number]> {
    for (let id = 1; id <= last; id++) yield [await db.fetchVal<number>('SELECT $1::int', id) ?? 0]
  }
  t.same(await db.executeMany(INSERT, lists(5)), { count: 5 })
  await t.rejects(db.executeMany(INSERT, (async function * () {
    yield [6]
    throw new Error('a source that fails')
  })()), { message: 'a source that fails' })
  const controller = new AbortController()
  const hanging = db.executeMany({ text: INSERT, signal: controller.signal }, (async function * () {
    yield [7]
    controller.abort()
    await new Promise(() => {})
  })())
  await t.rejects(hanging, { code: 'FST_PG_ABORTED' })
  await t.rejects(db.executeMany({ text: INSERT, onProgress () { throw new Error('progress') } }, [[8]]), { message: 'progress' })
  t.same(await ids(), [1, 2, 3, 4, 5])
})

t.test('a nested transaction that nobody awaits', async (t) => {
  const { db, ids } = await setUp(t)
  let late: Promise<unknown> | undefined
  let call: Promise<unknown> | undefined
  await db.transaction(async (tx) => {
    await tx.execute(INSERT, 1)
    late = db.transaction(async (tx) => {
      await tx.execute(INSERT, 2)
      await tx.fetchVal('SELECT pg_sleep(0.05)')
      await tx.execute(INSERT, 3)
    }).catch(() => {})
    call = db.execute(INSERT, 4).catch(() => {})
  })
  await Promise.all([late, call])
  t.ok((await ids()).includes(1))
  await db.execute(INSERT, 5)
  t.ok((await ids()).includes(5))
})

t.test('a lease that is released while its transaction goes on', async (t) => {
  const { db, ids } = await setUp(t)
  const lease = await db.acquire()
  let go = (): void => {}
  const gate = new Promise<void>((resolve) => { go = resolve })
  const later = lease.transaction(async (tx) => {
    await tx.execute(INSERT, 1)
    await gate
    return await db.fetchVal('SELECT 1')
  })
  await lease.execute('SELECT 1').catch(() => {})
  await lease.release()
  const other = db.execute(INSERT, 2)
  go()
  await later.catch(() => {})
  await other
  t.ok((await ids()).includes(2))
})

t.test('an error has the stack of its caller, with debug the statement, and shows no argument', async (t) => {
  for (const debug of [false, true]) {
    const { db, sandbox } = await setUp(t, { debug })
    await db.execute(INSERT, 1)
    const error: unknown = await db.execute(INSERT, 1).catch((error: unknown) => error)
    t.ok(error instanceof Error)
    if (error instanceof Error) t.match(error.stack, /sandbox-faults\.test/)
    const queued = [db.fetchVal('SELECT pg_sleep(0.01)'), db.execute(INSERT, 1)].map((call) => call.catch((error: unknown) => error))
    const [, second] = await Promise.all(queued)
    t.match(second, { code: '23505', stack: /sandbox-faults\.test/ })
    await sandbox.close()
  }
})

t.test('what a call does while it is prepared: arguments that abort, throw, or call the database', async (t) => {
  const { db, ids } = await setUp(t)
  const controller = new AbortController()
  const aborting = { toString () { controller.abort(); return '1' } }
  const throwing = { toJSON () { throw new Error('no') } }
  for (const prepare of [false, true, true]) {
    await t.rejects(db.fetchVal({ text: 'SELECT $1::jsonb', signal: controller.signal, prepare }, { toJSON: () => aborting.toString() }), { code: 'FST_PG_ABORTED' })
    await t.rejects(db.fetchVal({ text: 'SELECT $1::jsonb', prepare }, throwing), { code: 'FST_PG_VALUE' })
    let inner: Promise<unknown> | undefined
    t.equal(await db.fetchVal({ text: 'SELECT $1::jsonb', prepare }, { toJSON () { inner ??= db.fetchVal('SELECT 2'); return 1 } }), 1)
    t.equal(await inner, 2)
  }
  t.same(await ids(), [])
})

t.test('what a statement leaves behind is undone with it, and not before', async (t) => {
  const { db, ids } = await setUp(t)
  await db.execute('CREATE FUNCTION note(n int) RETURNS int LANGUAGE sql AS $$ INSERT INTO items VALUES (n) RETURNING id $$')
  const note = { text: 'SELECT note($1)', prepare: true }
  for (const id of [1, 2, 3]) {
    t.equal(await db.fetchVal(note, id), id)
    await t.rejects(db.fetchVal('SELECT nothing'), { code: '42703' })
    await db.fetchOne('SELECT 1 FROM items')
    await t.rejects(db.fetchVal('SELECT nothing'), { code: '42703' }, 'behind a plain read')
    await t.rejects(db.transaction((tx) => tx.fetchVal('SELECT nothing')), { code: '42703' })
    await db.transaction((tx) => tx.fetchVal('SELECT 1'))
    await t.rejects(db.fetchVal('SELECT nothing'), { code: '42703' }, 'behind a transaction')
  }
  t.same(await ids(), [1, 2, 3])
})

t.test('transactions, errors and calls at random do what a list does', async (t) => {
  const { db, sandbox, ids } = await setUp(t)
  let seed = 7
  const random = (below: number): number => (seed = (seed * 48271) % 2147483647) % below
  for (let round = 0; round < 10; round++) {
    const expected = new Set<number>()
    for (let step = 0; step < 25; step++) {
      const id = random(12)
      const add = (set: Set<number>, fails: boolean): void => { if (!fails) set.add(id) }
      if (random(3) === 0) {
        const inside = new Set(expected)
        const undo = random(3) === 0
        const outcome = await db.transaction(async (tx) => {
          for (let times = random(3); times >= 0; times--) {
            const next = random(12)
            const query = random(2) === 0 ? db : tx
            const failed = await query.transaction((tx) => tx.execute(INSERT, next)).then(() => false, () => true)
            if (failed !== inside.has(next)) throw new Error('another outcome')
            inside.add(next)
          }
          if (undo) throw new Error('undone')
        }).catch((error: Error) => error.message)
        t.equal(outcome, undo ? 'undone' : undefined)
        if (!undo) for (const id of inside) expected.add(id)
      } else {
        const run = random(2) === 0 ? db.execute(INSERT, id) : db.executeMany(INSERT, [[id]])
        add(expected, await run.then(() => false, () => true))
      }
      if (random(4) === 0) t.same(await ids(), [...expected].sort((a, b) => a - b))
    }
    t.same(await ids(), [...expected].sort((a, b) => a - b))
    await sandbox.reset()
  }
})
