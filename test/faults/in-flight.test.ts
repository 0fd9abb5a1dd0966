import t, { type Test } from 'tap'
import type { Database } from '../../src/index.js'
import { freshDatabase, openDatabase, type Observer, until } from '../support/database.js'
import { FaultProxy } from '../../tools/fault-proxy.js'

const COMMAND_TIMEOUT = 0.6
const COUNT = 'SELECT count(*) FROM locked'
const INSERT = 'INSERT INTO locked VALUES ($1)'
const lists = Array.from({ length: 200 }, (_, i) => [i])

/** What may be in flight. The table is locked: each of them hangs in the server. */
const kinds: Readonly<Record<string, (db: Database) => Array<Promise<unknown>>>> = {
  'a single call': (db) => [db.fetchVal(COUNT)],
  'a transaction': (db) => [db.transaction((tx) => tx.execute(INSERT, 1))],
  'a transaction in a transaction': (db) => [db.transaction((tx) => tx.transaction((inner) => inner.execute(INSERT, 1)))],
  'a lease': (db) => [db.acquire().then((lease) => lease.fetchVal(COUNT).finally(() => lease.release()))],
  'a batch over arrays': (db) => [db.executeMany(INSERT, lists)],
  'a batch in a pipeline': (db) => [db.executeMany({ text: INSERT, batch: 'pipeline' }, lists)],
  'pipelined neighbours': (db) => Array.from({ length: 4 }, () => db.fetchVal(COUNT)),
}

interface Scene { proxy: FaultProxy, db: Database, observer: Observer }

/** A pool behind a proxy, in which all kinds of calls hang at a lock. */
async function hanging (t: Test, observer: Observer, kind: (db: Database) => Array<Promise<unknown>>, commandTimeout = COMMAND_TIMEOUT): Promise<Scene & { calls: Array<Promise<unknown>> }> {
  const proxy = await FaultProxy.start(t, observer.url)
  const db = await openDatabase(t, observer, { url: proxy.url, min: 2, max: 2, commandTimeout, connectTimeout: 1, acquireTimeout: 20 })
  await db.execute('CREATE TABLE IF NOT EXISTS locked (id int)')
  for (let warm = 0; warm < 20; warm++) await Promise.all([db.fetchVal(COUNT), db.fetchVal(COUNT)]) // known to be quick
  let calls: Array<Promise<unknown>>
  for (;;) {
    await observer.rows('BEGIN')
    await observer.rows('LOCK TABLE locked')
    calls = kind(db)
    for (const call of calls) call.catch(() => {})
    if (db.stats().waiting === 0) break
    // One that was just slow travels alone, and so some of its neighbours wait: once more.
    await observer.rows('ROLLBACK')
    await Promise.all(calls)
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
  await observer.rows('ROLLBACK')
  await until(() => db.fetchVal('SELECT 1').then(() => true, () => false)) // what was killed in the meantime is found out
  await until(() => db.stats().free === 2)
  t.match(db.stats(), { size: 2, free: 2, busy: 0, waiting: 0 })
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
    if (name === 'pipelined neighbours') continue // some of those wait in the queue, which has a timeout of its own
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
