import type { Config } from '../config/config.js'
import { toArguments, writeArguments } from '../driver/argument.js'
import { FastLane } from '../driver/fast-lane.js'
import type { Driver } from '../driver/postgres-js.js'
import type { Preamble } from '../driver/preamble.js'
import type { PreparedRequest } from '../driver/prepared-request.js'
import type { PreparedStatement } from '../driver/prepared-statement.js'
import { Request } from '../driver/request.js'
import type { DriverResult } from '../driver/result.js'
import { ServerRefusal } from '../driver/server-refusal.js'
import type { SocketOwner } from '../driver/socket-owner.js'
import type { Debug } from '../errors/debug-details.js'
import { AbortedError, ValueError } from '../errors/errors.js'
import { type Call, isSimple } from '../query/call.js'
import { isAborted, reasonOf } from '../timing/abort-signal.js'
import { NotAloneError } from './connection-errors.js'
import { type FailedList, translate } from './error-translation.js'
import { type Execution, type SettleListener, StatementExecution, type StatementOwner, wholeResult } from './execution.js'
import type { ExecutorEvents } from './executor-events.js'
import { FailedStatements, type StatementSender } from './failed-statements.js'
import { type InFlight, wasHitByAccident } from './in-flight.js'
import type { PreparedStatements } from './prepared-statements.js'
import type { Session } from './session.js'
import { SessionReset } from './session-reset.js'
import { type Answer, noteChanges, noteSending, objectionTo } from './session-changes.js'
import { learnTypes } from './type-lookup.js'

export interface ExecutorParts {
  driver: Driver
  owner: SocketOwner
  config: Config
  session: Session
  inFlight: InFlight
  prepared: PreparedStatements
  events: ExecutorEvents
}

/** What both kinds of requests say of a statement that was run. */
interface Answered extends Answer { readonly command: string | null }

/** Runs calls on one connection, by the fast lane or by the driver: prepares statements, and writes the arguments. */
export class Executor implements StatementOwner, StatementSender {
  /** How many statements were sent. */
  uses = 0
  readonly reset: SessionReset
  readonly #driver: Driver
  readonly #prepares: boolean
  readonly #alwaysResets: boolean
  readonly #debug: Debug
  readonly #session: Session
  readonly #inFlight: InFlight
  readonly #prepared: PreparedStatements
  readonly #events: ExecutorEvents
  readonly #lane: FastLane
  readonly #failures: FailedStatements

  constructor ({ driver, owner, config, session, inFlight, prepared, events }: ExecutorParts) {
    this.#driver = driver
    this.#prepares = config.prepare
    this.#alwaysResets = config.reset === 'always'
    this.#debug = config.debug
    const { reset: mode, connectTimeout: timeout, hasOnConnect } = config
    this.reset = new SessionReset({ mode, timeout, hasOnConnect, session, prepared, run: (call) => this.perform(call) })
    this.#session = session
    this.#inFlight = inFlight
    this.#prepared = prepared
    this.#events = events
    this.#lane = new FastLane(owner, driver)
    this.#failures = new FailedStatements({ driver, session, inFlight, prepared, sender: this })
  }

  /** Runs a statement, behind those in flight. `now` is the time, if the caller just asked for it. */
  run (execution: StatementExecution, now = performance.now()): void {
    if (!this.admit(execution, now)) return
    execution.owner = this
    const { internal, options: { timeout } } = execution.call
    const session = this.#session.timeout
    if (internal === true || (timeout === undefined ? session.isUsual : session.isSetFor(timeout))) this.send(execution)
    else this.after(execution, this.adjustTimeout(execution), () => this.send(execution))
  }

  /** Runs a call, and resolves with its result. */
  perform (call: Call, listener?: SettleListener): Promise<DriverResult> {
    return new Promise((resolve, reject) => this.run(new StatementExecution(call, { read: wholeResult, resolve, reject }, listener)))
  }

