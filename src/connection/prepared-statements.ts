import type { Driver } from '../driver/postgres-js.js'
import { ServerRefusal } from '../driver/server-refusal.js'
import type { Request } from '../driver/request.js'
import type { Statement } from '../query/statement.js'

/** Prepared statements at most: the server keeps about 12 KB for each, and the driver never drops one. */
const MOST_PREPARED = 256

/** What the driver holds prepared on one connection, with the types of the parameters. */
export class PreparedStatements {
  readonly #driver: Driver
  readonly #types = new Map<string, readonly number[]>()
  /** Those that are just being prepared again. */
  readonly #renewals = new Map<string, Promise<void>>()
  /** Those that the server has not any more, although the driver thinks that it has. */
  readonly #gone = new Set<string>()

  constructor (driver: Driver) { this.#driver = driver }

  get isFull (): boolean { return this.#types.size >= MOST_PREPARED }
  has (text: string): boolean { return this.#types.has(text) }
  typesOf (text: string): readonly number[] | undefined { return this.#types.get(text) }
  isRenewing (text: string): boolean { return this.#renewals.has(text) }
  /** Whether it has to be prepared again before it is run. */
  isGone (text: string): boolean { return this.#gone.has(text) }

  /** The server has dropped all of them. */
  forgetAll (): void {
    for (const text of this.#types.keys()) this.#gone.add(text)
    this.#types.clear()
  }

  /** The driver binds this statement at once from now on, so its types must be known here before it is sent again. */
  remember ({ text }: Statement, request: Request): void {
    const { prepare, statement } = request
    if (!prepare || statement === null || this.#types.has(text) || statement.types.includes(0)) return
    if (request.isDescribed) this.#types.set(text, statement.types)
    else this.#gone.add(text) // the server refused to describe its columns
  }

  /** Has a stale statement prepared again: once, however many calls have found out. If it fails, the statement is dropped. */
  renew ({ text, strings }: Statement, parameters: number, subject: object): Promise<void> {
    const renewal = this.#renewals.get(text) ?? this.#driver.typesOf(strings, parameters, true, subject)
      .then((types) => {
        this.#types.set(text, types)
        this.#gone.delete(text)
      })
      .finally(() => this.#renewals.delete(text))
    this.#types.delete(text)
    this.#renewals.set(text, renewal)
    return renewal
  }
}

/** Where the server finds out that a prepared statement is gone, gives other columns than it did, or takes other types. */
const STALE_ROUTINES = new Set<unknown>(['FetchPreparedStatement', 'RevalidateCachedQuery', 'transformAssignedExpr'])

/** Whether the server refused a prepared statement as stale. A function that it calls may raise the same, with a context. */
export function isStale (error: unknown): boolean {
  if (!(error instanceof ServerRefusal)) return false
  const { routine, where } = error.fields
  return STALE_ROUTINES.has(routine) && (where === undefined || /^(unnamed )?portal /.test(where))
}
