import type { Lists } from './argument-lists.js'
import { ArgumentArrays } from './argument-arrays.js'
import type { Checkout } from '../transaction/checkout.js'
import type { ExecutionsResult } from '../driver/execute-many.js'
import { AbortedError } from '../errors/errors.js'
import { overArrays, type InsertValues } from '../sql/insert-statement.js'
import { PROOF } from './insert-proof.js'
import { type Call, internalCall } from '../query/call.js'
import type { StatementCache } from '../query/statement.js'

/** Fewer lists are sooner executed than the catalog is asked. */
const LEAST_LISTS = 50

const SAVEPOINT = 'SAVEPOINT fastify_postgres_js_arrays'
const RELEASE = 'RELEASE fastify_postgres_js_arrays'
const NEXT_SAVEPOINT = internalCall(`${RELEASE}; ${SAVEPOINT}`, 'script')
const UNDO = internalCall(`ROLLBACK TO fastify_postgres_js_arrays; ${RELEASE}`, 'script')

/** What is inserted: the statement, how it was read, and the types of its parameters. */
interface Inserted { readonly call: Call, readonly insert: InsertValues, readonly types: readonly number[] }

/** How the chunks of a batch are inserted over arrays, for as long as that works. */
export class ArrayInsert {
  readonly #checkout: Checkout
  readonly #call: Call
  readonly #insert: InsertValues
  readonly #types: readonly number[]
  readonly #statements: StatementCache
  #state: 'unproven' | 'proven' | 'impossible' = 'unproven'
  #text = ''

  constructor (checkout: Checkout, statements: StatementCache, { call, insert, types }: Inserted) {
    this.#checkout = checkout
    this.#statements = statements
    this.#call = call
    this.#insert = insert
    this.#types = types
  }

  /** The arrays for a chunk; `undefined` where it has to be executed list by list. */
  write (lists: Lists): ArgumentArrays | undefined {
    if (this.#state === 'impossible' || (this.#state === 'unproven' && lists.length < LEAST_LISTS)) return undefined
    try {
      return new ArgumentArrays(lists, this.#types, this.#checkout.connection.types)
    } catch {
      return undefined // there is a value that cannot be sent: its execution says so
    }
  }

  /**
   * Inserts what was written. `undefined`: nothing of it was, and it has to be executed list by list. Rejects where
   * nothing more can be executed: the call was aborted, or the connection is gone.
   */
  async run (arrays: ArgumentArrays): Promise<ExecutionsResult | undefined> {
    if (this.#state === 'impossible') return undefined
    await this.#checkout.perform(this.#state === 'proven' ? NEXT_SAVEPOINT : internalCall(SAVEPOINT))
    try {
      if (this.#state === 'unproven') await this.#prove()
      if (this.#state === 'proven') {
        const { parts } = arrays
        return await this.#checkout.attemptParts({ call: this.#over(this.#text, []), parts, parametersOf: (part) => arrays.parametersOf(part) })
      }
      await this.#checkout.perform(internalCall(RELEASE))
    } catch (error) {
      if (error instanceof AbortedError || !this.#checkout.connection.isOpen) throw error
      this.#state = 'impossible'
      await this.#checkout.perform(UNDO)
    }
    return undefined
  }

  async #prove (): Promise<void> {
    const { table, constants } = this.#insert
    const { rows: [row] } = await this.#checkout.attempt(this.#over(PROOF, [table, this.#types, constants]))
    const names = typeof row === 'object' && row !== null && 'names' in row ? row.names : undefined
    this.#state = Array.isArray(names) ? 'proven' : 'impossible'
    if (Array.isArray(names)) this.#text = overArrays(this.#insert, names.map(String))
  }

  #over (text: string, args: readonly unknown[]): Call {
    return { statement: this.#statements.get(text), args, mode: 'rows', options: this.#call.options }
  }
}
