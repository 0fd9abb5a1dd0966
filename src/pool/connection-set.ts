import type { CloseReason, Connection } from '../connection/connection.js'

/** The connections of a pool, from birth to death: which are open, which of those idle, which on their way out. */
export class Inventory {
  /** Idle and busy. */
  readonly #open = new Set<Connection>()
  /** A stack: the warmest on top. */
  readonly #idle: Connection[] = []
  readonly #closing = new Set<Connection>()

  get size (): number { return this.#open.size }
  get free (): number { return this.#idle.length }
  get busy (): number { return this.#open.size - this.#idle.length }
  get closing (): number { return this.#closing.size }
  get isEmpty (): boolean { return this.#open.size + this.#closing.size === 0 }
  get open (): Iterable<Connection> { return this.#open }

  /** A new connection. It is busy until it rests. */
  add (connection: Connection): void { this.#open.add(connection) }

  rest (connection: Connection, now?: number): void {
    connection.rest(now)
    this.#idle.push(connection)
  }

  /** The warmest idle connection that is not too old, if it has been idle for no longer than since then. */
  take (now: number, idleSince = -Infinity): Connection | undefined {
    for (let connection = this.#idle.at(-1); connection !== undefined; connection = this.#idle.at(-1)) {
      if (now < connection.expiresAt) return connection.since < idleSince ? undefined : this.#idle.pop()
      connection.close('age') // it leaves the stack
    }
    return undefined
  }

  /** A connection is no longer open. False if it never was. */
  down (connection: Connection): boolean {
    if (!this.#open.delete(connection)) return false
    const index = this.#idle.indexOf(connection)
    if (index !== -1) this.#idle.splice(index, 1)
    this.#closing.add(connection)
    return true
  }

  /** The socket of a connection is gone, and its place is free. */
  gone (connection: Connection): boolean { return this.#closing.delete(connection) }

  closeIdle (reason: CloseReason): void {
    for (const connection of [...this.#idle]) connection.close(reason)
  }

  /** Closes what is too old, and what has been idle for `seconds` (0: never), but not below `min` for idleness. */
  sweep (seconds: number, min: number): void {
    const now = performance.now()
    for (const connection of [...this.#idle]) {
      if (now >= connection.expiresAt) connection.close('age')
      else if (seconds > 0 && now - connection.since >= seconds * 1000 && this.size > min) connection.close('idle')
    }
  }

  /** Ends every open connection, whatever it is doing. */
  destroyAll (reason: CloseReason): void {
    for (const connection of [...this.#open]) connection.destroy(reason)
  }

  /** Whether every connection is held by a transaction that waits for a further one. */
  get isDeadlocked (): boolean {
    for (const connection of this.#open) if (connection.blocked === 0) return false
    return true
  }

  /** Who holds the connections and for how long, in words for an error of exhaustion. */
  describe (): string {
    const counts = new Map<string, number>()
    let longest: Connection | undefined
    for (const connection of this.#open) {
      if (connection.state !== 'busy') continue
      counts.set(connection.holder, (counts.get(connection.holder) ?? 0) + 1)
      if (longest === undefined || connection.since < longest.since) longest = connection
    }
    const numbers = `${this.busy} of ${this.size} open connections are busy`
    if (longest === undefined) return numbers
    const holders = [...counts].map(([holder, count]) => `${count} by a ${holder}`).join(', ')
    return `${numbers} (${holders}; the longest for ${((performance.now() - longest.since) / 1000).toFixed(1)} s by a ${longest.holder})`
  }
}
