import { Refusal } from '../codecs/encode.js'
import type { Config } from '../config/config.js'
import { BindAborted, toArguments, writeArguments } from '../driver/argument.js'
import type { Driver } from '../driver/postgres-js.js'
import { CopyStarted, Request } from '../driver/request.js'
import type { DriverResult } from '../driver/result.js'
import { ServerRefusal } from '../driver/server-refusal.js'
import type { Debug } from '../errors/debug-details.js'
import { AbortedError, QueryError, ValueError } from '../errors/errors.js'
import { ServerError } from '../errors/server-error.js'
import { type Call, isSimple } from '../query/call.js'
import { isAborted, reasonOf } from '../timing/abort-signal.js'
import type { Deadlines } from '../timing/deadlines.js'
import { type FailedList, translate } from './error-translation.js'
import { type Execution, type SettleListener, StatementExecution, type StatementOwner, wholeResult } from './execution.js'
import type { ExecutorEvents } from './executor-events.js'
import { type InFlight, MOST_SENDS, wasHitByAccident } from './in-flight.js'
import { isStale, type PreparedStatements } from './prepared-statements.js'
import type { Session } from './session.js'
import { SessionReset } from './session-reset.js'
import { errorOf, noteChanges, noteSending, objectionTo } from './session-changes.js'
import { StaleStatements } from './stale-statements.js'
import { learnTypes } from './type-lookup.js'

export interface ExecutorParts {
  driver: Driver
  config: Config
  deadlines: Deadlines
  session: Session
  inFlight: InFlight
  prepared: PreparedStatements
  events: ExecutorEvents
}

/** Runs calls on one driver: prepares statements, writes the arguments, reads the rows. */
export class Executor implements StatementOwner {
  /** How many statements were sent. */
  uses = 0
  readonly reset: SessionReset
  readonly #driver: Driver
  readonly #prepares: boolean
  readonly #alwaysResets: boolean
  readonly #debug: Debug
  readonly #deadlines: Deadlines
  readonly #session: Session
  readonly #inFlight: InFlight
  readonly #prepared: PreparedStatements
  readonly #events: ExecutorEvents
  readonly #stale: StaleStatements

  constructor ({ driver, config, deadlines, session, inFlight, prepared, events }: ExecutorParts) {
    this.#driver = driver
    this.#prepares = config.prepare
    this.#alwaysResets = config.reset === 'always'
    this.#debug = config.debug
    const { reset: mode, connectTimeout: timeout, hasOnConnect } = config
    this.reset = new SessionReset({ mode, timeout, hasOnConnect, session, prepared, run: (call) => this.perform(call) })
    this.#deadlines = deadlines
    this.#session = session
    this.#inFlight = inFlight
    this.#prepared = prepared
    this.#events = events
    this.#stale = new StaleStatements(driver, prepared)
  }

