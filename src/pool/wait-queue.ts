import { LinkedList, type Node } from '../collections/linked-list.js'
import { copyOf } from '../errors/callers-stack.js'
import { AbortedError } from '../errors/errors.js'
import type { AbortScope } from '../timing/abort-group.js'
import { type Abortable, listen, stopListening } from '../timing/abort-listeners.js'
import { reasonOf } from '../timing/abort-signal.js'
import type { Deadlines, Expiring } from '../timing/deadlines.js'
import type { RunningTransaction } from './nested-acquire.js'
import type { Holder, PoolEntry } from './pool-entry.js'

/** What wants a connection, and hears once that it has one, or of an error. */
export interface Acquisition {
  readonly holder: Holder
  readonly signal: AbortSignal | undefined
  readonly group?: AbortScope | undefined
  served (entry: PoolEntry): void
  fail (error: Error): void
}

/** A place in the queue. It is left once: served, timed out, aborted or rejected. */
export class Waiter implements Abortable, Node<Waiter> {
  readonly acquisition: Acquisition
  readonly since: number
  /** The transaction that the caller was in when it began to wait. */
  readonly #transaction: RunningTransaction | undefined
  readonly value = this
  previous: Node<Waiter> | null = null
  next: Node<Waiter> | null = null
  linked = false
  readonly #queue: WaitQueue

  constructor (queue: WaitQueue, acquisition: Acquisition, transaction: RunningTransaction | undefined, since: number) {
    this.#queue = queue
    this.acquisition = acquisition
    this.#transaction = transaction
    this.since = since
    if (acquisition.signal !== undefined) listen(acquisition.signal, this)
    acquisition.group?.members.add(this)
    transaction?.count(1)
  }

  /** Whether a transaction cannot end before this caller is served. */
  get isNested (): boolean { return this.#transaction?.running !== undefined }

  serve (entry: PoolEntry): void {
    if (this.#leave()) this.acquisition.served(entry)
  }

  reject (error: Error): void {
    if (this.#leave()) this.acquisition.fail(error)
  }

  /** The caller's signal was aborted, or its group. */
  aborted (): void {
    const { signal, group } = this.acquisition
    this.reject(new AbortedError({ cause: group?.reason ?? reasonOf(signal) }))
  }

  #leave (): boolean {
    if (!this.linked) return false
    this.#queue.remove(this)
    const { signal, group } = this.acquisition
    if (signal !== undefined) stopListening(signal, this)
    group?.members.delete(this)
    this.#transaction?.count(-1)
    return true
  }
}

/**
 * The callers that wait for a connection: first in, first out, each with its deadline and signal. All may wait equally
 * long, so the first one's deadline is the only one that has to be watched.
 */
export class WaitQueue extends LinkedList<Waiter> implements Expiring {
  /** The error for a caller whose time is up. */
  readonly #timeoutError: () => Error
  readonly #deadlines: Deadlines
  readonly #seconds: number
  #watching = false

  /** Callers wait for `seconds` at most; 0 for as long as it takes. */
  constructor (seconds: number, deadlines: Deadlines, timeoutError: () => Error) {
    super()
    this.#seconds = seconds
    this.#deadlines = deadlines
    this.#timeoutError = timeoutError
  }

  /** `transaction`: the one that does not end before this caller is served. */
  enter (acquisition: Acquisition, transaction: RunningTransaction | undefined, now: number): Waiter {
    const waiter = new Waiter(this, acquisition, transaction, now)
    this.append(waiter)
    if (!this.#watching) this.#watch(this.#seconds, now)
    return waiter
  }

  #watch (seconds: number, now: number): void {
    this.#watching = seconds > 0
    if (seconds > 0) this.#deadlines.set(seconds, this, now)
  }

  /** The time is up for the waiter that was the first when this was set. It may have left since. */
  expire (): void {
    const now = performance.now()
    let { first } = this
    for (; first !== undefined && this.#left(first, now) <= 0; first = this.first) first.reject(this.#timeoutError())
    this.#watching = false
    if (first !== undefined) this.#watch(this.#left(first, now), now)
  }

  /** The seconds that a caller may go on waiting. */
  #left ({ since }: Waiter, now: number): number { return this.#seconds - (now - since) / 1000 }

  /** Each gets an error of its own. */
  rejectAll (error: Error): void {
    for (const waiter of [...this]) waiter.reject(copyOf(error))
  }
}
