import type { Connection, Holder } from './connection.js'
import type { Deadline, Deadlines } from './deadlines.js'
import { AbortedError } from './errors.js'
import type { LinkedList, Node } from './linked-list.js'

/** A caller in the queue for a connection. It leaves the queue once: served, timed out, aborted or turned away. */
export class Waiter {
  readonly holder: Holder
  /** The connection that the caller's own transaction holds meanwhile. */
  readonly blocks: Connection | undefined
  readonly since = performance.now()
  readonly #resolve: (connection: Connection) => void
  readonly #reject: (error: Error) => void
  #leave: () => void = () => {}

  constructor (holder: Holder, blocks: Connection | undefined, resolve: (connection: Connection) => void, reject: (error: Error) => void) {
    this.holder = holder
    this.blocks = blocks
    this.#resolve = resolve
    this.#reject = reject
  }

  /** Queues up for `seconds` (0: as long as it takes), or until the signal. */
  enter (queue: LinkedList<Waiter>, deadlines: Deadlines, seconds: number, timeoutError: () => Error, signal: AbortSignal | undefined): void {
    const place: Node<Waiter> = queue.push(this)
    const deadline: Deadline | undefined = seconds > 0 ? deadlines.set(seconds, () => this.turnAway(timeoutError())) : undefined
    const onAbort = (): void => this.turnAway(new AbortedError({ cause: signal?.reason }))
    signal?.addEventListener('abort', onAbort, { once: true })
    if (this.blocks !== undefined) this.blocks.blocked++
    this.#leave = () => {
      queue.remove(place)
      if (deadline !== undefined) deadlines.clear(deadline)
      signal?.removeEventListener('abort', onAbort)
      if (this.blocks !== undefined) this.blocks.blocked--
    }
  }

  serve (connection: Connection): void {
    this.#leave()
    this.#resolve(connection)
  }

  turnAway (error: Error): void {
    this.#leave()
    this.#reject(error)
  }
}
