import { FairTimer } from '../timing/fair-timer.js'
import type { HostOrder } from './host-order.js'
import type { Host } from '../config/target.js'

/** Seconds without an answer after which a server that is asked for a connection counts as unresponsive. */
export const RESPONSE_TIMEOUT = 1

/** Watches whether a server that is asked for a connection responds. */
export class ResponseWatch {
  readonly #host: Host
  readonly #hosts: HostOrder
  readonly #onUnresponsive: () => void
  #timer: FairTimer | undefined
  /** Whether the server was asked, and has not answered yet. */
  #isWaiting = false

  constructor (host: Host, hosts: HostOrder, onUnresponsive: () => void) {
    this.#host = host
    this.#hosts = hosts
    this.#onUnresponsive = onUnresponsive
  }

  /** It is asked now. */
  start (): void {
    this.#isWaiting = true
    this.#timer?.clear()
    this.#timer = new FairTimer(RESPONSE_TIMEOUT * 1000, () => {
      this.#hosts.wasUnresponsive(this.#host)
      this.#onUnresponsive()
    })
  }

  answered (): void {
    this.#isWaiting = false
    this.stop()
    this.#hosts.answered(this.#host)
  }

  /** The connect took longer than it may. Before the server was asked, or after its answer, something else took so long. */
  timedOut (): void { if (this.#isWaiting) this.#hosts.wasUnresponsive(this.#host) }

  stop (): void { this.#timer?.clear() }
}
