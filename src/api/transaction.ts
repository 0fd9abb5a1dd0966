import type { Batch } from '../batch/batch.js'
import type { Read } from '../connection/execution.js'
import { type Calls, keepStack } from '../errors/callers-stack.js'
import { NestedTransactionError, QueryError, ReleasedError } from '../errors/errors.js'
import type { Call } from '../query/call.js'
import type { StatementCache } from '../query/statement.js'
import type { Checkout } from '../transaction/checkout.js'
import type { AbortGroup } from '../timing/abort-group.js'
import { type Part, type Place, transact } from '../transaction/transact.js'
import { SavepointControl } from '../transaction/transaction-control.js'
import { readTransactionOptions, type TransactionOptions } from '../transaction/transaction-options.js'
import './async-dispose.js'
import { BatchPart } from './batch-part.js'
import { inGroup, Queryable } from './queryable.js'

export type Work<T> = (tx: Transaction) => Promise<T> | T

/** The helpers inside a transaction or a savepoint. */
export class Transaction extends Queryable {
  readonly #checkout: Checkout
  readonly #depth: number
  readonly #group: AbortGroup | undefined
  #ended = false
  #nested = false
  #lastNested: Promise<void> | undefined

  /** `group`: what only reads ends with it. */
  constructor (checkout: Checkout, statements: StatementCache, depth: number, group?: AbortGroup) {
    super(statements, checkout, checkout.notesCallers)
    this.#checkout = checkout
    this.#depth = depth
    this.#group = group
  }

  override transaction<T> (work: Work<T>, options?: TransactionOptions): Promise<T> {
    return transact(this.#place(options), new FunctionPart(work, this.statements, this.#depth + 1, this.#group))
  }

  /**
   * Resolves when the calls made through it are done; later ones reject. Whether it is committed is still for its function to say, by
   * returning or throwing.
   */
  async [Symbol.asyncDispose] (): Promise<void> {
    this.#ended = true
    await this.#checkout.drain()
  }

  #place (options?: TransactionOptions): Place {
    let ended = (): void => {}
    return {
      notesCallers: this.notesCallers,
      enter: () => {
        this.#check()
        if (!readTransactionOptions(options).isPlain) {
          throw new QueryError('a nested transaction is a savepoint: it has no options of its own')
        }
        this.#nested = true
        this.#lastNested = new Promise<void>((resolve) => { ended = resolve })
        return new SavepointControl(this.#checkout, this.#depth + 1)
      },
      leave: () => {
        this.#nested = false
        ended()
        return undefined
      },
    }
  }

  protected override checkTransactionControl (): void {
    this.#check()
    throw new QueryError('a transaction ends when its function returns or throws: do not run BEGIN, COMMIT or ROLLBACK in it, ' +
      'and use tx.transaction(…) for a part that may be undone')
  }

  protected override run<T> (call: Call, read: Read<T>, calls: Calls | undefined): Promise<T> {
    this.#check()
    return super.run(inGroup(call, this.#group), read, calls)
  }

  /** In a savepoint, so that it is all or nothing also where its error is swallowed. */
  protected override batch (batch: Batch): Promise<void> { return transact(this.#place(), new BatchPart(batch)) }

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

/** A function of the user's, whose errors keep the stack that they have. */
export class FunctionPart<T> implements Part<T> {
  readonly hasCaller = true
  readonly #work: Work<T>
  readonly #statements: StatementCache
  readonly #depth: number
  readonly #group: AbortGroup | undefined
  #tx: Transaction | undefined

  constructor (work: Work<T>, statements: StatementCache, depth: number, group?: AbortGroup) {
    this.#work = work
    this.#statements = statements
    this.#depth = depth
    this.#group = group
  }

  check (): void {
    if (typeof this.#work !== 'function') {
      throw new QueryError('transaction takes a function, and then its options: transaction(async (tx) => …, { isolation })')
    }
  }

  run (checkout: Checkout): Promise<T> | T {
    const tx = this.#tx = new Transaction(checkout, this.#statements, this.#depth, this.#group)
    return checkout.call(this.#work, tx)
  }

  failed (error: unknown): void { keepStack(error) }

  end (): Promise<void> | undefined { return this.#tx?.end() }
}
