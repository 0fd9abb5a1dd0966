import { copyOf } from '../../src/errors/callers-stack.js'
import { AbortedError, AcquireTimeoutError } from '../../src/errors/errors.js'
import { isAborted, reasonOf } from '../../src/timing/abort-signal.js'
import type { Deadlines } from '../../src/timing/deadlines.js'
import { type Acquisition, WaitQueue } from '../../src/pool/wait-queue.js'
import type { Holder, PoolEntry } from '../../src/pool/pool-entry.js'

export interface TurnsParts {
  /** Seconds that a turn may be waited for; 0 for as long as it takes. */
  acquireTimeout: number
  deadlines: Deadlines
  /** The connection of the sandbox by now. */
  entry: () => PoolEntry
}

/** Who may use the one connection of a sandbox, one after the other: a call, a transaction up to its end, a lease until its release. */
export class Turns {
  readonly #queue: WaitQueue
  readonly #entry: () => PoolEntry
  #holder: Holder | undefined
  #isServing = false
  #stopped: Error | undefined
  #onFree: (() => void) | undefined

  constructor ({ acquireTimeout, deadlines, entry }: TurnsParts) {
    this.#entry = entry
    this.#queue = new WaitQueue(acquireTimeout, deadlines, () => new AcquireTimeoutError(acquireTimeout,
      `the one connection of the sandbox is used by a ${this.#holder}: end the transaction, or release the lease and do not wait in it`))
  }

  /** The acquisition is served when it is its turn: `over` has to be called at its end. */
  take (acquisition: Acquisition): void {
    const { signal } = acquisition
    if (this.#stopped !== undefined) return acquisition.fail(copyOf(this.#stopped))
    if (isAborted(signal)) return acquisition.fail(new AbortedError({ cause: reasonOf(signal) }))
    this.#queue.enter(acquisition, undefined, performance.now())
    this.#serve()
  }

  /** Resolves when it is its turn. */
  waitFor (holder: Holder, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => this.take({ holder, signal, served: () => resolve(), fail: reject }))
  }

  over (): void {
    this.#holder = undefined
    this.#serve()
  }

  /** Those that wait are rejected, and nobody is served any more. `onFree`: called when the last turn is over. */
  stop (error: Error, onFree: () => void): void {
    if (this.#stopped !== undefined) return
    this.#stopped = error
    this.#onFree = onFree
    this.#queue.rejectAll(error)
    this.#serve()
  }

  #serve (): void {
    // A call that fails at once ends its turn at once: one round serves all, without recursion.
    if (this.#isServing) return
    this.#isServing = true
    for (let { first } = this.#queue; first !== undefined && this.#holder === undefined; first = this.#queue.first) {
      this.#holder = first.acquisition.holder
      first.serve(this.#entry())
    }
    this.#isServing = false
    if (this.#holder !== undefined) return
    const onFree = this.#onFree
    this.#onFree = undefined
    onFree?.()
  }
}
