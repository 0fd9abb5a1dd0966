import t, { type Test } from 'tap'
import type { Database, DatabaseOptions } from '../../src/index.js'
import { FaultProxy } from '../../tools/fault-proxy.js'
import { freshDatabase, memoryLog, type Observer, openDatabase, uniqueName, until } from '../support/database.js'

/** A pool, and how its server begins to refuse new connections, and ceases to. */
interface Refusing { db: Database, refuse (): Promise<unknown>, accept (): Promise<unknown> }

type Way = (t: Test, observer: Observer, options: DatabaseOptions) => Promise<Refusing>

/** A role of its own, whose connections are those of the pool. */
async function ownRole (t: Test, observer: Observer, options: DatabaseOptions): Promise<Refusing> {
  const user = uniqueName('retired')
  await observer.rows(`CREATE ROLE ${user} LOGIN PASSWORD 'first'`)
  t.teardown(() => observer.rows(`DROP ROLE ${user}`))
  const db = await openDatabase(t, observer, { user, password: 'first', ...options })
  return { db, refuse: () => observer.rows(`ALTER ROLE ${user} NOLOGIN`), accept: () => observer.rows(`ALTER ROLE ${user} LOGIN`) }
}

const WAYS: Record<string, Way> = {
  'its port is closed': async (t, observer, options) => {
    const proxy = await FaultProxy.start(t, observer.url)
    const db = await openDatabase(t, observer, { url: proxy.url, ...options })
    return { db, refuse: () => proxy.set('refuse'), accept: () => proxy.set('forward') }
  },
  'it hangs up': async (t, observer, options) => {
    const proxy = await FaultProxy.start(t, observer.url)
    const db = await openDatabase(t, observer, { url: proxy.url, ...options })
    return { db, refuse: () => proxy.set('hang-up'), accept: () => proxy.set('forward') }
  },
  'the network is slow for new ones': async (t, observer, options) => {
    const proxy = await FaultProxy.start(t, observer.url)
    const db = await openDatabase(t, observer, { url: proxy.url, connectTimeout: 60, ...options })
    return { db, refuse: async () => proxy.delay(600_000), accept: async () => proxy.delay(0) }
  },
  'the role may not log in': ownRole,
  'the role has as many as it may': async (t, observer, options) => {
    const { db } = await ownRole(t, observer, options)
    const user = await db.fetchVal<string>('SELECT current_user')
    return { db, refuse: () => observer.rows(`ALTER ROLE ${user} CONNECTION LIMIT 1`), accept: () => observer.rows(`ALTER ROLE ${user} CONNECTION LIMIT -1`) }
  },
}

const pid = (db: Database): Promise<number | null> => db.fetchVal<number>('SELECT pg_backend_pid()')

