import { type Binding, BoundDatabase } from '../../src/api/bound-database.js'
import type { Pool } from '../../src/pool/pool.js'
import type { StatementCache } from '../../src/query/statement.js'

/** What the calls of `request.db` are bound to. */
export interface RequestBinding extends Binding {
  /** The same without the request's transaction and without its departure. */
  detach (): BoundDatabase
}

/**
 * The helpers of a database for one request: what `request.db` is. What only reads ends when the client leaves. Where the route asks for a
 * transaction, all calls belong to it.
 */
export class RequestDatabase extends BoundDatabase {
  readonly #requestBinding: RequestBinding
  #detached: BoundDatabase | undefined

  constructor (pool: Pool, statements: StatementCache, binding: RequestBinding) {
    super(pool, statements, binding)
    this.#requestBinding = binding
  }

  /**
   * The same helpers for what must finish when the client leaves, and for what must stay when the transaction of the route is rolled
   * back: they are outside of it, and may be used when the reply has left.
   * @example await request.db.detached.execute('INSERT INTO attempts (login) VALUES ($1)', login)
   */
  get detached (): BoundDatabase {
    this.#detached ??= this.#requestBinding.detach()
    return this.#detached
  }
}
