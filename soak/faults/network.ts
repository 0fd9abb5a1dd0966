import { setTimeout as sleep } from 'node:timers/promises'
import type { Database } from '../../src/index.js'
import type { EmbeddedPostgres } from '../../tools/embedded-postgres/embedded-postgres.js'
import type { Fault, FaultProxy } from '../../tools/fault-proxy.js'
import { kill } from '../server.js'
import type { Faults, Make } from './schedule.js'

export interface Network {
  readonly server: EmbeddedPostgres
  readonly proxy: FaultProxy
  readonly pools: readonly Database[]
}

const SHARES = [0.01, 0.5, 1]

const killing: Make<Network> = ({ server }, random) => {
  const share = random.pick(SHARES)
  const seed = String(random.fraction())
  return () => kill(server.url, share, seed)
}

/** The network, for a time. */
const network = (fault: Fault, least: number, most: number, cuts: boolean): Make<Network> => ({ proxy }, random) => {
  const time = random.integer(least, most)
  return async () => {
    await proxy.set(fault)
    if (cuts) proxy.cut()
    await sleep(time)
    await proxy.set('forward')
  }
}

const restarting = (mode: 'fast' | 'immediate'): Make<Network> => ({ server }, random) => {
  const time = random.integer(0, 800)
  return async () => {
    await server.stop(mode)
    await sleep(time)
    await server.start()
  }
}

/** What breaks between the pools and their server, and in it: some black holes are longer than every limit of the pools. */
export const NETWORK_FAULTS: Faults<Network> = [
  ['kill', 5, killing],
  ['cut', 1, ({ proxy }) => async () => proxy.cut()],
  ['black hole', 1, network('black-hole', 100, 1500, false)],
  ['long black hole', 1, network('black-hole', 2500, 5000, false)],
  ['held up', 1, ({ proxy }, random) => {
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
  ['all replaced', 1, ({ pools }) => async () => pools.forEach((db) => db.expire())],
]
