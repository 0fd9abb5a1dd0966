/** How much of the last answer counts. */
const WEIGHT = 1 / 16
/** Milliseconds that one answer counts for at most: a slow statement is no lag. */
const MOST = 50

/**
 * How late answers are noticed because this process is busy with other work, in milliseconds: what statements take of
 * late that are known to need next to nothing. Without regard to it, 256 HTTP connections made every statement look slow:
 * 23,000 requests per second instead of 29,000.
 */
export class Lag {
  milliseconds = 0

  /** A quick statement has taken so long. */
  saw (milliseconds: number): void {
    this.milliseconds += (Math.min(milliseconds, MOST) - this.milliseconds) * WEIGHT
  }
}
