import type { Read } from '../connection/execution.js'
import { type Batch, runBatch } from '../batch/batch.js'
import { type Channel, ROLLBACK } from '../transaction/checkout.js'
import { NestedTransactionError, QueryError, ReleasedError, TransactionAbortedError } from '../errors/errors.js'
import { type Call, internalCall } from '../query/query.js'
import { Queryable } from './queryable.js'
import type { StatementCache } from '../query/statement.js'
import { beginText, type TransactionOptions } from '../transaction/transaction-options.js'

type Work<T> = (tx: Transaction) => Promise<T> | T

const COMMIT = internalCall('COMMIT')

/** The helpers inside a transaction or a savepoint. */
export class Transaction extends Queryable {
  readonly #channel: Channel
  readonly #depth: number
  #ended = false
  #nested = false
  #lastNested: Promise<void> | undefined

  constructor (channel: Channel, statements: StatementCache, depth: number) {
    super(statements)
    this.#channel = channel
    this.#depth = depth
  }

  override async transaction<T> (work: Work<T>, options: TransactionOptions = {}): Promise<T> {
    this.#check()
    if (Object.values(options).some((value) => value !== undefined)) throw new QueryError('a nested transaction is a savepoint: it has no options of its own')
    return await this.#nest(work)
  }

  async #nest<T> (work: Work<T>): Promise<T> {
    this.#nested = true
    const nested = inSavepoint(this.#channel, this.statements, this.#depth + 1, work)
    this.#lastNested = nested.then(() => {}, () => {})
    try {
      return await nested
    } finally {
      this.#nested = false
    }
  }

  protected override run<T> (call: Call, read: Read<T>): Promise<T> {
    this.#check()
    if (call.statement.controlsTransaction) throw new QueryError('a transaction ends when its function returns or throws: do not run BEGIN, COMMIT or ROLLBACK in it, and use tx.transaction(…) for a part that may be undone')
    return this.#channel.run(call, read)
  }

  protected override async batch (batch: Batch): Promise<void> {
    this.#check()
    // A savepoint, so that it is all or nothing also where its error is swallowed.
    await this.#nest(() => runBatch(this.#channel, batch))
  }

  /** Nothing may be run through it any more. Resolves when what is nested in it has ended. */
  end (): Promise<void> | undefined {
    this.#ended = true
    return this.#lastNested
  }

  #check (): void {
    if (this.#ended) throw new ReleasedError('transaction')
    if (this.#nested) throw new NestedTransactionError()
  }
}

/** BEGIN, the work, COMMIT or ROLLBACK. */
export async function inTransaction<T> (channel: Channel, statements: StatementCache, work: Work<T>, options: TransactionOptions): Promise<T> {
  const { connection, pool } = channel
  channel.begin(beginCall(options))
  // From before BEGIN, which may work without us hearing of it, until the server has said that it is over: whoever gets
  // the connection back in between cleans it.
  connection.inTransaction = true
  try {
    const result = await perform(channel, new Transaction(channel, statements, 0), (tx) => pool.within(connection, () => work(tx)))
    if (connection.state === 'busy' && channel.takeBackBegin()) {
      connection.inTransaction = false
      return result
    }
    const { command } = await channel.run(COMMIT)
    ended(channel)
    if (command === 'ROLLBACK') throw new TransactionAbortedError({ cause: channel.firstError })
    return result
  } catch (error) {
    if (channel.takeBackBegin()) connection.inTransaction = false
    if (connection.inTransaction) await channel.run(ROLLBACK).then(() => ended(channel), () => channel.destroy())
    throw error
  }
}

function ended (channel: Channel): void {
  channel.connection.inTransaction = false
  channel.ended()
}

const begins = new Map<string, Call>()

function beginCall (options: TransactionOptions): Call {
  const text = beginText(options)
  let call = begins.get(text)
  if (call === undefined) {
    call = internalCall(text)
    begins.set(text, call)
  }
  return call
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
    const nested = tx.end()
    if (nested !== undefined) await nested
    const calls = channel.drain()
    if (calls !== undefined) await calls
  }
}
