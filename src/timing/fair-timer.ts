/** Milliseconds by which a timer is late only where this process was busy with something else. */
const BUSY = 100
/** Milliseconds in which what has arrived in the meantime is read, and what was not sent yet is sent and answered. */
const GRACE = 250
/** How often in a row a timer that is late waits again: a process that is always busy must come to an end too. */
const MOST_GRACES = 8

/**
 * A timer that says that something took too long. A process that was busy for long has not read what arrived in time, nor
 * sent what it was about to send: then it waits a little longer. And it never goes off before what has arrived is read.
 */
export class FairTimer {
  readonly #expire: () => void
  readonly #holds: boolean
  #timer: NodeJS.Timeout | undefined
  #immediate: NodeJS.Immediate | undefined
  #graces = 0

  /** `holds`: whether it keeps the process from ending. */
  constructor (milliseconds: number, expire: () => void, holds = true) {
    this.#expire = expire
    this.#holds = holds
    this.#start(milliseconds)
  }

  clear (): void {
    clearTimeout(this.#timer)
    clearImmediate(this.#immediate)
  }

  #start (milliseconds: number): void {
    const due = performance.now() + milliseconds
    this.#timer = setTimeout(() => this.#fired(due), milliseconds)
    if (!this.#holds) this.#timer.unref()
  }

  #fired (due: number): void {
    if (performance.now() - due > BUSY && this.#graces++ < MOST_GRACES) return this.#start(GRACE)
    // The event loop reads sockets between timers and this.
    this.#immediate = setImmediate(this.#expire)
  }
}

/** A signal that fires after so many seconds, fairly, unless it is cleared; 0 is never. It does not hold the process. */
export class FairLimit {
  readonly #controller = new AbortController()
  readonly #timer: FairTimer | undefined

  constructor (seconds: number, reason: () => unknown = () => new DOMException('it took too long', 'TimeoutError')) {
    if (seconds > 0) this.#timer = new FairTimer(Math.ceil(seconds * 1000), () => this.#controller.abort(reason()), false)
  }

  get signal (): AbortSignal { return this.#controller.signal }

  clear (): void { this.#timer?.clear() }
}
