import { type Batch, runBatch } from './batch.js'
import type { Channel } from './channel.js'
import type { DriverResult } from './driver.js'
import { NestedTransactionError, QueryError, ReleasedError, TransactionAbortedError } from './errors.js'
import { type Call, internalCall } from './query.js'
import { Queryable } from './queryable.js'
import type { StatementCache } from './statement.js'
import { beginText, type TransactionOptions } from './transaction-options.js'

type Work<T> = (tx: Transaction) => Promise<T> | T

const COMMIT = internalCall('COMMIT')
const ROLLBACK = internalCall('ROLLBACK')

/** The helpers inside a transaction or a savepoint. */
export class Transaction extends Queryable {
  readonly #channel: Channel
  readonly #depth: number
  #ended = false
  #nested = false

  constructor (channel: Channel, statements: StatementCache, depth: number) {
    super(statements)
    this.#channel = channel
    this.#depth = depth
  }

  override async transaction<T> (work: Work<T>, options: TransactionOptions = {}): Promise<T> {
    this.#check()
    if (Object.values(options).some((value) => value !== undefined)) throw new QueryError('a nested transaction is a savepoint: it has no options of its own')
    this.#nested = true
    try {
      return await inSavepoint(this.#channel, this.statements, this.#depth + 1, work)
    } finally {
      this.#nested = false
    }
  }

  protected override async run (call: Call): Promise<DriverResult> {
    this.#check()
    if (call.statement.controlsTransaction) throw new QueryError('a transaction ends when its function returns or throws: do not run BEGIN, COMMIT or ROLLBACK in it, and use tx.transaction(…) for a part that may be undone')
    return this.#channel.run(call)
  }

  protected override async batch (batch: Batch): Promise<void> {
    this.#check()
    return runBatch(this.#channel, batch)
  }

  /** Nothing may be run through it any more. */
  end (): void { this.#ended = true }

  #check (): void {
    if (this.#ended) throw new ReleasedError('transaction')
    if (this.#nested) throw new NestedTransactionError()
  }
}

/** BEGIN, the work, COMMIT or ROLLBACK. */
export async function inTransaction<T> (channel: Channel, statements: StatementCache, work: Work<T>, options: TransactionOptions): Promise<T> {
  const { connection, pool } = channel
  channel.firstError = undefined
  await channel.run(internalCall(beginText(options)))
  connection.inTransaction = true
  try {
    const result = await perform(channel, new Transaction(channel, statements, 0), (tx) => pool.within(connection, () => work(tx)))
    const { command } = await channel.run(COMMIT)
    if (command === 'ROLLBACK') throw new TransactionAbortedError({ cause: channel.firstError })
    return result
  } catch (error) {
    // After a failed COMMIT it is a no-op. If it fails, nobody may get this connection.
    if (!(error instanceof TransactionAbortedError)) await channel.run(ROLLBACK).catch(() => connection.destroy('transaction'))
    throw error
  } finally {
    connection.inTransaction = false
  }
}

/** A batch in a transaction of its own. */
export async function batchInTransaction (channel: Channel, statements: StatementCache, batch: Batch): Promise<void> {
  await inTransaction(channel, statements, () => runBatch(channel, batch), {})
}

/** SAVEPOINT, the work, RELEASE or ROLLBACK TO. */
export async function inSavepoint<T> (channel: Channel, statements: StatementCache, depth: number, work: Work<T>): Promise<T> {
  const name = `fastify_postgres_js_${depth}`
  await channel.run(internalCall(`SAVEPOINT ${name}`))
  try {
    const result = await perform(channel, new Transaction(channel, statements, depth), work)
    await channel.run(internalCall(`RELEASE ${name}`)).catch((error) => {
      throw error.code === '25P02' ? new TransactionAbortedError({ cause: channel.firstError }) : error
    })
    return result
  } catch (error) {
    await channel.run(internalCall(`ROLLBACK TO ${name}; RELEASE ${name}`, 'script')).catch(() => {})
    throw error
  }
}

/** Runs the work, ends its handle, and waits for calls that it did not await itself: they belong to the transaction. */
async function perform<T> (channel: Channel, tx: Transaction, work: Work<T>): Promise<T> {
  try {
    return await work(tx)
  } finally {
    tx.end()
    await channel.drain()
  }
}
