import type { CloseReason, Connection, ConnectionEvents } from '../connection/connection.js'

/** Who has a connection: a single statement, a transaction, a lease, or the pool itself (a check, a reset). */
export type Holder = 'statement' | 'transaction' | 'lease' | 'pool'

/** The pool, as far as an entry tells it what happens. */
export interface PoolEntryEvents {
  /** The single statements that it was acquired for are done. */
  drained (entry: PoolEntry, now: number): void
  down (entry: PoolEntry, reason: CloseReason, cause: unknown): void
  gone (entry: PoolEntry): void
}

/** One connection as the pool sees it: who holds it, since when, and until when it may be used. Only `pool/` writes to it. */
export class PoolEntry implements ConnectionEvents {
  readonly connection: Connection
  /** When it is too old, in the clock of `performance.now()`: with jitter, so that connections do not expire in step. */
  readonly expiresAt: number
  holder: Holder = 'pool'
  /** When it was acquired or released last. */
  since = performance.now()
  isBusy = true
  /** How often it was acquired: what belongs to an earlier acquisition is over. */
  acquisitions = 0
  /** Calls that wait for another connection although a transaction on this one has to end first. */
  blocked = 0
  /** Whether it was reported as held for too long. */
  isReported = false
  /** The calls that led to its acquisition, where they were noted. */
  takenBy: { stack?: string } | undefined
  readonly #events: PoolEntryEvents

  /** `maxLifetime`: in seconds; 0 for ever. */
  constructor (connection: Connection, maxLifetime: number, events: PoolEntryEvents) {
    this.connection = connection
    this.expiresAt = maxLifetime === 0 ? Infinity : connection.createdAt + maxLifetime * 1000 * (0.75 + Math.random() * 0.15)
    this.#events = events
    connection.open(this)
  }

  acquire (holder: Holder, now: number): void {
    this.isBusy = true
    this.holder = holder
    this.since = now
    this.acquisitions++
  }

  release (now: number): void {
    this.isBusy = false
    this.since = now
  }

  /** A holder of more than single statements releases it itself. */
  drained (now: number): void {
    if (this.holder === 'statement' && this.isBusy) this.#events.drained(this, now)
  }

  down (reason: CloseReason, cause: unknown): void { this.#events.down(this, reason, cause) }

  gone (): void { this.#events.gone(this) }
}
