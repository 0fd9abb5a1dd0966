import { AsyncLocalStorage } from 'node:async_hooks'
import type { Connection, Holder } from '../connection/connection.js'
import type { Deadlines, Expiring } from '../timing/deadlines.js'
import { AbortedError } from '../errors/errors.js'
import { LinkedList, type Node } from '../collections/linked-list.js'

/** Who wants a connection, and hears of it or of an error, once. */
export interface Applicant {
  readonly holder: Holder
  readonly signal: AbortSignal | undefined
  served (connection: Connection): void
  refused (error: Error): void
}

/** An applicant in the queue, and his place there. He leaves once: served, timed out, aborted or turned away. */
export class Waiter implements Node<Waiter> {
  readonly applicant: Applicant
  readonly since: number
  /** The connection that the caller's own transaction holds meanwhile. */
  readonly blocks: Connection | undefined
  readonly value = this
  previous: Node<Waiter> | null = null
  next: Node<Waiter> | null = null
  linked = false
  readonly #room: WaitingRoom

  constructor (room: WaitingRoom, applicant: Applicant, blocks: Connection | undefined, since: number) {
    this.#room = room
    this.applicant = applicant
    this.blocks = blocks
    this.since = since
    applicant.signal?.addEventListener('abort', this, { once: true })
    if (blocks !== undefined) blocks.blocked++
  }

  serve (connection: Connection): void {
    if (this.#leave()) this.applicant.served(connection)
  }

  turnAway (error: Error): void {
    if (this.#leave()) this.applicant.refused(error)
  }

  /** His signal was aborted. */
  handleEvent (): void { this.turnAway(new AbortedError({ cause: this.applicant.signal?.reason })) }

  #leave (): boolean {
    if (!this.#room.remove(this)) return false
    this.applicant.signal?.removeEventListener('abort', this)
    if (this.blocks !== undefined) this.blocks.blocked--
    return true
  }
}

/**
 * The callers that wait for a connection: first in, first out, each with his deadline and signal. All may wait equally
 * long, so the first one's deadline is the only one that has to be watched.
 */
export class WaitingRoom implements Expiring {
  /** The error for a caller whose time is up. */
  readonly #timeoutError: () => Error
  readonly #waiters = new LinkedList<Waiter>()
  readonly #deadlines: Deadlines
  readonly #seconds: number
  #watching = false
  /** The connection that the current transaction holds. */
  readonly #held = new AsyncLocalStorage<Connection>()

  /** Callers wait for `seconds` at most; 0 for as long as it takes. */
  constructor (seconds: number, deadlines: Deadlines, timeoutError: () => Error) {
    this.#seconds = seconds
    this.#deadlines = deadlines
    this.#timeoutError = timeoutError
  }

  get size (): number { return this.#waiters.size }
  get first (): Waiter | undefined { return this.#waiters.first }

  /** Runs `work` so that a call in it for a further connection is known to depend on this one. */
  within<T> (connection: Connection, work: () => T): T {
    return this.#held.run(connection, work)
  }

  /** The connection that the current caller's own transaction holds: it cannot end before his call does. */
  get held (): Connection | undefined {
    const held = this.#held.getStore()
    // A transaction that is over blocks nothing, even if its function's promises go on.
    return held?.state === 'busy' && held.inTransaction ? held : undefined
  }

  enter (applicant: Applicant, now = performance.now()): Waiter {
    const waiter = new Waiter(this, applicant, this.held, now)
    this.#waiters.append(waiter)
    if (!this.#watching) this.#watch(this.#seconds, now)
    return waiter
  }

  #watch (seconds: number, now: number): void {
    this.#watching = seconds > 0
    if (seconds > 0) this.#deadlines.set(seconds, this, now)
  }

  /** The time is up for whoever was the first when this was set. He may have left since. */
  expire (): void {
    const now = performance.now()
    let { first } = this.#waiters
    for (; first !== undefined && this.#left(first, now) <= 0; first = this.#waiters.first) first.turnAway(this.#timeoutError())
    this.#watching = false
    if (first !== undefined) this.#watch(this.#left(first, now), now)
  }

  /** The seconds that he may go on waiting. */
  #left ({ since }: Waiter, now: number): number { return this.#seconds - (now - since) / 1000 }

  /** False if it had left before. */
  remove (waiter: Waiter): boolean {
    if (!waiter.linked) return false
    this.#waiters.remove(waiter)
    return true
  }

  turnAllAway (error: Error): void {
    for (const waiter of [...this.#waiters]) waiter.turnAway(error)
  }
}
