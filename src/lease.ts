import { type Batch, runBatch } from './batch.js'
import type { Channel } from './channel.js'
import type { DriverResult } from './driver.js'
import type { Call } from './query.js'
import { Queryable } from './queryable.js'
import type { StatementCache } from './statement.js'
import { batchInTransaction, inSavepoint, inTransaction, type Transaction } from './transaction.js'
import type { TransactionOptions } from './transaction-options.js'

/**
 * A connection for the caller alone, with all helpers, until `release()`. What is left in the session (settings, locks,
 * an open transaction) is cleaned away before anyone else gets the connection.
 *
 * @example
 * await using lease = await db.acquire()          // TypeScript 5.2 and later; or try { … } finally { lease.release() }
 * await lease.execute('SET search_path TO archive')
 * const rows = await lease.fetchAll('SELECT * FROM orders')
 */
export class Lease extends Queryable {
  readonly #channel: Channel
  /** Whether the user has begun a transaction by hand. */
  #begun = false

  constructor (channel: Channel, statements: StatementCache) {
    super(statements)
    this.#channel = channel
  }

  /** Gives the connection back when what is running on it is done. Again, it does nothing. */
  release (): Promise<void> { return this.#channel.release() }

  [Symbol.asyncDispose] (): Promise<void> { return this.release() }

  override transaction<T> (work: (tx: Transaction) => Promise<T> | T, options: TransactionOptions = {}): Promise<T> {
    return this.#begun
      ? inSavepoint(this.#channel, this.statements, 1, work)
      : inTransaction(this.#channel, this.statements, work, options)
  }

  protected override async run (call: Call): Promise<DriverResult> {
    const result = await this.#channel.run(call)
    if (call.statement.controlsTransaction) this.#begun = call.statement.leavesTransactionOpen
    return result
  }

  protected override batch (batch: Batch): Promise<void> {
    return this.#begun ? runBatch(this.#channel, batch) : batchInTransaction(this.#channel, this.statements, batch)
  }
}
