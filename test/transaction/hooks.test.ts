import t from 'tap'
import type { Transaction } from '../../src/index.js'
import { freshDatabase, memoryLog, openDatabase, until } from '../support/database.js'

const events = (log: ReturnType<typeof memoryLog>, event: string): unknown[] => log.lines.filter(({ object }) => 'event' in object && object.event === event)

t.test('hooks run when the transaction is over, in their order, with its connection released', async (t) => {
  const observer = await freshDatabase(t)
  await observer.rows('CREATE TABLE items (id int PRIMARY KEY)')
  const db = await openDatabase(t, observer, { max: 1 })
  const done: unknown[] = []
  let outer: Transaction | undefined
  const commits = (tx: Transaction): void => {
    outer = tx
    tx.afterCommit(async () => {
      t.equal(db.stats().busy, 0)
      await t.rejects(tx.fetchVal('SELECT 1'), { code: 'FST_PG_RELEASED' })
      t.throws(() => tx.afterCommit(() => {}), { code: 'FST_PG_RELEASED' })
      done.push(`1: ${await db.fetchVal('SELECT count(*) FROM items')}`, ...await db.transaction((tx) => tx.fetchColumn('SELECT 7')))
    })
    tx.afterRollback((error) => done.push(error))
    tx.afterCommit(() => { done.push(2) })
  }
  await db.transaction(async (tx) => {
    commits(tx)
    await tx.execute('INSERT INTO items VALUES (1)')
    done.push(0)
  })
  t.same(done.splice(0), [0, '1: 1', 7, 2])
  await db.transaction(commits)
  t.same(done.splice(0), ['1: 1', 7, 2], 'where nothing was run too')
  const error = new Error('mine')
  await t.rejects(db.transaction(async (tx) => {
    commits(tx)
    await tx.execute('INSERT INTO items VALUES (2)')
    throw error
  }), error)
  t.same(done.splice(0), [error])
  await t.rejects(db.transaction(async (tx) => {
    commits(tx)
    await tx.execute('INSERT INTO items VALUES (1)').catch(() => {})
  }), { code: 'FST_PG_TRANSACTION_ABORTED' })
  t.match(done.splice(0), [{ code: 'FST_PG_TRANSACTION_ABORTED' }], 'a commit that turns into a rollback')
  for (const given of [undefined, null, 1, 'x', {}]) {
    await db.transaction((tx) => {
      t.throws(() => tx.afterCommit(given as never), { code: 'FST_PG_QUERY' })
      t.throws(() => tx.afterRollback(given as never), { code: 'FST_PG_QUERY' })
    })
  }
  t.throws(() => outer?.afterRollback(() => {}), { code: 'FST_PG_RELEASED' })
  await db.transaction(async (tx) => {
    await tx[Symbol.asyncDispose]()
    t.throws(() => tx.afterCommit(() => {}), { code: 'FST_PG_RELEASED' })
  })
})

t.test('what a hook throws is logged, and changes nothing', async (t) => {
  const observer = await freshDatabase(t)
  const log = memoryLog()
  const db = await openDatabase(t, observer, { max: 1, log })
  let last = 0
  const result = await db.transaction((tx) => {
    tx.afterCommit(() => { throw new Error('at once') })
    tx.afterCommit(async () => { throw undefined }) // eslint-disable-line no-throw-literal
    tx.afterCommit(() => Promise.reject(new Error('later')))
    tx.afterCommit(() => ({ get then () { throw new Error('thenable') } }))
    tx.afterCommit(() => { last++ })
    return 7
  })
  t.equal(result, 7)
  t.equal(last, 1)
  t.match(events(log, 'hook.failed'), [
    { level: 'error', object: { hook: 'afterCommit', err: { message: 'at once' } } }, { object: { err: undefined } }, { object: { err: { message: 'later' } } }, { object: { err: { message: 'thenable' } } },
  ])
  const error = new Error('mine')
  await t.rejects(db.transaction((tx) => {
    tx.afterRollback((given) => { throw given })
    throw error
  }), error)
  t.match(events(log, 'hook.failed').at(-1), { object: { hook: 'afterRollback', err: error } })
})

