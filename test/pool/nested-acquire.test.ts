import { execFile } from 'node:child_process'
import { EventEmitter, once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import t from 'tap'
import type { Database } from '../../src/index.js'
import { type Held, NestedAcquire } from '../../src/pool/nested-acquire.js'
import { freshDatabase, openDatabase, until } from '../support/database.js'
import { UNTRACKED } from '../support/script.js'

const REFUSED = { code: 'FST_PG_NESTED_ACQUIRE' }

/** A moment that a test decides on. */
function moment (): { now: () => void, comes: Promise<void> } {
  let now = (): void => {}
  const comes = new Promise<void>((resolve) => { now = resolve })
  return { now: () => now(), comes }
}

/** Begins a transaction whose function returns at once, and leaves work behind that calls the database at a moment. */
async function leaveBehind (db: Database, later: Promise<void>, call: () => Promise<unknown>): Promise<() => Promise<unknown>> {
  let leftover: Promise<unknown> | undefined
  await db.transaction(async (tx) => {
    await tx.fetchVal('SELECT 1')
    leftover = later.then(call)
    leftover.catch(() => {}) // is looked at by the test
  })
  return async () => await leftover
}

t.test('which call is nested in a transaction', async (t) => {
  const observer = await freshDatabase(t)

  for (const max of [1, 2, 3]) {
    t.test(`work that outlives its transaction waits like any other, while transactions of others have all ${max} connections`, async (t) => {
      const db = await openDatabase(t, observer, { min: max, max })
      const [late, end] = [moment(), moment()]
      const leftovers = await Promise.all(Array.from({ length: 8 }, (_, number) =>
        leaveBehind(db, late.comes, () => number % 2 === 0 ? db.fetchVal('SELECT 7') : db.transaction((tx) => tx.fetchVal('SELECT 7')))))
      const others = Array.from({ length: max }, () => db.transaction(async (tx) => {
        await tx.fetchVal('SELECT 2')
        await end.comes
      }))
      await until(() => db.stats().free === 0)
      late.now()
      await until(() => db.stats().waiting === 8)
      end.now()
      t.same(await Promise.all(leftovers.map((leftover) => leftover())), Array(8).fill(7))
      await Promise.all(others)
      t.match(db.stats(), { errors: 0, waiting: 0, busy: 0 })
    })
  }

  t.test('work that outlives the first transaction of a lease is not nested in the second one', async (t) => {
    const db = await openDatabase(t, observer, { min: 1, max: 1 })
    const lease = await db.acquire()
    const late = moment()
    let leftover: Promise<unknown> | undefined
    await lease.transaction(async () => { leftover = late.comes.then(() => db.fetchVal('SELECT 8')) })
    await lease.transaction(async (tx) => {
      late.now()
      await until(() => db.stats().waiting === 1)
      await tx.fetchVal('SELECT 1')
      await t.rejects(db.fetchVal('SELECT 9'), REFUSED, 'what is in the second one is')
    })
    await lease.release()
    t.equal(await leftover, 8)
  })

  t.test('a savepoint is a part of its transaction: what outlives it is nested as long as the transaction goes on', async (t) => {
    const db = await openDatabase(t, observer, { min: 1, max: 1 })
    const [inside, outside] = [moment(), moment()]
    let early: Promise<unknown> | undefined
    let late: Promise<unknown> | undefined
    await db.transaction(async (tx) => {
      await tx.transaction(async () => {
        early = inside.comes.then(() => db.fetchVal('SELECT 1'))
        late = outside.comes.then(() => db.fetchVal('SELECT 2'))
      })
      inside.now()
      await t.rejects(async () => await early, REFUSED)
      await t.rejects(db.fetchVal('SELECT 3'), REFUSED, 'and so is what comes after it')
    })
    const lease = await db.acquire()
    outside.now()
    await until(() => db.stats().waiting === 1)
    await lease.release()
    t.equal(await late, 2)
  })

  t.test('a caller whose transaction has ended while it waits keeps its place, and blocks nobody', async (t) => {
    const db = await openDatabase(t, observer, { min: 2, max: 2 })
    const lease = await db.acquire()
    let first: Promise<unknown> | undefined
    await db.transaction(async () => {
      first = db.fetchVal('SELECT 1')
      await until(() => db.stats().waiting === 1)
    })
    t.equal(await first, 1)
    // Again, with one that goes on waiting behind the end of its transaction, since others were there before it.
    const end = moment()
    const others: Array<Promise<unknown>> = []
    await db.transaction(async () => {
      others.push(db.acquire().then(async (other) => {
        await end.comes
        await other.release()
      }))
      first = db.fetchVal('SELECT 2')
      await until(() => db.stats().waiting === 2)
    })
    t.equal(db.stats().waiting, 1)
    await lease.transaction(async () => {
      const call = db.fetchVal('SELECT 3') // the other connection is only held by a lease
      await until(() => db.stats().waiting === 2)
      end.now()
      t.equal(await call, 3)
    })
    t.equal(await first, 2)
    await Promise.all(others)
    await lease.release()
  })

  t.test('a nested one is refused at once: in a transaction, two deep, in one that was begun by hand, in a batch', async (t) => {
    const db = await openDatabase(t, observer, { min: 1, max: 2 })
    await t.rejects(db.transaction(() => db.transaction(() => db.fetchVal('SELECT 1'))), REFUSED, 'two deep')
    const lease = await db.acquire()
    await lease.execute('BEGIN')
    await lease.transaction(async () => await db.transaction(async () => await t.rejects(db.acquire(), REFUSED, 'by hand')))
    await lease.execute('COMMIT')
    await lease.release()
    const alone = await openDatabase(t, observer, { min: 1, max: 1 })
    const onProgress = (): Promise<unknown> => alone.fetchVal('SELECT 1')
    await t.rejects(alone.executeMany({ text: 'SELECT $1::int', onProgress }, [[1]]), REFUSED, 'in a batch')
    t.equal(await alone.fetchVal('SELECT 4'), 4)
  })

  t.test('work that outlives a transaction inside another one is nested in that', async (t) => {
    const db = await openDatabase(t, observer, { min: 2, max: 2 })
    const [late, isWaiting] = [moment(), moment()]
    let other: Promise<unknown> | undefined
    await db.transaction(async () => {
      const leftover = await leaveBehind(db, late.comes, () => db.fetchVal('SELECT 5'))
      other = db.transaction(async () => {
        late.now()
        await isWaiting.comes
        await t.rejects(db.fetchVal('SELECT 6'), REFUSED, 'the outer one cannot end either')
      })
      await until(() => db.stats().waiting === 1)
      isWaiting.now()
      t.equal(await leftover(), 5)
    })
    await other
  })

  t.test('a lease that is released while the function of its transaction goes on: the next user of the connection is not nested in it', async (t) => {
    const db = await openDatabase(t, observer, { min: 1, max: 1 })
    const lease = await db.acquire()
    const [released, end] = [moment(), moment()]
    const outlived = lease.transaction(async () => {
      await released.comes
      const call = db.fetchVal('SELECT 6')
      await until(() => db.stats().waiting === 1)
      end.now()
      t.equal(await call, 6)
    })
    await lease.release()
    await db.transaction(async () => {
      released.now()
      await end.comes
    })
    await outlived.catch(() => {}) // its transaction was ended with the lease
    t.match(db.stats(), { busy: 0, waiting: 0 })
  })
})

/** How a call may come about in the function of a transaction. */
const ways: Array<[what: string, way: <T>(call: () => Promise<T>) => Promise<T>]> = [
  ['at once', (call) => call()],
  ['after an await', async (call) => {
    await sleep(1)
    return await call()
  }],
  ['in Promise.all', async (call) => (await Promise.all([call(), sleep(1)]))[0]],
  ['in then', (call) => sleep(1).then(call)],
  ['in a timer', (call) => new Promise((resolve, reject) => { setTimeout(() => call().then(resolve, reject), 1) })],
  ['in a microtask', (call) => new Promise((resolve, reject) => { queueMicrotask(() => call().then(resolve, reject)) })],
  ['in process.nextTick', (call) => new Promise((resolve, reject) => { process.nextTick(() => call().then(resolve, reject)) })],
  ['in a listener', (call) => new Promise((resolve, reject) => {
    const emitter = new EventEmitter().on('event', () => call().then(resolve, reject))
    setImmediate(() => emitter.emit('event'))
  })],
  ['after an event', async (call) => {
    const emitter = new EventEmitter()
    setImmediate(() => emitter.emit('event'))
    await once(emitter, 'event')
    return await call()
  }],
]

t.test('a nested call is known however it comes about, in transactions of two pools inside each other too', async (t) => {
  const observer = await freshDatabase(t)
  const [db, other] = [await openDatabase(t, observer, { min: 1, max: 1 }), await openDatabase(t, observer, { min: 2, max: 2 })]
  for (const [what, way] of ways) {
    await t.rejects(db.transaction(() => way(() => db.fetchVal('SELECT 1'))), REFUSED, what)
    await t.rejects(db.transaction(() => other.transaction(() => way(() => db.fetchVal('SELECT 1')))), REFUSED, `${what}, across`)
    t.equal(await db.transaction(() => way(() => other.fetchVal('SELECT 2'))), 2, `${what}, of the other pool`)
  }
})

t.test('contexts are not followed while there is no transaction, and nothing is lost by that', async (t) => {
  const nested = new NestedAcquire(1)
  const run = async <T>(work: () => Promise<T>): Promise<T> => {
    const held: Held = { transaction: undefined }
    const transaction = nested.begin(held)
    if (transaction === undefined) throw new Error('it is in none')
    try {
      return await nested.run(transaction, work, undefined, 1)
    } finally {
      transaction.end()
      transaction.end() // as when a lease is released in the meantime
    }
  }
  for (const round of ['first', 'after it was off']) {
    for (const [what, way] of ways) t.ok(await run(() => way(async () => nested.current !== undefined)), `${round}: ${what}`)
    const late = moment()
    let leftover: Promise<unknown> | undefined
    await run(async () => { leftover = late.comes.then(() => nested.current) })
    await sleep(20) // off by then
    t.equal(nested.current, undefined)
    await run(async () => {
      late.now()
      t.equal(await leftover, undefined, 'what is left of one is not in the next')
      await sleep(20)
      t.ok(nested.current !== undefined, 'one that takes long is followed to its end')
    })
    await sleep(20)
  }
})

t.test('single queries pay for promises that are followed only while there are transactions', async (t) => {
  // In a process of its own: that of a test has hooks of others.
  const code = `
    import { executionAsyncId } from 'node:async_hooks'
    import { setTimeout as sleep } from 'node:timers/promises'
    import { NestedAcquire } from '${new URL('../../src/pool/nested-acquire.ts', import.meta.url).href}'
    // Promises have ids only while something follows them.
    const isFollowed = () => Promise.resolve().then(() => executionAsyncId()).then((id) => Promise.resolve().then(() => executionAsyncId() !== id))
    const nested = new NestedAcquire(1)
    const seen = [await isFollowed()]
    for (const round of [1, 2]) {
      const transaction = nested.begin({ transaction: undefined })
      seen.push(await nested.run(transaction, () => isFollowed()))
      await sleep(50)
      seen.push(await isFollowed())
      transaction.end()
      while (await isFollowed()) await sleep(1)
      seen.push('off')
    }
    console.log(JSON.stringify(seen))`
  const command = ['--import', import.meta.resolve('tsx'), '--input-type=module', '-e', code]
  const { stdout } = await promisify(execFile)(process.execPath, command, { env: { ...process.env, ...UNTRACKED } })
  const isAlways = Number(process.versions.node.split('.')[0]) < 24 // from then on V8 follows contexts, not promises
  t.same(JSON.parse(stdout), [false, isAlways, isAlways, 'off', isAlways, isAlways, 'off'])
})
