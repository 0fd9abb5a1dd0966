import t from 'tap'
import { Session } from '../../src/connection/session.js'
import { createDatabase } from '../../src/index.js'
import { StatementCache } from '../../src/query/statement.js'
import { startEmbeddedPostgres } from '../../tools/embedded-postgres/embedded-postgres.js'
import { freshDatabase, memoryLog, openDatabase, until } from '../support/database.js'

/**
 * Commands that no reading of the text finds: with `standard_conforming_strings` off the string ends where a text that is read
 * by the standard goes on. That the texts are read by the session's setting is undone here: this is about the net beneath it.
 */
Object.defineProperty(Session.prototype, 'standardStrings', { value: true })
const hidden = (commands: string): string => `SELECT 'a\\''; ${commands}; --'`
const parameters = { standard_conforming_strings: 'off' }

t.test('what a call does to a transaction is told by the server, not by the text', async (t) => {
  const observer = await freshDatabase(t)
  await observer.rows('CREATE TABLE marks (mark text)')
  const marks = async (): Promise<unknown[]> => (await observer.rows('SELECT mark FROM marks ORDER BY mark')).map(({ mark }) => mark)
  t.afterEach(() => observer.rows('TRUNCATE marks'))

  t.test('a single call that leaves a transaction open is refused, and its work rolled back', async (t) => {
    const db = await openDatabase(t, observer, { min: 1, max: 1, parameters })
    for (const commands of ["BEGIN; INSERT INTO marks VALUES ('lost')", "INSERT INTO marks VALUES ('kept'); BEGIN", 'BEGIN; COMMIT AND CHAIN', 'BEGIN; SAVEPOINT a']) {
      await t.rejects(db.execute(hidden(commands)), { code: 'FST_PG_QUERY', message: /left a transaction open, which was rolled back/ }, commands)
      const states = (await observer.backends()).map(({ state }) => state)
      t.notOk(states.some((state) => state.startsWith('idle in transaction')), `${states.join()}: before the caller hears of it`)
    }
    await t.rejects(db.execute(hidden('BEGIN; SELECT 1 / 0')), { code: 'FST_PG_QUERY', cause: { code: '22012' } })
    t.equal(await db.fetchVal('SELECT pg_current_xact_id_if_assigned()'), null)
    await until(() => db.stats().free === 1) // what is reset is not yet
    t.match(db.stats(), { created: 1, size: 1, free: 1, errors: 5 })
    t.same(await marks(), [])
  })

  t.test('a script that begins and ends its own transaction is none of those', async (t) => {
    const db = await openDatabase(t, observer, { min: 1, max: 1, parameters })
    await db.execute(hidden("BEGIN; INSERT INTO marks VALUES ('kept'); COMMIT"))
    t.same(await marks(), ['kept'])
  })

  t.test('a hidden COMMIT: nobody knows what is committed, so that no hook is called, and nothing runs again', async (t) => {
    await observer.rows("CREATE FUNCTION conflict () RETURNS int LANGUAGE plpgsql AS $$ BEGIN RAISE SQLSTATE '40001'; END $$")
    const log = memoryLog()
    const db = await openDatabase(t, observer, { min: 1, max: 2, parameters, log })
    let attempts = 0
    await t.rejects(db.transaction(async (tx) => {
      attempts++
      tx.afterCommit(() => { throw new Error('it ran') })
      tx.afterRollback(() => { throw new Error('it ran') })
      await tx.execute(hidden('COMMIT')).catch(() => {})
      await db.fetchVal('SELECT conflict()')
    }, { retries: 3 }), { code: '40001' })
    t.equal(attempts, 1)
    t.same(log.lines.flatMap(({ object }) => 'event' in object && String(object.event).startsWith('hook.') ? [object.event] : []), ['hook.skipped'])
  })

  const endings = ['COMMIT', 'COMMIT; BEGIN', 'COMMIT AND CHAIN', 'ROLLBACK', 'ROLLBACK; BEGIN', 'ROLLBACK AND CHAIN', 'ABORT', 'END', 'BEGIN', 'START TRANSACTION']
  t.test('what ends a transaction from inside ends it for good', async (t) => {
    const db = await openDatabase(t, observer, { min: 1, max: 1, parameters })
    for (const commands of endings) {
      let later: unknown
      await t.rejects(db.transaction(async (tx) => {
        await tx.execute("INSERT INTO marks VALUES ('before')")
        await t.rejects(tx.execute(hidden(commands)), { code: 'FST_PG_TRANSACTION_ABORTED' }, commands)
        later = await tx.execute("INSERT INTO marks VALUES ('outside')").catch((error) => error.code)
        await t.rejects(tx.transaction((inner) => inner.fetchVal('SELECT 1')), { code: 'FST_PG_TRANSACTION_ABORTED' })
        await t.rejects(tx.executeMany('INSERT INTO marks VALUES ($1)', [['outside']]), { code: 'FST_PG_TRANSACTION_ABORTED' })
      }), { code: 'FST_PG_TRANSACTION_ABORTED' }, commands)
      t.equal(later, 'FST_PG_TRANSACTION_ABORTED', commands)
      t.notOk((await marks()).includes('outside'), commands)
      t.equal(await db.fetchVal('SELECT pg_current_xact_id_if_assigned()'), null, 'nothing is open')
    }
    await until(() => db.stats().free === 1) // what is reset is not yet
    t.match(db.stats(), { created: 1, free: 1 })
  })

  t.test('as the first call, and in a savepoint, too', async (t) => {
    const db = await openDatabase(t, observer, { min: 1, max: 1, parameters })
    for (const commands of endings) {
      await t.rejects(db.transaction((tx) => tx.execute(hidden(commands))), { code: 'FST_PG_TRANSACTION_ABORTED' }, `${commands} first`)
      await t.rejects(db.transaction((tx) => tx.transaction((inner) => inner.execute(hidden(commands)))), { code: 'FST_PG_TRANSACTION_ABORTED' }, `${commands} in a savepoint`)
      await t.rejects(db.transaction(async (tx) => {
        await tx.transaction((inner) => inner.execute(hidden(commands))).catch(() => {})
        await tx.execute("INSERT INTO marks VALUES ('outside')").catch(() => {})
      }), { code: 'FST_PG_TRANSACTION_ABORTED' }, `${commands}, swallowed`)
    }
    t.same(await marks(), [])
    await until(() => db.stats().free === 1) // what is reset is not yet
    t.match(db.stats(), { created: 1, free: 1 })
  })

  t.test('a savepoint of its own may be gone back to', async (t) => {
    const db = await openDatabase(t, observer, { min: 1, max: 1 })
    await db.transaction(async (tx) => {
      await tx.execute("INSERT INTO marks VALUES ('a')")
      await tx.execute('SAVEPOINT mine')
      await tx.execute("INSERT INTO marks VALUES ('b')")
      await tx.execute('ROLLBACK TO mine')
      await tx.execute("INSERT INTO marks VALUES ('c')")
      await t.rejects(tx.execute('SELECT 1 / 0'), { code: '22012' })
      await tx.execute('ROLLBACK TO SAVEPOINT mine; RELEASE mine')
      await tx.execute("INSERT INTO marks VALUES ('d')")
    })
    t.same(await marks(), ['a', 'd'])
  })

  t.test('a first call that was given up before BEGIN was answered leaves nothing outside of a transaction', async (t) => {
    const db = await openDatabase(t, observer, { min: 1, max: 1 })
    const insert = { text: "INSERT INTO marks SELECT 'outside' FROM pg_sleep($1)", prepare: true }
    await db.execute(insert, 0)
    await observer.rows('TRUNCATE marks')
    for (let round = 0; round < 30; round++) {
      const controller = new AbortController()
      await db.transaction(async (tx) => {
        const first = tx.execute({ ...insert, signal: controller.signal }, 5)
        controller.abort()
        await t.rejects(first, { code: 'FST_PG_ABORTED' })
        await tx.execute(insert, 0).catch(() => {})
        throw new Error('undo it')
      }).catch((error) => t.equal(error.message, 'undo it'))
      t.same(await marks(), [], `round ${round}`)
    }
    await until(() => db.stats().free === 1) // what is reset is not yet
    t.match(db.stats(), { size: 1, free: 1 })
  })

  t.test('a lease knows whether a transaction is open', async (t) => {
    const db = await openDatabase(t, observer, { min: 1, max: 1, parameters })
    const lease = await db.acquire()
    await lease.execute(hidden('BEGIN'))
    await lease.transaction((tx) => tx.execute("INSERT INTO marks VALUES ('inside')")) // a savepoint
    t.same(await marks(), [])
    await lease.execute(hidden('COMMIT'))
    t.same(await marks(), ['inside'])
    await lease.execute(hidden('BEGIN'))
    await lease.execute("INSERT INTO marks VALUES ('left open')")
    await lease.release()
    t.equal(await db.fetchVal('SELECT pg_current_xact_id_if_assigned()'), null)
    t.same(await marks(), ['inside'])
    t.equal(db.stats().created, 1)
  })

  t.test('settings that the text does not show are not left to the next one', async (t) => {
    const db = await openDatabase(t, observer, { min: 1, max: 1, parameters })
    await db.execute(hidden("SET work_mem = '8MB'"))
    t.equal(await db.fetchVal("SELECT current_setting('work_mem')"), (await observer.rows('SHOW work_mem'))[0]?.['work_mem'])
    t.equal(db.stats().created, 1)
  })

  t.test('statements that were prepared and taken away are prepared again, also inside a transaction', async (t) => {
    const db = await openDatabase(t, observer, { min: 1, max: 1, parameters })
    const lease = await db.acquire()
    const query = { text: 'SELECT $1::int', prepare: true }
    for (const text of ['DEALLOCATE ALL', 'DISCARD ALL', hidden('DEALLOCATE ALL')]) {
      for (let n = 0; n < 3; n++) t.equal(await lease.fetchVal(query, n), n)
      await lease.execute(text)
      t.equal(await lease.transaction((tx) => tx.fetchVal(query, 7)), 7, text)
    }
    await lease.release()
    t.match(db.stats(), { created: 1, errors: 0 })
  })

  t.test('a statement that is described anew gets a new name, and the server forgets the old one', async (t) => {
    const db = await openDatabase(t, observer, { min: 1, max: 1 })
    await observer.rows('CREATE TABLE changing (id int, v int); INSERT INTO changing VALUES (1, 1)')
    const query = { text: 'SELECT * FROM changing WHERE id = $1', prepare: true }
    const prepared = async (): Promise<number> => Number(await db.fetchVal("SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE '%changing%' AND statement NOT LIKE '%count%'"))
    await db.fetchOne(query, 1)
    t.equal(await prepared(), 1)
    for (let change = 0; change < 5; change++) {
      await observer.rows(`ALTER TABLE changing ADD COLUMN more${change} int`)
      t.ok(Object.hasOwn(await db.fetchOne(query, 1) ?? {}, `more${change}`))
      t.equal(await prepared(), 1, `after ${change + 1} changes`)
    }
    t.match(db.stats(), { created: 1, errors: 0 })
  })
})

