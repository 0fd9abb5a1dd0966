import t from 'tap'
import type { DatabaseOptions } from '../../src/index.js'
import { freshDatabase, openDatabase, until } from '../support/database.js'
import { FaultProxy } from '../../tools/fault-proxy.js'

/** Short limits, so that what they bound is soon over. */
const LIMITS: DatabaseOptions = { commandTimeout: 0.3, connectTimeout: 0.5, acquireTimeout: 1 }
/** Seconds until the slot of a connection that was swallowed is free: its limit, our grace, and the second of a cancel. */
const LONGEST = 0.3 + 0.5 + 1

t.test('a network that swallows everything', async (t) => {
  const observer = await freshDatabase(t)

  t.test('command timeout, then acquire timeout; healed: it works (case 20)', async (t) => {
    const proxy = await FaultProxy.start(t, observer.url)
    const db = await openDatabase(t, observer, { url: proxy.url, min: 1, max: 1, ...LIMITS })
    await proxy.set('black-hole')
    await t.rejects(db.fetchVal('SELECT 1'), { code: 'FST_PG_QUERY_TIMEOUT' })
    await until(() => db.stats().closed.cancel === 1)
    await t.rejects(db.fetchVal('SELECT 1'), { code: 'FST_PG_ACQUIRE_TIMEOUT' })
    t.match(db.stats(), { size: 0, busy: 0, waiting: 0 })
    await proxy.set('forward')
    await until(() => db.stats().size === 1)
    t.equal(await db.fetchVal('SELECT 2'), 2)
  })

  t.test('amid load, 9 workers on 3 connections: bounded in all, and all work when it is healed (case 21)', async (t) => {
    const proxy = await FaultProxy.start(t, observer.url)
    const db = await openDatabase(t, observer, { url: proxy.url, min: 3, max: 3, ...LIMITS })
    let healed = false
    let longest = 0
    const failures = new Map<unknown, number>()
    const workers = Array.from({ length: 9 }, async (_, worker) => {
      for (let served = 0, i = 0; served < 20; i++) {
        const from = performance.now()
        try {
          t.equal(await db.fetchVal('SELECT $1::int', worker * 1000 + i), worker * 1000 + i)
          if (healed) served++
        } catch (error) {
          const { code } = error as { code?: unknown }
          failures.set(code, (failures.get(code) ?? 0) + 1)
        }
        longest = Math.max(longest, (performance.now() - from) / 1000)
      }
    })
    await db.fetchVal('SELECT 1')
    await proxy.set('black-hole')
    await until(() => (failures.get('FST_PG_QUERY_TIMEOUT') ?? 0) >= 3 && failures.has('FST_PG_ACQUIRE_TIMEOUT'))
    await proxy.set('forward')
    healed = true
    await Promise.all(workers)
    t.ok(longest < 1 + LONGEST, `the longest call took ${longest.toFixed(1)} s: waiting for a connection and the statement are bounded`)
    t.same([...failures.keys()].filter((code) => !['FST_PG_QUERY_TIMEOUT', 'FST_PG_ACQUIRE_TIMEOUT', 'FST_PG_CONNECTION_LOST'].includes(String(code))), [])
    await until(() => db.stats().free === 3)
    t.match(db.stats(), { size: 3, busy: 0, waiting: 0 })
  })

  t.test('during the cleaning of a lease: bounded, and its place is free (case 22)', async (t) => {
    const proxy = await FaultProxy.start(t, observer.url)
    const db = await openDatabase(t, observer, { url: proxy.url, min: 0, max: 1, ...LIMITS })
    const lease = await db.acquire()
    await lease.execute("SET search_path TO 'nowhere'")
    await proxy.set('black-hole')
    await lease.release() // the caller does not wait for the reset
    const from = performance.now()
    await until(() => db.stats().size + db.stats().closing === 0)
    t.ok(performance.now() - from < (LONGEST + 1) * 1000)
    t.match(db.stats().closed, { cleaning: 1 })
    await proxy.set('forward')
    t.equal(await db.fetchVal('SHOW search_path'), '"$user", public')
  })

  t.test('a batch in a transaction settles, also where its connection is ended while the statement is being described', async (t) => {
    const proxy = await FaultProxy.start(t, observer.url)
    const db = await openDatabase(t, observer, { url: proxy.url, min: 1, max: 1, closeTimeout: 0.1 })
    await t.rejects(db.transaction(async (tx) => {
      await tx.execute('CREATE TABLE rows (n int)')
      await tx.executeMany('INSERT INTO rows VALUES ($1)', (function * () {
        proxy.hold(true) // the lists are read before the statement is described
        db.close()
        yield [1]
      })())
    }), { code: 'FST_PG_CONNECTION_LOST' })
  })

  t.test('one direction only: a write whose answer is swallowed is there, once; one that is swallowed itself may arrive late, once', async (t) => {
    const proxy = await FaultProxy.start(t, observer.url)
    const db = await openDatabase(t, observer, { url: proxy.url, min: 1, max: 1, ...LIMITS, acquireTimeout: 20 })
    await db.execute('CREATE TABLE ways (held text)')
    const write = (held: string) => db.execute('INSERT INTO ways VALUES ($1)', held)
    for (const [index, held] of (['requests', 'answers'] as const).entries()) {
      for (let i = 0; i < 3; i++) await write('nothing') // prepared: from then on it is one message
      proxy.hold(held)
      await t.rejects(write(held), { code: 'FST_PG_QUERY_TIMEOUT' })
      await until(() => db.stats().closed.cancel === index + 1)
      proxy.hold(false)
      await until(() => db.stats().free === 1)
    }
    await until(async () => (await observer.backends()).length === 1)
    const rows = await db.fetchAll<{ held: string }>("SELECT held FROM ways WHERE held <> 'nothing' ORDER BY held")
    t.ok(['answers', 'answers,requests'].includes(rows.map(({ held }) => held).join()), JSON.stringify(rows))
  })
})
