import type { Lists } from './argument-lists.js'
import { ArgumentArrays } from './argument-arrays.js'
import type { Checkout } from '../transaction/checkout.js'
import { Preamble } from '../driver/preamble.js'
import type { ExecutionsResult } from '../driver/execute-many.js'
import { AbortedError } from '../errors/errors.js'
import { overArrays, type InsertValues } from '../sql/insert-statement.js'
import { PROOF } from './insert-proof.js'
import { type Call, internalCall } from '../query/call.js'
import type { StatementCache } from '../query/statement.js'

/** Fewer lists are sooner executed than the catalog is asked. */
const LEAST_LISTS = 50

/**
 * The savepoints of two chunks in succession have different names: if the first is not released, or the second not set, there is
 * none to go back to, and the batch fails, instead of losing the chunk before.
 */
const SAVEPOINTS = ['fastify_postgres_js_arrays', 'fastify_postgres_js_more_arrays'] as const

/** What is inserted: the statement, how it was read, the types of its parameters, and whether the first savepoint is set. */
interface Inserted {
  readonly call: Call
  readonly insert: InsertValues
  readonly types: readonly number[]
  readonly isSaved: boolean
}

/** How the chunks of a batch are inserted over arrays, for as long as that works. */
export class ArrayInsert {
  readonly #checkout: Checkout
  readonly #call: Call
  readonly #insert: InsertValues
  readonly #types: readonly number[]
  readonly #statements: StatementCache
  #state: 'unproven' | 'proven' | 'impossible' = 'unproven'
  #text = ''
  /** Of the last chunk; another one is for the next. */
  #savepoint: typeof SAVEPOINTS[number]
  /** Whether it is set, and nothing is executed before the chunk. */
  #isSaved: boolean

  constructor (checkout: Checkout, statements: StatementCache, { call, insert, types, isSaved }: Inserted) {
    this.#checkout = checkout
    this.#statements = statements
    this.#call = call
    this.#insert = insert
    this.#types = types
    this.#isSaved = isSaved
    this.#savepoint = SAVEPOINTS[0]
  }

  /** What is to be sent behind the description of the statement for so many lists: the savepoint, if arrays are worth it. */
  static behindDescription (lists: number): Preamble | undefined {
    return lists < LEAST_LISTS ? undefined : Preamble.of(`SAVEPOINT ${SAVEPOINTS[0]}`)
  }

  /** The arrays for a chunk; `undefined` where it has to be executed list by list. */
  write (lists: Lists): ArgumentArrays | undefined {
    if (this.#state === 'impossible') return undefined
    if (this.#state === 'unproven' && lists.length < LEAST_LISTS) {
      this.#isSaved = false // what is executed now must not be undone with a later chunk
      return undefined
    }
    try {
      return new ArgumentArrays(lists, this.#types, this.#checkout.connection.types.for(this.#call.conversion))
    } catch {
      this.#state = 'impossible'
      return undefined // there is a value that cannot be sent: its execution says so
    }
  }

  /**
   * Inserts what was written. `undefined`: nothing of it was, and it has to be executed list by list. Rejects where
   * nothing more can be executed: the call was aborted, or the connection is gone.
   */
  async run (arrays: ArgumentArrays): Promise<ExecutionsResult | undefined> {
    if (this.#state === 'impossible') return undefined
    const before = this.#state === 'proven' ? this.#nextSavepoint() : undefined
    if (this.#state === 'unproven' && !this.#isSaved) await this.#checkout.perform(internalCall(`SAVEPOINT ${this.#savepoint}`))
    this.#isSaved = true
    try {
      if (this.#state === 'unproven') await this.#prove()
      if (this.#state === 'proven') return await this.#insertOver(arrays, before)
      await this.#checkout.perform(internalCall(`RELEASE ${this.#savepoint}`))
    } catch (error) {
      if (error instanceof AbortedError || !this.#checkout.connection.isOpen) throw error
      this.#state = 'impossible'
      await this.#checkout.perform(internalCall(`ROLLBACK TO ${this.#savepoint}; RELEASE ${this.#savepoint}`, 'script'))
    }
    return undefined
  }

  #nextSavepoint (): Preamble {
    const [first, second] = SAVEPOINTS
    const last = this.#savepoint
    this.#savepoint = last === first ? second : first
    return Preamble.of(`RELEASE ${last}`, `SAVEPOINT ${this.#savepoint}`)
  }

  #insertOver (arrays: ArgumentArrays, before: Preamble | undefined): Promise<ExecutionsResult> {
    const call = { ...this.#over(this.#text, []), conversion: this.#call.conversion }
    return this.#checkout.attemptParts({ call, parts: arrays.parts, parametersOf: (part) => arrays.parametersOf(part), before })
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
