import t, { type Test } from 'tap'
import type { Database, DatabaseOptions } from '../../src/index.js'
import { freshDatabase, openDatabase, until } from '../support/database.js'
import { FaultProxy } from '../../tools/fault-proxy.js'

/** The number comes back after as many seconds. */
const SLEEP = 'SELECT $1::int FROM pg_sleep($2)'

/** Runs a statement on each of the connections, so that it is prepared there and known. */
async function learn (db: Database, text = SLEEP, args: readonly unknown[] = [0, 0]): Promise<void> {
  const { size } = db.stats()
  for (let round = 0; round < 5; round++) {
    const leases = await Promise.all(Array.from({ length: size }, () => db.acquire()))
    for (const lease of leases) await lease.fetchVal({ text, prepare: true }, ...args)
    await Promise.all(leases.map((lease) => lease.release()))
  }
}

/** As many calls in one turn of the event loop. */
function sleeps (db: Database, count: number): Array<Promise<number | null>> {
  return Array.from({ length: count }, (_, i) => db.fetchVal<number>(SLEEP, i, 0))
}

/**
 * Makes calls in one turn, until they do travel together: on a machine that has other work to do as well, a statement may
 * just have been too slow to be trusted.
 */
async function together<T extends Array<Promise<unknown>>> (db: Database, before: () => Promise<unknown>, make: () => [...T]): Promise<[...T]> {
  for (let attempts = 200; attempts > 0; attempts--) {
    await before()
    const { pipelined } = db.stats()
    const calls = make()
    if (db.stats().pipelined - pipelined === calls.length - 1) return calls
    await Promise.allSettled(calls)
  }
  throw new Error('they do not travel together')
}

