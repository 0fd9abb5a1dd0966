import { createDatabase, type Database, type DatabaseOptions } from '../src/index.js'
import { FaultProxy } from '../tools/fault-proxy.js'
import { IMPOSTURES } from '../tools/nonsense.js'
import { seeded } from '../test/support/random.js'
import type { Counts } from './counts.js'
import { Fork } from './fork.js'
import { POOL, QUIET } from './settings.js'
import { throwingLog } from './throwing-log.js'

/** A pool of the run, and where its server counts its connections. */
export interface SoakedPool {
  readonly name: string
  readonly db: Database
  readonly min: number
  readonly urls: readonly string[]
}

/** What `onConnect` sets in each session of the pool with `reset: 'always'`. */
export const HOME = 'always'

/**
 * - `auto`: the main one.
 * - `always`: with `reset: 'always'`, on the same proxy; the first one of its hosts is an impostor.
 * - `forked`: its way leads to one server and to another one in turn, which have the same types with other OIDs.
 * - `quiet`: nothing happens to its server.
 */
export interface Pools {
  readonly auto: SoakedPool
  readonly always: SoakedPool
  readonly forked: SoakedPool
  readonly quiet: SoakedPool
  readonly proxy: FaultProxy
  readonly impostor: FaultProxy
  readonly fork: Fork
  close (): Promise<void>
}

/** Pools for a server and another one. */
export async function createPools (url: string, otherUrl: string, seed: string, counts: Counts): Promise<Pools> {
  const [proxy, impostor, fork] = await Promise.all([FaultProxy.open(url), FaultProxy.open(url), Fork.open([url, otherUrl])])
  impostor.impersonate(IMPOSTURES[0])
  const pool = (name: string, urls: readonly string[], options: DatabaseOptions & { min?: number }): SoakedPool => {
    const all = { ...POOL, ...options, applicationName: `soak ${name}`, log: throwingLog(seeded(`${seed} log ${name}`), counts) }
    return { name, db: createDatabase(all, {}), min: all.min, urls }
  }
  const always = new URL(proxy.url)
  always.searchParams.set('host', `${new URL(impostor.url).host},${always.host}`)
  const pools = {
    auto: pool('auto', [url], { url: proxy.url }),
    always: pool('always', [url], {
      url: always.href, reset: 'always', min: 4, max: 8, onConnect: (connection) => connection.execute(`SET soak.home TO '${HOME}'`)
    }),
    forked: pool('forked', fork.urls, { url: fork.url, min: 2, max: 4 }),
    quiet: pool('quiet', [otherUrl], { url: otherUrl, ...QUIET }),
  }
  const close = async (): Promise<void> => {
    await Promise.all(Object.values(pools).map(({ db }) => db.close()))
    await Promise.all([proxy, impostor, fork].map((way) => way.close()))
  }
  return { ...pools, proxy, impostor, fork, close }
}
