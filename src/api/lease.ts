import type { Batch } from '../batch/batch.js'
import type { TypeOptions } from '../codecs/own-types.js'
import type { Read } from '../connection/execution.js'
import type { Calls } from '../errors/callers-stack.js'
import { NestedTransactionError, QueryError, TransactionAbortedError } from '../errors/errors.js'
import { type Call, internalCall } from '../query/call.js'
import type { StatementCache } from '../query/statement.js'
import { asksToCommit } from '../sql/classify.js'
import type { Checkout } from '../transaction/checkout.js'
import { pauseAfter } from '../transaction/retries.js'
import { type Control, type Place, transact } from '../transaction/transact.js'
import { SavepointControl, TransactionControl } from '../transaction/transaction-control.js'
import { readTransactionOptions, type TransactionOptions, type TransactionPlan } from '../transaction/transaction-options.js'
import './async-dispose.js'
import { BatchPart } from './batch-part.js'
import { forCaller } from './caller.js'
import type { OwnReservedSql, OwnSqlOptions, TypeNames } from './own-sql.js'
import { hostOf, Queryable } from './queryable.js'
import { type ReservedSql, reservedTag } from './sql-scopes.js'
import type { TagConversion } from './tag-conversion.js'
import { FunctionPart, type Work } from './transaction.js'

/** The tag of a lease, as the one that reserved it converts. */
export let reservedWith: (lease: Lease, conversion: TagConversion) => ReservedSql

/**
 * A connection for the caller alone, with all helpers, until `release()`. The state of the session (settings, locks,
 * an open transaction) is reset before anyone else gets the connection.
 *
 * @example
 * await using lease = await db.acquire()          // TypeScript 5.2 and later; or try { … } finally { lease.release() }
 * await lease.execute('SET search_path TO archive')
 * const rows = await lease.fetchAll('SELECT * FROM orders')
 */
export class Lease extends Queryable<ReservedSql> {
  readonly #checkout: Checkout
  #inside = false

  static { reservedWith = (lease, conversion) => lease.makeTag(conversion) }

  constructor (checkout: Checkout, statements: StatementCache) {
    super(statements, checkout, checkout.notesCallers)
    this.#checkout = checkout
  }

  /** Releases the connection when what is running on it is done. Again, it does nothing. */
  async release (): Promise<void> { await this.#checkout.release() }

  [Symbol.asyncDispose] (): Promise<void> { return this.release() }

  createSql<Types extends TypeOptions = TypeOptions> (options: OwnSqlOptions<Types> = {}): OwnReservedSql<TypeNames<Types>> {
    return this.makeTag(this.ownConversion(options)) as unknown as OwnReservedSql<TypeNames<Types>> // by OwnSql's own words
  }

  protected override makeTag (conversion: TagConversion): ReservedSql {
    const { config, connection } = this.#checkout
    const session = { config, get parameters () { return connection.session.parameters } }
    return reservedTag({ host: hostOf(this), within: this, conversion, session, reserve: notHere }, () => this.release())
  }

  /** Whether a transaction was begun by hand. */
  get begun (): boolean { return this.#checkout.connection.session.transaction !== 'none' }

  override transaction<T> (work: Work<T>, options?: TransactionOptions): Promise<T> {
    return transact(this.#place(options), new FunctionPart(work, this.statements, 1))
  }

  /** Two transactions at once on one session would be one. */
  #place (options?: TransactionOptions): Place {
    let plan: TransactionPlan | undefined
    return {
      notesCallers: this.notesCallers,
      enter: () => {
        this.#check()
        plan ??= readTransactionOptions(options)
        const control = this.controlFor(plan)
        this.#inside = true
        return this.#checkout.drain()?.then(control) ?? control() // calls that were made before are not part of it
      },
      leave: () => {
        this.#inside = false
        return undefined
      },
      get retries () { return plan?.retries ?? 0 },
      mayRunAgain: async (attempt, error) => {
        await pauseAfter(attempt, error, this.#checkout.pool)
        return true
      },
    }
  }

  /** Makes what begins and ends a transaction, when the calls before it are done. Raises for options that have no place there. */
  protected controlFor ({ beginning, isPlain }: TransactionPlan): () => Control {
    if (this.begun && !isPlain) {
      throw new QueryError('inside a transaction begun by hand it is a savepoint: it has no options of its own')
    }
    return () => this.begun ? new SavepointControl(this.#checkout, 1) : new TransactionControl(this.#checkout, beginning)
  }

  /** It may begin and end transactions by hand. */
  protected override checkTransactionControl (): void {}

  protected override run<T> (call: Call, read: Read<T>, calls: Calls | undefined): Promise<T> {
    this.#check()
    return call.statement.controlsTransaction
      ? forCaller(this.notesCallers, () => this.#control(call, read))
      : super.run(call, read, calls)
  }

  /** Begins or ends a transaction by hand. */
  async #control<T> (call: Call, read: Read<T>): Promise<T> {
    try {
      const result = await this.#checkout.perform(call)
      // COMMIT of a transaction that has failed is no error for the server: it rolls back.
      if (result.command === 'ROLLBACK' && asksToCommit(call.statement.text)) throw rolledBack()
      return read(result, call)
    } catch (error) {
      // Whatever it left, open or failed, is ended: the caller has the error.
      await this.#checkout.perform(internalCall('ROLLBACK')).catch(() => {})
      throw error
    }
  }

  protected override batch (batch: Batch): Promise<void> { return transact(this.#place(), new BatchPart(batch)) }

  #check (): void {
    if (this.#inside) throw new NestedTransactionError()
  }
}

function rolledBack (): Error {
  return new TransactionAbortedError('a statement failed inside the transaction and its error was swallowed, so COMMIT rolled back: ' +
    'let the error out, or go back to a savepoint before you go on')
}

async function notHere (): Promise<never> {
  throw new QueryError('a lease is a reserved connection already: reserve another one by db.acquire()')
}
