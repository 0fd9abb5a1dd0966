import type { Batch } from '../batch/batch.js'
import type { Read } from '../connection/execution.js'
import { type Calls, callsTo } from '../errors/callers-stack.js'
import type { Pool } from '../pool/pool.js'
import { type Call, readUntil } from '../query/call.js'
import type { StatementCache } from '../query/statement.js'
import { transact } from '../transaction/transact.js'
import type { TransactionOptions } from '../transaction/transaction-options.js'
import { BatchPart } from './batch-part.js'
import type { OpenTransaction } from './open-transaction.js'
import { PoolPlace } from './pool-place.js'
import { Queryable, refuseTransactionControl } from './queryable.js'
import { FunctionPart, type Work } from './transaction.js'

/** What one user of a database, such as a request, has its calls bound to. */
export interface Binding {
  /** Aborted when nobody waits for results any more: what only reads ends then. */
  readonly signal: AbortSignal | undefined
  /** The transaction that a call made now belongs to, if it does. Raises `ReleasedError` once nothing may be called any more. */
  transaction (): OpenTransaction | undefined
}

/** The helpers of a database for one user of it. */
export class BoundDatabase extends Queryable {
  readonly #pool: Pool
  readonly #binding: Binding

  constructor (pool: Pool, statements: StatementCache, binding: Binding) {
    super(statements, pool.dispatcher, pool.config.debug !== false)
    this.#pool = pool
    this.#binding = binding
  }

  override transaction<T> (work: Work<T>, options?: TransactionOptions): Promise<T> {
    try {
      const open = this.#binding.transaction()
      if (open !== undefined) return open.use((tx) => tx.transaction(work, options))
      const { signal } = this.#binding
      return transact(this.#place(options), new FunctionPart(work, this.statements, 0, signal))
    } catch (error) {
      return Promise.reject(error)
    }
  }

  #place (options?: TransactionOptions): PoolPlace {
    const takenBy = this.#pool.config.notesTakers ? callsTo(this.transaction) : undefined
    return new PoolPlace(this.#pool, { options, takenBy })
  }

  protected override checkTransactionControl (call: Call): void { refuseTransactionControl(call) }

  protected override run<T> (call: Call, read: Read<T>, calls: Calls | undefined): Promise<T> {
    const open = this.#binding.transaction()
    if (open !== undefined) return open.use((tx) => tx.perform(call, read, calls))
    return super.run(readUntil(call, this.#binding.signal), read, calls)
  }

  protected override batch (batch: Batch): Promise<void> {
    const open = this.#binding.transaction()
    if (open !== undefined) return open.use((tx) => tx.performBatch(batch))
    return transact(this.#place(), new BatchPart(batch))
  }

  protected override opened (): Promise<void> { return this.#pool.begin() }
}
