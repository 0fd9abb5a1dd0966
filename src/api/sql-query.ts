import { type CallOptions, NO_OPTIONS } from '../query/call.js'
import type { AbortGroup } from '../timing/abort-group.js'
import type { Compiled } from '../sql/template.js'
import { SqlPart, type TemplateWriter, WRITE } from '../sql/sql-part.js'
import { type Calls, withCallers } from '../errors/callers-stack.js'
import { QueryError } from '../errors/errors.js'
import type { Row, SqlResult } from './results.js'

/**
 * A statement that a tag has made. It runs when it is awaited, once: by `then`, `catch`, `finally` or `execute`. Inside another template
 * it is a fragment of that one, and does not run.
 */
export interface SqlQuery<T extends readonly unknown[] = Row[]> extends Promise<SqlResult<T>> {
  /** Runs it now. */
  execute (): this
}

/** What a query is made of. */
export interface SqlSource {
  /** The statement. Raises `QueryError`. */
  compiled (): Compiled
  /** Writes it into another one. */
  write (writer: TemplateWriter): void
}

/** What is run for a tag. */
export interface SqlCall extends Compiled {
  readonly options: CallOptions
  /** What it ends with. */
  readonly group: AbortGroup
  /** The calls that led to it, or that once led to its template. */
  readonly origin: Calls
}

/** Runs the queries of a tag. Resolves with their rows. */
export type SqlRun = <T extends readonly unknown[]> (call: SqlCall) => Promise<SqlResult<T>>

export class PendingQuery<T extends readonly unknown[]> extends SqlPart implements SqlQuery<T> {
  readonly #source: SqlSource
  readonly #run: SqlRun
  readonly #origin: Calls
  #options: CallOptions = NO_OPTIONS
  #group: AbortGroup | undefined
  #result: Promise<SqlResult<T>> | undefined

  constructor (source: SqlSource, run: SqlRun, origin: Calls) {
    super()
    this.#source = source
    this.#run = run
    this.#origin = origin
  }

  get [Symbol.toStringTag] (): string { return 'SqlQuery' }

  override get isFragment (): boolean { return true }

  [WRITE] (writer: TemplateWriter): void {
    if (this.#result !== undefined) throw new QueryError('a query that was run is no fragment: make another one, and do not await it')
    this.#source.write(writer)
  }

  execute (): this {
    this.#start()
    return this
  }

  then<A = SqlResult<T>, B = never> (
    fulfilled?: ((result: SqlResult<T>) => A | PromiseLike<A>) | null, rejected?: ((reason: unknown) => B | PromiseLike<B>) | null
  ): Promise<A | B> { return this.#start().then(fulfilled, rejected) }

  catch<B = never> (rejected?: ((reason: unknown) => B | PromiseLike<B>) | null): Promise<SqlResult<T> | B> {
    return this.#start().catch(rejected)
  }

  finally (settled?: (() => void) | null): Promise<SqlResult<T>> { return this.#start().finally(settled) }

  #start (): Promise<SqlResult<T>> {
    this.#result ??= this.#begin()
    return this.#result
  }

  #begin (): Promise<SqlResult<T>> {
    this.#group ??= { members: new Set(), reason: undefined }
    try {
      const { text, args } = this.#source.compiled()
      return this.#run({ text, args, options: this.#options, group: this.#group, origin: this.#origin })
    } catch (error) {
      return Promise.reject(withCallers(error, this.#origin))
    }
  }
}
