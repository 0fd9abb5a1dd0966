import { BindAborted, toArguments, writeArguments, writeTexts } from '../driver/argument.js'
import { restoreNames } from '../driver/column-names.js'
import type { Config } from '../config/config.js'
import type { Deadlines } from '../timing/deadlines.js'
import { type Driver, DriverServerError, type DriverTypes } from '../driver/postgres-js.js'
import { Refusal } from '../codecs/encode.js'
import { AbortedError, ConnectionLostError, ParameterCountError, QueryError, QueryTimeoutError, ValueError } from '../errors/errors.js'
import { Execution, type ExecutionOwner } from './execution.js'
import { ChangedTypesError, type ExecutionsResult } from '../driver/execute-many.js'
import { InFlight } from './in-flight.js'
import type { Lag } from '../query/lag.js'
import { isStale, PreparedStatements } from './prepared-statements.js'
import { type Call, isSimple, rowName } from '../query/query.js'
import { Request } from '../driver/request.js'
import type { DriverAnswer, DriverResult } from '../driver/result.js'
import { needsReading, readUnread, repairRows, unknownColumns } from '../driver/result-repair.js'
import { ServerError } from '../errors/server-error.js'
import { StatementLimit } from './statement-timeout.js'
import { catalogQuery, type CatalogRow } from '../codecs/type-registry.js'
import { unsyncedStatement } from '../protocol/unsynced-statement.js'

/** How often a call is sent at most: types that change all the time, or cancels that hit it by accident, come to an end. */
const MOST_SENDS = 4
/** How often a statement is described anew for one call: the schema may change meanwhile. */
const MOST_RENEWALS = 3

/** What a runner tells the connection that it works for. */
export interface RunnerOwner {
  /** Whether statements may be sent: never on a dead socket (postgres.js #1066). */
  readonly usable: boolean
  /** Nothing is in flight any more. Called before the last caller is answered, so that his next call finds it free. */
  idle (now: number): void
  /** Nobody waits for the statement that the server is running. `late`: it should have ended by a limit of its own. */
  cancel (late: boolean): void
  /** The connection cannot go on. */
  broken (reason: 'lost' | 'copy', cause?: unknown): void
  /** The server is read-only, at least in this transaction. */
  refusedToWrite (): void
}

/** Runs calls on one driver: prepares, writes the arguments, reads the rows, translates the errors. */
export class Runner implements ExecutionOwner {
  uses = 0
  /** Whether the session may hold something that the next user must not meet. */
  tainted = false
  readonly #driver: Driver
  readonly #types: DriverTypes
  readonly #config: Config
  readonly #deadlines: Deadlines
  readonly #owner: RunnerOwner
  readonly #inFlight: InFlight
  readonly #prepared: PreparedStatements
  readonly #limit: StatementLimit
  #pooled = false

  constructor (driver: Driver, types: DriverTypes, config: Config, deadlines: Deadlines, lag: Lag, owner: RunnerOwner) {
    this.#driver = driver
    this.#types = types
    this.#config = config
    this.#deadlines = deadlines
    this.#owner = owner
    this.#inFlight = new InFlight(lag)
    this.#prepared = new PreparedStatements(driver)
    this.#limit = new StatementLimit(config.commandTimeout)
  }

