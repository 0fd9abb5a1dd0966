import type { Config, Log } from '../config/config.js'
import type { Connection } from '../connection/connection.js'
import type { Inventory } from './connection-set.js'

/** How often it looks, in seconds: a quarter of the shortest limit, within these bounds. */
const SHORTEST_PERIOD = 0.01
const LONGEST_PERIOD = 1

/** What has to be looked after now and then: connections that are idle for too long, too old, or held for too long. */
export class Upkeep {
  readonly #config: Config
  readonly #log: Log
  readonly #connections: Inventory
  #timer: NodeJS.Timeout | undefined

  constructor (config: Config, log: Log, connections: Inventory) {
    this.#config = config
    this.#log = log
    this.#connections = connections
  }

  start (): void {
    const { idleTimeout, maxLifetime, leakWarning } = this.#config
    const limits = [idleTimeout, maxLifetime, leakWarning].filter((limit) => limit > 0)
    if (limits.length === 0) return
    const period = Math.min(LONGEST_PERIOD, Math.max(SHORTEST_PERIOD, Math.min(...limits) / 4))
    this.#timer = setInterval(() => this.#look(), period * 1000).unref()
  }

  stop (): void { clearInterval(this.#timer) }

  #look (): void {
    const { idleTimeout, min, leakWarning } = this.#config
    this.#connections.sweep(idleTimeout, min)
    if (leakWarning === 0) return
    const now = performance.now()
    for (const connection of this.#connections.open) {
      const { state, holder, isReported } = connection
      if (state === 'busy' && (holder === 'lease' || holder === 'transaction') && !isReported && now - connection.since >= leakWarning * 1000) this.#report(connection, now)
    }
  }

  #report (connection: Connection, now: number): void {
    connection.isReported = true
    const { holder, pid, takenBy } = connection
    const advice = takenBy === undefined ? 'set leakWarning to see who took it' : 'takenBy says who took it'
    this.#log.warn({ holder, pid, heldFor: secondsSince(connection, now), ...(takenBy !== undefined && { takenBy: framesOf(takenBy) }) },
      `a ${holder} has held a connection for longer than leakWarning: release it, or shorten the work; ${advice}`)
  }

  /** A connection comes back that may have been reported. */
  returned (connection: Connection, now: number): void {
    connection.takenBy = undefined
    if (!connection.isReported) return
    connection.isReported = false
    const { holder, pid } = connection
    this.#log.info({ holder, pid, heldFor: secondsSince(connection, now) }, `the ${holder} that held a connection for long has returned it`)
  }
}

function secondsSince ({ since }: Connection, now: number): number {
  return Math.round((now - since) / 100) / 10
}

/** The calls that led to it, one in a line. */
function framesOf ({ stack }: { stack?: unknown }): string[] {
  if (typeof stack !== 'string') return [] // an app may have an Error.prepareStackTrace of its own
  return stack.split('\n').slice(1).map((line) => line.trim())
}
