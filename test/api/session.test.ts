import t, { type Test } from 'tap'
import type { Database } from '../../src/index.js'
import { freshDatabase, openDatabase, until } from '../support/database.js'

t.test('what one user leaves in the session, the next one does not find', async (t) => {
  const observer = await freshDatabase(t)
  const clean = async (t: Test, db: Database): Promise<void> => {
    t.equal(await db.fetchVal("SELECT current_setting('search_path')"), '"$user", public')
    t.equal(await db.fetchVal("SELECT to_regclass('pg_temp.leftover')"), null)
    t.equal(await db.fetchVal('SELECT count(*) FROM pg_locks WHERE locktype = $1 AND pid = pg_backend_pid()', 'advisory'), 0)
    t.equal(await db.fetchVal('SELECT count(*) FROM pg_listening_channels()'), 0)
    t.equal(await db.fetchVal('SELECT count(*) FROM pg_cursors WHERE name <> $1', ''), 0)
    t.equal(await db.fetchVal('SELECT current_user'), 'postgres')
    t.equal(await db.fetchVal('SELECT session_user'), 'postgres')
    await t.rejects(db.fetchVal('SELECT lastval()'), { code: '55000' }, 'no sequence was used')
    await t.rejects(db.fetchVal("SELECT currval('counted')"), { code: '55000' }, 'nor this one')
    t.equal(await db.fetchVal("SELECT current_setting('statement_timeout')"), '1min')
    t.equal(await db.fetchVal('SELECT pg_current_xact_id_if_assigned()'), null)
  }
  const leavings = [
    'SET search_path TO pg_catalog',
    "SELECT set_config('search_path', 'pg_catalog', false)",
    'CREATE TEMP TABLE leftover (id int)',
    'SELECT pg_advisory_lock(42)',
    'LISTEN somebody',
    'SET ROLE pg_monitor',
    'BEGIN',
    "DO $$ BEGIN PERFORM set_config('search_path', 'pg_catalog', false); END $$",
    'SET statement_timeout = 12345',
    'DECLARE leftover CURSOR WITH HOLD FOR SELECT 1',
    'SET SESSION AUTHORIZATION pg_monitor',
    "DO $$ BEGIN PERFORM nextval('counted'); END $$",
  ]
  await observer.rows('CREATE SEQUENCE counted')

  t.test('by a lease (case 30)', async (t) => {
    const db = await openDatabase(t, observer, { min: 1, max: 1 })
    const pid = await db.fetchVal('SELECT pg_backend_pid()')
    for (const text of leavings) {
      const lease = await db.acquire()
      await lease.execute(text)
      await lease.release()
      await clean(t, db)
    }
    t.equal(await db.fetchVal('SELECT pg_backend_pid()'), pid, 'on the same connection')
  })

  t.test('by a single call', async (t) => {
    const db = await openDatabase(t, observer, { min: 1, max: 1 })
    for (const text of leavings.filter((text) => text !== 'BEGIN')) {
      await db.execute(text)
      await clean(t, db)
      // The driver tells the last command only.
      if (!text.endsWith('pg_monitor')) await db.execute(`${text}; SELECT 1; CREATE TABLE IF NOT EXISTS public.plain_too (id int)`)
      await clean(t, db)
    }
    await db.fetchVal('SELECT pg_advisory_lock($1)', 42)
    await clean(t, db)
    t.equal(db.stats().created, 1)
  })

  t.test('by a transaction that commits', async (t) => {
    const db = await openDatabase(t, observer, { min: 1, max: 1 })
    for (const text of leavings.filter((text) => text !== 'BEGIN')) {
      await db.transaction((tx) => tx.execute(text))
      await clean(t, db)
    }
  })

  t.test('by a script that fails in a transaction of its own', async (t) => {
    const db = await openDatabase(t, observer, { min: 1, max: 1 })
    await t.rejects(db.execute('BEGIN; SET search_path TO pg_catalog; SELECT 1 / 0; COMMIT'), { code: '22012' })
    await clean(t, db)
  })

  t.test('released inside a transaction, or a failed one (case 29)', async (t) => {
    const db = await openDatabase(t, observer, { min: 1, max: 1 })
    await db.execute('CREATE TABLE kept (id int)')
    for (const fails of [false, true]) {
      const lease = await db.acquire()
      await lease.execute('BEGIN')
      await lease.execute('INSERT INTO kept VALUES (1)')
      if (fails) await t.rejects(lease.execute('SELECT 1 / 0'), { code: '22012' })
      await lease.release()
      await clean(t, db)
      t.equal(await db.fetchVal('SELECT count(*) FROM kept'), 0)
    }
    t.equal(db.stats().created, 1)
  })

  t.test('plain statements cost no cleaning', async (t) => {
    const db = await openDatabase(t, observer, { min: 1, max: 1 })
    await observer.rows('CREATE TABLE IF NOT EXISTS plain (id int)')
    const lease = await db.acquire()
    await lease.fetchVal('SELECT 1')
    await t.rejects(lease.fetchVal('SELECT 1 / 0'))
    await t.rejects(lease.execute('INSERT INTO plain VALUES ($1)', 'x'))
    await lease.release()
    t.equal(db.stats().free, 1, 'free at once')
  })

  t.test('statements that were prepared survive the cleaning', async (t) => {
    const db = await openDatabase(t, observer, { min: 1, max: 1 })
    for (let i = 0; i < 5; i++) {
      t.equal(await db.fetchVal('SELECT $1::int + 1', i), i + 1)
      await db.execute('SET search_path TO pg_catalog')
    }
    await db.execute('DISCARD ALL')
    t.equal(await db.fetchVal('SELECT $1::int + 1', 7), 8, 'and dropping them behind our back is mended')
    await db.execute('DEALLOCATE ALL')
    t.equal(await db.fetchVal('SELECT $1::int + 1', 8), 9)
  })

  t.test('double release does nothing; use after release rejects (case 31)', async (t) => {
    const db = await openDatabase(t, observer, { min: 2, max: 2 })
    const lease = await db.acquire()
    await Promise.all([lease.release(), lease.release()])
    await lease.release()
    t.match(db.stats(), { free: 2, size: 2 })
    const calls: Array<() => Promise<unknown>> = [
      () => lease.fetchOne('SELECT 1'), () => lease.execute('SELECT 1'), () => lease.executeMany('SELECT $1', [[1]]), () => lease.transaction(() => 1),
    ]
    for (const call of calls) await t.rejects(call(), { code: 'FST_PG_RELEASED', message: /lease/ })
    const other = await db.acquire()
    await lease.release()
    t.equal(db.stats().busy, 1, 'a late release does not take it from its next holder')
    await other.release()
  })

  t.test('release waits for what is still running', async (t) => {
    const db = await openDatabase(t, observer, { min: 1, max: 1 })
    const lease = await db.acquire()
    const running = lease.fetchVal('SELECT 5 FROM pg_sleep(0.05)')
    const released = lease.release()
    await t.rejects(lease.fetchVal('SELECT 1'), { code: 'FST_PG_RELEASED' })
    t.equal(db.stats().busy, 1)
    await released
    t.equal(await running, 5)
    t.equal(db.stats().free, 1)
  })

  t.test('await using gives the connection back', async (t) => {
    const db = await openDatabase(t, observer, { min: 1, max: 1 })
    await (async () => {
      await using lease = await db.acquire()
      t.equal(await lease.fetchVal('SELECT 1'), 1)
    })()
    t.equal(db.stats().free, 1)
  })

  t.test('calls on one lease made together run one after the other', async (t) => {
    const db = await openDatabase(t, observer, { min: 1, max: 1 })
    const lease = await db.acquire()
    t.same(await Promise.all([1, 2, 3].map((n) => lease.fetchVal('SELECT $1::int', n))), [1, 2, 3])
    const mixed = await Promise.allSettled([lease.fetchVal('SELECT 1'), lease.fetchVal('SELECT 1 / 0'), lease.fetchVal('SELECT 3')])
    t.same(mixed.map(({ status }) => status), ['fulfilled', 'rejected', 'fulfilled'])
    await lease.release()
    await until(() => db.stats().free === 1)
  })
})

t.test('a transaction on a lease waits for the calls that were made before, and the lease goes on after it', async (t) => {
  const observer = await freshDatabase(t)
  const db = await openDatabase(t, observer, { min: 1, max: 1 })
  const lease = await db.acquire()
  t.same(await Promise.all([lease.fetchVal('SELECT 1'), lease.transaction((tx) => tx.fetchVal('SELECT 2'))]), [1, 2])
  t.same(await Promise.all([lease.fetchVal('SELECT 1 / 0').catch(({ code }) => code), lease.transaction((tx) => tx.fetchVal('SELECT 3'))]), ['22012', 3])
  await Promise.all([lease.fetchVal('SELECT pg_sleep(0.01)'), lease.executeMany('SELECT $1::int', [[1], [2]])])
  await t.rejects(lease.transaction((tx) => tx.execute("SELECT 'x'; -- y\rCOMMIT")), { code: 'FST_PG_QUERY' })
  await t.rejects(lease.transaction((tx) => tx.fetchVal('SELECT 1 / 0')), { code: '22012' })
  t.equal(await lease.fetchVal('SELECT 4'), 4)
  await lease.execute('BEGIN')
  await lease.execute('ROLLBACK')
  await lease.release()
  await until(() => db.stats().free === 1)
})
