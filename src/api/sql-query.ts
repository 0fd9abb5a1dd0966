import { isSeconds, SECONDS } from '../config/durations.js'
import { type Calls, callersOf, keepStack } from '../errors/callers-stack.js'
import { OptionError, QueryError } from '../errors/errors.js'
import type { AskedOptions } from '../query/call.js'
import { SqlPart, type TemplateWriter, WRITE } from '../sql/sql-part.js'
import type { Conversion } from '../codecs/conversion.js'
import type { Naming } from '../sql/sql-part.js'
import type { Compiled } from '../sql/template.js'
import { abortGroup, type AbortGroup } from '../timing/abort-group.js'
import { isSignal } from '../timing/abort-signal.js'
import type { TagConversion } from './tag-conversion.js'
import { rejection } from './caller.js'
import { eachOf, type Row, type SqlResult, type SqlStatement, withoutRows } from './results.js'

/**
 * A statement that a tag has made. It runs when it is awaited, once: by `then`, `catch`, `finally` or `execute`. Inside another template
 * it is a fragment of that one, and does not run. What says how it runs is said before.
 */
export interface SqlQuery<T extends readonly unknown[] = Row[]> extends Promise<SqlResult<T>> {
  /** Runs it now. */
  execute (): this
  /** Cancels it, if it is not done yet: it rejects with `AbortedError`. */
  cancel (): void
  /** Seconds that it may take, instead of `commandTimeout`; 0 for no limit. */
  timeout (seconds: number): this
  /** Aborts waiting for a connection as well as the running statement. */
  signal (signal: AbortSignal): this
  /** It may be a script of several statements, without values: it resolves with a result for each then. */
  simple (): this
  /** Rows as arrays, in the order of the columns. */
  values (): SqlQuery<unknown[][]>
  /** Rows as arrays of the bytes that the server sent: its text, and null. */
  raw (): SqlQuery<Array<Array<Uint8Array | null>>>
  /** Asks for the types of its parameters and columns, and runs nothing. */
  describe (): Promise<SqlStatement>
  /** Not there: raises `QueryError`. */
  stream (...args: readonly unknown[]): never
  /** Calls a function for each row, one after the other, when all are there. A promise is awaited. Resolves without rows. */
  forEach (work: (row: T[number], result: SqlResult<[]>) => unknown): Promise<SqlResult<[]>>
  /** Not there: raises `QueryError`. */
  cursor (...args: readonly unknown[]): never
  /** Not there, as a stream of COPY: rejects with `QueryError`. */
  readable (): Promise<never>
  /** Not there, as a stream of COPY: rejects with `QueryError`. */
  writable (): Promise<never>
}

/** What a query is made of. */
export interface SqlSource {
  /** The statement. Raises `QueryError`. */
  compiled (naming: Naming | undefined): Compiled | Promise<Compiled>
  /** Writes it into another one. */
  write (writer: TemplateWriter): void
}

/** What is run for a tag. */
export interface SqlCall extends Compiled {
  readonly options: AskedOptions
  /** How its values are converted, where that is not as usual. */
  readonly conversion: Conversion | undefined
  /** Whether it may be a script. */
  readonly simple: boolean
  /** What it ends with. */
  readonly group: AbortGroup
  /** The calls that led to it, where they are noted, or that once led to its template. */
  readonly origin: Calls | undefined
}

/** Runs the queries of a tag. */
export interface SqlRunner {
  run<T extends readonly unknown[]> (call: SqlCall): Promise<SqlResult<T>>
  describe (call: SqlCall): Promise<SqlStatement>
}

interface PendingParts {
  readonly source: SqlSource
  readonly runner: SqlRunner
  readonly conversion: TagConversion
  readonly origin: Calls | undefined
  readonly prepare?: boolean | undefined
  readonly simple?: boolean
}

