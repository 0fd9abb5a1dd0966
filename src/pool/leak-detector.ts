import type { Log } from '../config/options.js'
import type { PoolEntry } from './pool-entry.js'

/** Reports leases and transactions that hold a connection for long: once each, and when they release it after all. */
export class LeakDetector {
  readonly #seconds: number
  readonly #log: Log

  /** Reports after `seconds`; 0: never. */
  constructor (seconds: number, log: Log) {
    this.#seconds = seconds
    this.#log = log
  }

  inspect (entries: Iterable<PoolEntry>): void {
    if (this.#seconds === 0) return
    const now = performance.now()
    for (const entry of entries) {
      const isHeld = entry.isBusy && (entry.holder === 'lease' || entry.holder === 'transaction')
      if (isHeld && !entry.isReported && now - entry.since >= this.#seconds * 1000) this.#report(entry, now)
    }
  }

  #report (entry: PoolEntry, now: number): void {
    entry.isReported = true
    const { holder, connection: { pid }, takenBy } = entry
    const advice = takenBy === undefined ? 'set leakWarning to see who took it' : 'takenBy says who took it'
    this.#log.warn({ holder, pid, heldFor: secondsSince(entry, now), ...(takenBy !== undefined && { takenBy: framesOf(takenBy) }) },
      `a ${holder} has held a connection for longer than leakWarning: release it, or shorten the work; ${advice}`)
  }

  /** A connection is released that may have been reported. */
  released (entry: PoolEntry, now: number): void {
    entry.takenBy = undefined
    if (!entry.isReported) return
    entry.isReported = false
    const { holder, connection: { pid } } = entry
    this.#log.info({ holder, pid, heldFor: secondsSince(entry, now) }, `the ${holder} that held a connection for long has returned it`)
  }
}

function secondsSince ({ since }: PoolEntry, now: number): number {
  return Math.round((now - since) / 100) / 10
}

/** The calls that led to it, one in a line. */
function framesOf (calls: { stack?: unknown }): string[] {
  try {
    const { stack } = calls // an app may have an Error.prepareStackTrace of its own
    return typeof stack === 'string' ? stack.split('\n').slice(1).map((line) => line.trim()) : []
  } catch {
    return []
  }
}
