import type { EventLog } from '../config/event-log.js'
import type { Config } from '../config/config.js'
import type { CloseReason, Connection, ConnectionEvents } from '../connection/connection.js'
import type { RunningTransaction } from './nested-acquire.js'

/** Who has a connection: a single statement, a transaction, a lease, the sandbox of a test, or the pool itself (a check, a reset). */
export type Holder = 'statement' | 'transaction' | 'lease' | 'sandbox' | 'pool'

/** Why a connection has to make place for a new one. */
export type RetireReason = Extract<CloseReason, 'age' | 'uses'>

/** What an entry is released to when the single statements are done that it was acquired for. */
interface Releaser { release (entry: PoolEntry, now: number): void }

/** The pool, as far as an entry tells it what happens. */
export interface PoolEntryEvents {
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
  /** The transaction on it, while its function runs. */
  transaction: RunningTransaction | undefined
  /** Whether it was reported as held for too long. */
  isReported = false
  /** The calls that led to its acquisition, where they were noted. */
  takenBy: { stack?: string } | undefined
  /** The log of who holds it, if it has one of its own. */
  log: EventLog | undefined
  readonly #maxQueries: number
  readonly #releaser: Releaser
  readonly #events: PoolEntryEvents

  constructor (connection: Connection, { maxLifetime, maxQueries }: Config, releaser: Releaser, events: PoolEntryEvents) {
    this.connection = connection
    this.#maxQueries = maxQueries
    this.expiresAt = maxLifetime === 0 ? Infinity : connection.createdAt + maxLifetime * 1000 * (0.75 + Math.random() * 0.15)
    this.#releaser = releaser
    this.#events = events
    connection.open(this)
  }

  /** Why its time is over, if it is. */
  dueFor (now: number): RetireReason | undefined {
    if (this.#maxQueries > 0 && this.connection.uses >= this.#maxQueries) return 'uses'
    return now >= this.expiresAt ? 'age' : undefined
  }

  acquire (holder: Holder, now: number): void {
    this.isBusy = true
    this.holder = holder
    this.since = now
  }

  release (now: number): void {
    this.transaction?.end() // a lease may be released while the function of its transaction goes on
    this.isBusy = false
    this.since = now
  }

  /** A holder of more than single statements releases it itself. */
  drained (now: number): void {
    if (this.holder === 'statement' && this.isBusy) this.#releaser.release(this, now)
  }

  down (reason: CloseReason, cause: unknown): void { this.#events.down(this, reason, cause) }

  gone (): void { this.#events.gone(this) }
}