export class PendingQuery<T extends readonly unknown[]> extends SqlPart implements SqlQuery<T> {
  readonly #source: SqlSource
  readonly #runner: SqlRunner
  readonly #conversion: TagConversion
  readonly #origin: Calls | undefined
  #options: AskedOptions
  #simple: boolean
  #group: AbortGroup | undefined
  #result: Promise<SqlResult<T>> | undefined

  constructor ({ source, runner, conversion, origin, prepare, simple = false }: PendingParts) {
    super()
    this.#source = source
    this.#runner = runner
    this.#conversion = conversion
    this.#origin = origin
    this.#options = { prepare }
    this.#simple = simple
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

  cancel (): void { abortGroup(this.#ownGroup, new Error('cancel() was called')) }

  timeout (seconds: number): this {
    if (!isSeconds(seconds)) throw new OptionError(`timeout takes ${SECONDS}`)
    return this.#with({ timeout: seconds })
  }

  signal (signal: AbortSignal): this {
    if (!isSignal(signal)) throw new OptionError('signal takes an AbortSignal')
    return this.#with({ signal })
  }

  simple (): this {
    this.#simple = true
    return this.#with({ prepare: false })
  }

  values (): SqlQuery<unknown[][]> { return this.#with({ rows: 'array' }) as SqlQuery<readonly unknown[]> as SqlQuery<unknown[][]> }

  raw (): SqlQuery<Array<Array<Uint8Array | null>>> {
    return this.#with({ rows: 'raw' }) as SqlQuery<readonly unknown[]> as SqlQuery<Array<Array<Uint8Array | null>>>
  }

  describe (): Promise<SqlStatement> {
    this.#with({ prepare: false })
    return this.#run((call) => this.#runner.describe(call))
  }

  async forEach (work: (row: T[number], result: SqlResult<[]>) => unknown): Promise<SqlResult<[]>> {
    if (typeof work !== 'function') throw new QueryError('forEach takes a function: forEach((row) => …)')
    const rows = await this.#start()
    try {
      for (const each of eachOf(rows)) {
        const result = withoutRows(each)
        for (const row of each) await work(row, result)
      }
    } catch (error) {
      keepStack(error)
      throw error
    }
    return withoutRows(rows)
  }

  stream (): never { throw new QueryError('stream is not there: call forEach, whose function is given each row') }
  cursor (): never { throw new QueryError('cursors are not there: fetch parts by a key and LIMIT, or keep a client of postgres.js') }
  async readable (): Promise<never> { throw noStream() }
  async writable (): Promise<never> { throw noStream() }

  /** Once it runs, nothing changes any more. */
  #with (options: AskedOptions): this {
    if (this.#result !== undefined) throw new QueryError('the query runs already: say how before it is awaited')
    this.#options = { ...this.#options, ...options }
    return this
  }

  get #ownGroup (): AbortGroup {
    this.#group ??= { members: new Set(), reason: undefined }
    return this.#group
  }

  #start (): Promise<SqlResult<T>> {
    this.#result ??= this.#run((call) => this.#runner.run<T>(call))
    return this.#result
  }

  #run<R> (run: (call: SqlCall) => Promise<R>): Promise<R> {
    try {
      const { current } = this.#conversion
      const compiled = this.#source.compiled(current?.transform)
      return compiled instanceof Promise
        ? compiled.then((compiled) => run(this.#callOf(compiled, current)))
        : run(this.#callOf(compiled, current))
    } catch (error) {
      return rejection({ calls: this.#origin ?? callersOf(this.#run) }, error)
    }
  }

  #callOf ({ text, args }: Compiled, conversion: Conversion | undefined): SqlCall {
    if (this.#simple && args.length > 0) throw new QueryError('a simple query takes no values: leave out simple()')
    return { text, args, conversion, options: this.#options, simple: this.#simple, group: this.#ownGroup, origin: this.#origin }
  }
}

function noStream (): Error {
  return new QueryError('streams of COPY are not there: use executeMany, or COPY on a connection of postgres.js of your own')
}