t.test('pipelining', async (t) => {
  const observer = await freshDatabase(t)

  async function learned (t: Test, options: DatabaseOptions): Promise<Database> {
    const db = await openDatabase(t, observer, options)
    await learn(db)
    return db
  }

  t.test('quick calls of one turn travel together, although other connections are free', async (t) => {
    const db = await learned(t, { min: 4, max: 4 })
    t.same(await Promise.all(await together(db, () => learn(db), () => sleeps(db, 2))), [0, 1])
    t.match(db.stats(), { free: 4, errors: 0 })
  })

  t.test('waiting calls travel together, a handful at most', async (t) => {
    const db = await learned(t, { min: 1, max: 1 })
    let left = 100
    await until(async () => {
      await learn(db)
      const lease = await db.acquire()
      const calls = sleeps(db, 100)
      t.equal(db.stats().waiting, 100)
      await lease.release()
      left = Math.min(left, db.stats().waiting)
      t.same(await Promise.all(calls), Array.from({ length: 100 }, (_, i) => i))
      return left <= 68
    })
    t.equal(left, 68)
  })

  t.test('pipeline: false gives each call a connection to itself', async (t) => {
    const db = await learned(t, { min: 4, max: 4, pipeline: false })
    const calls = sleeps(db, 20)
    t.match(db.stats(), { busy: 4, waiting: 16 })
    await Promise.all(calls)
    t.equal(db.stats().pipelined, 0)
  })

  t.test('an unknown statement travels alone, and nothing is sent behind it', async (t) => {
    const db = await learned(t, { min: 3, max: 3 })
    const calls = [db.fetchVal('SELECT 41 FROM pg_sleep(0.2)'), ...sleeps(db, 2)]
    t.not(await Promise.race(calls), 41)
    t.equal(await calls[0], 41)
  })

  t.test('one slow run is noticed: the next calls travel alone, until it was quick again a few times', async (t) => {
    const db = await learned(t, { min: 3, max: 3 })
    t.equal(await db.fetchVal(SLEEP, 7, 0.05), 7)
    const { pipelined } = db.stats()
    const alone = sleeps(db, 3)
    t.equal(db.stats().busy, 3)
    await Promise.all(alone)
    t.equal(db.stats().pipelined, pipelined)
    await Promise.all(await together(db, () => learn(db), () => sleeps(db, 3)))
  })

  t.test('a caller that holds a transaction open does not wait behind a statement that waits for one of its locks', async (t) => {
    await observer.rows('CREATE TABLE locked (id int PRIMARY KEY, n int); INSERT INTO locked VALUES (1, 0)')
    const update = 'UPDATE locked SET n = n + 1 WHERE id = $1'
    const db = await learned(t, { min: 3, max: 3 })
    await learn(db, update, [2])
    let blocked: Promise<unknown> | undefined
    await db.transaction(async (tx) => {
      await tx.execute('UPDATE locked SET n = 100 WHERE id = 1')
      blocked = db.execute(update, 1)
      t.equal(await db.fetchVal({ text: SLEEP, timeout: 5 }, 3, 0), 3)
    })
    t.match(await blocked, { count: 1 })
    t.equal(await db.fetchVal('SELECT n FROM locked'), 101)
  })

  t.test('nothing is sent behind a statement that may wait for a lock, also while callers wait', async (t) => {
    await observer.rows('CREATE TABLE busy (id int PRIMARY KEY, n int); INSERT INTO busy VALUES (1, 0)')
    const update = 'UPDATE busy SET n = n + 1 WHERE id = $1'
    const db = await learned(t, { min: 2, max: 2 })
    await learn(db, update, [2])
    const leases = [await db.acquire(), await db.acquire()]
    await observer.rows('BEGIN')
    await observer.rows('UPDATE busy SET n = 100')
    const calls = [db.execute(update, 1), ...sleeps(db, 20)]
    await Promise.all(leases.map((lease) => lease.release()))
    t.same(await Promise.all(calls.slice(1)), Array.from({ length: 20 }, (_, i) => i))
    await observer.rows('COMMIT')
    t.match(await calls[0], { count: 1 })
  })

  t.test('a statement that times out does not take its neighbours with it', async (t) => {
    const db = await learned(t, { min: 1, max: 1 })
    const [first, ...others] = await together(db, () => learn(db), () => [db.fetchVal({ text: SLEEP, timeout: 0.05 }, 1, 30), ...sleeps(db, 5)])
    await t.rejects(first, { code: 'FST_PG_QUERY_TIMEOUT' })
    t.same(await Promise.all(others), [0, 1, 2, 3, 4])
    t.equal(db.stats().created, 1)
  })

  t.test('one behind others that is aborted is cancelled when its turn comes, and nobody gets the connection before', async (t) => {
    const db = await learned(t, { min: 1, max: 1 })
    let controller = new AbortController()
    const [first, second] = await together(db, () => learn(db), () => {
      controller = new AbortController()
      return [db.fetchVal(SLEEP, 1, 1), db.fetchVal({ text: SLEEP, signal: controller.signal }, 2, 30)]
    })
    await until(async () => (await observer.backends()).some(({ state }) => state === 'active'))
    controller.abort() // while the first one runs
    await t.rejects(second, { code: 'FST_PG_ABORTED' })
    t.match(db.stats(), { free: 0, busy: 1 })
    t.equal(await first, 1)
    t.equal(await db.fetchVal('SELECT 3'), 3)
    t.equal(db.stats().created, 1)
  })

  t.test('a cancel that comes late and hits a neighbour: the neighbour runs again', async (t) => {
    const proxy = await FaultProxy.start(t, observer.url)
    const db = await openDatabase(t, observer, { url: proxy.url, min: 1, max: 1 })
    proxy.delay(150) // the cancel's connection
    const [first, neighbour] = await together(db, () => learn(db), () => [db.fetchVal({ text: SLEEP, timeout: 0.05 }, 1, 0.1), db.fetchVal(SLEEP, 2, 0.4)])
    await t.rejects(first, { code: 'FST_PG_QUERY_TIMEOUT' })
    t.equal(await neighbour, 2)
    t.equal(db.stats().created, 1)
  })

  t.test('what may have an effect travels alone: nothing is run twice, and no read waits behind it', async (t) => {
    await observer.rows(`CREATE TABLE effects (n int); CREATE SEQUENCE bumps;
      CREATE FUNCTION bump (n int) RETURNS int LANGUAGE plpgsql AS $$ BEGIN PERFORM nextval('bumps'); RETURN n; END $$`)
    const db = await learned(t, { min: 1, max: 1 })
    const effects = ['INSERT INTO effects VALUES ($1) RETURNING n', 'SELECT bump($1)', 'SELECT n FROM effects WHERE n = $1 FOR UPDATE']
    for (const text of effects) await learn(db, text, [1])
    const { pipelined } = db.stats()
    for (const text of effects) await Promise.all([db.fetchVal(SLEEP, 1, 0), db.fetchVal(text, 1), db.fetchVal(text, 2), db.fetchVal(SLEEP, 2, 0)])
    t.equal(db.stats().pipelined, pipelined)
  })

  t.test('statements that a change of the schema made stale get the right answers, several at once', async (t) => {
    await observer.rows('CREATE TABLE changing (id int, v int); INSERT INTO changing SELECT n, n FROM generate_series(1, 20) n')
    const query = 'SELECT id, v FROM changing WHERE id = $1'
    const db = await openDatabase(t, observer, { min: 1, max: 1 })
    let type = 'int'
    const calls = await together(db, async () => {
      await learn(db, query, [1])
      type = type === 'int' ? 'text' : 'int'
      await observer.rows(`ALTER TABLE changing ALTER v TYPE ${type} USING v::${type}`)
    }, () => Array.from({ length: 6 }, (_, i) => db.fetchOne(query, i + 1)))
    t.same(await Promise.all(calls), Array.from({ length: 6 }, (_, i) => ({ id: i + 1, v: type === 'int' ? i + 1 : String(i + 1) })))
    t.match(db.stats(), { created: 1, errors: 0, free: 1 })
  })

  t.test('stale statements behind one that fills the socket, so that the driver queues them', async (t) => {
    await observer.rows('CREATE TABLE documents (id int, document text)')
    const insert = 'INSERT INTO documents (id, document) SELECT $1, $2 RETURNING *'
    const db = await openDatabase(t, observer, { min: 1, max: 1 })
    await learn(db, insert, [0, 'x'])
    await observer.rows('ALTER TABLE documents ADD COLUMN more int')
    const calls = [8_000_000, 1, 1, 1].map((size, id) => db.fetchOne<{ id: number, document: string }>(insert, id + 1, 'x'.repeat(size)))
    const rows = await Promise.all(calls)
    t.same(rows.map((row) => [row?.id, row?.document.length]), [[1, 8_000_000], [2, 1], [3, 1], [4, 1]])
    t.same((await observer.rows('SELECT id FROM documents WHERE id > 0 ORDER BY id')).map((row) => row['id']), [1, 2, 3, 4])
    t.match(db.stats(), { created: 1, errors: 0, free: 1 })
  })

  t.test('a call that has to ask for a type first is answered after those that were sent in the meantime', async (t) => {
    await observer.rows("CREATE TYPE mood AS ENUM ('glad', 'sad')")
    const query = 'SELECT $1::mood::text FROM pg_sleep($2)'
    let db: Database | undefined
    let controller = new AbortController()
    const open = await openDatabase(t, observer, { min: 1, max: 1 })
    for (let attempts = 0; db === undefined && attempts < 50; attempts++) {
      const fresh = await openDatabase(t, observer, { min: 1, max: 1 })
      await learn(fresh)
      await learn(fresh, query, [null, 0])
      controller = new AbortController()
      const { pipelined } = fresh.stats()
      const first = fresh.fetchVal(query, 'glad', 0)
      const second = fresh.fetchVal({ text: SLEEP, signal: controller.signal }, 1, 1)
      if (fresh.stats().pipelined === pipelined) {
        await Promise.all([first, second])
        continue
      }
      db = fresh
      await until(async () => (await observer.backends()).some(({ state, query }) => state === 'active' && query === SLEEP))
      controller.abort()
      await t.rejects(second, { code: 'FST_PG_ABORTED' })
      t.equal(await first, 'glad')
      t.equal(await fresh.fetchVal('SELECT 4'), 4)
      t.match(fresh.stats(), { created: 1, errors: 1 }, 'the one that was aborted was cancelled, and not its neighbour')
    }
    t.ok(db !== undefined, 'they travelled together')
    t.equal(await open.fetchVal('SELECT 5'), 5)
  })

  t.test('all that travel together hear of a lost connection, and the pool goes on', async (t) => {
    const db = await learned(t, { min: 1, max: 1 })
    const calls = await together(db, () => learn(db), () => [db.fetchVal(SLEEP, 1, 1), ...sleeps(db, 3)])
    const outcomes = Promise.allSettled(calls)
    await until(async () => (await observer.backends()).some(({ state }) => state === 'active'))
    await observer.kill()
    for (const outcome of await outcomes) t.match(outcome, { status: 'rejected', reason: { code: /^(FST_PG_CONNECTION_LOST|57P01)$/ } })
    t.equal(await db.fetchVal('SELECT 5'), 5)
  })

  t.test('what leaves something in the session travels alone', async (t) => {
    const db = await learned(t, { min: 2, max: 2 })
    for (const text of ["SELECT set_config('work_mem', '8MB', false)", 'SELECT pg_advisory_lock(1), pg_advisory_unlock(1)']) {
      await learn(db, text, [])
      const { pipelined } = db.stats()
      await Promise.all([db.fetchVal(text), db.fetchVal(text), db.fetchVal(text)])
      t.equal(db.stats().pipelined, pipelined)
    }
    t.equal(await db.fetchVal("SELECT current_setting('work_mem')"), (await observer.rows('SHOW work_mem'))[0]?.['work_mem'])
  })

  t.test('a caller that holds a transaction open does not wait behind a read that waits for its lock', async (t) => {
    await observer.rows('CREATE TABLE taken (id int)')
    const count = 'SELECT count(*)::int FROM taken'
    const one = { text: 'SELECT $1::int', timeout: 20 }
    const db = await learned(t, { min: 4, max: 4 })
    await learn(db, count, [])
    await learn(db, one.text, [1])
    const blocked = await db.transaction(async (tx) => {
      await tx.execute('LOCK TABLE taken IN ACCESS EXCLUSIVE MODE')
      const reads = [db.fetchVal(count)]
      t.equal(await db.fetchVal(one, 2), 2, 'it is not sent together with one that has just been sent')
      const [first, second] = [await db.acquire(), await db.acquire()]
      reads.push(db.fetchVal(count))
      const queued = db.fetchVal(one, 3)
      t.equal(db.stats().waiting, 2)
      await first?.release()
      t.equal(db.stats().waiting, 1, 'nor with one that is served before it')
      await second?.release()
      t.equal(await queued, 3)
      return reads
    })
    t.same(await Promise.all(blocked), [0, 0])
  })

  t.test('while connections are free, only calls that cost next to nothing travel together', async (t) => {
    const db = await learned(t, { min: 2, max: 2 })
    const nap = 'SELECT $1::int FROM pg_sleep(0.002)'
    await learn(db, nap, [0])
    for (let round = 0; round < 20; round++) t.same(await Promise.all([db.fetchVal(nap, 1), db.fetchVal(nap, 2)]), [1, 2])
    t.equal(db.stats().pipelined, 0)
  })

  for (const [max, calls, joined] of [[1, 40, 31], [2, 17, 15]] as const) {
    t.test(`${joined + 1} travel together at most, of ${max} connection(s)`, async (t) => {
      const db = await learned(t, { min: max, max })
      const one = 'SELECT $1::int'
      let most = 0
      await until(async () => {
        await learn(db, one, [1])
        const { pipelined } = db.stats()
        const made = Array.from({ length: calls }, (_, n) => db.fetchVal(one, n))
        most = Math.max(most, db.stats().pipelined - pipelined)
        t.same(await Promise.all(made), Array.from({ length: calls }, (_, n) => n))
        return most >= joined
      })
      t.equal(most, joined, 'beside the first')
    })
  }

  t.test('nothing joins a connection that has gone from a call which was never sent to a lease', async (t) => {
    const db = await learned(t, { min: 1, max: 1 })
    await t.rejects(db.fetchVal(SLEEP, 1, 0, 'one too many'), { code: 'FST_PG_PARAMETER_COUNT' })
    const lease = await db.acquire()
    const call = db.fetchVal(SLEEP, 1, 0)
    t.match(db.stats(), { waiting: 1, pipelined: 0 })
    await lease.release()
    t.equal(await call, 1)
  })

  t.test('two neighbours that are given up are cancelled one after the other', async (t) => {
    const db = await learned(t, { min: 1, max: 1 })
    const give = (n: number): Promise<unknown> => db.fetchVal({ text: SLEEP, timeout: 0.05 }, n, 30)
    const calls = await together(db, () => learn(db), () => [give(1), give(2)])
    for (const call of calls) await t.rejects(call, { code: 'FST_PG_QUERY_TIMEOUT' })
    t.equal(await db.fetchVal('SELECT 3'), 3)
    t.equal(db.stats().created, 1)
  })
})
