import { BindAborted, toArguments, writeArguments, writeTexts } from './argument.js'
import type { Config } from './config.js'
import type { Deadlines } from './deadlines.js'
import { type Driver, DriverServerError, type DriverQuery, type DriverResult, type DriverTypes } from './driver.js'
import { Refusal } from './encode.js'
import { AbortedError, ConnectionLostError, ParameterCountError, QueryError, QueryTimeoutError, ValueError } from './errors.js'
import { type Abandoning, Execution, type OnSettled } from './execution.js'
import { ChangedTypesError, type ExecutionsResult } from './executions.js'
import type { Call } from './query.js'
import { needsReading, readUnread, repairRows, unknownColumns } from './rows.js'
import { ServerError } from './server-error.js'
import type { Statement } from './statement.js'
import { catalogQuery, type CatalogRow } from './types.js'

/** How much later than the server's own statement_timeout our clock goes off: it is for networks that swallow all. */
const CLOCK_GRACE = 0.5
/** Prepared statements at most: the server keeps about 12 KB for each, and the driver never drops one. */
const MOST_PREPARED = 256
const UNDOES_LIMIT = /rollback|abort|reset|discard|statement_timeout/i
const LONGEST_LIMIT = 0x7fffffff

/** What a runner tells the connection that it works for. */
export interface RunnerOwner extends Abandoning {
  /** Whether statements may be sent: never on a dead socket (postgres.js #1066). */
  readonly usable: boolean
  /** The connection cannot go on. */
  broken (reason: 'lost' | 'copy', cause?: unknown): void
}

/** Runs calls on one driver, one at a time: prepares, writes the arguments, reads the rows, translates the errors. */
export class Runner {
  uses = 0
  /** Whether the session may hold something that the next user must not meet. */
  tainted = false
  readonly #driver: Driver
  readonly #types: DriverTypes
  readonly #config: Config
  readonly #deadlines: Deadlines
  readonly #owner: RunnerOwner
  #running: { fail (error: unknown): void, whenFinished (): Promise<void> } | undefined
  /** The parameters' types of each statement that the driver holds prepared. */
  readonly #prepared = new Map<string, readonly number[]>()
  /** The session's statement_timeout in seconds; undefined when a rollback may have changed it. */
  #serverLimit: number | undefined

  constructor (driver: Driver, types: DriverTypes, config: Config, deadlines: Deadlines, owner: RunnerOwner) {
    this.#driver = driver
    this.#types = types
    this.#config = config
    this.#deadlines = deadlines
    this.#owner = owner
    this.#serverLimit = config.commandTimeout
  }

