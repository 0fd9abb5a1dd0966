import type { EventLog } from '../config/event-log.js'
import type { PoolEntry } from './pool-entry.js'

/** Reports leases and transactions that hold a connection for long: once each, and when they release it after all. */
export class LeakDetector {
  readonly #seconds: number
  readonly #log: EventLog

  /** Reports after `seconds`; 0: never. */
  constructor (seconds: number, log: EventLog) {
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
    const { takenBy, holder, log = this.#log } = entry
    const advice = takenBy === undefined ? 'set leakWarning to see who took it' : 'takenBy says who took it'
    const calls = takenBy === undefined ? {} : { takenBy: framesOf(takenBy) }
    log.warn({ event: 'leak.suspected', ...fieldsOf(entry, now), ...calls },
      `a ${holder} has held a connection for longer than leakWarning: release it, or shorten the work; ${advice}`)
  }

  /** A connection is released that may have been reported. */
  released (entry: PoolEntry, now: number): void {
    const { holder, isReported, log = this.#log } = entry
    entry.takenBy = undefined
    entry.log = undefined
    if (!isReported) return
    entry.isReported = false
    log.info({ event: 'leak.returned', ...fieldsOf(entry, now) }, `the ${holder} that held a connection for long has returned it`)
  }
}

function fieldsOf ({ holder, since, connection: { pid: backendPid } }: PoolEntry, now: number): object {
  return { holder, backendPid, heldFor: Math.round((now - since) / 100) / 10 }
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
