import type { Batch } from '../batch/batch.js'
import type { EventLog } from '../config/event-log.js'
import type { TypeOptions } from '../codecs/own-types.js'
import type { Read } from '../connection/execution.js'
import { type Calls, callsTo } from '../errors/callers-stack.js'
import { QueryError, ReleasedError } from '../errors/errors.js'
import type { Pool } from '../pool/pool.js'
import type { Call } from '../query/call.js'
import type { StatementCache } from '../query/statement.js'
import type { AbortGroup } from '../timing/abort-group.js'
import type { Hooks } from '../transaction/hooks.js'
import type { Settings } from '../transaction/settings.js'
import { type Place, transact } from '../transaction/transact.js'
import type { TransactionOptions } from '../transaction/transaction-options.js'
import { BatchPart } from './batch-part.js'
import { callWithSettings } from './call-with-settings.js'
import type { OpenTransaction } from './open-transaction.js'
import type { OwnSql, OwnSqlOptions, TypeNames } from './own-sql.js'
import { hostOf, inGroup, Queryable } from './queryable.js'
import type { Acquiring } from './pool-place.js'
import { placeFor, refuseByHand, sandboxes } from './sandboxing.js'
import { databaseTag, type Sql } from './sql-scopes.js'
import type { TagConversion } from './tag-conversion.js'
import { FunctionPart, type Work } from './transaction.js'

/** What the calls of one user of a database, such as a request, are bound to. A plain object: nothing of ours is entered to look at it. */
export interface Binding {
  /** The response that ends it. */
  readonly response?: { readonly writableEnded: boolean } | undefined
  readonly log?: EventLog | undefined
  /** What only reads ends with it. */
  readonly group?: AbortGroup | undefined
  /** The transaction that a call made now belongs to. Raises `ReleasedError` or `AbortedError` once it is over. */
  readonly transaction?: (() => OpenTransaction) | undefined
  /** What each of its transactions begins with, and each of its calls that is none of a transaction. May raise. */
  readonly settings?: (() => Settings | undefined) | undefined
  /** The same user's helpers of another database. */
  readonly further?: ((name: string) => BoundDatabase | undefined) | undefined
}

let bindingOf: (database: BoundDatabase) => Binding

/**
 * The helpers of a database for one user of it: what `request.db` is. What only reads ends when the client leaves. Where the route asks for
 * a transaction, all calls belong to it.
 */
export class BoundDatabase extends Queryable<Sql> {
  readonly #pool: Pool
  readonly #binding: Binding

  static {
    bindingOf = (database) => database.#binding
  }

  constructor (pool: Pool, statements: StatementCache, binding: Binding) {
    super(statements, sandboxes.get(pool) ?? pool.dispatcher, pool.config.debug !== false)
    this.#pool = pool
    this.#binding = binding
  }

  /**
   * The same helpers for what must finish when the client leaves, and for what must stay when the transaction of the route is rolled back:
   * they are outside of it, and may be used when the reply has left.
   * @example await request.db.detached.execute('INSERT INTO attempts (login) VALUES ($1)', login)
   */
  get detached (): BoundDatabase {
    const { settings, log } = this.#binding
    return new BoundDatabase(this.#pool, this.statements, { settings, log })
  }

  createSql<Types extends TypeOptions = TypeOptions> (options: OwnSqlOptions<Types> = {}): OwnSql<TypeNames<Types>> {
    return this.makeTag(this.ownConversion(options)) as unknown as OwnSql<TypeNames<Types>> // by OwnSql's own words
  }

  protected override makeTag (conversion: TagConversion): Sql {
    return databaseTag({ host: hostOf(this), within: this, conversion, session: this.#pool, reserve: notHere })
  }

  override transaction<T> (work: Work<T>, options?: TransactionOptions): Promise<T> {
    try {
      const { group, transaction, log } = this.#binding
      if (transaction !== undefined) return transaction().use((tx) => tx.transaction(work, options))
      this.#check()
      const place = this.#place({ options, takenBy: this.#noted(this.transaction) })
      return transact(place, new FunctionPart(work, this.statements, 0, { group, log }))
    } catch (error) {
      return Promise.reject(error)
    }
  }

  /** As of a transaction, where the route asks for one. Raises `QueryError` elsewhere. */
  afterCommit (hook: () => unknown): void { this.#hooksFor('afterCommit', hook).afterCommit(hook) }

  /** The same for its rollback. */
  afterRollback (hook: (error: unknown) => unknown): void { this.#hooksFor('afterRollback', hook).afterRollback(hook) }

  #hooksFor (name: string, hook: unknown): Hooks {
    const { transaction } = this.#binding
    if (transaction === undefined) {
      throw new QueryError(`${name} has no place outside of a transaction: ask for one with the route's config, ` +
        `{ db: { transaction: true } }, or use tx.${name}`)
    }
    if (typeof hook !== 'function') throw new QueryError(`${name} takes a function: request.db.${name}(() => …)`)
    return transaction().hooks()
  }

  #noted (callee: (...args: never[]) => unknown): Calls | undefined {
    return this.#pool.config.notesTakers ? callsTo(callee) : undefined
  }

  #place (acquiring: Acquiring): Place {
    const { settings, log } = this.#binding
    return placeFor(this.#pool, { ...acquiring, settings: settings?.(), log })
  }

  protected override checkTransactionControl (call: Call): void { refuseByHand(this.#pool, call) }

  protected override run<T> (call: Call, read: Read<T>, calls: Calls | undefined): Promise<T> {
    const { response, group, transaction, settings } = this.#binding
    if (transaction !== undefined) return transaction().use((tx) => tx.perform(call, read, calls))
    if (response !== undefined && response.writableEnded) this.#check()
    // Written out, as `inGroup` does it: each call of each request comes here.
    const isBound = group !== undefined && call.statement.mayBePipelined
    const bound = !isBound ? call : call.group === undefined ? { ...call, group } : inGroup(call, group)
    const held = settings === undefined ? undefined : settings()
    return held === undefined ? super.run(bound, read, calls) : callWithSettings(this.#pool, { call: bound, read, calls, settings: held })
  }

  protected override batch (batch: Batch): Promise<void> {
    const { transaction } = this.#binding
    if (transaction !== undefined) return transaction().use((tx) => tx.performBatch(batch))
    this.#check()
    const { signal } = batch.call.options
    return transact(this.#place({ signal, takenBy: this.#noted(this.batch) }), new BatchPart(batch))
  }

  #check (): void {
    if (this.#binding.response?.writableEnded === true) throw new ReleasedError('request')
  }

  protected override opened (): Promise<void> { return this.#pool.begin() }
}

/** Such helpers that have those of further databases by their names: `request.db.archive`. */
export function boundKind (names: readonly string[]): typeof BoundDatabase {
  if (names.length === 0) return BoundDatabase
  class Bound extends BoundDatabase {}
  for (const name of names) {
    const get = function (this: Bound): BoundDatabase | undefined { return bindingOf(this).further?.(name) }
    Object.defineProperty(Bound.prototype, name, { get })
  }
  return Bound
}

async function notHere (): Promise<never> {
  throw new QueryError('request.db reserves no connection: reserve one by app.db.acquire()')
}