  /** Runs a statement, behind those in flight. `now` is the time, if the caller just asked for it. */
  run (execution: StatementExecution, now = performance.now()): void {
    if (!this.admit(execution, now)) return
    execution.owner = this
    const { internal, options: { timeout } } = execution.call
    const session = this.#session.timeout
    if (internal === true || (timeout === undefined ? session.isUsual : session.isSetFor(timeout))) this.#send(execution)
    else this.after(execution, this.adjustTimeout(execution), () => this.#send(execution))
  }

  /** Runs a call, and resolves with its result. */
  perform (call: Call, listener?: SettleListener): Promise<DriverResult> {
    return new Promise((resolve, reject) => this.run(new StatementExecution(call, { read: wholeResult, resolve, reject }, listener)))
  }

  /**
   * Runs a statement with one of ours right before it. False, with nothing done, unless it can be sent at once: the driver
   * describes an unknown statement in a write of its own.
   */
  runBehind (text: string, execution: StatementExecution): boolean {
    const { call } = execution
    const types = this.#prepared.typesOf(call.statement.text)
    if (types === undefined || isSimple(call) || !this.#events.isUsable) return false
    if (!this.canSendAtOnce(call)) return false
    try {
      execution.args = toArguments(call.args, call.statement)
      if (writeArguments(execution.args, types, this.#driver.types.registry).length > 0) return false
    } catch {
      return false // it will be refused when it is run by itself
    }
    if (isAborted(execution.signal)) return false // maybe by an argument that was just read
    execution.before = text
    this.run(execution)
    return true
  }

  /** Whether a call can be sent behind others: nothing has to be asked of the server before, nor set in the session. */
  canSendAtOnce ({ statement, options: { prepare, timeout } }: Call): boolean {
    return prepare !== false && this.#prepared.has(statement.text) && this.#session.timeout.suits(timeout)
  }

  /** Puts a call in flight, with its clock running. False if it is over already. */
  admit (execution: Execution, now = performance.now()): boolean {
    const { signal, timeout } = execution.call.options
    execution.startedAt = now
    this.#inFlight.add(execution)
    if (!this.#events.isUsable) this.end(execution, this.#events.lostError)
    else if (signal !== undefined && isAborted(signal)) this.end(execution, new AbortedError({ cause: reasonOf(signal) }))
    else {
      const { usualLimit } = this.#session.timeout
      execution.watch(timeout === undefined ? usualLimit : this.#session.timeout.limitFor(timeout), this, this.#deadlines)
      return true
    }
    return false
  }

  /** Gives the session the statement_timeout that a call needs. */
  async adjustTimeout (execution: Execution): Promise<void> {
    const { timeout } = this.#session
    const needed = timeout.neededFor(execution.call.options.timeout)
    if (timeout.current === needed) return
    await this.#ask(execution, timeout.textToSet(needed))
    timeout.wasSet(needed)
  }

  /** Learns the types of parameters or columns that a call needs. */
  async learn (execution: Execution, oids: number[]): Promise<void> {
    await learnTypes(this.#driver.types.registry, oids, (text) => this.#ask(execution, text))
  }

  /** Goes on with a call when `work` is done. Ends it if that fails, or if its caller has its answer by then. */
  after (execution: Execution, work: Promise<unknown>, proceed: () => void): void {
    work.then(() => execution.settled ? this.end(execution) : proceed()).catch((error) => this.end(execution, error))
  }

  /** Asks the server something on behalf of a call, behind all that is in flight. */
  async #ask (execution: Execution, text: string): Promise<DriverResult> {
    for (;;) {
      try {
        return await this.#translated(execution, this.#driver.ask(text, {}, execution))
      } catch (translated) {
        if (!wasHitByAccident(execution, translated)) throw translated
        execution.sends++
      }
    }
  }

  async #translated<T> (execution: Execution, work: Promise<T>): Promise<T> {
    return await work.catch((error) => { throw this.translate(execution, error) })
  }

  /** Nobody waits for it any more. */
  abandoned (): void { this.#events.abandoned() }

  #send (execution: StatementExecution): void {
    const { call, before } = execution
    const { statement, mode, options: { prepare: wish, limit, rows } } = call
    const types = this.#prepared.typesOf(statement.text)
    if (this.#prepared.isGone(statement.text)) {
      const renewed = this.#prepared.restore(statement, execution)
      return this.after(execution, this.#translated(execution, renewed), () => this.#send(execution))
    }
    execution.sends++
    try {
      execution.args ??= toArguments(call.args, statement, call.row)
      const unknown = types === undefined ? [] : writeArguments(execution.args, types, this.#driver.types.registry, call.row)
      if (unknown.length > 0) return this.after(execution, this.learn(execution, unknown), () => this.#send(execution))
    } catch (error) {
      return error instanceof ValueError ? this.#sendAgainIfStale(execution, types, error) : this.end(execution, error)
    }
    if (execution.settled) return this.end(execution) // given up by an argument that was just read
    this.uses++
    statement.uses++
    const simple = mode === 'script' && isSimple(call)
    const prepare = !simple && this.#prepares && wish !== false && (types !== undefined || this.#prepared.mayPrepare(statement, wish))
    const kind = { prepare, simple, mode, limit, arrays: rows === 'array' }
    if (statement.changesSession || this.#alwaysResets) noteSending(call, this.#session)
    this.#driver.send(new Request({ strings: statement.strings, args: execution.args, kind, subject: execution, before }, execution))
    // What the driver has to describe first is reset when it is released.
    const travels = types !== undefined || call.args.length === 0
    if (travels && this.#session.hasState && execution.isLast) this.reset.follow()
  }

  answered (execution: StatementExecution, result: DriverResult, request: Request): void {
    const { statement } = execution.call
    this.#prepared.remember(statement, request)
    this.#inFlight.measure(execution)
    if (this.#debug) this.#events.ran(execution.call, request.named ?? request.statement?.types)
    const { tags, status, reader, unknown } = request
    if (tags !== undefined) noteChanges(execution, tags, this.#session, this.#prepared)
    if (!this.#session.hasUsualPath) this.#session.answered()
    if (!this.#session.timeout.isUsual) this.#session.timeout.hasRun(statement.text, result.command)
    const isPlain = status === 'none' && tags === undefined && !execution.isInSession
    const objection = isPlain ? undefined : objectionTo(execution, request)
    if (objection !== undefined) return this.#endWith(execution, objection)
    if (reader === undefined || unknown === undefined) return this.#deliver(execution, result)
    const { registry } = this.#driver.types
    const read = (): void => {
      reader.readUnknown(result.rows, unknown, registry)
      this.#deliver(execution, result)
    }
    const toLearn = reader.typesToLearn(registry)
    if (toLearn.length === 0) read()
    else this.after(execution, this.learn(execution, toLearn), read)
  }

  /** A call that may not leave the session as it has. If nothing comes after it, its transaction ends here. */
  #endWith (execution: StatementExecution, error: Error): void {
    if (execution.isInSession || this.#session.transaction === 'none') return this.end(execution, error)
    this.after(execution, this.#ask(execution, 'ROLLBACK'), () => this.end(execution, error))
  }

  #deliver (execution: StatementExecution, result: DriverResult): void {
    this.leave(execution)
    execution.succeed(result)
  }

  failed (execution: StatementExecution, error: unknown, request: Request): void {
    if (error instanceof CopyStarted) return this.#refuseCopy(execution)
    const types = request.named ?? request.statement?.types
    // Of one without parameters only the server's answer tells whether it got as far as that.
    if (types !== undefined && (types.length > 0 || request.named !== undefined)) this.#prepared.remember(execution.call.statement, request)
    this.#inFlight.measure(execution)
    const wasBinding = error instanceof BindAborted || error instanceof Refusal
    if (wasBinding && !execution.settled) return this.#sendAgainAfterBind(execution, types ?? [])
    const translated = this.translate(execution, error, types)
    if (!(error instanceof ServerRefusal) || !(translated instanceof Error)) return this.end(execution, translated)
    if (execution.call.statement.mayBePipelined && wasHitByAccident(execution, translated)) return this.#send(execution)
    noteChanges(execution, request.tags ?? [], this.#session, this.#prepared)
    this.#session.answered()
    const seen = errorOf(execution, request, translated)
    if (seen !== translated || (request.status !== 'none' && !execution.isInSession)) return this.#endWith(execution, seen)
    if (!(translated instanceof ServerError)) return this.end(execution, translated)
    const [stale, { before, call: { statement } }] = [isStale(error), execution]
    const wasPrepared = request.status === 'failed' && this.#prepared.failed(statement, translated.code)
    if (before !== undefined && wasPrepared && (stale || statement.leaves === 'nothing')) this.#beginAgain(execution, before)
    else if (stale || /^(0A|22|42|XX000)/.test(translated.code)) this.#sendAgainIfStale(execution, types, translated, stale)
    else this.end(execution, translated)
  }

  /** The first statement of a transaction may have been stale: both begin again, and it runs as what it means now. */
  #beginAgain (execution: StatementExecution, begin: string): void {
    execution.before = undefined
    execution.args = undefined
    this.#ask(execution, 'ROLLBACK').then(() => this.#ask(execution, begin)).then(
      () => execution.settled ? this.end(execution) : this.#send(execution),
      (error) => this.end(execution, execution.objection({ status: this.#session.transaction, tags: [], error }) ?? error))
  }

  #refuseCopy (execution: StatementExecution): void {
    execution.fail(new QueryError('COPY FROM STDIN and TO STDOUT are not supported')) // the others learn that the connection is lost
    this.#events.broken('copy')
    this.end(execution)
  }

  /** Nothing was executed. Either an argument cannot be sent, or a type is unknown, or the statement was stale. */
  #sendAgainAfterBind (execution: StatementExecution, types: readonly number[]): void {
    try {
      const unknown = writeArguments(execution.args ?? [], types, this.#driver.types.registry, execution.call.row)
      if (execution.sends >= MOST_SENDS) throw new QueryError('the types of the statement change all the time')
      if (unknown.length > 0) this.after(execution, this.learn(execution, unknown), () => this.#send(execution))
      else this.#send(execution)
    } catch (refusal) {
      this.end(execution, refusal)
    }
  }

  /** A call failed with a prepared statement: it runs again if that was stale, and the call had no effect. */
  #sendAgainIfStale (execution: StatementExecution, types: readonly number[] | undefined, error: unknown, isStale = false): void {
    const remedy = this.#stale.remedyFor(execution, types, isStale)
    if (remedy === undefined) this.end(execution, error)
    else remedy.then((mayRunAgain) => mayRunAgain && !execution.settled ? this.#send(execution) : this.end(execution, error))
  }

  /** What the caller learns of the driver's error. Notes what it says of the session and of the connection. */
  translate (execution: Execution, error: unknown, types?: readonly number[], list?: FailedList): unknown {
    const time = { took: performance.now() - execution.startedAt, limit: this.#session.timeout.current }
    const { error: translated, means } = translate(error, { call: execution.call, types, ...list, ...time, debug: this.#debug })
    if (means === 'lost') this.#events.broken('lost', error instanceof ServerRefusal ? translated : error)
    else if (means === 'readOnly') this.#session.refusedToWrite()
    return translated
  }

  /** The server is done with a call, whose caller gets the error. */
  end (execution: Execution, error?: unknown): void {
    this.leave(execution)
    execution.fail(error)
  }

  /** The server is done with a call: called before its caller is answered. */
  leave (execution: Execution): void {
    execution.finish()
    if (this.#inFlight.remove(execution) === 0) this.#events.drained(this.#inFlight.now(execution))
  }
}
