import { setTimeout as sleep } from 'node:timers/promises'
import type { Database } from '../../src/index.js'
import { IMPOSTURES, NONSENSE } from '../../tools/nonsense.js'
import type { Calls } from '../calls.js'
import type { Counts } from '../counts.js'
import { errorText, type Findings } from '../findings.js'
import type { Pools } from '../pools.js'
import { QUIET } from '../settings.js'
import type { Faults, Make } from './schedule.js'

export interface Strangers {
  readonly pools: Pools
  readonly calls: Calls
  readonly counts: Counts
  readonly findings: Findings
}

/** New connections meet something else in place of the server. Those that exist go on, or have to be made again. */
const imposed: Make<Strangers> = ({ pools: { proxy, impostor }, calls, counts }, random) => {
  const imposture = random.pick(IMPOSTURES)
  const time = random.integer(100, 700)
  const cuts = random.chance(0.5)
  return async () => {
    counts.add('hostile start-ups', imposture.name)
    for (const way of [proxy, impostor]) way.impersonate(imposture)
    if (cuts) proxy.cut()
    await calls.amongNonsense(() => sleep(time))
    proxy.impersonate(undefined)
  }
}

/** Nonsense comes into the answers on the connections that exist. */
const slipped: Make<Strangers> = ({ pools: { proxy }, calls, counts }, random) => {
  const nonsense = random.pick(NONSENSE)
  const behind = random.integer(0, 4)
  return async () => {
    counts.add('hostile answers', nonsense.name)
    proxy.slip(nonsense, behind)
    await calls.amongNonsense(() => sleep(300))
    proxy.slip(undefined)
  }
}

/** They are prepared on each connection, so that they are sent at once. */
const probe = (db: Database, n: number): Promise<unknown> => db.fetchVal('SELECT $1::int FROM pg_sleep(0.02)', n)

/** Makes the quiet pool ready for probes. */
export async function warmUp (db: Database): Promise<void> {
  for (let round = 0; round < 4; round++) await Promise.all(Array.from({ length: QUIET.max }, (_, n) => probe(db, n)))
}

/** This process is busy and reads nothing. What is answered in the meantime is in time, and what could not be sent is not late. */
const blocked: Make<Strangers> = ({ pools: { quiet: { db } }, findings }, random) => {
  const time = random.integer(50, 600)
  const delay = random.integer(5, 30)
  return async () => {
    const probes = Array.from({ length: QUIET.max }, async (_, n) => {
      const value = await probe(db, n).catch((error: unknown) => { findings.add('blocked', `a loop blocked for ${time} ms: ${errorText(error)}`) })
      if (value !== undefined && value !== n) findings.add('others', `probe: ${String(value)}, not ${n}`)
    })
    await sleep(delay)
    for (const end = performance.now() + time; performance.now() < end;);
    await Promise.all(probes)
  }
}

/** The other one of two servers, which has the same schema and other OIDs; connections to the first one end, or go on. */
const otherServer = (cuts: boolean): Make<Strangers> => ({ pools: { fork } }) => async () => fork.turn(cuts)

/** What happens beside the network's faults, and at the same time. */
export const STRANGE_FAULTS: Faults<Strangers> = [
  ['hostile server', 1, imposed],
  ['hostile answers', 1, slipped],
  ['blocked loop', 1, blocked],
  ['other server', 2, otherServer(true)],
  ['other server beside', 1, otherServer(false)],
]