t.test('a transaction that is prepared for a second phase is over', async (t) => {
  const server = await startEmbeddedPostgres({ settings: { max_prepared_transactions: 5 } })
  t.teardown(() => server.close())
  const db = createDatabase({ url: server.url, min: 1, max: 1, parameters, log: memoryLog() }, {})
  t.teardown(() => db.close())
  await db.execute('CREATE TABLE marks (mark text)')
  await t.rejects(db.transaction(async (tx) => {
    await tx.execute("INSERT INTO marks VALUES ('prepared')")
    await tx.execute(hidden("PREPARE TRANSACTION 'held'")).catch(() => {})
    await tx.execute("INSERT INTO marks VALUES ('outside')").catch(() => {})
  }), { code: 'FST_PG_TRANSACTION_ABORTED' })
  t.equal(await db.fetchVal('SELECT count(*) FROM marks'), 0)
  await db.execute("ROLLBACK PREPARED 'held'").catch((error) => t.match(error, { code: 'FST_PG_QUERY' }))
  const lease = await db.acquire()
  await lease.execute("ROLLBACK PREPARED 'held'")
  await lease.release()
})

t.test('why the server hung up is the cause for every call that meets it', async (t) => {
  const observer = await freshDatabase(t)

  t.test('killed: those in flight, later ones on the lease, and the log', async (t) => {
    const db = await openDatabase(t, observer, { min: 2, max: 2 })
    const lease = await db.acquire()
    const call = t.rejects(lease.fetchVal('SELECT pg_sleep(20)'), { code: 'FST_PG_CONNECTION_LOST', cause: { code: '57P01' } })
    await until(async () => (await observer.backends()).some(({ state }) => state === 'active'))
    await observer.kill()
    await call
    await t.rejects(lease.fetchVal('SELECT 1'), { code: 'FST_PG_CONNECTION_LOST', cause: { code: '57P01' } })
    await lease.release()
    await until(() => db.stats().closed.lost === 2)
    t.equal(await db.fetchVal('SELECT 1'), 1)
  })

  const timeouts: Array<[setting: string, code: string]> = [
    ['idle_in_transaction_session_timeout', '25P03'], ['idle_session_timeout', '57P05'], ['transaction_timeout', '25P04'],
  ]
  for (const [setting, code] of timeouts) {
    t.test(setting, async (t) => {
      const log: Array<{ err: { code: string } }> = []
      const db = await openDatabase(t, observer, {
        min: 1,
        max: 1,
        parameters: { [setting]: 150 },
        log: { debug () {}, info () {}, warn: (object) => log.push(object as never), error () {} },
      })
      const failed = db.transaction(async (tx) => {
        await tx.fetchVal('SELECT 1')
        if (code === '57P05') return
        await until(() => log.length > 0)
        await tx.fetchVal('SELECT 2')
      })
      if (code === '57P05') await failed
      else await t.rejects(failed, { code: 'FST_PG_CONNECTION_LOST', cause: { code } })
      await until(() => log.length > 0)
      t.match(log[0], { err: { code } })
    })
  }
})

