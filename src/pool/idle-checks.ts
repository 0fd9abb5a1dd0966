import type { Connection } from '../connection/connection.js'
import type { Inventory } from './connection-set.js'

/** Checks of idle connections that may be dead: after a loss of others, and after a long time without use. */
export class Checks {
  /** How many are being checked. */
  underWay = 0
  readonly #seconds: number
  readonly #connections: Inventory
  readonly #onAlive: (connection: Connection) => void
  readonly #onDead: () => void

  /** After `seconds` without use a connection is not lent unchecked; 0: it always is. */
  constructor (seconds: number, connections: Inventory, onAlive: (connection: Connection) => void, onDead: () => void) {
    this.#seconds = seconds
    this.#connections = connections
    this.#onAlive = onAlive
    this.#onDead = onDead
  }

  /** An idle connection that was alive not long ago. */
  take (now: number): Connection | undefined {
    return this.#connections.take(now, this.#seconds === 0 ? undefined : now - this.#seconds * 1000)
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

  #check (connection: Connection, now: number): void {
    connection.lend('pool', now)
    this.underWay++
    connection.check().then(() => {
      this.underWay--
      if (connection.state === 'busy') this.#onAlive(connection)
      else this.#onDead()
    })
  }
}
