/** Milliseconds up to which a statement counts as quick. */
const QUICK = 4
/** Quick runs that it takes to be trusted again after a slow one; twice as many each time that it happens again. */
const FIRST_PROBATION = 4
const LONGEST_PROBATION = 256
/** Quick runs after which an earlier slow one counts for less. */
const FORGIVEN_AFTER = 64

/**
 * How long one statement takes. Quick ones are sent together; one that was slow lately, or was never run, travels alone,
 * because whatever is sent behind it waits for it.
 */
export class Pace {
  /** Milliseconds that the next run will probably take. */
  estimate = Infinity
  #probation = 0
  #next = FIRST_PROBATION
  #streak = 0

  get isQuick (): boolean { return this.#probation === 0 && this.estimate <= QUICK }

  /** A run has taken so many milliseconds. */
  took (milliseconds: number): void {
    if (milliseconds > QUICK) {
      // Whatever was sent in the same moment is slow for the same reason, and counts once.
      if (this.isQuick) {
        this.#probation = this.#next
        this.#next = Math.min(this.#next * 2, LONGEST_PROBATION)
      }
      this.#streak = 0
      this.estimate = milliseconds
      return
    }
    this.estimate = this.estimate > QUICK ? milliseconds : (this.estimate + milliseconds) / 2
    if (this.#probation > 0) this.#probation--
    else if (++this.#streak % FORGIVEN_AFTER === 0) this.#next = Math.max(this.#next / 2, FIRST_PROBATION)
  }
}