  /**
   * Runs a statement with some of ours right before it. False, with nothing done, unless it can be sent at once: the driver
   * describes an unknown statement in a write of its own, and with another search_path the prepared one may not be meant.
   */
  runBehind (before: Preamble, execution: StatementExecution): boolean {
    if (before.meaning.changesPath || isSimple(execution.call) || !this.#events.isUsable) return false
    this.#session.begins(before.meaning)
    const statement = this.canSendAtOnce(execution.call) ? this.#executableOf(execution.call) : undefined
    // What cannot be sent will be refused when it is run by itself. An argument that was just read may have aborted it.
    const isSent = statement !== undefined && execution.writeFor(statement) && !isAborted(execution.signal)
    execution.before = isSent ? before : undefined
    if (isSent) this.run(execution)
    else this.#session.answered()
    return isSent
  }

  /** Whether a call can be sent behind others: nothing has to be asked of the server before, nor set in the session. */
  canSendAtOnce ({ statement, options: { prepare, timeout } }: Call): boolean {
    return prepare !== false && this.#prepared.has(statement.text) && this.#session.timeout.suits(timeout)
  }

  /** Puts a call in flight, with its clock running. False if it is over already. */
  admit (execution: Execution, now = performance.now()): boolean {
    const { group, options: { signal, timeout } } = execution.call
    execution.startedAt = now
    this.#inFlight.add(execution)
    if (!this.#events.isUsable) this.end(execution, this.#events.lostError)
    else if (group?.reason !== undefined) this.end(execution, new AbortedError({ cause: group.reason }))
    else if (signal !== undefined && isAborted(signal)) this.end(execution, new AbortedError({ cause: reasonOf(signal) }))
    else {
      const { usualLimit } = this.#session.timeout
      execution.watch(timeout === undefined ? usualLimit : this.#session.timeout.limitFor(timeout), this)
      this.#inFlight.watch(execution, now)
      return true
    }
    return false
  }

  /** Gives the session the statement_timeout that a call needs. */
  async adjustTimeout (execution: Execution): Promise<void> {
    const { timeout } = this.#session
    const needed = timeout.neededFor(execution.call.options.timeout)
    if (timeout.current === needed) return
    await this.ask(execution, timeout.textToSet(needed))
    timeout.wasSet(needed)
  }

  /** Learns the types of parameters or columns that a call needs. */
  async learn (execution: Execution, oids: number[]): Promise<void> {
    await learnTypes(this.#driver.types.registry, oids, (text) => this.ask(execution, text, this.#lane))
  }

  /** Goes on with a call when `work` is done. Ends it if that fails, or if its caller has its answer by then. */
  after (execution: Execution, work: Promise<unknown>, proceed: () => void): void {
    work.then(() => execution.settled ? this.end(execution) : proceed()).catch((error) => this.end(execution, error))
  }

  /** Asks the server something on behalf of a call, behind all that is in flight. */
  async ask (execution: Execution, text: string, by: Pick<FastLane, 'ask'> = this.#driver): Promise<DriverResult> {
    for (;;) {
      try {
        return await this.#translated(execution, by.ask(text, {}, execution))
      } catch (translated) {
        if (!wasHitByAccident(execution, translated)) throw translated
        execution.sends++
      }
    }
  }

  async #translated<T> (execution: Execution, work: Promise<T>): Promise<T> {
    return await work.catch((error) => { throw this.translate(execution, error) })
  }

  broken (reason: 'copy'): void { this.#events.broken(reason) }
  abandoned (): void { this.#events.abandoned() }

  /** The prepared statement of a call, if it is one that goes past the driver. */
  #executableOf (call: Call): PreparedStatement | undefined {
    const prepared = call.options.prepare === false ? undefined : this.#prepared.get(call.statement.text)
    if (prepared === undefined || isSimple(call)) return undefined
    // A column of an unknown type is read when it is known what it is.
    prepared.executable ??= this.#driver.executable(prepared.described)
    const executable = call.conversion === undefined ? prepared.executable : prepared.executable?.for(call.conversion)
    return executable?.reader.unknown === undefined ? executable : undefined
  }

  send (execution: StatementExecution): void {
    const { call, before } = execution
    if (before !== undefined) this.#session.begins(before.meaning) // it may be sent again
    const statement = this.#executableOf(call)
    if (statement === undefined && before?.meaning.role === undefined) {
      if (this.#prepared.isGone(call.statement.text)) {
        const restored = this.#prepared.restore(call.statement, execution)
        return this.after(execution, this.#translated(execution, restored), () => this.send(execution))
      }
      // Prepared once more beside that, it would have two names, of which the server closes one.
      const renewed = this.#prepared.renewed(call.statement.text)
      if (renewed !== undefined) return this.after(execution, renewed, () => this.send(execution))
    }
    if (statement === undefined || !execution.writeFor(statement)) return this.#sendByDriver(execution)
    if (execution.settled) return this.end(execution) // given up by an argument that was just read
    this.#noteSending(execution)
    this.#lane.send(execution, this, statement, execution.texts)
    if (this.#session.hasState && execution.isLast) this.reset.follow()
  }

  #noteSending (execution: StatementExecution): void {
    const { call } = execution
    execution.sends++
    this.uses++
    call.statement.uses++
    if (call.statement.changesSession || this.#alwaysResets) noteSending(call, this.#session)
  }

  #sendByDriver (execution: StatementExecution): void {
    const { call, call: { statement, mode, options: { prepare: wish, limit, rows } } } = execution
    if (execution.before !== undefined) return this.end(execution, new NotAloneError())
    const types = this.#prepared.get(statement.text)?.types
    try {
      execution.args ??= toArguments(call, this.#driver.types.registry)
      const unknown = types === undefined ? [] : writeArguments(execution.args, types, this.#driver.types.registry, call.row)
      if (unknown.length > 0) return this.after(execution, this.learn(execution, unknown), () => this.send(execution))
    } catch (error) {
      return error instanceof ValueError ? this.#failures.sendAgainIfStale(execution, types, error) : this.end(execution, error)
    }
    if (execution.settled) return this.end(execution) // given up by an argument that was just read
    const simple = isSimple(call)
    this.#noteSending(execution)
    const prepare = !simple && this.#prepares && wish !== false && (types !== undefined || this.#prepared.mayPrepare(statement, wish))
    const kind = { prepare, simple, mode, limit, shape: rows, describe: mode === 'description', conversion: call.conversion }
    const strings = prepare ? this.#prepared.stringsOf(statement) : statement.strings
    const request = new Request({ strings, args: execution.args, kind, subject: execution }, execution)
    if (simple) this.#lane.query(request, statement.text, execution.mayWait)
    else this.#driver.send(request)
    // What the driver has to describe first is reset when it is released.
    if ((types !== undefined || call.args.length === 0) && this.#session.hasState && execution.isLast) this.reset.follow()
  }

  /** A prepared statement was executed. */
  ran (execution: StatementExecution, request: PreparedRequest<StatementExecution>): void {
    const { statement: { types }, tags, status, error } = request
    if (error !== undefined) return this.#failures.refused(execution, error, { types, tags, status })
    this.#inFlight.measure(execution, request.together)
    if (this.#debug) this.#events.ran(execution.call, types)
    const objection = this.#notedOutcome(execution, request)
    if (objection === undefined) this.#deliver(execution, request)
    else this.endWith(execution, objection)
  }

  skipped (execution: StatementExecution): void {
    execution.joins = false
    if (execution.settled) this.end(execution)
    else this.send(execution)
  }

  answered (execution: StatementExecution, result: DriverResult, request: Request): void {
    this.#prepared.remember(execution.call.statement, request)
    this.#inFlight.measure(execution)
    if (this.#debug) this.#events.ran(execution.call, request.named ?? request.statement?.types)
    const objection = this.#notedOutcome(execution, request)
    if (objection !== undefined) return this.endWith(execution, objection)
    const { gathered: { unread } } = request
    if (unread.length === 0) return this.#deliver(execution, result)
    const read = (): void => {
      for (const { reader, rows, columns } of unread) reader.readUnknown(rows, columns)
      this.#deliver(execution, result)
    }
    const toLearn = unread.flatMap(({ reader }) => reader.typesToLearn())
    if (toLearn.length === 0) read()
    else this.after(execution, this.learn(execution, toLearn), read)
  }

  /** Notes how a call has left its session. Returns what is wrong with that, if anything is. */
  #notedOutcome (execution: StatementExecution, { tags, status, command }: Answered): Error | undefined {
    if (tags !== undefined) noteChanges(execution, tags, this.#session, this.#prepared)
    if (!this.#session.timeout.isUsual) this.#session.timeout.hasRun(execution.call.statement.text, command)
    return status === 'none' && tags === undefined && !execution.isInSession ? undefined : objectionTo(execution, { status, tags })
  }

  /** A call that may not leave the session as it has. If nothing comes after it, its transaction ends here. */
  endWith (execution: StatementExecution, error: Error): void {
    if (execution.isInSession || this.#session.transaction === 'none') return this.end(execution, error)
    this.after(execution, this.ask(execution, 'ROLLBACK'), () => this.end(execution, error))
  }

  #deliver (execution: StatementExecution, result: DriverResult): void {
    this.leave(execution)
    execution.succeed(result)
  }

  failed (execution: StatementExecution, error: unknown, request: Request): void { this.#failures.failed(execution, error, request) }

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
    if (this.#session.scope !== '') this.#session.answered()
    execution.finish()
    if (this.#inFlight.remove(execution) === 0) this.#events.drained(this.#inFlight.now(execution))
  }
}