t.test('a call that was given up before it was written is over before anything else is sent', async (t) => {
  const observer = await freshDatabase(t)
  await observer.rows('CREATE TABLE written (n int)')
  const count = async (): Promise<unknown> => (await observer.rows('SELECT count(*)::int AS n FROM written'))[0]?.['n']
  const giveUp = async (call: (signal: AbortSignal) => Promise<unknown>): Promise<void> => {
    const controller = new AbortController()
    const outcome = t.rejects(call(controller.signal), { code: 'FST_PG_ABORTED' })
    controller.abort()
    await outcome
  }

  t.test('a BEGIN on its way does not take the next caller in', async (t) => {
    const db = await openDatabase(t, observer, { min: 1, max: 1 })
    for (let round = 0; round < 20; round++) {
      await giveUp((signal) => db.transaction((tx) => tx.execute({ text: `SELECT ${round}, 'new'`, signal })))
      if (round % 2 === 0) await db.execute('INSERT INTO written VALUES (1)')
      else {
        const lease = await db.acquire()
        await lease.execute('INSERT INTO written VALUES (1)')
        await lease.release()
      }
      t.equal(await count(), round + 1, `round ${round}`)
    }
    t.equal(db.stats().created, 1)
  })

  t.test('its cancel hits nobody else, on the same lease or behind it', async (t) => {
    const db = await openDatabase(t, observer, { min: 1, max: 1 })
    const write = 'INSERT INTO written SELECT 2 FROM pg_sleep(0.02)'
    for (let round = 0; round < 20; round++) {
      const lease = await db.acquire()
      await giveUp((signal) => lease.execute({ text: 'SELECT 1', signal }))
      if (round % 2 === 0) await lease.execute(write)
      await lease.release()
      if (round % 2 === 1) await db.execute(write)
    }
    t.match(db.stats(), { errors: 20, created: 1 })
  })
})

