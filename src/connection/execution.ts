import type { Argument } from '../driver/argument.js'
import type { Deadline, Deadlines, Expiring } from '../timing/deadlines.js'
import { AbortedError, QueryTimeoutError } from '../errors/errors.js'
import type { Call } from '../query/query.js'
import type { Request, Sender } from '../driver/request.js'
import type { DriverAnswer, DriverResult } from '../driver/result.js'

/** What a helper makes of the result. */
export type Read<T> = (result: DriverResult, call: Call) => T

/** Who runs executions: told of what the driver answers, and of a caller whose time is up while his statement may run. */
export interface ExecutionOwner {
  answered (execution: Execution, answer: DriverAnswer, request: Request): void
  failed (execution: Execution, error: unknown, request: Request): void
  abandoned (execution: Execution<never>): void
}

/** What runs executions. */
interface Starting { start (execution: Execution): void }

/**
 * One call, from its making to its end. The caller and the driver are done with it at different times: a caller whose
 * time is up is answered at once, while the connection waits for the driver before it serves anyone else.
 */
export class Execution<in T = DriverResult> implements Expiring, Sender {
  readonly call: Call
  /** The wrapped arguments, kept for when the statement has to be sent again. */
  args: Array<Argument | null> | undefined
  /** What goes to the server right before it, as one group with it: if that fails, the server skips it. */
  prefix: Buffer | undefined
  sends = 0
  /** How often its statement was described anew. */
  renewals = 0
  /** Whether a cancel was on its way to the server while it was in flight: it may be hit by accident. */
  exposed = false
  startedAt = 0
  readonly #resolve: (result: T) => void
  readonly #reject: (error: unknown) => void
  readonly #onSettled: ((error?: unknown) => void) | undefined
  #owner: ExecutionOwner | undefined
  #deadlines: Deadlines | undefined
  /** The seconds that the caller gave, and those after which our clock goes off. */
  #timeout = 0
  #seconds = 0
  #deadline: Deadline | undefined
  #expired = false
  #settled = false
  #finished = false
  #onFinished: (() => void) | undefined

  /** `onSettled` is called just before the caller is answered, with the error if it is one. */
  constructor (call: Call, resolve: (result: T) => void, reject: (error: unknown) => void, onSettled?: (error?: unknown) => void) {
    this.call = call
    this.#resolve = resolve
    this.#reject = reject
    this.#onSettled = onSettled
  }

  /** Whether the caller has his answer. */
  get settled (): boolean { return this.#settled }

  // In the queue for a connection.
  get holder (): 'statement' { return 'statement' }
  get signal (): AbortSignal | undefined { return this.call.options.signal }
  served (this: Execution, connection: Starting): void { connection.start(this) }
  refused (error: Error): void { this.fail(error) }

  /** Gives the caller `timeout` seconds, by a clock that goes off after `seconds` (0: never), and his signal a voice. */
  watch (timeout: number, seconds: number, owner: ExecutionOwner, deadlines: Deadlines): void {
    this.#timeout = timeout
    this.#seconds = seconds
    this.#owner = owner
    this.#deadlines = deadlines
    if (seconds > 0) this.#deadline = deadlines.set(seconds, this, this.startedAt)
    this.signal?.addEventListener('abort', this, { once: true })
  }

  /** Starts the clock anew: one of the statements of a batch is done. */
  progress (): void {
    if (this.#settled || this.#deadline === undefined) return
    this.#deadlines?.clear(this.#deadline)
    this.#deadline = this.#deadlines?.set(this.#seconds, this)
  }

  /** Whether the server's own limit has passed before our clock went off. */
  get isLate (): boolean { return this.#expired && this.#seconds > this.#timeout }

  /** Its time is up. */
  expire (): void {
    this.#expired = true
    this.#abandon(new QueryTimeoutError(this.#timeout))
  }

  /** Its signal was aborted. */
  handleEvent (): void { this.#abandon(new AbortedError({ cause: this.signal?.reason })) }

  #abandon (error: Error): void {
    if (this.#settled) return
    this.#owner?.abandoned(this)
    this.fail(error)
  }

  /** Answers the caller; a second answer is ignored. */
  succeed (result: T): void {
    if (!this.#settle()) return
    this.#onSettled?.()
    this.#resolve(result)
  }

  /** Answers the caller; a second answer is ignored. */
  fail (error: unknown): void {
    if (!this.#settle()) return
    this.#onSettled?.(error)
    this.#reject(error)
  }

  #settle (): boolean {
    if (this.#settled) return false
    this.#settled = true
    if (this.#deadline !== undefined) this.#deadlines?.clear(this.#deadline)
    this.signal?.removeEventListener('abort', this)
    return true
  }

  answered (this: Execution, answer: DriverAnswer, request: Request): void { this.#owner?.answered(this, answer, request) }

  failed (this: Execution, error: unknown, request: Request): void { this.#owner?.failed(this, error, request) }

  /** The driver is done with it. */
  finish (): void {
    this.#finished = true
    this.#onFinished?.()
  }

  /** Resolves when the driver is done with it. */
  whenFinished (): Promise<void> {
    if (this.#finished) return Promise.resolve()
    return new Promise((resolve) => { this.#onFinished = resolve })
  }
}
