import type { CloseReason } from '../connection/connection.js'
import type { PoolEntry, RetireReason } from './pool-entry.js'
import type { Retirement } from './retirement.js'

/** The connections of a pool: which are open, which of those idle, which are closing. */
export class ConnectionSet {
  /** Idle and busy. */
  readonly #open = new Set<PoolEntry>()
  /** A stack: the warmest on top. */
  readonly #idle: PoolEntry[] = []
  readonly #closing = new Set<PoolEntry>()
  readonly #retirement: Retirement

  constructor (retirement: Retirement) { this.#retirement = retirement }

  get size (): number { return this.#open.size }
  get free (): number { return this.#idle.length }
  get busy (): number { return this.#open.size - this.#idle.length }
  get closing (): number { return this.#closing.size }
  get isEmpty (): boolean { return this.#open.size + this.#closing.size === 0 }
  get open (): Iterable<PoolEntry> { return this.#open }

  /** A new connection. It is busy until it is released. */
  add (entry: PoolEntry): void { this.#open.add(entry) }

  release (entry: PoolEntry, now: number): void {
    entry.release(now)
    this.#idle.push(entry)
  }

  /** The warmest idle connection that is not too old, if it has been idle for no longer than since then. */
  take (now: number, idleSince = -Infinity): PoolEntry | undefined {
    for (let entry = this.#idle.at(-1); entry !== undefined; entry = this.#idle.at(-1)) {
      const isDue = now >= entry.expiresAt && !this.#retirement.postpones('age')
      if (!isDue) return entry.since < idleSince ? undefined : this.#idle.pop()
      this.#retire(entry, 'age', now)
    }
    return undefined
  }

  /** A connection is no longer open. */
  down (entry: PoolEntry): void {
    this.#open.delete(entry)
    this.#leaveIdle(entry)
    this.#retirement.remove(entry)
    this.#closing.add(entry)
  }

  #leaveIdle (entry: PoolEntry): void {
    const index = this.#idle.indexOf(entry)
    if (index !== -1) this.#idle.splice(index, 1)
  }

  /** The socket of a connection is gone, and its place is free. */
  gone (entry: PoolEntry): void { this.#closing.delete(entry) }

  /** Closes every connection that nobody has. */
  closeIdle (reason: CloseReason): void {
    for (const { connection } of [...this.#idle]) connection.close(reason)
    this.#retirement.close(Infinity, reason)
  }

  /** Retires what is due, and closes what has been idle for `seconds` (0: never), but not below `min`. */
  sweep (seconds: number, min: number): void {
    const now = performance.now()
    for (const entry of [...this.#idle]) {
      const reason = entry.dueFor(now)
      if (reason !== undefined && !this.#retirement.postpones(reason)) this.#retire(entry, reason, now)
      else if (seconds > 0 && now - entry.since >= seconds * 1000 && this.size > min) entry.connection.close('idle')
    }
  }

  #retire (entry: PoolEntry, reason: RetireReason, now: number): void {
    this.#leaveIdle(entry)
    this.#retirement.add(entry, reason, now)
  }

  /** Ends every open connection, whatever it is doing. */
  destroyAll (reason: CloseReason): void {
    for (const { connection } of [...this.#open]) connection.destroy(reason)
  }

  /** Whether every connection is held by a transaction that waits for a further one. */
  get isDeadlocked (): boolean {
    for (const { transaction } of this.#open) if (transaction === undefined || transaction.waiting === 0) return false
    return true
  }

  /** Who holds the connections and for how long, in words for an error of exhaustion. */
  describe (): string {
    const counts = new Map<string, number>()
    let longest: PoolEntry | undefined
    for (const entry of this.#open) {
      if (!entry.isBusy) continue
      counts.set(entry.holder, (counts.get(entry.holder) ?? 0) + 1)
      if (longest === undefined || entry.since < longest.since) longest = entry
    }
    const numbers = `${this.busy} of ${this.size} open connections are busy`
    if (longest === undefined) return numbers
    const holders = [...counts].map(([holder, count]) => `${count} by a ${holder}`).join(', ')
    return `${numbers} (${holders}; the longest for ${((performance.now() - longest.since) / 1000).toFixed(1)} s by a ${longest.holder})`
  }
}
