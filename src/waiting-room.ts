import { AsyncLocalStorage } from 'node:async_hooks'
import type { Config } from './config.js'
import type { Connection, Holder } from './connection.js'
import type { Deadlines } from './deadlines.js'
import { AbortedError } from './errors.js'
import { LinkedList } from './linked-list.js'

/** A caller in the queue for a connection. It leaves once: served, timed out, aborted or turned away. */
export interface Waiter {
  readonly holder: Holder
  /** The connection that the caller's own transaction holds meanwhile. */
  readonly blocks: Connection | undefined
  readonly since: number
  serve (connection: Connection): void
  turnAway (error: Error): void
}

/** The callers that wait for a connection: first in, first out, each with its deadline and signal. */
export class WaitingRoom {
  readonly #waiters = new LinkedList<Waiter>()
  readonly #deadlines: Deadlines
  readonly #config: Config
  readonly #timeoutError: () => Error
  /** The connection that the current transaction holds. */
  readonly #held = new AsyncLocalStorage<Connection>()

  constructor (config: Config, deadlines: Deadlines, timeoutError: () => Error) {
    this.#config = config
    this.#deadlines = deadlines
    this.#timeoutError = timeoutError
  }

  get size (): number { return this.#waiters.size }
  get first (): Waiter | undefined { return this.#waiters.first }

  /** Runs `work` so that a call in it for a further connection is known to depend on this one. */
  within<T> (connection: Connection, work: () => T): T {
    return this.#held.run(connection, work)
  }

  /** Queues a caller up. `entered` is called when it stands in the queue. */
  wait (holder: Holder, signal: AbortSignal | undefined, entered: (waiter: Waiter) => void): Promise<Connection> {
    return new Promise((resolve, reject) => {
      const held = this.#held.getStore()
      // A transaction that is over blocks nothing, even if its function's promises go on.
      const blocks = held?.state === 'busy' && held.inTransaction ? held : undefined
      const leave = (): void => {
        if (!place.linked) return
        this.#waiters.remove(place)
        if (deadline !== undefined) this.#deadlines.clear(deadline)
        signal?.removeEventListener('abort', onAbort)
        if (blocks !== undefined) blocks.blocked--
      }
      const waiter: Waiter = {
        holder,
        blocks,
        since: performance.now(),
        serve (connection) {
          leave()
          resolve(connection)
        },
        turnAway (error) {
          leave()
          reject(error)
        },
      }
      const onAbort = (): void => waiter.turnAway(new AbortedError({ cause: signal?.reason }))
      signal?.addEventListener('abort', onAbort, { once: true })
      const { acquireTimeout } = this.#config
      const deadline = acquireTimeout > 0 ? this.#deadlines.set(acquireTimeout, () => waiter.turnAway(this.#timeoutError())) : undefined
      if (blocks !== undefined) blocks.blocked++
      const place = this.#waiters.push(waiter)
      entered(waiter)
    })
  }

  turnAllAway (error: Error): void {
    for (const waiter of [...this.#waiters]) waiter.turnAway(error)
  }
}
