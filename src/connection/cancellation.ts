import { setTimeout as sleep } from 'node:timers/promises'
import { orAborted } from '../timing/abortable.js'
import { FairLimit } from '../timing/fair-timer.js'
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
  /** Sends one CancelRequest. */
  requestCancel (signal: AbortSignal): Promise<void>
  /** It did not help. */
  cancelFailed (error: unknown): void
}

/** Cancels what the server is running, and waits until it has ended. */
export class Cancellation {
  readonly #inFlight: InFlight
  readonly #connection: Cancellable

  constructor (inFlight: InFlight, connection: Cancellable) {
    this.#inFlight = inFlight
    this.#connection = connection
  }

  /** Cancels what the server is running. `isLate`: it should have ended by a limit of the server's own. Never rejects. */
  async run (isLate: boolean): Promise<void> {
    const limit = new FairLimit(isLate ? LATE_TIMEOUT : TIMEOUT)
    this.#inFlight.expose(true)
    try {
      await orAborted(limit.signal, () => this.#untilEnded(limit.signal))
    } catch (error) {
      this.#connection.cancelFailed(error)
    } finally {
      limit.clear()
      this.#inFlight.expose(false)
    }
  }

  /** Until both are over: a cancel that is still on its way would hit the next statement. */
  async #untilEnded (limit: AbortSignal): Promise<void> {
    const ended = this.#inFlight.running?.whenFinished().then(() => true) ?? true
    // The server ignores a cancel that comes between two statements, so that it may be needed again.
    do await this.#connection.requestCancel(limit)
    while (!await Promise.race([ended, sleep(AGAIN * 1000, false, { ref: false })]))
  }
}
