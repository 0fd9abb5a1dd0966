import { once } from 'node:events'
import t from 'tap'
import { errors, type Database, type Queryable } from '../../src/index.js'
import { jitteredPause, Pauses } from '../../src/timing/pauses.js'
import { conflictIn } from '../../src/transaction/retries.js'
import { freshDatabase, memoryLog, openDatabase, type MemoryLog, type Observer } from '../support/database.js'

const BALANCE = 'SELECT balance FROM accounts WHERE id = 1'
const ADD = 'UPDATE accounts SET balance = balance + $1 WHERE id = 1'
const serializable = { isolation: 'serializable' } as const

async function accounts (t: { teardown (work: () => unknown): void }, observer: Observer, log?: MemoryLog): Promise<Database> {
  await observer.rows('CREATE TABLE accounts (id int PRIMARY KEY, balance int NOT NULL); INSERT INTO accounts VALUES (1, 0), (2, 0)')
  return await openDatabase(t as never, observer, { max: 8, ...log !== undefined && { log } })
}

/** Another one writes what this transaction has read: at its first write it cannot be serialized. */
async function conflict (tx: Queryable, other: Database): Promise<void> {
  await tx.fetchVal(BALANCE)
  await other.execute(ADD, 1)
}

t.test('after a serialization failure it runs again, with the number of the attempt', async (t) => {
  const observer = await freshDatabase(t)
  const log = memoryLog()
  const db = await accounts(t, observer, log)
  const attempts: number[] = []
  const result = await db.transaction(async (tx, attempt) => {
    attempts.push(attempt)
    if (attempt < 3) await conflict(tx, db)
    await tx.execute(ADD, 10)
    return attempt
  }, { ...serializable, retries: 3 })
  t.equal(result, 3)
  t.same(attempts, [1, 2, 3])
  t.equal(await db.fetchVal(BALANCE), 12)
  const lines = log.lines.filter(({ object }) => 'event' in object && object.event === 'transaction.retried')
  t.match(lines, [{ level: 'debug', object: { attempt: 1, code: '40001', pool: 'db' } }, { object: { attempt: 2 } }])
  t.equal(lines.length, 2)
})

t.test('up to so many times, and then the caller gets its error', async (t) => {
  const observer = await freshDatabase(t)
  const db = await accounts(t, observer)
  for (const retries of [undefined, 0, 2]) {
    let attempts = 0
    await t.rejects(db.transaction(async (tx, attempt) => {
      t.equal(attempt, ++attempts)
      await conflict(tx, db)
      await tx.execute(ADD, 100)
    }, { ...serializable, ...retries !== undefined && { retries } }), { code: '40001' })
    t.equal(attempts, 1 + (retries ?? 0))
  }
  t.equal(await db.fetchVal(BALANCE), 5)
  t.equal(db.stats().busy, 0)
})

t.test('however the failure comes out', async (t) => {
  const observer = await freshDatabase(t)
  const db = await accounts(t, observer)
  await observer.rows(`CREATE FUNCTION refuse () RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE SQLSTATE '40001'; END $$;
    CREATE TABLE late (id int); CREATE CONSTRAINT TRIGGER late AFTER INSERT ON late DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (NEW.id = 1) EXECUTE FUNCTION refuse()`)
  const ways: Record<string, (tx: Queryable, attempt: number) => Promise<unknown>> = {
    'as the cause of another error': (tx) => tx.execute(ADD, 1).catch((error) => { throw new Error('mine', { cause: new Error('another', { cause: error }) }) }),
    swallowed: (tx) => tx.execute(ADD, 1).catch(() => {}),
    'swallowed in a savepoint that goes on': (tx) => tx.transaction((savepoint) => savepoint.execute(ADD, 1).catch(() => {})).catch((error) => { throw error }),
    'from a batch': (tx) => tx.executeMany(ADD, [[1], [2]]),
  }
  for (const [way, fail] of Object.entries(ways)) {
    const attempts: number[] = []
    await db.transaction(async (tx, attempt) => {
      attempts.push(attempt)
      if (attempt === 1) {
        await conflict(tx, db)
        await fail(tx, attempt)
      }
    }, { ...serializable, retries: 1 })
    t.same(attempts, [1, 2], way)
  }
  t.equal(await db.transaction(async (tx, attempt) => {
    await tx.execute('INSERT INTO late VALUES ($1)', attempt)
    return attempt
  }, { retries: 5 }), 2, 'from COMMIT')
  t.same(await observer.rows('SELECT id FROM late'), [{ id: 2 }])
})

t.test('after a deadlock', async (t) => {
  const observer = await freshDatabase(t)
  const db = await accounts(t, observer)
  await observer.rows("DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET deadlock_timeout = ''50ms''', current_database()); END $$")
  db.expire()
  let attempts = 0
  const both = async (first: number, second: number, met: Promise<unknown>, meet: () => void): Promise<void> => db.transaction(async (tx, attempt) => {
    attempts++
    await tx.execute('UPDATE accounts SET balance = balance + 1 WHERE id = $1', first)
    meet()
    if (attempt === 1) await met
    await tx.execute('UPDATE accounts SET balance = balance + 1 WHERE id = $1', second)
  }, { retries: 10 })
  const [one, two] = [new AbortController(), new AbortController()] // aborted: its first row is locked
  await Promise.all([both(1, 2, once(two.signal, 'abort'), () => one.abort()), both(2, 1, once(one.signal, 'abort'), () => two.abort())])
  t.ok(attempts >= 3, `${attempts} attempts`)
  t.same(await observer.rows('SELECT balance FROM accounts ORDER BY id'), [{ balance: 2 }, { balance: 2 }])
})

