import type { ConnectionSet } from './connection-set.js'
import type { PoolEntry } from './pool-entry.js'

/** What follows a check. */
export interface IdleCheckEvents {
  /** The connection has answered, and is to be released. */
  alive (entry: PoolEntry): void
  /** It has ended. */
  dead (): void
}

/** Checks of idle connections that may be dead: after a loss of others, and after a long time without use. */
export class IdleChecks {
  /** How many are being checked. */
  underWay = 0
  readonly #connections: ConnectionSet
  readonly #events: IdleCheckEvents

  constructor (connections: ConnectionSet, events: IdleCheckEvents) {
    this.#connections = connections
    this.#events = events
  }

  /** Checks those that nobody gets otherwise, one for each of so many waiters. */
  checkStale (waiters: number, now: number): void {
    for (let stale; this.underWay < waiters && (stale = this.#connections.take(now)) !== undefined;) this.#check(stale, now)
  }

  /** All at once: one after the other, each that is dead would cost its time. */
  checkAll (): void {
    const now = performance.now()
    for (let idle; (idle = this.#connections.take(now)) !== undefined;) this.#check(idle, now)
  }

  #check (entry: PoolEntry, now: number): void {
    entry.acquire('pool', now)
    this.underWay++
    entry.connection.check().then(() => {
      this.underWay--
      if (entry.connection.isOpen) this.#events.alive(entry)
      else this.#events.dead()
    })
  }
}
