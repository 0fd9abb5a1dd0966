import type { Calls } from '../errors/callers-stack.js'
import type { EventLog } from '../config/event-log.js'
import type { RunningTransaction } from '../pool/nested-acquire.js'
import type { PoolEntry } from '../pool/pool-entry.js'
import type { Pool } from '../pool/pool.js'
import type { Beginning } from '../transaction/beginning.js'
import { Checkout } from '../transaction/checkout.js'
import { pauseAfter } from '../transaction/retries.js'
import type { Settings } from '../transaction/settings.js'
import type { Place } from '../transaction/transact.js'
import { TransactionControl } from '../transaction/transaction-control.js'
import { readTransactionOptions, type TransactionOptions, type TransactionPlan } from '../transaction/transaction-options.js'

export interface Acquiring {
  options?: TransactionOptions | undefined
  /** Those that it has besides. */
  settings?: Settings | undefined
  /** A connection that was acquired already. */
  entry?: PoolEntry | undefined
  signal?: AbortSignal | undefined
  /** It as the callers see it that are in it. */
  running?: RunningTransaction | undefined
  /** Where its leak is reported, instead of in the log of the pool. */
  log?: EventLog | undefined
  /** The calls that led here, for the report of a leak. */
  takenBy: Calls | undefined
}

/** A transaction on a connection of the pool, which is released at its end. */
export class PoolPlace implements Place {
  readonly #pool: Pool
  readonly #acquiring: Acquiring
  #checkout: Checkout | undefined
  #plan: TransactionPlan | undefined

  constructor (pool: Pool, acquiring: Acquiring) {
    this.#pool = pool
    this.#acquiring = acquiring
  }

  get notesCallers (): boolean { return this.#pool.config.debug !== false }

  enter (): Promise<TransactionControl> {
    const { options, settings, signal } = this.#acquiring
    this.#plan ??= readTransactionOptions(options, settings) // a bad option must not cost a connection
    const { beginning } = this.#plan
    const entry = this.#acquiring.entry ?? this.#pool.tryAcquire('transaction', signal)
    // A function is never called before `transaction` has returned.
    const entered = entry === undefined
      ? this.#pool.acquire('transaction', signal).then((entry) => this.#on(entry, beginning))
      : Promise.resolve(this.#on(entry, beginning))
    const { hooks } = this.#pool
    // A single call with settings has none, as any single call.
    if (hooks === undefined || this.#acquiring.entry !== undefined) return entered
    return entered.then(async (control) => {
      await hooks.acquired(control.checkout, 'transaction', signal)
      return control
    })
  }

  #on (entry: PoolEntry, beginning: Beginning): TransactionControl {
    this.#pool.noteTaker(entry, this.#acquiring.takenBy, this.#acquiring.log)
    this.#acquiring.running?.hold(entry)
    this.#checkout = new Checkout(this.#pool, entry.connection, 'transaction', entry)
    return new TransactionControl(this.#checkout, beginning)
  }

  leave (): Promise<void> | undefined { return this.#checkout?.release() }

  get retries (): number { return this.#plan?.retries ?? 0 }

  async mayRunAgain (attempt: number, error: unknown): Promise<boolean> {
    await pauseAfter(attempt, error, this.#pool)
    return this.#pool.isOpen
  }
}
