import t from 'tap'
import { freshDatabase, openDatabase, until } from '../support/database.js'
import { FaultProxy } from '../../tools/fault-proxy.js'

t.test('timeouts and aborts', async (t) => {
  const observer = await freshDatabase(t)
  const running = async (): Promise<number> => (await observer.backends()).filter(({ state }) => state === 'active').length

  t.test('commandTimeout: the server ends the statement, and the connection is kept', async (t) => {
    const db = await openDatabase(t, observer, { min: 1, max: 1, commandTimeout: 0.2 })
    const pid = await db.fetchVal('SELECT pg_backend_pid()')
    await t.rejects(db.fetchVal('SELECT pg_sleep(30)'), { code: 'FST_PG_QUERY_TIMEOUT', statusCode: 504, cause: { code: '57014' } })
    t.equal(await db.fetchVal('SELECT pg_backend_pid()'), pid)
    t.match(db.stats(), { queryTimeouts: 1, errors: 1 })
  })

  t.test('the timeout of a call, shorter or longer than commandTimeout, or none', async (t) => {
    const db = await openDatabase(t, observer, { min: 1, max: 1, commandTimeout: 0.3 })
    await t.rejects(db.fetchVal({ text: 'SELECT pg_sleep(30)', timeout: 0.05 }), { code: 'FST_PG_QUERY_TIMEOUT', advice: /0\.05 s/ })
    t.equal(await db.fetchVal({ text: 'SELECT 1 FROM pg_sleep(0.6)', timeout: 5 }), 1)
    t.equal(await db.fetchVal({ text: 'SELECT 2 FROM pg_sleep(0.6)', timeout: 0 }), 2)
    t.equal(await db.fetchVal("SELECT current_setting('statement_timeout')"), '300ms', 'and back')
    await t.rejects(db.fetchVal('SELECT pg_sleep(30)'), { code: 'FST_PG_QUERY_TIMEOUT' })
    t.equal(db.stats().created, 1)
    const unlimited = await openDatabase(t, observer, { min: 1, max: 1, commandTimeout: 0 })
    t.equal(await unlimited.fetchVal('SELECT 3 FROM pg_sleep(0.1)'), 3)
    t.equal(await unlimited.fetchVal("SELECT current_setting('statement_timeout')"), '0')
    await t.rejects(unlimited.fetchVal({ text: 'SELECT pg_sleep(30)', timeout: 0.05 }), { code: 'FST_PG_QUERY_TIMEOUT' })
  })

  t.test('a longer timeout inside a transaction that is rolled back does not stay', async (t) => {
    const db = await openDatabase(t, observer, { min: 1, max: 1, commandTimeout: 0.3 })
    await t.rejects(db.transaction(async (tx) => {
      await tx.fetchVal({ text: 'SELECT 1 FROM pg_sleep(0.4)', timeout: 5 })
      throw new Error('undo')
    }), { message: 'undo' })
    t.equal(await db.fetchVal("SELECT current_setting('statement_timeout')"), '300ms')
    t.equal(await db.fetchVal({ text: 'SELECT 1 FROM pg_sleep(0.4)', timeout: 5 }), 1)
    t.equal(await db.fetchVal("SELECT current_setting('statement_timeout')"), '300ms')
  })

  t.test('a longer timeout is honoured after a savepoint that set it was rolled back', async (t) => {
    const db = await openDatabase(t, observer, { min: 1, max: 1, commandTimeout: 0.3 })
    await db.transaction(async (tx) => {
      await t.rejects(tx.transaction(async (inner) => {
        await inner.fetchVal({ text: 'SELECT 1', timeout: 5 })
        throw new Error('undo')
      }), { message: 'undo' })
      t.equal(await tx.fetchVal({ text: 'SELECT 1 FROM pg_sleep(0.6)', timeout: 5 }), 1)
    })
  })

  t.test('the timeout covers preparing as well (case 34)', async (t) => {
    const db = await openDatabase(t, observer, { min: 1, max: 1 })
    await observer.rows('CREATE TABLE locked (id int)')
    await observer.rows('BEGIN')
    await observer.rows('LOCK TABLE locked IN ACCESS EXCLUSIVE MODE')
    // Parsing a statement on a table waits for the lock on it.
    await t.rejects(db.fetchVal({ text: 'SELECT id FROM locked WHERE id = $1', timeout: 0.1, prepare: true }, 1), { code: 'FST_PG_QUERY_TIMEOUT' })
    await observer.rows('ROLLBACK')
    t.equal(await db.fetchVal({ text: 'SELECT count(*) FROM locked WHERE id = $1', prepare: true }, 1), 0)
    t.equal(db.stats().created, 1)
  })

  t.test('500 × a hair-thin timeout, then SELECT 1: a late cancel never hits the next query (case 33)', async (t) => {
    const db = await openDatabase(t, observer, { min: 1, max: 1 })
    let timedOut = 0
    for (let i = 0; i < 500; i++) {
      await db.fetchVal({ text: 'SELECT pg_sleep($1)', timeout: 0.002 }, (i % 5) / 1000).catch((error) => {
        if (error.code !== 'FST_PG_QUERY_TIMEOUT') throw error
        timedOut++
      })
      if (await db.fetchVal('SELECT $1::int', i) !== i) t.fail('another answer')
    }
    t.ok(timedOut > 50, 'many of them did time out')
    t.equal(db.stats().queryTimeouts, timedOut)
    t.equal(db.stats().errors, timedOut)
  })

  t.test('an abort ends running work on the server, and the connection is kept for the next', async (t) => {
    const db = await openDatabase(t, observer, { min: 1, max: 1 })
    const pid = await db.fetchVal('SELECT pg_backend_pid()')
    const controller = new AbortController()
    const call = db.fetchVal({ text: 'SELECT pg_sleep(30)', signal: controller.signal })
    await until(async () => await running() === 1)
    controller.abort(new Error('enough'))
    await t.rejects(call, { code: 'FST_PG_ABORTED', cause: { message: 'enough' } })
    t.equal(await db.fetchVal('SELECT pg_backend_pid()'), pid, 'which waits until the statement has ended')
    t.equal(await running(), 0)
  })

  t.test('a signal that fires after the answer changes nothing', async (t) => {
    const db = await openDatabase(t, observer, { min: 1, max: 1 })
    const controller = new AbortController()
    t.equal(await db.fetchVal({ text: 'SELECT 1', signal: controller.signal }), 1)
    controller.abort()
    t.equal(await db.fetchVal('SELECT 2'), 2)
    t.equal(db.stats().errors, 0)
  })

  t.test('a timeout or abort inside a transaction rolls it back', async (t) => {
    const db = await openDatabase(t, observer, { min: 1, max: 1 })
    await observer.rows('CREATE TABLE aborted (id int)')
    await t.rejects(db.transaction(async (tx) => {
      await tx.execute('INSERT INTO aborted VALUES (1)')
      await tx.fetchVal({ text: 'SELECT pg_sleep(30)', timeout: 0.05 })
    }), { code: 'FST_PG_QUERY_TIMEOUT' })
    await t.rejects(db.transaction(async (tx) => {
      await tx.execute('INSERT INTO aborted VALUES (2)')
      await tx.fetchVal({ text: 'SELECT pg_sleep(30)', signal: AbortSignal.timeout(50) }).catch(() => {})
      await tx.execute('INSERT INTO aborted VALUES (3)').catch(() => {})
    }), { code: 'FST_PG_TRANSACTION_ABORTED' })
    t.equal(await db.fetchVal('SELECT count(*) FROM aborted'), 0)
  })

  t.test('a batch has its timeout for each statement, and can be aborted', async (t) => {
    const db = await openDatabase(t, observer, { min: 1, max: 1, commandTimeout: 0.3 })
    const lists = Array.from({ length: 12 }, () => [0.05])
    t.same(await db.executeMany('SELECT pg_sleep($1)', lists), { count: 12 }, '0.6 s in all')
    await t.rejects(db.executeMany('SELECT pg_sleep($1)', [[0], [0], [30]]), { code: 'FST_PG_QUERY_TIMEOUT' })
    await t.rejects(db.executeMany({ text: 'SELECT pg_sleep($1)', signal: AbortSignal.timeout(100) }, Array.from({ length: 100 }, () => [0.05])), { code: 'FST_PG_ABORTED' })
    t.equal(await db.fetchVal('SELECT 1'), 1)
    await until(() => db.stats().free === 1)
  })

  t.test('the timeout and the signal that a batch is given hold for each execution and for all of it', async (t) => {
    const db = await openDatabase(t, observer, { min: 1, max: 1 })
    await observer.rows('CREATE TABLE IF NOT EXISTS batched (n int)')
    const nap = 'INSERT INTO batched SELECT 1 FROM pg_sleep($1)'
    const naps = Array.from({ length: 8 }, () => [0.25])
    const rows = async (): Promise<unknown> => (await observer.rows('SELECT count(*)::int AS n FROM batched'))[0]?.['n']
    await db.transaction(async (tx) => {
      t.same(await tx.executeMany({ text: nap, timeout: 1.5 }, naps), { count: 8 }, '2 s in all')
    })
    t.equal(await rows(), 8)
    await t.rejects(db.executeMany({ text: nap, timeout: 0.5 }, [[0], [0], [60]]), { code: 'FST_PG_QUERY_TIMEOUT' })
    const abort = new AbortController()
    const batch = db.executeMany({ text: nap, signal: abort.signal }, [[0], [0], [60]])
    await until(async () => (await observer.backends()).some(({ query, state }) => query.startsWith('INSERT INTO batched') && state === 'active'))
    abort.abort()
    await t.rejects(batch, { code: 'FST_PG_ABORTED' })
    await t.rejects(db.executeMany({ text: nap, signal: abort.signal }, [[0]]), { code: 'FST_PG_ABORTED' }, 'aborted before it starts')
    t.equal(await rows(), 8, 'nothing of them stays')
    t.equal(await db.fetchVal('SELECT 1'), 1)
  })

  t.test('a cancel that comes before its statement, which the server ignores, is sent again', async (t) => {
    const proxy = await FaultProxy.start(t, observer.url)
    const db = await openDatabase(t, observer, { url: proxy.url, min: 1, max: 1 })
    await db.fetchVal('SELECT 1')
    const { accepted } = proxy
    proxy.hold(true)
    await t.rejects(db.fetchVal({ text: 'SELECT pg_sleep(30)', timeout: 0.05 }), { code: 'FST_PG_QUERY_TIMEOUT' })
    await until(() => proxy.accepted > accepted)
    await until(() => proxy.size === 1) // the cancel's connection has come and gone
    proxy.hold(false)
    t.equal(await db.fetchVal('SELECT 2'), 2)
    t.equal(db.stats().created, 1)
  })

  t.test('a longer timeout holds again after a transaction whose COMMIT turned into a rollback', async (t) => {
    const db = await openDatabase(t, observer, { min: 1, max: 1, commandTimeout: 0.2 })
    await t.rejects(db.transaction(async (tx) => {
      await tx.fetchVal({ text: 'SELECT 1', timeout: 5 })
      await tx.execute({ text: 'SELECT no_such_column', timeout: 5 }).catch(() => {})
    }), { code: 'FST_PG_TRANSACTION_ABORTED' })
    t.equal(await db.fetchVal({ text: 'SELECT 7 FROM pg_sleep(0.5)', timeout: 5 }), 7)
  })

  t.test('a statement that somebody else cancels has not taken too long', async (t) => {
    const db = await openDatabase(t, observer, { min: 1, max: 1, commandTimeout: 30 })
    const call = db.fetchVal('SELECT pg_sleep(20)')
    const outcome = t.rejects(call, { name: 'PostgresError', code: '57014' })
    await until(async () => {
      const [row] = await observer.rows("SELECT pg_cancel_backend(pid) AS done FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(20)' AND state = 'active' AND datname = current_database()")
      return row?.['done'] === true
    })
    await outcome
    t.match(db.stats(), { queryTimeouts: 0, errors: 1, created: 1 })
  })

  t.test('many deadlines at once', async (t) => {
    const db = await openDatabase(t, observer, { min: 4, max: 4 })
    const outcomes = await Promise.allSettled(Array.from({ length: 60 }, (_, i) => db.fetchVal({ text: 'SELECT pg_sleep(0.02)', timeout: 0.01 + (i % 30) / 1000 })))
    const timedOut = outcomes.filter((outcome) => outcome.status === 'rejected')
    t.ok(timedOut.length > 0)
    t.ok(timedOut.every(({ reason }) => reason.code === 'FST_PG_QUERY_TIMEOUT'))
    await until(() => db.stats().free === 4)
    t.match(db.stats(), { waiting: 0, busy: 0 })
  })
})