t.test('a batch may not end a transaction either', async (t) => {
  const observer = await freshDatabase(t)
  await observer.rows('CREATE TABLE written (n int)')
  const db = await openDatabase(t, observer, { min: 1, max: 1 })
  for (const text of ['COMMIT', 'ABORT', '-- x\rCOMMIT']) {
    await t.rejects(db.executeMany(text, [[]]), { code: 'FST_PG_QUERY' }, text)
    await t.rejects(db.transaction(async (tx) => {
      await tx.execute('INSERT INTO written VALUES (555)')
      await tx.executeMany(text, [[]])
    }), { code: 'FST_PG_QUERY' }, text)
  }
  t.same(await observer.rows('SELECT * FROM written'), [])
})

t.test('what a batch leaves behind is told by its command tags, whatever its text was taken for', async (t) => {
  const observer = await freshDatabase(t)
  const get = StatementCache.prototype.get
  t.teardown(() => { StatementCache.prototype.get = get })
  // The reading is undone here: this is about the net beneath it.
  StatementCache.prototype.get = function (...args) {
    return { ...get.apply(this, args), leaves: 'nothing', setsPath: false, changesSession: false, isPlanned: true }
  }
  const db = await openDatabase(t, observer, { min: 1, max: 1 })
  const prepared = { text: 'SELECT $1::int', prepare: true }
  for (const text of ["SET app.tenant = 'B'", 'LISTEN news', "DO $$ BEGIN PERFORM set_config('app.tenant', 'B', false); END $$", 'DEALLOCATE ALL']) {
    t.equal(await db.fetchVal(prepared, 1), 1)
    await db.executeMany({ text, batch: 'pipeline' }, [[], []])
    t.equal(await db.fetchVal("SELECT coalesce(current_setting('app.tenant', true), '') || (SELECT count(*) FROM pg_listening_channels())"), '0', text)
    await db.transaction(async (tx) => t.equal(await tx.fetchVal(prepared, 2), 2, text))
  }
  t.match(db.stats(), { created: 1, errors: 0 })
})