  /** What is in flight. */
  get running (): { fail (error: unknown): void, whenFinished (): Promise<void> } | undefined { return this.#running }

  /** The first exchange with the server. Rejects with `ServerError` or the driver's error. */
  async greet (text: string): Promise<DriverResult> {
    try {
      const result = await this.#driver.query([text], [], { simple: true })
      if ('command' in result && result.state !== null) return result
      throw new Error('the server did not identify its backend')
    } catch (error) {
      throw error instanceof DriverServerError ? new ServerError(error) : error
    }
  }

  /** Runs a call and answers by one of the functions. `now` is the time, if the caller just asked for it. */
  run (call: Call, resolve: (result: DriverResult) => void, reject: (error: unknown) => void, onSettled: OnSettled | undefined, now?: number): void {
    const execution = new Execution<DriverResult>(call, this.#deadlines, resolve, reject, onSettled, now)
    if (!this.#admit(execution)) return
    this.#limit(execution, this.#watch(execution), () => this.#send(execution))
  }

  /** The types of a statement's parameters, by a description of its own: what is prepared may be stale. Only in a transaction. */
  describe (call: Call, onSettled?: OnSettled): Promise<readonly number[]> {
    return new Promise((resolve, reject) => {
      const execution = new Execution<readonly number[]>(call, this.#deadlines, resolve, reject, onSettled)
      if (!this.#admit(execution)) return
      this.#limit(execution, this.#watch(execution), () => this.#driver.pipeline({ text: call.statement.text, executions: 0, parametersOf: () => [] }).then(({ types, columns }) => {
        const { registry } = this.#types
        const unknown = [...types, ...columns.map(({ type }) => type)].filter((oid) => registry.get(oid) === undefined)
        if (unknown.length === 0) this.#end(execution, undefined, types)
        else this.#learn(execution, unknown, () => this.#end(execution, undefined, types))
      }, (error) => this.#end(execution, this.#translate(execution, error))))
    })
  }

  /**
   * Runs a statement once for each list of arguments, sent together. Rejects with the error of the first list that fails,
   * be it refused here or by the server. Only in a transaction, which undoes the others then.
   */
  runMany (call: Call, types: readonly number[], lists: ReadonlyArray<readonly unknown[]>, firstRow: number, onSettled?: OnSettled): Promise<ExecutionsResult> {
    return new Promise((resolve, reject) => {
      const execution = new Execution<ExecutionsResult>(call, this.#deadlines, resolve, reject, onSettled)
      if (!this.#admit(execution)) return
      const serverLimit = this.#watch(execution)
      const { statement, options: { timeout = serverLimit } } = call
      let row = firstRow
      const pipeline = {
        text: statement.text,
        types,
        executions: lists.length,
        parametersOf: (index: number) => {
          this.uses++
          return writeTexts(lists[index] ?? [], statement, types, this.#types.registry, firstRow + index)
        },
        onProgress: () => execution.progress(),
        oneByOne: timeout !== serverLimit,
        onRefused: (index: number) => { row += index },
      }
      this.#limit(execution, serverLimit, () => this.#driver.pipeline(pipeline).then(
        (result) => this.#end(execution, undefined, result),
        (error) => this.#end(execution, this.#translate(execution, error, types, row))))
    })
  }

  /** Gives the session the statement_timeout that a call needs, then goes on with the call. */
  #limit<T> (execution: Execution<T>, seconds: number, then: () => void): void {
    if (seconds === this.#serverLimit || execution.call.internal === true) return then()
    const set = `SET statement_timeout = ${Math.min(Math.ceil(seconds * 1000), LONGEST_LIMIT)}`
    this.#aside(execution, set, () => { this.#serverLimit = seconds }, then)
  }

  #admit<T> (execution: Execution<T>): boolean {
    const { signal } = execution.call.options
    if (!this.#owner.usable) execution.fail(new ConnectionLostError('it was closed before'))
    else if (signal?.aborted === true) execution.fail(new AbortedError({ cause: signal.reason }))
    else this.#running = execution
    return !execution.settled
  }

  /** Starts the clock. Returns the statement_timeout that the session needs: only a longer timeout concerns the server. */
  #watch<T> (execution: Execution<T>): number {
    const { commandTimeout } = this.#config
    const { timeout = commandTimeout } = execution.call.options
    const longer = timeout === 0 || (commandTimeout !== 0 && timeout > commandTimeout)
    const serverLimit = longer ? timeout : commandTimeout
    const clock = timeout === serverLimit && timeout !== 0 ? timeout + CLOCK_GRACE : timeout
    execution.watch(timeout, clock, this.#owner)
    return serverLimit
  }

  /** Asks the server something on behalf of a call, then goes on with the call. */
  #aside<T> (execution: Execution<T>, text: string, use: (result: DriverResult) => void, then: () => void): void {
    this.#driver.query([text], []).then((result) => {
      // The statement before it may have failed midway through its rows.
      repairRows(result as DriverResult)
      use(result as DriverResult)
      if (execution.settled) return this.#end(execution)
      then()
    }, (error) => this.#end(execution, this.#translate(execution, error)))
  }

  #send (execution: Execution): void {
    const { statement, args, mode, options: { prepare: wish } } = execution.call
    const types = this.#prepared.get(statement.text)
    execution.sends++
    try {
      execution.args ??= toArguments(args, statement, rowName(execution.call))
      const unknown = types === undefined ? [] : writeArguments(execution.args, types, this.#types.registry, rowName(execution.call))
      if (unknown.length > 0) return this.#learn(execution, unknown, () => this.#send(execution))
    } catch (error) {
      return error instanceof ValueError ? this.#maybeStale(execution, types, error) : this.#end(execution, error)
    }
    this.uses++
    statement.uses++
    const simple = mode === 'script' && args.length === 0
    const prepare = !simple && this.#config.prepare && wish !== false &&
      (types !== undefined || ((wish === true || statement.uses > 1) && this.#prepared.size < MOST_PREPARED))
    const query = this.#driver.query(statement.strings, execution.args, { prepare, simple, values: mode === 'values' })
    query.then(
      (result) => {
        if (prepare && types === undefined) this.#remember(statement, query)
        this.#answered(execution, result)
      },
      (error) => {
        if (prepare) this.#remember(statement, query)
        this.#failed(execution, query, error)
      })
  }

  /** The driver now binds this statement at once, so its types must be known here before it is given to it again. */
  #remember (statement: Statement, { statement: described }: DriverQuery): void {
    if (described !== null && !described.types.includes(0)) this.#prepared.set(statement.text, described.types)
  }

  #answered (execution: Execution, answer: DriverResult | DriverResult[]): void {
    if (!Array.isArray(answer)) {
      this.#running = undefined // it gets an error of its own
      this.#owner.broken('copy')
      return this.#end(execution, new QueryError('COPY FROM STDIN and TO STDOUT are not supported'))
    }
    const { internal, statement } = execution.call
    const results = 'command' in answer ? [answer] : answer
    for (const result of results) repairRows(result)
    if (internal !== true && statement.mayLeaveState) this.tainted = true
    const result = results.at(-1)
    // A rollback undoes a SET, and so may its owner.
    if (this.#serverLimit !== this.#config.commandTimeout && UNDOES_LIMIT.test(statement.text)) this.#serverLimit = undefined
    if (result === undefined) return this.#end(execution, new QueryError('the server answered nothing'))
    const { registry } = this.#types
    if (!needsReading(result, registry)) return this.#end(execution, undefined, result)
    const unknown = unknownColumns(result, registry)
    const read = (): void => {
      readUnread(result, registry)
      this.#end(execution, undefined, result)
    }
    if (unknown.length === 0) read()
    else this.#learn(execution, unknown, read)
  }

  #learn<T> (execution: Execution<T>, oids: number[], then: () => void): void {
    this.#aside(execution, catalogQuery(oids), (rows) => this.#types.registry.learn([...rows] as CatalogRow[], oids), () => {
      // The snapshot of a repeatable read transaction may be older than the type. That is no reason to guess for ever.
      if (oids.every((oid) => this.#types.registry.get(oid) !== undefined)) then()
      else this.#end(execution, new QueryError('a type that the statement uses is newer than the snapshot of the transaction: run it in another transaction'))
    })
  }

  #failed (execution: Execution, query: DriverQuery | undefined, error: unknown): void {
    if (execution.settled || !(error instanceof BindAborted || error instanceof Refusal)) {
      const translated = this.#translate(execution, error, query?.statement?.types)
      const mayBeStale = translated instanceof ServerError && /^(22|42|0A000|26000|XX000)/.test(translated.code)
      return mayBeStale ? this.#maybeStale(execution, query?.statement?.types, translated) : this.#end(execution, translated)
    }
    // Nothing was executed. Either an argument cannot be sent, or a type is unknown, or the statement was stale.
    try {
      const unknown = writeArguments(execution.args ?? [], query?.statement?.types ?? [], this.#types.registry, rowName(execution.call))
      if (execution.sends > 3) throw new QueryError('the types of the statement change all the time')
      if (unknown.length > 0) this.#learn(execution, unknown, () => this.#send(execution))
      else this.#send(execution)
    } catch (refusal) {
      this.#end(execution, refusal)
    }
  }

  /**
   * A call failed with a prepared statement, and had no effect. A change of the schema may have given the parameters
   * other types since: then it is run again with the new ones, once. In a transaction the server refuses to describe it.
   */
  #maybeStale (execution: Execution, types: readonly number[] | undefined, error: unknown): void {
    const { call: { statement }, args, refreshed } = execution
    if (refreshed || args === undefined || types === undefined || !this.#prepared.has(statement.text)) return this.#end(execution, error)
    execution.refreshed = true
    const changed = (now: readonly number[]): boolean => now.some((oid, index) => oid !== types[index])
    this.#driver.describe(statement.strings, args, false).then(async (now) => {
      if (execution.settled || !changed(now)) return this.#end(execution, error)
      this.#prepared.set(statement.text, await this.#driver.describe(statement.strings, args, true))
      if (execution.settled) return this.#end(execution, error)
      execution.args = undefined
      this.#send(execution)
    }).catch(() => this.#end(execution, error))
  }

  /** What the driver rejected with → what the caller learns. */
  #translate<T> (execution: Execution<T>, error: unknown, types: readonly number[] = [], row = execution.call.row): unknown {
    const { call: { args, statement, internal }, startedAt } = execution
    if (error instanceof ValueError || error instanceof ParameterCountError) return error
    if (error instanceof ChangedTypesError) return new QueryError('the types of the parameters changed during the batch: run it again')
    if (!(error instanceof DriverServerError)) {
      if (!(error instanceof BindAborted || error instanceof Refusal)) this.#owner.broken('lost', error)
      return new ConnectionLostError('while the statement was running', { cause: error })
    }
    const serverError = new ServerError(error, statement.text, row)
    // A script may have failed inside a transaction that it began itself.
    if (statement.mayLeaveState && internal !== true) this.tainted = true
    if (serverError.fatal) this.#owner.broken('lost', serverError)
    if (error.code === '08P01' && !types.includes(0) && types.length !== args.length) return new ParameterCountError(rowName(execution.call), args.length, types.length)
    const limit = this.#serverLimit ?? 0
    const timedOut = error.code === '57014' && limit > 0 && performance.now() - startedAt >= limit * 990
    return timedOut ? new QueryTimeoutError(limit, { cause: serverError }) : serverError
  }

  /** The driver is done with the call. */
  #end<T> (execution: Execution<T>, error?: unknown, result?: T): void {
    if (this.#running === execution) this.#running = undefined
    execution.finish()
    if (result !== undefined) execution.succeed(result)
    else execution.fail(error)
  }

  /** The session was reset to what it was after connecting. */
  wasReset (): void {
    this.tainted = false
    this.#serverLimit = this.#config.commandTimeout
  }
}

function rowName ({ row }: Call): string {
  return row === undefined ? '' : `row ${row}, `
}
