import type { Conversion } from '../codecs/conversion.js'
import type { Config } from '../config/config.js'
import type { Argument } from '../driver/argument.js'
import { textsOf } from '../driver/fast-lane.js'
import type { Preamble } from '../driver/preamble.js'
import type { PreparedSender, PreparedSubject } from '../driver/prepared-request.js'
import type { PreparedStatement } from '../driver/prepared-statement.js'
import type { Request, Sender } from '../driver/request.js'
import type { DriverResult } from '../driver/result.js'
import type { TransactionStatus } from '../driver/turn.js'
import { AbortedError, QueryTimeoutError } from '../errors/errors.js'
import type { Call } from '../query/call.js'
import type { AbortScope } from '../timing/abort-group.js'
import { type Abortable, listen, stopListening } from '../timing/abort-listeners.js'
import { reasonOf } from '../timing/abort-signal.js'

/** What a helper makes of the result. */
export type Read<T> = (result: DriverResult, call: Call) => T

/** How a call left the session, as the server told it. */
export interface SessionOutcome {
  readonly call: Call
  readonly status: TransactionStatus
  /** The command tags of what begins and ends transactions, in their order. */
  readonly tags: readonly string[]
  /** Where it failed. */
  readonly error?: unknown
}

/** Is told, just before the caller is answered, that a call is over, and with which error. */
export interface SettleListener {
  /** Whether calls follow one another in one session, in which a transaction may stay open. */
  readonly isSession: boolean
  settled (error?: unknown): void
  /** Whether nothing comes after a call before the session is another caller's. */
  isLast (call: Call): boolean
  /** What is wrong with how a call has left the session, if anything is: its caller gets that. */
  objection (outcome: SessionOutcome): Error | undefined
}

/** Is told of a caller whose time is up while its statement may still be running. */
export interface AbandonListener { abandoned (): void }

/** How long a call may take: the seconds that the caller gave, and those after which our clock goes off; 0 is never. */
export interface Limit { readonly timeout: number, readonly clock: number }

/**
 * One call, from its making to its end. The caller and the server are done with it at different times: a caller whose
 * time is up is answered at once, while the connection waits for the server before it serves another one.
 */
export abstract class Execution implements Abortable {
  readonly call: Call
  /** How often it was sent. */
  sends = 0
  /** Whether a cancel was on its way to the server while it was in flight: it may be hit by accident. */
  exposed = false
  startedAt = 0
  // Fields and not getters, because each call looks at them; only this class writes them.
  /** Whether the caller has its answer. */
  settled = false
  /** Whether calls follow it in its session. */
  readonly isInSession: boolean
  /** Whether it travels with the one that was sent before it. */
  joins = false
  /** When its time is up, in the clock of `performance.now()`. */
  dueAt = Infinity
  readonly #listener: SettleListener | undefined
  #owner: AbandonListener | undefined
  #limit: Limit | undefined
  #expired = false
  #abandoned = false
  #finished = false
  #onFinished: Array<() => void> | undefined

  constructor (call: Call, listener?: SettleListener) {
    this.call = call
    this.#listener = listener
    this.isInSession = listener?.isSession !== false
  }

  /** Tells the caller that it has failed. */
  protected abstract reject (error: unknown): void

