/** Milliseconds up to which a statement counts as quick, beside the lag of the process. */
const QUICK = 4
/** How many times the usual lag an answer may be late. */
const LAG_FACTOR = 3
/** Quick runs that it takes to be trusted at all. */
const FIRST_RUN = 1
/** Quick runs that it takes to be trusted again after a slow one; twice as many each time that it happens again. */
const FIRST_PROBATION = 4
const LONGEST_PROBATION = 256
/** Quick runs after which an earlier slow one counts for less. */
const FORGIVEN_AFTER = 64
/** How fast the estimate follows runs that took longer than it says. */
const RISE = 1 / 32

/**
 * How long one statement takes. Quick ones are sent together; one that was slow lately, or was never run, travels alone,
 * because whatever is sent behind it waits for it.
 */
export class Latency {
  /**
   * Milliseconds that it costs to send one more: what it took with good luck recently. Most of what it takes on a busy
   * machine is waiting for a processor, and is not the statement's.
   */
  estimate = Infinity
  #probation = FIRST_RUN
  #next = FIRST_PROBATION
  #streak = 0

  get isQuick (): boolean { return this.#probation === 0 && this.estimate <= QUICK }

  /**
   * A run has taken so many milliseconds; `share` is what was used for all that were sent together with it and answered
   * so far, divided by their number.
   */
  took (milliseconds: number, share: number, lag: Lag): void {
    const isSlow = milliseconds > QUICK + LAG_FACTOR * lag.milliseconds
    const wasQuick = this.#probation === 0 && this.estimate <= QUICK
    if (wasQuick) lag.saw(milliseconds)
    if (isSlow) {
      // Whatever was sent in the same moment is slow for the same reason, and counts once.
      if (wasQuick) {
        this.#probation = this.#next
        this.#next = Math.min(this.#next * 2, LONGEST_PROBATION)
      }
      this.#streak = 0
      return
    }
    this.estimate = share < this.estimate ? share : this.estimate + (share - this.estimate) * RISE
    if (this.#probation > 0) this.#probation--
    else if (++this.#streak % FORGIVEN_AFTER === 0) this.#next = Math.max(this.#next / 2, FIRST_PROBATION)
  }
}

/** How much of the last answer counts. */
const LAG_WEIGHT = 1 / 16
/** Milliseconds that one answer counts for at most: a slow statement is no lag. */
const MOST_LAG = 50

/**
 * How late answers are noticed because this process is busy with other work, in milliseconds: what statements take of
 * late that are known to need next to nothing. Without regard to it, 256 HTTP connections made every statement look slow:
 * 23,000 requests per second instead of 29,000.
 */
export class Lag {
  milliseconds = 0

  /** A quick statement has taken so long. */
  saw (milliseconds: number): void {
    this.milliseconds += (Math.min(milliseconds, MOST_LAG) - this.milliseconds) * LAG_WEIGHT
  }
}
