import t, { type Test } from 'tap'
import type { Database } from '../../src/index.js'
import { freshDatabase, openDatabase, type Observer, until } from '../support/database.js'
import { FaultProxy } from '../../tools/fault-proxy.js'

const COMMAND_TIMEOUT = 0.6
const COUNT = 'SELECT count(*) FROM locked'
const INSERT = 'INSERT INTO locked VALUES ($1)'
const lists = Array.from({ length: 200 }, (_, i) => [i])

/** Calls that travel together. */
const NEIGHBOURS = 4
const neighbours = (db: Database): Array<Promise<unknown>> => Array.from({ length: NEIGHBOURS }, () => db.fetchVal(COUNT))

/** What may be in flight. The table is locked: each of them hangs in the server. */
const kinds: Readonly<Record<string, (db: Database) => Array<Promise<unknown>>>> = {
  'a single call': (db) => [db.fetchVal(COUNT)],
  'a transaction': (db) => [db.transaction((tx) => tx.execute(INSERT, 1))],
  'a transaction in a transaction': (db) => [db.transaction((tx) => tx.transaction((inner) => inner.execute(INSERT, 1)))],
  'a lease': (db) => [db.acquire().then((lease) => lease.fetchVal(COUNT).finally(() => lease.release()))],
  'a batch over arrays': (db) => [db.executeMany(INSERT, lists)],
  'a batch in a pipeline': (db) => [db.executeMany({ text: INSERT, batch: 'pipeline' }, lists)],
  'pipelined neighbours': neighbours,
}

interface Scene { proxy: FaultProxy, db: Database, observer: Observer }

/** How many of some calls leave together with one before them: known as soon as they are made. */
function together (db: Database, kind: (db: Database) => Array<Promise<unknown>>): { calls: Array<Promise<unknown>>, count: number } {
  const before = db.stats().pipelined
  const calls = kind(db)
  for (const call of calls) call.catch(() => {})
  return { calls, count: db.stats().pipelined - before }
}

/** Makes neighbours until all leave together. */
async function untilQuick (db: Database): Promise<void> {
  for (;;) {
    const { calls, count } = together(db, neighbours)
    await Promise.all(calls)
    if (count === NEIGHBOURS - 1) return
  }
}

/**
 * A pool behind a proxy, in which all kinds of calls hang at a lock. Neighbours have one connection, and all leave in one write: on a
 * busy machine their statement may look slow, and then it travels alone until it was quick often enough.
 */
async function hanging (t: Test, observer: Observer, kind: (db: Database) => Array<Promise<unknown>>, commandTimeout = COMMAND_TIMEOUT): Promise<Scene & { calls: Array<Promise<unknown>> }> {
  const proxy = await FaultProxy.start(t, observer.url)
  const size = kind === neighbours ? 1 : 2
  const db = await openDatabase(t, observer, { url: proxy.url, min: size, max: size, commandTimeout, connectTimeout: 1, acquireTimeout: 20 })
  await db.execute('CREATE TABLE IF NOT EXISTS locked (id int)')
  const behind = kind === neighbours ? NEIGHBOURS - 1 : 0
  let calls: Array<Promise<unknown>>
  for (;;) {
    if (kind === neighbours) await untilQuick(db)
    await observer.rows('BEGIN')
    await observer.rows('LOCK TABLE locked')
    await until(() => db.stats().free === size)
    const made = together(db, kind)
    calls = made.calls
    if (made.count === behind && db.stats().waiting === 0) break
    await observer.rows('ROLLBACK')
    await Promise.all(calls)
    await observer.rows('TRUNCATE locked')
  }
  await until(async () => (await observer.rows("SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()")).length > 0)
  return { proxy, db, observer, calls }
}

/** Seconds until all have been rejected, and by what. */
async function rejected (calls: Array<Promise<unknown>>): Promise<{ seconds: number, codes: string[] }> {
  const start = performance.now()
  const outcomes = await Promise.allSettled(calls)
  const codes = outcomes.map((outcome) => outcome.status === 'rejected' ? String(outcome.reason.code) : 'fulfilled')
  return { seconds: (performance.now() - start) / 1000, codes: [...new Set(codes)] }
}

async function worksAgain (t: Test, { db, observer }: Scene): Promise<void> {
  const { min: size } = db.stats()
  await observer.rows('ROLLBACK')
  await until(() => db.fetchVal('SELECT 1').then(() => true, () => false)) // what was killed in the meantime is found out
  await until(() => db.stats().free === size)
  t.match(db.stats(), { size, free: size, busy: 0, waiting: 0 })
  t.equal(await db.fetchVal(COUNT), 0, 'nothing of it was half done')
}

t.test('callers in flight when the socket dies learn of it within a second', async (t) => {
  const observer = await freshDatabase(t)
  for (const [name, kind] of Object.entries(kinds)) {
    const faults: Record<string, (scene: Scene) => unknown> = { 'the network resets': ({ proxy }) => proxy.cut(), 'the server ends it': ({ observer }) => observer.kill() }
    for (const [fault, strike] of Object.entries(faults)) {
      await t.test(`${name}, ${fault}`, async (t) => {
        const { calls, ...scene } = await hanging(t, observer, kind, 20)
        const outcome = rejected(calls)
        await strike(scene)
        const { seconds, codes } = await outcome
        t.same(codes, ['FST_PG_CONNECTION_LOST'])
        t.ok(seconds < 1, `after ${seconds.toFixed(2)} s`)
        await worksAgain(t, scene)
      })
    }
  }
})

t.test('callers in flight when the network swallows everything learn of it soon after the command timeout', async (t) => {
  const observer = await freshDatabase(t)
  for (const [name, kind] of Object.entries(kinds)) {
    await t.test(name, async (t) => {
      const { calls, ...scene } = await hanging(t, observer, kind)
      const outcome = rejected(calls)
      await scene.proxy.set('black-hole')
      const { seconds, codes } = await outcome
      t.ok(codes.every((code) => ['FST_PG_QUERY_TIMEOUT', 'FST_PG_CONNECTION_LOST'].includes(code)), codes.join(', '))
      t.comment(`${name}: after ${seconds.toFixed(2)} s, with a commandTimeout of ${COMMAND_TIMEOUT} s`)
      t.ok(seconds < COMMAND_TIMEOUT + 5, `after ${seconds.toFixed(2)} s`)
      await scene.observer.kill() // in the server the calls are still waiting for the lock
      await scene.proxy.set('forward')
      await worksAgain(t, scene)
    })
  }
})

t.test('calls that wait in the queue when the network swallows everything are served when it is back', async (t) => {
  const observer = await freshDatabase(t)
  const { calls, ...scene } = await hanging(t, observer, (db) => [db.transaction((tx) => tx.execute(INSERT, 1)), db.transaction((tx) => tx.execute(INSERT, 2))])
  const queued = Array.from({ length: 20 }, (_, i) => scene.db.fetchVal('SELECT $1::int', i))
  const settled = Promise.all(queued)
  await scene.proxy.set('black-hole')
  t.equal(scene.db.stats().waiting, 20)
  t.ok((await rejected(calls)).seconds < COMMAND_TIMEOUT + 1)
  await observer.kill()
  await scene.proxy.set('forward')
  t.same(await settled, Array.from({ length: 20 }, (_, i) => i))
  await worksAgain(t, scene)
})