  /** Whether nobody waits for it any more, although the server may not be done with it. */
  get isAbandoned (): boolean { return this.#abandoned }
  get signal (): AbortSignal | undefined { return this.call.options.signal }
  get group (): AbortScope | undefined { return this.call.group }
  /** Whether nothing comes after it before the session is another caller's. */
  get isLast (): boolean { return this.#listener?.isLast(this.call) === true }

  /** What is wrong with how it has left the session. */
  objection (outcome: Omit<SessionOutcome, 'call'>): Error | undefined {
    return this.call.internal === true ? undefined : this.#listener?.objection({ ...outcome, call: this.call })
  }

  /** Starts the caller's clock, and listens to its signal. It is for others to see when its time is up. */
  watch (limit: Limit, owner: AbandonListener): void {
    this.#limit = limit
    this.#owner = owner
    const { signal } = this.call.options
    if (limit.clock > 0) this.dueAt = this.startedAt + limit.clock * 1000
    if (signal !== undefined) listen(signal, this)
    if (this.call.group !== undefined) this.call.group.members.add(this)
  }

  /** Starts the clock again: one of the statements of a batch is done. */
  progress (): void {
    if (this.dueAt !== Infinity) this.dueAt = performance.now() + (this.#limit?.clock ?? 0) * 1000
  }

  /** Whether the server's own limit has passed before our clock went off. */
  get isLate (): boolean { return this.#expired && this.#limit !== undefined && this.#limit.clock > this.#limit.timeout }

  /** Its time is up. */
  expire (): void {
    this.#expired = true
    this.#abandon(new QueryTimeoutError(this.#limit?.timeout ?? 0))
  }

  /** Its signal was aborted, or its group. */
  aborted (): void { this.#abandon(new AbortedError({ cause: this.call.group?.reason ?? reasonOf(this.signal) })) }

  #abandon (error: Error): void {
    if (this.settled) return
    this.#abandoned = true
    this.#owner?.abandoned() // before its caller can make another call
    this.fail(error)
  }

  /** Answers the caller; a second answer is ignored. */
  fail (error: unknown): void {
    if (this.settle(error)) this.reject(error)
  }

  /** Whether this is the first answer, which the caller gets. */
  protected settle (error?: unknown): boolean {
    if (this.settled) return false
    this.settled = true
    const { group, options: { signal } } = this.call
    if (signal !== undefined) stopListening(signal, this)
    if (group !== undefined) group.members.delete(this)
    this.#listener?.settled(error)
    return true
  }

  /** The server is done with it. */
  finish (): void {
    this.#finished = true
    if (this.#onFinished !== undefined) for (const resolve of this.#onFinished) resolve()
  }

  /** Whether the server is done with it. */
  get isFinished (): boolean { return this.#finished }

  /** Resolves when the server is done with it. */
  whenFinished (): Promise<void> {
    if (this.#finished) return Promise.resolve()
    return new Promise((resolve) => { (this.#onFinished ??= []).push(resolve) })
  }
}

/** Is told what the driver answers to a statement. */
export interface StatementOwner extends AbandonListener, PreparedSender<StatementExecution> {
  answered (execution: StatementExecution, result: DriverResult, request: Request): void
  failed (execution: StatementExecution, error: unknown, request: Request): void
}

/** Where statements are run: each in its turn, or on whichever connection is idle. */
export interface StatementTarget extends SettleListener {
  /** The `standard_conforming_strings` of the session, or of the pool's last; undefined as long as there was none. */
  readonly standardStrings: boolean | undefined
  /** What errors show of a call is in its `debug`. */
  readonly config: Pick<Config, 'debug'>
  /** How values are converted, unless a call says otherwise. */
  readonly conversion: Conversion | undefined
  run (execution: StatementExecution): void
}

/** What runs statements. */
interface StatementRunner { start (execution: StatementExecution): void }

/** Who made a call: how its promise ends, and what it makes of the result. */
export interface Caller {
  read (result: DriverResult, call: Call): unknown
  resolve (value: unknown): void
  reject (error: unknown): void
}

/** The result as it is. */
export const wholeResult: Read<DriverResult> = (result) => result

const NO_TEXTS: readonly string[] = []

/** One statement. It waits in the queue for a connection itself. */
export class StatementExecution extends Execution implements Sender, PreparedSubject {
  readonly holder = 'statement'
  /** The wrapped arguments, kept for when the statement has to be sent again. */
  args: Array<Argument | null> | undefined
  /** The texts of its arguments, as they were written for one prepared statement. */
  texts: ReadonlyArray<string | null> = NO_TEXTS
  #writtenFor: PreparedStatement | undefined
  /** Statements of ours right before it, as one group with it: if one fails, the server skips it. */
  before: Preamble | undefined
  /** What undoes it where it has failed, so that it may be sent again: it is the first since a savepoint. */
  undo: string | undefined
  /** Whether it is sent only when the other connections are read, so that others can leave with it. */
  mayWait = false
  /** How often its statement was described again. */
  renewals = 0
  /** What hears of the driver's answer: the executor that sends it. */
  owner: StatementOwner | undefined
  readonly #caller: Caller

  constructor (call: Call, caller: Caller, listener?: SettleListener) {
    super(call, listener)
    this.#caller = caller
  }

  /** Writes its arguments for a prepared statement, once. False if they are not as plain as that. Raises nothing. */
  writeFor (statement: PreparedStatement): boolean {
    if (this.#writtenFor === statement) return true
    const texts = textsOf(this.call.args, statement.parameters)
    if (texts === undefined) return false
    this.texts = texts
    this.#writtenFor = statement
    return true
  }

  /** Whether its arguments could be written for some statement. */
  get isWritten (): boolean { return this.args !== undefined || this.#writtenFor !== undefined }

  /** Its arguments are to be written again. */
  rewrite (): void {
    this.args = undefined
    this.#writtenFor = undefined
  }

  /** It has a connection. */
  served ({ connection }: { readonly connection: StatementRunner }): void { connection.start(this) }

  answered (result: DriverResult, request: Request): void { this.owner?.answered(this, result, request) }

  failed (error: unknown, request: Request): void { this.owner?.failed(this, error, request) }

  /** Answers the caller; a second answer is ignored. */
  succeed (result: DriverResult): void {
    if (!this.settle()) return
    try {
      this.#caller.resolve(this.#caller.read(result, this.call))
    } catch (error) {
      this.#caller.reject(error) // it is not what the caller asked for
    }
  }

  protected override reject (error: unknown): void { this.#caller.reject(error) }
}

/** Something else that takes the turn of a call: a description, or many executions of a statement. */
export class TaskExecution<T> extends Execution {
  readonly #succeed: (result: T) => void
  readonly #reject: (error: unknown) => void

  constructor (call: Call, succeed: (result: T) => void, reject: (error: unknown) => void, listener?: SettleListener) {
    super(call, listener)
    this.#succeed = succeed
    this.#reject = reject
  }

  /** Answers the caller; a second answer is ignored. */
  succeed (result: T): void {
    if (this.settle()) this.#succeed(result)
  }

  protected override reject (error: unknown): void { this.#reject(error) }
}
