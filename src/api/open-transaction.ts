import type { Batch } from '../batch/batch.js'
import type { EventLog } from '../config/event-log.js'
import type { Read } from '../connection/execution.js'
import type { Calls } from '../errors/callers-stack.js'
import { copyOf } from '../errors/callers-stack.js'
import { ReleasedError } from '../errors/errors.js'
import type { RunningTransaction } from '../pool/nested-acquire.js'
import type { Pool } from '../pool/pool.js'
import type { Call } from '../query/call.js'
import type { StatementCache } from '../query/statement.js'
import type { Checkout } from '../transaction/checkout.js'
import type { AbortGroup } from '../timing/abort-group.js'
import { Hooks, type Outcome } from '../transaction/hooks.js'
import { type Part, type Place, transact } from '../transaction/transact.js'
import { Transaction, type TransactionContext } from './transaction.js'

/** The helpers of a transaction, for calls that were made through another object. */
export class JoinedTransaction extends Transaction {
  perform<T> (call: Call, read: Read<T>, calls: Calls | undefined): Promise<T> { return this.run(call, read, calls) }
  performBatch (batch: Batch): Promise<void> { return this.batch(batch) }
}

interface Waiting { begun (tx: JoinedTransaction): void, failed (error: unknown): void }

interface OpenTransactionParts {
  pool: Pool
  statements: StatementCache
  /** It as the callers see it that are in it. */
  running: RunningTransaction
  group: AbortGroup | undefined
  log: EventLog
}

/** A transaction without a function. Its first call begins it, and the code that made it ends it. */
export class OpenTransaction implements Part<void>, TransactionContext {
  readonly isByHand = false
  readonly group: AbortGroup | undefined
  readonly hasCaller = false // the calls have
  readonly #place: Place
  readonly #statements: StatementCache
  readonly #pool: Pool
  readonly running: RunningTransaction
  readonly #log: EventLog
  #hooks: Hooks | undefined
  /** The calls that wait for it to begin. */
  #waiting: Waiting[] | undefined = []
  #tx: JoinedTransaction | undefined
  /** From its first call on, until it has ended. */
  #outcome: Promise<void> | undefined
  #checkout: Checkout | undefined
  #isOver = false
  /** Why it could not be begun. */
  #failure: unknown
  readonly #ended: Promise<void>
  #commit!: () => void
  #rollback!: (error: unknown) => void

  constructor (place: Place, { pool, statements, running, group, log }: OpenTransactionParts) {
    this.#place = place
    this.#statements = statements
    this.#pool = pool
    this.running = running
    this.group = group
    this.#log = log
    this.#ended = new Promise((resolve, reject) => {
      this.#commit = resolve
      this.#rollback = reject
    })
    this.#ended.catch(() => {}) // it may be over before it begins
  }

  /** Whether it was asked for a connection. */
  get isBegun (): boolean { return this.#outcome !== undefined }
  /** Whether a statement has failed in it, so that it cannot be committed. */
  get hasFailed (): boolean { return this.#checkout?.connection.session.transaction === 'failed' }

  /** Does something in it; the first call begins it. Rejects with `ReleasedError` once it is over. */
  use<T> (work: (tx: JoinedTransaction) => Promise<T>): Promise<T> {
    if (this.#isOver) return Promise.reject(copied(this.#failure) ?? new ReleasedError('transaction'))
    if (this.#tx !== undefined) return work(this.#tx)
    return new Promise((resolve, reject) => {
      this.#waiting?.push({ begun: (tx) => resolve(new Promise((resolve) => resolve(work(tx)))), failed: reject })
      if (this.#outcome !== undefined) return
      this.#outcome = this.#begin()
      this.#outcome.catch(() => {}) // its calls have the error, until somebody asks for the outcome
      this.#pool.nested.enter(this.running) // its own wait is none in it
    })
  }

  async #begin (): Promise<void> {
    try {
      await transact(this.#place, this)
    } catch (error) {
      this.#isOver = true
      this.running.end()
      if (this.#tx === undefined) this.#failure = error
      for (const waiting of this.#waiting ?? []) waiting.failed(copied(error))
      throw error
    }
  }

  /** Resolves when it is committed; at once where it was never begun. Rejects with why it could not be. */
  commit (): Promise<void> | undefined {
    this.#isOver = true
    this.#commit()
    if (this.#outcome !== undefined) return this.#outcome
    this.running.end()
    return this.after('committed', undefined)
  }

  /** Resolves when it is rolled back; at once where it has yet to get a connection, and will not use it. Never rejects. */
  rollback (error: unknown): Promise<void> | undefined {
    this.#isOver = true
    this.#rollback(error)
    for (const { failed } of this.#waiting?.splice(0) ?? []) failed(error)
    if (this.#outcome === undefined) {
      this.running.end()
      return this.after('rolledBack', error)
    }
    const outcome = this.#outcome.catch(() => {})
    return this.#tx === undefined ? undefined : outcome
  }

  check (): void {}

  run (checkout: Checkout): Promise<void> {
    const waiting = this.#waiting ?? []
    this.#waiting = undefined
    this.#checkout = checkout
    const tx = this.#tx = new JoinedTransaction(checkout, this.#statements, 0, this)
    for (const { begun } of waiting) begun(tx)
    return this.#ended
  }

  hooks (): Hooks {
    this.#hooks ??= new Hooks(this.#log)
    return this.#hooks
  }

  after (outcome: Outcome, error: unknown): Promise<void> | undefined { return this.#hooks?.run(outcome, error) }

  failed (): void {}

  end (): Promise<void> | undefined {
    this.running.end()
    return this.#tx?.end()
  }
}

function copied (error: unknown): unknown { return error instanceof Error ? copyOf(error) : error }
