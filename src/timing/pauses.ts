/** Pauses that end all at once when what they are part of does. */
export class Pauses {
  readonly #running = new Map<NodeJS.Timeout, () => void>()
  #isOver = false

  /** Resolves after so many milliseconds, or when all have to end. */
  wait (milliseconds: number): Promise<void> {
    if (this.#isOver) return Promise.resolve()
    return new Promise((resolve) => {
      const timer = setTimeout(() => {
        this.#running.delete(timer)
        resolve()
      }, milliseconds)
      this.#running.set(timer, resolve)
    })
  }

  /** Ends them now, and from now on each at once. */
  end (): void {
    this.#isOver = true
    for (const [timer, resolve] of this.#running) {
      clearTimeout(timer)
      resolve()
    }
    this.#running.clear()
  }
}

/** Milliseconds that the pause before the second attempt takes at most, and any. */
const FIRST = 10
const LONGEST = 1_000

/**
 * Milliseconds to wait behind a failed attempt, from 1: anything up to a most that doubles each time, so that those who got in each
 * other's way do not meet again.
 */
export function jitteredPause (attempt: number): number {
  return Math.random() * Math.min(LONGEST, FIRST * 2 ** (attempt - 1))
}