t.test('those of a savepoint', async (t) => {
  const observer = await freshDatabase(t)
  const db = await openDatabase(t, observer, { max: 1 })
  const done: string[] = []
  const both = (tx: Transaction, name: string): void => {
    tx.afterCommit(() => { done.push(`${name} committed`) })
    tx.afterRollback((error) => { done.push(`${name} undone by ${(error as Error).message}`) })
  }
  const failing = (name: string) => async (tx: Transaction): Promise<never> => {
    both(tx, name)
    throw new Error(name)
  }
  await db.transaction(async (tx) => {
    both(tx, 'outer')
    await tx.transaction(async (savepoint) => {
      both(savepoint, 'released')
      t.throws(() => tx.afterCommit(() => {}), { code: 'FST_PG_NESTED_TRANSACTION' })
      await savepoint.transaction((inner) => both(inner, 'inner'))
      await t.rejects(savepoint.transaction(failing('lost')))
      t.same(done.splice(0), ['lost undone by lost'], 'as soon as it is undone')
      await savepoint.fetchVal('SELECT 1')
    })
    t.same(done, [])
    await tx.transaction(async (savepoint) => {
      await savepoint.transaction((inner) => both(inner, 'in vain'))
      await failing('undone')(savepoint)
    }).catch(() => {})
    t.same(done.splice(0), ['in vain undone by undone', 'undone undone by undone'])
    tx.transaction((savepoint) => both(savepoint, 'not awaited'))
  })
  t.same(done.splice(0), ['outer committed', 'released committed', 'inner committed', 'not awaited committed'])
  await t.rejects(db.transaction(async (tx) => {
    await tx.transaction((savepoint) => both(savepoint, 'released'))
    await failing('outer')(tx)
  }))
  t.same(done.splice(0), ['released undone by outer', 'outer undone by outer'])
})

t.test('with retries, each attempt has its own', async (t) => {
  const observer = await freshDatabase(t)
  const db = await openDatabase(t, observer, { max: 1 })
  const done: unknown[] = []
  await db.transaction(async (tx, attempt) => {
    done.push(`begin ${attempt}`)
    tx.afterCommit(() => { done.push(`committed ${attempt}`) })
    tx.afterRollback((error) => { done.push(`undone ${attempt} ${(error as { code: string }).code}`) })
    if (attempt < 3) await tx.execute("DO $$ BEGIN RAISE SQLSTATE '40P01'; END $$")
  }, { retries: 5 })
  t.same(done, ['begin 1', 'undone 1 40P01', 'begin 2', 'undone 2 40P01', 'begin 3', 'committed 3'])
})

t.test('if nobody knows whether it was committed, none runs, and a warning says so', async (t) => {
  const observer = await freshDatabase(t)
  await observer.rows(`CREATE FUNCTION die () RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NEW; END $$;
    CREATE TABLE items (id int); CREATE CONSTRAINT TRIGGER dies AFTER INSERT ON items DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (NEW.id = 1) EXECUTE FUNCTION die()`)
  const log = memoryLog()
  const db = await openDatabase(t, observer, { max: 1, log })
  const done: string[] = []
  const both = (tx: Transaction): void => {
    tx.afterCommit(() => { done.push('committed') })
    tx.afterRollback(() => { done.push('undone') })
  }
  await t.rejects(db.transaction(async (tx) => {
    both(tx)
    await tx.execute('INSERT INTO items VALUES (1)')
  }), { code: /^(57P01|FST_PG_CONNECTION_LOST)$/ })
  t.same(done, [])
  t.match(events(log, 'hook.skipped'), [{ level: 'warn', object: { hooks: 2 } }])

  await t.rejects(db.transaction(async (tx) => {
    both(tx)
    await tx.execute('INSERT INTO items VALUES (2)')
    await observer.kill()
    await tx.execute('INSERT INTO items VALUES (3)').catch(() => {})
    await until(() => db.stats().size === 0)
  }))
  t.same(done, ['undone'], 'a connection that was lost before COMMIT')
  t.equal(events(log, 'hook.skipped').length, 1)
  t.same(await observer.rows('SELECT id FROM items'), [])
})

t.test('on a lease they run; in a transaction begun by hand there is no place for them', async (t) => {
  const observer = await freshDatabase(t)
  const db = await openDatabase(t, observer, { max: 1 })
  await using lease = await db.acquire()
  let rows: unknown
  await lease.transaction((tx) => tx.afterCommit(async () => { rows = await lease.fetchVal('SELECT 7') }))
  t.equal(rows, 7)
  await lease.execute('BEGIN')
  await lease.transaction(async (tx) => {
    t.throws(() => tx.afterCommit(() => {}), { code: 'FST_PG_QUERY' })
    await tx.transaction((inner) => { t.throws(() => inner.afterRollback(() => {}), { code: 'FST_PG_QUERY' }) })
  })
})

t.test('a hook may wait for the pool: that is no deadlock of transactions', async (t) => {
  const observer = await freshDatabase(t)
  const db = await openDatabase(t, observer, { max: 2 })
  const committed = Array.from({ length: 20 }, (_, n) => db.transaction(async (tx) => {
    await tx.fetchVal('SELECT 1')
    let inHook: unknown
    tx.afterCommit(async () => { inHook = await db.transaction((tx) => tx.fetchVal('SELECT $1::int', n)) })
    return () => inHook
  }))
  t.same((await Promise.all(committed)).map((value) => value()), Array.from({ length: 20 }, (_, n) => n))
})
