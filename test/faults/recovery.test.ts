import t, { type Test } from 'tap'
import { setTimeout as sleep } from 'node:timers/promises'
import { startEmbeddedPostgres, type EmbeddedPostgres } from '../../tools/embedded-postgres/embedded-postgres.js'
import { createDatabase, type Database, type DatabaseOptions, errors } from '../../src/index.js'
import { freshDatabase, memoryLog, openDatabase, until } from '../support/database.js'
import { DeafProxy } from '../support/deaf-proxy.js'
import { FaultProxy } from '../../tools/fault-proxy.js'
import { seeded } from '../support/random.js'
import { query } from '../support/streaming-pair.js'

/** More of them for the figures of docs/reliability.md: `RESTARTS=20 npm test -- test/faults/recovery.test.ts --timeout=170`. */
const RESTARTS = Number(process.env['RESTARTS'] ?? 6)

t.test('the server restarts under load: the pool serves again at its next connect, all callers settle, no stampede (case 25)', async (t) => {
  const server = await startEmbeddedPostgres({ settings: { max_connections: 100 } })
  t.teardown(() => server.close())
  const alone = await behindProxy(t, server, { min: 5, max: 10 })
  const crowded = await behindProxy(t, server, { min: 5, max: 10, acquireTimeout: 60 })
  const random = seeded('restarts')
  const recovered = { alone: [] as number[], crowded: [] as number[] }
  const learned: number[] = []
  const failed = { alone: [] as number[], crowded: [] as number[] }
  for (let round = 0; round < RESTARTS; round++) {
    const inFlight = [alone, crowded].flatMap(({ db }) => Array.from({ length: 5 }, () => db.fetchVal('SELECT pg_sleep(60)')))
    const told = Promise.allSettled(inFlight).then((outcomes) => ({ outcomes, at: performance.now() }))
    await until(() => alone.db.stats().busy + crowded.db.stats().busy === 10)
    const fellAt = performance.now()
    await server.stop(round % 2 === 0 ? 'immediate' : 'fast')
    let isTold = false
    told.then(() => { isTold = true })
    await until(() => alone.db.stats().size + crowded.db.stats().size === 0) // each connection learns of it by itself
    await new Promise(setImmediate)
    t.ok(isTold, 'callers in flight have learned of it as soon as the pool has')
    const { outcomes, at } = await told
    for (const outcome of outcomes) if (outcome.status === 'fulfilled' || !(outcome.reason instanceof errors.ConnectionLostError)) t.fail('a caller in flight was not told that the connection is lost')
    learned.push(at - fellAt)
    const waiting = Array.from({ length: 200 }, (_, i) => crowded.db.fetchVal('SELECT $1::int', i))
    const first = Promise.any(waiting).then(() => performance.now())
    const settled = Promise.all(waiting)
    await sleep(random.integer(200, 1400)) // so that the pool is at any point of its retries
    const accepting = accepts(server)
    const serving = serves(alone.db)
    await server.start()
    const acceptedAt = await accepting
    const failures = { alone: alone.db.stats().connectFailures, crowded: crowded.db.stats().connectFailures }
    recovered.alone.push(Math.max(0, await serving - acceptedAt))
    failed.alone.push(alone.db.stats().connectFailures - failures.alone)
    recovered.crowded.push(Math.max(0, await first - acceptedAt))
    failed.crowded.push(crowded.db.stats().connectFailures - failures.crowded)
    t.same(await settled, Array.from({ length: 200 }, (_, i) => i))
  }
  t.comment(`a caller in flight learned of it: ${figures(learned)}`)
  for (const [name, times] of Object.entries(recovered)) {
    t.comment(`from "the server accepts" to "the pool serves", ${name === 'alone' ? 0 : 200} waiting: ${figures(times)}`)
  }
  // Those that are under way when the server accepts may still fail: the next ones, half a second later at most, do not.
  for (const [name, counts] of Object.entries(failed)) t.ok(counts.every((count) => count <= 2), `${name}: ${counts.join(', ')} more connects failed`)
  for (const { proxy, db } of [alone, crowded]) {
    t.ok(proxy.mostConnecting <= 4, `${proxy.mostConnecting} connects at a time`)
    await until(() => db.stats().free === db.stats().size && db.stats().size >= 5)
    t.match(db.stats(), { busy: 0, waiting: 0 })
  }
})

