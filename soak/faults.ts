import { setTimeout as sleep } from 'node:timers/promises'
import type { EmbeddedPostgres } from '../tools/embedded-postgres/embedded-postgres.js'
import type { Database } from '../src/index.js'
import type { Fault, FaultProxy } from '../tools/fault-proxy.js'
import type { Random } from '../test/support/random.js'
import { kill } from './server.js'

export interface Chaos {
  readonly server: EmbeddedPostgres
  readonly proxy: FaultProxy
  readonly db: Database
  readonly random: Random
  /** How often each fault was made. */
  readonly made: Map<string, number>
}

/** A fault, drawn before it is made, so that the next one is the same in each run. It heals what it broke. */
type Make = (chaos: Chaos) => () => Promise<void>

const SHARES = [0.01, 0.5, 1]

const killing: Make = ({ server, random }) => {
  const share = random.pick(SHARES)
  const seed = String(random.fraction())
  return () => kill(server.url, share, seed)
}

/** The network, for a time. */
const network = (fault: Fault, least: number, most: number, cuts: boolean): Make => ({ proxy, random }) => {
  const time = random.integer(least, most)
  return async () => {
    await proxy.set(fault)
    if (cuts) proxy.cut()
    await sleep(time)
    await proxy.set('forward')
  }
}

const restarting = (mode: 'fast' | 'immediate'): Make => ({ server, random }) => {
  const time = random.integer(0, 800)
  return async () => {
    await server.stop(mode)
    await sleep(time)
    await server.start()
  }
}

/** How often each comes before all start again: some black holes are longer than every limit of the pool. */
const FAULTS: ReadonlyArray<[name: string, times: number, make: Make]> = [
  ['kill', 5, killing],
  ['cut', 1, ({ proxy }) => async () => proxy.cut()],
  ['black hole', 1, network('black-hole', 100, 1500, false)],
  ['long black hole', 1, network('black-hole', 2500, 5000, false)],
  ['held up', 1, ({ proxy, random }) => {
    const time = random.integer(100, 3000)
    return async () => {
      proxy.hold(true)
      await sleep(time)
      proxy.hold(false)
    }
  }],
  ['refused', 1, network('refuse', 100, 2000, true)],
  ['hung up', 1, network('hang-up', 100, 1000, true)],
  ['fast restart', 1, restarting('fast')],
  ['immediate restart', 1, restarting('immediate')],
  ['all replaced', 1, ({ db }) => async () => db.expire()],
]

/** Milliseconds between two faults. */
const SHORTEST_PEACE = 200
const LONGEST_PEACE = 1000

/** Makes one fault after the other until `end`, and leaves nothing broken. */
export async function makeFaults (chaos: Chaos, end: AbortSignal): Promise<void> {
  const { random, made } = chaos
  while (!end.aborted) {
    for (const [name, , make] of shuffled(random)) {
      const peace = random.integer(SHORTEST_PEACE, LONGEST_PEACE)
      const fault = make(chaos)
      await sleep(peace, undefined, { signal: end }).catch(() => {}) // the end
      if (end.aborted) return
      made.set(name, (made.get(name) ?? 0) + 1)
      await fault()
    }
  }
}

function shuffled (random: Random): typeof FAULTS {
  const bag = FAULTS.flatMap((fault) => Array.from({ length: fault[1] }, () => fault))
  return bag.map((fault) => ({ fault, place: random.fraction() })).sort((a, b) => a.place - b.place).map(({ fault }) => fault)
}
