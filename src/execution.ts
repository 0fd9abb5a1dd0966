import type { Argument } from './argument.js'
import type { Deadline, Deadlines } from './deadlines.js'
import type { DriverResult } from './driver.js'
import { AbortedError } from './errors.js'
import type { Call } from './query.js'

/** Called just before the caller is answered, with the error if it is one. */
export type OnSettled = (error?: unknown) => void

/**
 * One call in flight on a connection. The caller and the driver are done with it at different times: a caller whose
 * time is up is answered at once, while the connection waits for the driver before it serves anyone else.
 */
export class Execution<T = DriverResult> {
  readonly call: Call
  /** The wrapped arguments, kept for when the statement has to be sent again. */
  args: Array<Argument | null> | undefined
  sends = 0
  /** Whether its statement was described anew. */
  refreshed = false
  readonly startedAt = performance.now()
  readonly #resolve: (result: T) => void
  readonly #reject: (error: unknown) => void
  readonly #onSettled: OnSettled | undefined
  readonly #deadlines: Deadlines
  #deadline: Deadline | undefined
  #clock: () => void = () => {}
  #unlisten: (() => void) | undefined
  #settled = false
  #finished = false
  #onFinished: (() => void) | undefined

  constructor (call: Call, deadlines: Deadlines, resolve: (result: T) => void, reject: (error: unknown) => void, onSettled: OnSettled | undefined) {
    this.call = call
    this.#deadlines = deadlines
    this.#resolve = resolve
    this.#reject = reject
    this.#onSettled = onSettled
  }

  /** Whether the caller has its answer. */
  get settled (): boolean { return this.#settled }

  /** Gives the caller `seconds`, and its signal a voice; `abandon` is called with the error when either ends it. */
  watch (seconds: number, timeoutError: () => Error, abandon: (error: Error) => void): void {
    this.#clock = () => {
      if (seconds > 0) this.#deadline = this.#deadlines.set(seconds, () => abandon(timeoutError()))
    }
    this.#clock()
    const { signal } = this.call.options
    if (signal === undefined) return
    const onAbort = (): void => abandon(new AbortedError({ cause: signal.reason }))
    signal.addEventListener('abort', onAbort, { once: true })
    this.#unlisten = () => signal.removeEventListener('abort', onAbort)
  }

  /** Starts the clock anew: one of the statements of a batch is done. */
  progress (): void {
    if (this.#settled) return
    if (this.#deadline !== undefined) this.#deadlines.clear(this.#deadline)
    this.#clock()
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
    this.#unlisten?.()
    // Before the caller hears of it, so that its next call finds the connection free again.
    this.#onSettled?.(error)
    return true
  }
}
