import { wasBusySince } from '../timing/late-timer.js'
import type { HostOrder } from './host-order.js'
import type { Host } from '../config/target.js'

/** Seconds without a word from a server after which it counts as silent. */
export const SILENCE = 1

/** Watches whether a server that is asked for a connection keeps silent. */
export class Silence {
  readonly #host: Host
  readonly #hosts: HostOrder
  readonly #onSilent: () => void
  #timer: NodeJS.Timeout | undefined
  #answered = false

  constructor (host: Host, hosts: HostOrder, onSilent: () => void) {
    this.#host = host
    this.#hosts = hosts
    this.#onSilent = onSilent
  }

  /** It is asked now. */
  start (): void {
    clearTimeout(this.#timer)
    const due = performance.now() + SILENCE * 1000
    this.#timer = setTimeout(() => {
      if (wasBusySince(due)) return this.start()
      this.#hosts.keptSilent(this.#host)
      this.#onSilent()
    }, SILENCE * 1000)
  }

  answered (): void {
    this.#answered = true
    this.stop()
    this.#hosts.answered(this.#host)
  }

  /** The connect took longer than it may: it may be something else that took so long after the server's answer. */
  timedOut (): void { if (!this.#answered) this.#hosts.keptSilent(this.#host) }

  stop (): void { clearTimeout(this.#timer) }
}
