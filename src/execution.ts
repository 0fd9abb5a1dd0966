import type { Argument } from './argument.js'
import type { Deadline, Deadlines, Expiring } from './deadlines.js'
import type { DriverResult } from './driver.js'
import { AbortedError, QueryTimeoutError } from './errors.js'
import type { Call } from './query.js'

/** Called just before the caller is answered, with the error if it is one. */
export type OnSettled = (error?: unknown) => void

/** Who is to be told that a caller's time is up while the statement may still be running. */
export interface Abandoning { abandoned (): void }

/**
 * One call in flight on a connection. The caller and the driver are done with it at different times: a caller whose
 * time is up is answered at once, while the connection waits for the driver before it serves anyone else.
 */
export class Execution<T = DriverResult> implements Expiring {
  readonly call: Call
  /** The wrapped arguments, kept for when the statement has to be sent again. */
  args: Array<Argument | null> | undefined
  sends = 0
  /** Whether its statement was described anew. */
  refreshed = false
  readonly startedAt: number
  readonly #resolve: (result: T) => void
  readonly #reject: (error: unknown) => void
  readonly #onSettled: OnSettled | undefined
  readonly #deadlines: Deadlines
  #owner: Abandoning | undefined
  /** The seconds that the caller gave, and those after which our clock goes off. */
  #timeout = 0
  #seconds = 0
  #deadline: Deadline | undefined
  #settled = false
  #finished = false
  #onFinished: (() => void) | undefined

  constructor (call: Call, deadlines: Deadlines, resolve: (result: T) => void, reject: (error: unknown) => void, onSettled: OnSettled | undefined, now = performance.now()) {
    this.call = call
    this.startedAt = now
    this.#deadlines = deadlines
    this.#resolve = resolve
    this.#reject = reject
    this.#onSettled = onSettled
  }

  /** Whether the caller has its answer. */
  get settled (): boolean { return this.#settled }

  /** Gives the caller `timeout` seconds, by a clock that goes off after `seconds` (0: never), and its signal a voice. */
  watch (timeout: number, seconds: number, owner: Abandoning): void {
    this.#timeout = timeout
    this.#seconds = seconds
    this.#owner = owner
    if (seconds > 0) this.#deadline = this.#deadlines.set(seconds, this, this.startedAt)
    this.call.options.signal?.addEventListener('abort', this, { once: true })
  }

  /** Starts the clock anew: one of the statements of a batch is done. */
  progress (): void {
    if (this.#settled || this.#deadline === undefined) return
    this.#deadlines.clear(this.#deadline)
    this.#deadline = this.#deadlines.set(this.#seconds, this)
  }

  /** Its time is up. */
  expire (): void { this.#abandon(new QueryTimeoutError(this.#timeout)) }

  /** Its signal was aborted. */
  handleEvent (): void { this.#abandon(new AbortedError({ cause: this.call.options.signal?.reason })) }

  #abandon (error: Error): void {
    if (this.#settled) return
    this.#owner?.abandoned()
    this.fail(error)
  }

  /** Answers the caller; a second answer is ignored. */
  succeed (result: T): void {
    if (this.#settle(undefined)) this.#resolve(result)
  }

  /** Answers the caller; a second answer is ignored. */
  fail (error: unknown): void {
    if (this.#settle(error)) this.#reject(error)
  }

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

  #settle (error: unknown): boolean {
    if (this.#settled) return false
    this.#settled = true
    if (this.#deadline !== undefined) this.#deadlines.clear(this.#deadline)
    this.call.options.signal?.removeEventListener('abort', this)
    // Before the caller hears of it, so that its next call finds the connection free again.
    this.#onSettled?.(error)
    return true
  }
}