t.test('20 callers of one row, serializable: all get through', async (t) => {
  const observer = await freshDatabase(t)
  const db = await accounts(t, observer)
  await Promise.all(Array.from({ length: 20 }, () => db.transaction(async (tx) => {
    const balance = await tx.fetchVal<number>(BALANCE)
    await tx.execute('UPDATE accounts SET balance = $1 WHERE id = 1', (balance ?? 0) + 1)
  }, { ...serializable, retries: 100 })))
  t.equal(await db.fetchVal(BALANCE), 20)
})

t.test('other errors are final, and so is one of unknown outcome', async (t) => {
  const observer = await freshDatabase(t)
  const db = await accounts(t, observer)
  let attempts = 0
  const final = async (work: (tx: Queryable) => Promise<unknown>, error: object): Promise<void> => {
    attempts = 0
    t.match(await db.transaction(async (tx) => { attempts++; await work(tx) }, { retries: 5 }).catch((error) => error), error)
    t.equal(attempts, 1)
  }
  await final(async () => { throw new Error('mine') }, { message: 'mine' })
  await final((tx) => tx.execute('SELECT 1 / $1::int', 0), { code: '22012' })
  await final(async () => { throw Object.assign(new Error('mine'), { code: '40001' }) }, { message: 'mine' })
  await final((tx) => tx.execute('SELECT pg_terminate_backend(pg_backend_pid())'), { code: /^(57P01|FST_PG_CONNECTION_LOST)$/ })
  await observer.rows(`CREATE FUNCTION die () RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NEW; END $$;
    CREATE TABLE dies (id int); CREATE CONSTRAINT TRIGGER dies AFTER INSERT ON dies DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION die()`)
  await final((tx) => tx.execute('INSERT INTO dies VALUES (1)'), { code: /^(57P01|FST_PG_CONNECTION_LOST)$/ })
  for (const retries of [-1, 1.5, 101, NaN, Infinity, '1', null, true, {}]) {
    await t.rejects(db.transaction(async () => {}, { retries: retries as number }), { code: 'FST_PG_OPTION', message: /^transaction\.retries takes/ })
  }
  await db.transaction(async (tx) => { await t.rejects(tx.transaction(async () => {}, { retries: 1 }), { code: 'FST_PG_QUERY' }) })
})

t.test('on a lease too, unless in a transaction begun by hand', async (t) => {
  const observer = await freshDatabase(t)
  const db = await accounts(t, observer)
  await using lease = await db.acquire()
  t.equal(await lease.transaction(async (tx, attempt) => {
    if (attempt === 1) await conflict(tx, db)
    await tx.execute(ADD, 1)
    return attempt
  }, { ...serializable, retries: 1 }), 2)
  await lease.execute('BEGIN')
  await t.rejects(lease.transaction(async () => {}, { retries: 1 }), { code: 'FST_PG_QUERY' })
  t.equal(await lease.transaction(async (_, attempt) => attempt), 1)
})

t.test('the connection is released during the pause, which ends when the pool closes', async (t) => {
  const observer = await freshDatabase(t)
  const db = await accounts(t, observer)
  let attempts = 0
  let closed: Promise<void> | undefined
  const work = db.transaction(async (tx) => {
    attempts++
    tx.afterRollback(async () => {
      if (attempts < 6) return
      await Promise.all(Array.from({ length: 8 }, () => db.fetchVal('SELECT pg_sleep(0)'))) // all connections are there
      closed = db.close()
    })
    await tx.execute("DO $$ BEGIN RAISE SQLSTATE '40001'; END $$")
  }, { retries: 100 })
  await t.rejects(work, { code: '40001' })
  t.equal(attempts, 6)
  await closed
})

t.test('options are read once, and a getter that throws is named', async (t) => {
  const observer = await freshDatabase(t)
  const db = await accounts(t, observer)
  const reads: string[] = []
  const options = new Proxy({ ...serializable, retries: 2, settings: { 'app.tenant': 't1' } }, {
    get (target, name) {
      reads.push(String(name))
      return Reflect.get(target, name)
    },
  })
  await db.transaction(async (tx, attempt) => {
    t.equal(await tx.fetchVal("SELECT current_setting('app.tenant')"), 't1')
    if (attempt < 3) await conflict(tx, db)
    await tx.execute(ADD, 1)
  }, options)
  t.same(reads.sort(), ['deferrable', 'isolation', 'readOnly', 'retries', 'settings'])
  await t.rejects(db.transaction(async () => {}, { get retries (): number { throw new Error('mine') } }), { code: 'FST_PG_OPTION', cause: { message: 'mine' } })
})

t.test('conflicts are looked for in causes, whatever those are', async (t) => {
  const round: { cause?: unknown } = {}
  round.cause = round
  for (const error of [undefined, null, 1, round, new Proxy({}, { get () { throw new Error() }, has () { throw new Error() } }), new errors.TransactionAbortedError('x'), { get cause () { throw new Error() } }]) t.equal(conflictIn(error), undefined)
})

t.test('pauses grow, with full jitter, and end together', async (t) => {
  for (let attempt = 1; attempt <= 100; attempt++) {
    const most = Math.min(1_000, 10 * 2 ** (attempt - 1))
    for (let i = 0; i < 20; i++) {
      const pause = jitteredPause(attempt)
      t.ok(pause >= 0 && pause <= most)
    }
  }
  const pauses = new Pauses()
  await pauses.wait(1)
  const [one, two] = [pauses.wait(1e9), pauses.wait(1e9)]
  pauses.end()
  await Promise.all([one, two, pauses.wait(1e9)])
})
