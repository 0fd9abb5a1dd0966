import { setTimeout as sleep } from 'node:timers/promises'
import { orAborted } from '../timing/abortable.js'
import type { PreparedGroup } from '../driver/prepared-group.js'
import type { PreparedSubject } from '../driver/prepared-request.js'
import { FairLimit } from '../timing/fair-timer.js'
import type { Execution } from './execution.js'
import type { InFlight } from './in-flight.js'

/**
 * Seconds for a CancelRequest to work before the connection is given up. Fewer where the server has let its own limit pass:
 * with `CLOCK_GRACE` it is less than a second until the connection is given up, and all that is waiting for it answered.
 */
const TIMEOUT = 1
const LATE_TIMEOUT = 0.4
/** Seconds after which it is sent again. */
const AGAIN = 0.1

/** The connection whose statements are cancelled. */
export interface Cancellable {
  /** Sends one CancelRequest. `onSent`: it is on its way. */
  requestCancel (signal: AbortSignal, onSent?: () => void): Promise<void>
  /** It did not help. */
  cancelFailed (error: unknown): void
}

/** Cancels what the server is running, and waits until it has ended. */
export class Cancellation {
  readonly #inFlight: InFlight
  readonly #connection: Cancellable
  #onRunning: (() => void) | undefined
  #onStop: (() => void) | undefined
  #isStopped = false

  constructor (inFlight: InFlight, connection: Cancellable) {
    this.#inFlight = inFlight
    this.#connection = connection
  }

  /** The server works on something else. */
  running (): void { this.#onRunning?.() }

  /** The connection has ended: nothing has to be waited for any more. */
  stop (): void {
    this.#isStopped = true
    this.#onStop?.()
  }

  /**
   * Ends all calls that nobody waits for any more, one after the other, each when the server works on it: before that a cancel
   * would hit another one. Never rejects.
   */
  async endAbandoned (): Promise<void> {
    const stopped = new Promise<void>((resolve) => { this.#onStop = resolve })
    for (let next = this.#inFlight.abandoned; next !== undefined && !this.#isStopped; next = this.#inFlight.abandoned) {
      const execution = next
      if (this.#inFlight.isRunning(execution)) {
        await Promise.race([this.#run(execution), stopped])
        continue
      }
      const isRunning = new Promise<void>((resolve) => { this.#onRunning = resolve })
      await Promise.race([isRunning, execution.whenFinished(), stopped])
    }
  }

  /**
   * Cancels what the server runs of a group that is late, so that its calls are sent again one by one: one that waits keeps no others
   * waiting, and no lock of theirs. Never rejects. If no cancel can be sent, they go on waiting.
   */
  async breakUp (group: PreparedGroup<PreparedSubject>): Promise<void> {
    const limit = new FairLimit(TIMEOUT)
    const answered = new Promise<boolean>((resolve) => { group.onAnswered = () => resolve(true) })
    const stopped = new Promise<boolean>((resolve) => { this.#onStop = () => resolve(true) })
    let isOnItsWay = false
    this.#inFlight.expose()
    try {
      await this.#cancelUntil(Promise.race([answered, stopped]), limit.signal, (is) => { isOnItsWay = is })
    } catch (error) {
      if (isOnItsWay) this.#connection.cancelFailed(error) // it might hit a later statement
    } finally {
      limit.clear()
    }
  }

  /** Cancels a call that the server is running. If that is late, a limit of the server's own should have ended it. Never rejects. */
  async #run (execution: Execution): Promise<void> {
    const limit = new FairLimit(execution.isLate ? LATE_TIMEOUT : TIMEOUT)
    this.#inFlight.expose()
    try {
      await orAborted(limit.signal, () => this.#cancelUntil(execution.whenFinished().then(() => true), limit.signal))
    } catch (error) {
      this.#connection.cancelFailed(error)
    } finally {
      limit.clear()
    }
  }

  /** Cancels until both are over: a cancel that is still on its way would hit the next statement. Told of each `onItsWay`. */
  async #cancelUntil (ended: Promise<boolean>, limit: AbortSignal, onItsWay = (_: boolean): void => {}): Promise<void> {
    // The server ignores a cancel that comes between two statements, so that it may be needed again.
    do {
      await this.#connection.requestCancel(limit, () => onItsWay(true))
      onItsWay(false)
    } while (!await Promise.race([ended, sleep(AGAIN * 1000, false, { ref: false })]) && !limit.aborted)
  }
}
