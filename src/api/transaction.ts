import type { Batch } from '../batch/batch.js'
import type { EventLog } from '../config/event-log.js'
import type { ConversionOptions } from '../codecs/conversion.js'
import type { Read } from '../connection/execution.js'
import { type Calls, keepStack } from '../errors/callers-stack.js'
import { NestedTransactionError, QueryError, ReleasedError } from '../errors/errors.js'
import type { Call } from '../query/call.js'
import type { StatementCache } from '../query/statement.js'
import type { Checkout } from '../transaction/checkout.js'
import type { AbortGroup } from '../timing/abort-group.js'
import { Hooks, type Outcome } from '../transaction/hooks.js'
import { type Part, type Place, transact } from '../transaction/transact.js'
import { SavepointControl } from '../transaction/transaction-control.js'
import { readTransactionOptions, type TransactionOptions } from '../transaction/transaction-options.js'
import './async-dispose.js'
import { BatchPart } from './batch-part.js'
import { hostOf, inGroup, Queryable } from './queryable.js'
import { transactionTag, type TransactionSql } from './sql-scopes.js'
import type { TagConversion } from './tag-conversion.js'

/** What is done in a transaction. `attempt`: how often it has been begun, from 1: see the option `retries`. */
export type Work<T> = (tx: Transaction, attempt: number) => Promise<T> | T

/** What holds for all that is done in a transaction. */
export interface TransactionContext {
  /** Whether it is a part of a transaction that was begun by hand, of whose end nobody knows. */
  readonly isByHand: boolean
  /** What only reads ends with it. */
  readonly group: AbortGroup | undefined
  /** Those that are kept until it is over. */
  hooks (log: EventLog): Hooks
}

/** What a transaction of a user has from outside: its context if it is a savepoint, and otherwise what its calls are bound to. */
export interface Surroundings {
  outer?: TransactionContext
  group?: AbortGroup | undefined
  log?: EventLog | undefined
}

/** The helpers inside a transaction or a savepoint. */
export class Transaction extends Queryable<TransactionSql> {
  readonly #checkout: Checkout
  readonly #depth: number
  readonly #context: TransactionContext
  #ended = false
  #nested = false
  #lastNested: Promise<void> | undefined

  constructor (checkout: Checkout, statements: StatementCache, depth: number, context: TransactionContext) {
    super(statements, checkout, checkout.notesCallers)
    this.#checkout = checkout
    this.#depth = depth
    this.#context = context
  }

  createSql (options: ConversionOptions = {}): TransactionSql {
    return this.makeTag(this.ownConversion(options))
  }

  protected override makeTag (conversion: TagConversion): TransactionSql { return transactionTag(hostOf(this), this, conversion) }

  override transaction<T> (work: Work<T>, options?: TransactionOptions): Promise<T> {
    return transact(this.#place(options), new FunctionPart(work, this.statements, this.#depth + 1, { outer: this.#context }))
  }

  /**
   * Has `hook` called once the transaction is committed and its connection released, before `transaction()` resolves: for what the world
   * is to be told only then. Hooks run one after the other, in their order; what one throws is logged and changes nothing.
   *
   * In a savepoint it waits for the outermost transaction, and is dropped if the savepoint is rolled back; with `retries` it belongs to its
   * attempt. It is not called if the connection is lost during COMMIT, for nobody knows then. Raises `ReleasedError` after the end.
   * @example tx.afterCommit(() => cache.delete(`user:${id}`))
   */
  afterCommit (hook: () => unknown): void { this.#hooksFor('afterCommit', hook).afterCommit(hook) }

  /**
   * The same once it is rolled back, with the error that was the reason: in a savepoint, once that is or the outermost transaction is.
   * @example tx.afterRollback(() => rm(upload))
   */
  afterRollback (hook: (error: unknown) => unknown): void { this.#hooksFor('afterRollback', hook).afterRollback(hook) }

  #hooksFor (name: string, hook: unknown): Hooks {
    this.#check()
    if (typeof hook !== 'function') throw new QueryError(`${name} takes a function: tx.${name}(() => …)`)
    if (this.#context.isByHand) throw new QueryError(`${name} has no place in a transaction begun by hand: nobody knows when that ends`)
    return this.#context.hooks(this.#checkout.pool.log)
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
      retries: 0,
      mayRunAgain: () => Promise.resolve(false),
    }
  }

  protected override checkTransactionControl (): void {
    this.#check()
    throw new QueryError('a transaction ends when its function returns or throws: do not run BEGIN, COMMIT or ROLLBACK in it, ' +
      'and use tx.transaction(…) for a part that may be undone')
  }

  protected override run<T> (call: Call, read: Read<T>, calls: Calls | undefined): Promise<T> {
    this.#check()
    return super.run(inGroup(call, this.#context.group), read, calls)
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
export class FunctionPart<T> implements Part<T>, TransactionContext {
  readonly hasCaller = true
  readonly #work: Work<T>
  readonly #statements: StatementCache
  readonly #depth: number
  readonly #outer: TransactionContext | undefined
  readonly #log: EventLog | undefined
  #hooks: Hooks | undefined
  #tx: Transaction | undefined
  isByHand = false
  readonly group: AbortGroup | undefined

  constructor (work: Work<T>, statements: StatementCache, depth: number, { outer, group = outer?.group, log }: Surroundings = {}) {
    this.#work = work
    this.#statements = statements
    this.#depth = depth
    this.#outer = outer
    this.#log = log
    this.group = group
  }

  check (): void {
    if (typeof this.#work !== 'function') {
      throw new QueryError('transaction takes a function, and then its options: transaction(async (tx) => …, { isolation })')
    }
  }

  run (checkout: Checkout, attempt: number): Promise<T> | T {
    this.isByHand = this.#outer?.isByHand ?? checkout.isByHand
    const tx = this.#tx = new Transaction(checkout, this.#statements, this.#depth, this)
    return checkout.call(this.#work, tx, attempt)
  }

  failed (error: unknown): void { keepStack(error) }

  end (): Promise<void> | undefined { return this.#tx?.end() }

  hooks (log: EventLog): Hooks {
    this.#hooks ??= new Hooks(this.#log ?? log)
    return this.#hooks
  }

  /** Its hooks run, or wait for the transaction that it is a part of. */
  after (outcome: Outcome, error: unknown): Promise<void> | undefined {
    const hooks = this.#hooks
    if (hooks === undefined) return undefined
    this.#hooks = undefined
    if (this.#outer === undefined || outcome !== 'committed') return hooks.run(outcome, error)
    this.#outer.hooks(hooks.log).add(hooks)
    return undefined
  }
}
