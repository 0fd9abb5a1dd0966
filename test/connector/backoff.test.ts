import t, { type Test } from 'tap'
import { createDatabase } from '../../src/index.js'
import { backoff } from '../../src/connector/backoff.js'
import { FaultProxy } from '../../tools/fault-proxy.js'
import { freshDatabase, type MemoryLog, memoryLog, type Observer, openDatabase, until } from '../support/database.js'

/** A pool with one connection behind a proxy, and `outage`: the milliseconds between so many failed connects in a row. */
async function refused (t: Test, observer: Observer): Promise<{ log: MemoryLog, outage: (failures: number) => Promise<number[]> }> {
  const proxy = await FaultProxy.start(t, observer.url)
  const log = memoryLog()
  const failedAt: number[] = []
  for (const level of ['warn', 'debug'] as const) {
    const write = log[level]
    log[level] = (object, message) => {
      if (message.startsWith('cannot connect')) failedAt.push(performance.now())
      write(object, message)
    }
  }
  const db = await openDatabase(t, observer, { url: proxy.url, min: 1, max: 1, log })
  let outages = 0
  const outage = async (failures: number): Promise<number[]> => {
    failedAt.length = 0
    await proxy.set('refuse')
    proxy.cut()
    await until(() => failedAt.length >= failures, 30)
    const intervals = failedAt.slice(1, failures).map((at, index) => at - (failedAt[index] ?? NaN))
    await proxy.set('forward')
    await until(() => db.stats().size === 1)
    outages++
    await until(() => log.lines.filter(({ message }) => message === 'the database pool has recovered').length === outages)
    return intervals
  }
  return { log, outage }
}

t.test('the seconds to wait grow to half of one, or to a minute where it is of no use and nobody waits', async (t) => {
  const table = (isPermanent: boolean, hasCallers: boolean): number[] =>
    [1, 2, 3, 4, 5, 10, 11, 12, 100, 10_000].map((failures) => backoff(failures, isPermanent, hasCallers))
  const quick = [0.05, 0.1, 0.2, 0.4, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5]
  t.same(table(false, false), quick)
  t.same(table(false, true), quick)
  t.same(table(true, true), quick)
  t.same(table(true, false), [0.05, 0.1, 0.2, 0.4, 0.8, 25.6, 51.2, 60, 60, 60])
})

t.test('connects that fail again and again', async (t) => {
  const observer = await freshDatabase(t)

  t.test('are repeated at growing intervals up to a limit, from the start again after a success, and reported once for each outage', async (t) => {
    const { log, outage } = await refused(t, observer)
    const intervals = await outage(10)
    const [first = NaN, last = NaN] = [intervals[0], intervals.at(-1)]
    t.ok(last > 3 * first, `they grow: ${intervals.map(Math.round).join(', ')} ms`)
    // Without a limit the tenth would be 32 times as long as the fifth.
    t.ok(last < 4 * (intervals[4] ?? NaN), 'up to a limit')
    const [again = NaN] = await outage(3)
    t.ok(again < last / 2, `and begin small again: ${Math.round(again)} ms`)
    const warnings = log.lines.filter(({ level }) => level === 'warn') // of the connection that was lost first
    t.equal(warnings.length, 2, 'one warning for each outage')
  })

  t.test('are repeated at intervals that differ from one process to another', async (t) => {
    const { outage } = await refused(t, observer)
    const { random } = Math
    t.teardown(() => { Math.random = random })
    const shortest = async (number: number): Promise<number> => {
      Math.random = () => number
      const intervals = await outage(9)
      return Math.min(...intervals.slice(-4)) // those that have reached the limit
    }
    const [early, late] = [await shortest(0), await shortest(0.999)]
    t.ok(late > 490 && early >= 370 && early < late, `${early} and ${late} ms`)
  })

  t.test('do not expire in step: the age at which a connection is replaced differs', async (t) => {
    const { random } = Math
    t.teardown(() => { Math.random = random })
    const opened = async (number: number): Promise<ReturnType<typeof createDatabase>> => {
      Math.random = () => number
      const db = await openDatabase(t, observer, { min: 1, max: 1, maxLifetime: 3, leakWarning: 0.1 }) // which has the housekeeper look often
      Math.random = random
      return db
    }
    // The one that is opened later is replaced earlier: at 75 % of its lifetime instead of 90 %.
    const [late, early] = [await opened(0.999), await opened(0)]
    const isReplaced = (db: typeof late): boolean => (db.stats().closed.age ?? 0) > 0
    await until(() => isReplaced(early) || isReplaced(late))
    t.same([isReplaced(early), isReplaced(late)], [true, false])
    await until(() => isReplaced(late))
  })
})
