import type { Read } from '../connection/execution.js'
import { type Batch, runBatch } from '../batch/batch.js'
import type { Channel } from '../transaction/checkout.js'
import { NestedTransactionError, QueryError } from '../errors/errors.js'
import { type Call, internalCall } from '../query/query.js'
import { Queryable } from './queryable.js'
import type { StatementCache } from '../query/statement.js'
import { batchInTransaction, inSavepoint, inTransaction, type Transaction } from './transaction.js'
import type { TransactionOptions } from '../transaction/transaction-options.js'

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
  #inside = false

  constructor (channel: Channel, statements: StatementCache) {
    super(statements)
    this.#channel = channel
  }

  /** Gives the connection back when what is running on it is done. Again, it does nothing. */
  release (): Promise<void> { return this.#channel.release() }

  [Symbol.asyncDispose] (): Promise<void> { return this.release() }

  /** Whether a transaction was begun by hand. */
  get begun (): boolean { return this.#begun }

  override async transaction<T> (work: (tx: Transaction) => Promise<T> | T, options: TransactionOptions = {}): Promise<T> {
    this.#check()
    if (this.#begun && Object.values(options).some((value) => value !== undefined)) throw new QueryError('inside a transaction begun by hand it is a savepoint: it has no options of its own')
    return await this.#exclusively(() => this.#begun
      ? inSavepoint(this.#channel, this.statements, 1, work)
      : inTransaction(this.#channel, this.statements, work, options))
  }

  protected override async run<T> (call: Call, read: Read<T>): Promise<T> {
    this.#check()
    const { controlsTransaction, leavesTransactionOpen } = call.statement
    if (!controlsTransaction) return await this.#channel.run(call, read)
    try {
      const result = await this.#channel.run(call)
      this.#begun = leavesTransactionOpen
      return read(result, call)
    } catch (error) {
      // Whatever it left, open or failed, is ended: the caller has the error.
      await this.#channel.run(internalCall('ROLLBACK')).catch(() => {})
      this.#begun = false
      throw error
    }
  }

  protected override async batch (batch: Batch): Promise<void> {
    this.#check()
    await this.#exclusively(() => this.#begun
      ? inSavepoint(this.#channel, this.statements, 1, () => runBatch(this.#channel, batch))
      : batchInTransaction(this.#channel, this.statements, batch))
  }

  /** Two transactions at once on one session would be one. */
  async #exclusively<T> (work: () => Promise<T>): Promise<T> {
    this.#inside = true
    try {
      return await work()
    } finally {
      this.#inside = false
    }
  }

  #check (): void {
    if (this.#inside) throw new NestedTransactionError()
  }
}
