import type { Calls } from '../errors/callers-stack.js'
import type { PoolEntry } from '../pool/pool-entry.js'
import type { Pool } from '../pool/pool.js'
import { Checkout } from '../transaction/checkout.js'
import type { Place } from '../transaction/transact.js'
import { beginCall, TransactionControl } from '../transaction/transaction-control.js'
import type { TransactionOptions } from '../transaction/transaction-options.js'

export interface Acquiring {
  options?: TransactionOptions | undefined
  signal?: AbortSignal | undefined
  /** The calls that led here, for the report of a leak. */
  takenBy: Calls | undefined
}

/** A transaction on a connection of the pool, which is released at its end. */
export class PoolPlace implements Place {
  readonly #pool: Pool
  readonly #acquiring: Acquiring
  #checkout: Checkout | undefined

  constructor (pool: Pool, acquiring: Acquiring) {
    this.#pool = pool
    this.#acquiring = acquiring
  }

  get notesCallers (): boolean { return this.#pool.config.debug !== false }

  enter (): Promise<TransactionControl> {
    const { options, signal } = this.#acquiring
    beginCall(options) // a bad option must not cost a connection
    const idle = this.#pool.tryAcquire('transaction', signal)
    // A function is never called before `transaction` has returned.
    return idle === undefined ? this.#pool.acquire('transaction', signal).then((entry) => this.#on(entry)) : Promise.resolve(this.#on(idle))
  }

  #on (entry: PoolEntry): TransactionControl {
    this.#pool.noteTaker(entry, this.#acquiring.takenBy)
    this.#checkout = new Checkout(this.#pool, entry.connection, 'transaction', entry)
    return new TransactionControl(this.#checkout, beginCall(this.#acquiring.options))
  }

  leave (): Promise<void> | undefined { return this.#checkout?.release() }
}