async function behindProxy (t: Test, server: EmbeddedPostgres, options: DatabaseOptions): Promise<{ db: Database, proxy: FaultProxy }> {
  const proxy = await FaultProxy.start(t, server.url)
  const db = createDatabase({ url: proxy.url, log: memoryLog(), ...options }, {})
  t.teardown(() => db.close())
  await db.open()
  return { db, proxy }
}

/** When the server lets a client in that has nothing to do with the pool. */
async function accepts (server: EmbeddedPostgres): Promise<number> {
  await until(() => query(server.url, 'SELECT 1').then(() => true, () => false), 30)
  return performance.now()
}

/** When a pool that nobody waits for has a connection, and that answers. */
async function serves (db: Database): Promise<number> {
  await until(() => db.stats().free > 0, 30)
  await db.fetchVal('SELECT 1')
  return performance.now()
}

function quantile (times: number[], share: number): number {
  const sorted = [...times].sort((a, b) => a - b)
  return sorted[Math.ceil(sorted.length * share) - 1] ?? NaN
}

function figures (times: number[]): string {
  const [p50, p95, max] = [0.5, 0.95, 1].map((share) => quantile(times, share).toFixed(0))
  return `p50 ${p50} ms, p95 ${p95} ms, max ${max} ms of ${times.length}`
}

t.test('the network swallows everything, then is back: no connect that hangs since before holds up the pool', async (t) => {
  const observer = await freshDatabase(t)
  const outages = [600, 1300, 2400, 3300]
  const times = await Promise.all(outages.map(async (outage) => {
    const proxy = await DeafProxy.start(t, observer.url)
    const db = await openDatabase(t, observer, { url: proxy.url, min: 2, max: 10, commandTimeout: 0.2, acquireTimeout: 60 })
    await proxy.deafen()
    await Promise.allSettled([db.fetchVal('SELECT 1'), db.fetchVal('SELECT 1')])
    const waiting = Array.from({ length: 20 }, (_, i) => db.fetchVal('SELECT $1::int', i))
    const settled = Promise.all(waiting)
    let most = 0
    const watch = setInterval(() => { most = Math.max(most, db.stats().opening) }, 5)
    await sleep(outage)
    const healedAt = performance.now()
    proxy.hear()
    await Promise.any(waiting)
    const took = performance.now() - healedAt
    t.same(await settled, Array.from({ length: 20 }, (_, i) => i))
    clearInterval(watch)
    t.ok(most <= 4 && most > 0, `${most} connects at a time`)
    return took
  }))
  t.comment(`served ${times.map((time) => time.toFixed(0)).join(', ')} ms after the network was back, which was gone for ${outages.join(', ')} ms`)
  for (const time of times) t.ok(time < 2000, `after ${time.toFixed(0)} ms`)
})

t.test('a server that takes long to let anyone in is not given up for the sake of brief connects', async (t) => {
  const observer = await freshDatabase(t)
  await Promise.all([1, 2, 6].map(async (max) => {
    const proxy = await FaultProxy.start(t, observer.url)
    proxy.delay(1300)
    const db = createDatabase({ url: proxy.url, min: max, max, log: memoryLog() }, {})
    t.teardown(() => db.close())
    await db.open()
    t.match(db.stats(), { size: max, created: max, connectFailures: 0 })
    t.ok(proxy.accepted <= max + 3, `${proxy.accepted} connects for ${max} connections`)
  }))
})