t.test('connections whose time is over', async (t) => {
  const observer = await freshDatabase(t)
  const pids = async (): Promise<number[]> => (await observer.backends()).map(({ pid }) => pid)

  for (const [why, way] of Object.entries(WAYS)) {
    t.test(`go on working while the server takes no others because ${why}, and are replaced when it does`, async (t) => {
      const { db, refuse, accept } = await way(t, observer, { min: 2, max: 4, maxLifetime: 1 })
      const before = await pids()
      t.equal(before.length, 2)
      await refuse()
      const { created } = db.stats()
      await until(() => db.stats().connectFailures > 3 || db.stats().opening > 0)
      const end = performance.now() + 1500 // longer than they live
      let calls = 0
      await until(async () => {
        t.ok(before.includes(await pid(db) ?? 0))
        calls++
        return performance.now() > end && calls > 20
      }, 60)
      t.match(db.stats(), { size: 2, created, errors: 0, closing: 0 })
      t.same(await pids(), before)
      await accept()
      if (why.startsWith('the network')) return // what hangs is given up in its own time
      await pid(db)
      await until(async () => (db.stats().closed.age ?? 0) >= 2 && !(await pids()).some((pid) => before.includes(pid)), 90)
      t.match(db.stats(), { errors: 0 })
    })
  }

  t.test('by uses: they go on too, and are replaced at the next use when connects succeed', async (t) => {
    const { db, refuse, accept } = await ownRole(t, observer, { min: 1, max: 2, maxQueries: 5 })
    await refuse()
    const seen = new Set<unknown>()
    for (let count = 0; count < 50; count++) seen.add(await pid(db))
    t.equal(seen.size, 1)
    t.notOk(db.stats().closed.uses)
    await accept()
    await until(async () => !seen.has(await pid(db)))
    t.match(db.stats(), { errors: 0, closed: { uses: 1 } })
  })

  t.test('where the pool is full, one is given up to see whether there is another, and the rest stays', async (t) => {
    const { db, refuse, accept } = await ownRole(t, observer, { min: 3, max: 3, maxLifetime: 1 })
    await refuse()
    await until(() => db.stats().connectFailures > 3)
    for (let count = 0; count < 20; count++) await pid(db)
    t.match(db.stats(), { size: 2, errors: 0, closed: { age: 1 } })
    await accept()
    await until(() => (db.stats().closed.age ?? 0) >= 3 && db.stats().size === 3, 90)
    t.match(db.stats(), { errors: 0 })
  })

  t.test('expire() is obeyed at once, also while they are postponed', async (t) => {
    const { db, refuse } = await ownRole(t, observer, { min: 2, max: 4, maxLifetime: 1 })
    await refuse()
    await until(() => db.stats().connectFailures > 2)
    t.equal(db.stats().size, 2)
    db.expire()
    t.match(db.stats(), { size: 0, closed: { expired: 2 } })
  })

  t.test('there are never more than max, also when all are due at once', async (t) => {
    const db = await openDatabase(t, observer, { min: 2, max: 4, maxLifetime: 0.1, maxQueries: 7 })
    let most = 0
    const watch = (): void => {
      const { size, free, busy, opening, closing } = db.stats()
      most = Math.max(most, size + opening + closing)
      if (size !== free + busy) t.fail('numbers')
    }
    await Promise.all(Array.from({ length: 8 }, async () => {
      for (let count = 0; count < 60; count++) {
        await db.fetchVal('SELECT 1 FROM pg_sleep(0.005)')
        watch()
      }
    }))
    t.equal(most, 4)
    t.ok((db.stats().closed.age ?? 0) + (db.stats().closed.uses ?? 0) > 8)
    t.match(db.stats(), { errors: 0, waiting: 0 })
  })

  t.test('an idle pool without a least shrinks again', async (t) => {
    const db = await openDatabase(t, observer, { min: 0, max: 6, maxLifetime: 0.8, idleTimeout: 0.4 })
    await Promise.all(Array.from({ length: 6 }, () => db.fetchVal('SELECT pg_sleep(0.1)')))
    await until(() => db.stats().size === 0)
  })
})

t.test('a role that is refused', async (t) => {
  const observer = await freshDatabase(t)

  t.test('is tried ever less often while nobody asks, logged once, and at once when a caller comes', async (t) => {
    const log = memoryLog()
    const { db: resting, refuse, accept } = await ownRole(t, observer, { min: 1, max: 2, acquireTimeout: 3, log })
    const closed = await WAYS['its port is closed']?.(t, observer, { min: 1, max: 2 })
    const lost = async (): Promise<void> => { await observer.kill() }
    await refuse()
    await closed?.refuse()
    await lost()
    // Half a second each, against a minute at most.
    await until(() => (closed?.db.stats().connectFailures ?? 0) >= 14, 60)
    const { connectFailures } = resting.stats()
    t.ok(connectFailures >= 4 && connectFailures <= 9, `${connectFailures} instead of 14`)
    const warnings = log.lines.filter(({ level, message }) => level === 'warn' && message.startsWith('the database refuses connections'))
    t.equal(warnings.length, 1)
    await t.rejects(resting.fetchVal('SELECT 1'), { code: 'FST_PG_CONNECT' }, 'a caller is told at once')
    t.ok(resting.stats().connectFailures > connectFailures)
    await accept()
    t.equal(await resting.fetchVal('SELECT 2'), 2, 'and served at once')
    await closed?.accept()
  })

  t.test('is tried when its health is asked for', async (t) => {
    const { db, refuse, accept } = await ownRole(t, observer, { min: 1, max: 2, health: { cache: 0 } })
    await refuse()
    await observer.kill()
    await until(() => db.stats().connectFailures >= 8, 30) // the next one is in 5 seconds or later
    t.equal((await db.health()).status, 'unavailable')
    await accept()
    await until(async () => (await db.health()).status === 'healthy', 3)
  })
})