  /** How many calls are in flight. */
  get inFlight (): number { return this.#inFlight.size }

  /** What the server is running, as far as is known here. */
  get oldest (): Execution<never> | undefined { return this.#inFlight.oldest }

  /** How often something was written: what is sent between two writes travels together. */
  get writes (): number { return this.#driver.writes }

  /** Answers all callers, because the connection is lost. */
  failAll (error: unknown): void { this.#inFlight.failAll(error) }

  /** A cancel is on its way, or not any more: it may hit whatever is in flight meanwhile. */
  expose (cancelling: boolean): void { this.#inFlight.expose(cancelling) }

  /** Whether the call can be sent behind others at once: nothing has to be asked of the server before. */
  canPipeline (call: Call): boolean {
    // A pooler takes a session back when all that it was told to sync is answered: the answers to a description behind that, which is only flushed, are lost.
    return !this.#pooled && this.#canSendAtOnce(call)
  }

  #canSendAtOnce ({ statement, options }: Call): boolean {
    return !this.#inFlight.isCancelling && options.prepare !== false && this.#limit.suits(options.timeout) && this.#prepared.has(statement.text)
  }

  /** The first exchange with the server. Rejects with `ServerError` or the driver's error. */
  async greet (text: string): Promise<DriverResult> {
    try {
      const result = await this.#driver.ask(text, { simple: true })
      if ('command' in result && result.state !== null) return result
      throw new Error('the server did not identify its backend')
    } catch (error) {
      throw error instanceof DriverServerError ? new ServerError(error) : error
    }
  }

  /** Runs a call, behind those in flight. `now` is the time, if the caller just asked for it. */
  run (execution: Execution, now = performance.now()): void {
    if (!this.#admit(execution, now)) return
    this.#withLimit(execution, () => this.#send(execution))
  }

  /**
   * Runs a call with a statement of ours right before it. False, with nothing done, unless it can be sent at once: with a
   * statement that has yet to be described, the driver would take the answers to both for those of a script.
   */
  runWith (text: string, execution: Execution): boolean {
    const { call } = execution
    const types = this.#prepared.typesOf(call.statement.text)
    if (types === undefined || isSimple(call) || !this.#owner.usable || call.options.signal?.aborted === true || !this.#canSendAtOnce(call)) return false
    try {
      execution.args = toArguments(call.args, call.statement)
      if (writeArguments(execution.args, types, this.#types.registry).length > 0) return false
    } catch {
      return false // it will be refused when it is run by itself
    }
    execution.prefix = unsyncedStatement(text)
    this.run(execution)
    return true
  }

  /** The types of a statement's parameters, by a description of its own: what is prepared may be stale. Only in a transaction. */
  describe (call: Call, onSettled?: (error?: unknown) => void): Promise<readonly number[]> {
    return new Promise((resolve, reject) => {
      const execution = new Execution<readonly number[]>(call, resolve, reject, onSettled)
      if (!this.#admit(execution)) return
      this.#withLimit(execution, () => this.#driver.execute({ text: call.statement.text, executions: 0, parametersOf: () => [] }).then(({ types, columns }) => {
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
  runMany (call: Call, types: readonly number[], lists: ReadonlyArray<readonly unknown[]>, firstRow: number, onSettled?: (error?: unknown) => void): Promise<ExecutionsResult> {
    return new Promise((resolve, reject) => {
      const execution = new Execution<ExecutionsResult>(call, resolve, reject, onSettled)
      if (!this.#admit(execution)) return
      const { statement, options: { timeout } } = call
      let row = firstRow
      const executions = {
        text: statement.text,
        types,
        executions: lists.length,
        parametersOf: (index: number) => {
          this.uses++
          return writeTexts(lists[index] ?? [], statement, types, this.#types.registry, firstRow + index)
        },
        onProgress: () => execution.progress(),
        oneByOne: this.#limit.isLeftToClock(timeout),
        onRefused: (index: number) => { row += index },
      }
      this.#withLimit(execution, () => this.#driver.execute(executions).then(
        (result) => this.#end(execution, undefined, result),
        (error) => this.#end(execution, this.#translate(execution, error, types, row))))
    })
  }

  /** Starts the clock of a call, gives the session the statement_timeout that it needs, and goes on with it. */
  #withLimit<T> (execution: Execution<T>, then: () => void): void {
    const { internal, options: { timeout } } = execution.call
    execution.watch(timeout ?? this.#config.commandTimeout, this.#limit.clockFor(timeout), this, this.#deadlines)
    const needed = this.#limit.neededFor(timeout)
    if (needed === this.#limit.current || internal === true) return then()
    this.#aside(execution, this.#limit.textToSet(needed), () => this.#limit.wasSet(needed), then)
  }

  #admit<T> (execution: Execution<T>, now = performance.now()): boolean {
    const { signal } = execution.call.options
    execution.startedAt = now
    this.#inFlight.add(execution)
    if (!this.#owner.usable) this.#end(execution, new ConnectionLostError('it was closed before'))
    else if (signal?.aborted === true) this.#end(execution, new AbortedError({ cause: signal.reason }))
    return !execution.settled
  }

  /** Asks the server something on behalf of a call, behind all that is in flight, then goes on with the call. */
  #aside<T> (execution: Execution<T>, text: string, use: (result: DriverResult) => void, then: () => void): void {
    this.#toTheEnd(execution)
    this.#driver.ask(text).then((result) => {
      // The statement before it may have failed midway through its rows.
      repairRows(result as DriverResult)
      use(result as DriverResult)
      if (execution.settled) return this.#end(execution)
      then()
    }, (error) => {
      const translated = this.#translate(execution, error)
      if (!this.#wasHitByAccident(execution, translated)) return this.#end(execution, translated)
      execution.sends++
      this.#aside(execution, text, use, then)
    })
  }

  /** What is sent for it now will be answered after all others. */
  #toTheEnd (execution: Execution<never>): void {
    this.#inFlight.moveToEnd(execution)
    this.#cancelAbandoned(execution)
  }

  #cancelAbandoned (unless?: Execution<never>): void {
    const { oldest } = this.#inFlight
    if (oldest?.settled === true && oldest !== unless) this.#owner.cancel(false)
  }

  /** Nobody waits for it any more. If it is not its turn yet, it is cancelled when it is. */
  abandoned (execution: Execution<never>): void {
    if (this.#inFlight.oldest === execution) this.#owner.cancel(execution.isLate)
  }

  #send (execution: Execution): void {
    const { statement, args, mode, options: { prepare: wish } } = execution.call
    const types = this.#prepared.typesOf(statement.text)
    this.#toTheEnd(execution)
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
    const simple = isSimple(execution.call)
    const prepare = !simple && this.#config.prepare && wish !== false &&
      (types !== undefined || ((wish === true || statement.uses > 1) && !this.#prepared.isFull))
    const { prefix } = execution
    const onSending = prefix && (() => this.#driver.prefix(prefix))
    this.#driver.send(new Request(statement.strings, execution.args, { prepare, simple, values: mode === 'values' }, execution, onSending))
  }

  answered (execution: Execution, answer: DriverAnswer, request: Request): void {
    if (!Array.isArray(answer)) {
      const error = new QueryError('COPY FROM STDIN and TO STDOUT are not supported')
      execution.fail(error) // the others are told that the connection is lost
      this.#owner.broken('copy')
      return this.#end(execution, error)
    }
    const { internal, statement } = execution.call
    this.#prepared.remember(statement, request)
    this.#inFlight.measure(execution, this.#driver.writtenAt)
    const results = 'command' in answer ? [answer] : answer
    for (const result of results) repairRows(result)
    if (internal !== true && statement.mayLeaveState) this.tainted = true
    const result = results.at(-1)
    this.#limit.hasRun(statement.text, result?.command)
    if (result === undefined) return this.#end(execution, new QueryError('the server answered nothing'))
    const { registry } = this.#types
    if (!needsReading(result, registry)) return this.#deliver(execution, result)
    const unknown = unknownColumns(result, registry)
    const read = (): void => {
      readUnread(result, registry)
      this.#deliver(execution, result)
    }
    if (unknown.length === 0) read()
    else this.#learn(execution, unknown, read)
  }

  #deliver (execution: Execution, result: DriverResult): void {
    if (this.#driver.hasStandIns) restoreNames(result, result.columns ?? [])
    this.#end(execution, undefined, result)
  }

  #learn<T> (execution: Execution<T>, oids: number[], then: () => void): void {
    this.#aside(execution, catalogQuery(oids), (rows) => this.#types.registry.learn([...rows] as CatalogRow[], oids), () => {
      // The snapshot of a repeatable read transaction may be older than the type. That is no reason to guess for ever.
      if (oids.every((oid) => this.#types.registry.get(oid) !== undefined)) then()
      else this.#end(execution, new QueryError('a type that the statement uses is newer than the snapshot of the transaction: run it in another transaction'))
    })
  }

  failed (execution: Execution, error: unknown, request: Request): void {
    const types = request.statement?.types
    // Of one without parameters it cannot be told whether it got as far as that.
    if (types !== undefined && types.length > 0) this.#prepared.remember(execution.call.statement, request)
    this.#inFlight.measure(execution, this.#driver.writtenAt)
    if (execution.settled || !(error instanceof BindAborted || error instanceof Refusal)) {
      const translated = this.#translate(execution, error, types)
      if (!(translated instanceof ServerError)) return this.#end(execution, translated)
      if (this.#wasHitByAccident(execution, translated)) return this.#send(execution)
      const stale = isStale(error)
      if (execution.prefix !== undefined) return stale ? this.#endRenewing(execution, translated, types?.length ?? 0) : this.#end(execution, translated)
      return stale || /^(22|42|XX000)/.test(translated.code) ? this.#maybeStale(execution, types, translated, stale) : this.#end(execution, translated)
    }
    // Nothing was executed. Either an argument cannot be sent, or a type is unknown, or the statement was stale.
    try {
      const unknown = writeArguments(execution.args ?? [], types ?? [], this.#types.registry, rowName(execution.call))
      if (execution.sends >= MOST_SENDS) throw new QueryError('the types of the statement change all the time')
      if (unknown.length > 0) this.#learn(execution, unknown, () => this.#send(execution))
      else this.#send(execution)
    } catch (refusal) {
      this.#end(execution, refusal)
    }
  }

  /**
   * A call failed with a prepared statement, and had no effect. A change of the schema may have given the parameters
   * other types since, or the result other columns: then it is run again with the new ones. In a transaction the server
   * refuses to describe it.
   */
  #maybeStale (execution: Execution, types: readonly number[] | undefined, error: unknown, stale = false): void {
    const { call: { statement }, args } = execution
    const known = this.#prepared.typesOf(statement.text)
    const wasPrepared = known !== undefined || this.#prepared.isRenewing(statement.text)
    if (execution.renewals >= MOST_RENEWALS || args === undefined || types === undefined || !wasPrepared) return this.#end(execution, error)
    // It may have had effects (CALL), or it is ours, and not to be run twice.
    if (!statement.isPlanned) return stale ? this.#endRenewing(execution, error, types.length) : this.#end(execution, error)
    execution.renewals++
    execution.args = undefined
    // Another call found out before.
    if (known !== undefined && known !== types) return this.#send(execution)
    const renew = (): void => {
      this.#toTheEnd(execution)
      this.#prepared.renew(statement, types.length).then(() => execution.settled ? this.#end(execution, error) : this.#send(execution), () => this.#end(execution, error))
    }
    if (stale) return renew()
    this.#toTheEnd(execution)
    const changed = (now: readonly number[]): boolean => now.some((oid, index) => oid !== types[index])
    this.#driver.describe(statement.strings, args, false).then(
      (now) => execution.settled || !changed(now) ? this.#end(execution, error) : renew(),
      () => this.#end(execution, error))
  }

  /** Ends a call whose stale statement must not be met again: in a failed transaction the server refuses to describe it, but the driver drops it. */
  #endRenewing (execution: Execution, error: unknown, parameters: number): void {
    const end = (): void => this.#end(execution, error)
    this.#toTheEnd(execution)
    this.#prepared.renew(execution.call.statement, parameters).then(end, end)
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
    if (error.code === '25006') this.#owner.refusedToWrite()
    if (error.code === '08P01' && !types.includes(0) && types.length !== args.length) return new ParameterCountError(rowName(execution.call), args.length, types.length)
    const limit = this.#limit.current ?? 0
    const timedOut = error.code === '57014' && limit > 0 && performance.now() - startedAt >= limit * 990
    return timedOut ? new QueryTimeoutError(limit, { cause: serverError }) : serverError
  }

  /** Whether a cancel that was meant for a neighbour hit it. It had no effect then, and runs again. */
  #wasHitByAccident<T> (execution: Execution<T>, error: unknown): boolean {
    return error instanceof ServerError && error.code === '57014' && execution.exposed && !execution.settled && execution.sends < MOST_SENDS
  }

  /** The driver is done with the call. */
  #end<T> (execution: Execution<T>, error?: unknown, result?: T): void {
    this.#inFlight.remove(execution)
    execution.finish()
    if (this.#inFlight.size === 0) this.#owner.idle(this.#inFlight.now(execution))
    else this.#cancelAbandoned()
    if (result !== undefined) execution.succeed(result)
    else execution.fail(error)
  }

  /** A pooler is in between. The session may be another one for each transaction: nothing is set in it. */
  behindPooler (): void {
    this.#pooled = true
    this.#limit.leaveToClock()
  }

  /** The session was reset to what it was after connecting. */
  wasReset (): void {
    this.tainted = false
    this.#limit.reset()
  }
}
