import { type Batch, runBatch } from '../batch/batch.js'
import { readGiven } from '../config/read-given.js'
import type { Read } from '../connection/execution.js'
import { type Calls, keepStack } from '../errors/callers-stack.js'
import { NestedTransactionError, QueryError, ReleasedError } from '../errors/errors.js'
import type { Call } from '../query/call.js'
import type { StatementCache } from '../query/statement.js'
import type { Checkout } from '../transaction/checkout.js'
import { inSavepoint, inTransaction } from '../transaction/transaction-control.js'
import { beginText, type TransactionOptions } from '../transaction/transaction-options.js'
import './async-dispose.js'
import { forCaller } from './caller.js'
import { Queryable } from './queryable.js'

export type Work<T> = (tx: Transaction) => Promise<T> | T

/** The helpers inside a transaction or a savepoint. */
export class Transaction extends Queryable {
  readonly #checkout: Checkout
  readonly #depth: number
  #ended = false
  #nested = false
  #lastNested: Promise<void> | undefined

  constructor (checkout: Checkout, statements: StatementCache, depth: number) {
    super(statements, checkout, checkout.notesCallers)
    this.#checkout = checkout
    this.#depth = depth
  }

  override transaction<T> (work: Work<T>, options: TransactionOptions = {}): Promise<T> {
    return forCaller(this.notesCallers, () => {
      const checked = checkWork(work)
      this.#check()
      beginText(options)
      if (readGiven('transaction', () => Object.values(options)).some((value) => value !== undefined)) {
        throw new QueryError('a nested transaction is a savepoint: it has no options of its own')
      }
      return this.#nest(checked)
    })
  }

  /**
   * Resolves when the calls made through it are done; later ones reject. Whether it is committed is still for its function to say, by
   * returning or throwing.
   */
  async [Symbol.asyncDispose] (): Promise<void> {
    this.#ended = true
    await this.#checkout.drain()
  }

  async #nest<T> (work: Work<T>): Promise<T> {
    this.#nested = true
    let ended = (): void => {}
    this.#lastNested = new Promise<void>((resolve) => { ended = resolve })
    try {
      // Only this awaits it: of a promise that two wait for, V8 names neither in a stack.
      return await runInSavepoint(this.#checkout, this.statements, this.#depth + 1, work)
    } finally {
      this.#nested = false
      ended()
    }
  }

  protected override checkTransactionControl (): void {
    this.#check()
    throw new QueryError('a transaction ends when its function returns or throws: do not run BEGIN, COMMIT or ROLLBACK in it, ' +
      'and use tx.transaction(…) for a part that may be undone')
  }

  protected override run<T> (call: Call, read: Read<T>, calls: Calls | undefined): Promise<T> {
    this.#check()
    return super.run(call, read, calls)
  }

  protected override async batch (batch: Batch): Promise<void> {
    this.#check()
    // A savepoint, so that it is all or nothing also where its error is swallowed.
    await this.#nest(() => runBatch(this.#checkout, batch))
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

/** The work, whose errors keep the stack that they have. Raises `QueryError` for what is no function. */
export function checkWork<T> (work: Work<T>): Work<T> {
  if (typeof work !== 'function') {
    throw new QueryError('transaction takes a function, and then its options: transaction(async (tx) => …, { isolation })')
  }
  return async (tx) => {
    try {
      return await work(tx)
    } catch (error) {
      keepStack(error)
      throw error
    }
  }
}

/** Runs the work in a transaction, with the helpers for it. */
export function runInTransaction<T> (
  checkout: Checkout, statements: StatementCache, options: TransactionOptions, work: Work<T>
): Promise<T> {
  return inTransaction(checkout, options, () => perform(checkout, new Transaction(checkout, statements, 0), work))
}

/** Runs the work in a savepoint, with the helpers for it. */
export function runInSavepoint<T> (checkout: Checkout, statements: StatementCache, depth: number, work: Work<T>): Promise<T> {
  return inSavepoint(checkout, depth, () => perform(checkout, new Transaction(checkout, statements, depth), work))
}

/** Runs the work, ends its helpers, and waits for calls that it did not await itself: they belong to the transaction. */
async function perform<T> (checkout: Checkout, tx: Transaction, work: Work<T>): Promise<T> {
  try {
    return await checkout.within(() => work(tx))
  } finally {
    const nested = tx.end()
    if (nested !== undefined) await nested
    const calls = checkout.drain()
    if (calls !== undefined) await calls
  }
}
