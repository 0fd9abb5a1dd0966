import type { CloseReason } from '../connection/connection.js'
import type { PoolEntry, RetireReason } from './pool-entry.js'

/**
 * The connections whose time is over, by age or use, until others take their places: they are given to nobody, and closed one by
 * one as connects succeed. While connects fail, they go on working.
 */
export class Retirement {
  readonly #due = new Map<PoolEntry, RetireReason>()
  /** Whether something was due while connects failed: the pool goes on trying to connect for its sake. */
  #isOwed = false
  readonly #connectsFail: () => boolean
  /** Is told that a connect is wanted. */
  readonly #onWanted: () => void

  constructor (connectsFail: () => boolean, onWanted: () => void) {
    this.#connectsFail = connectsFail
    this.#onWanted = onWanted
  }

  /** Whether a connection that is due goes on working: another one cannot be had, or it is not its turn. What is too old has no turn. */
  postpones (reason: RetireReason): boolean {
    if (reason === 'uses' && this.#due.size > 0) return true
    if (!this.#connectsFail()) return false
    if (!this.#isOwed) {
      this.#isOwed = true
      queueMicrotask(this.#onWanted) // when the connection is where it belongs
    }
    return true
  }

  /** How many connects are wanted. */
  get wanted (): number { return this.#isOwed ? 1 : this.#due.size }

  /** The pool has it from now on. */
  add (entry: PoolEntry, reason: RetireReason, now: number): void {
    entry.acquire('pool', now)
    this.#due.set(entry, reason)
    this.#onWanted()
  }

  /** It has ended. */
  remove (entry: PoolEntry): void { this.#due.delete(entry) }

  /** Has them go back to work if connects fail. */
  takeBack (release: (entry: PoolEntry) => void): void {
    if (this.#due.size === 0 || !this.#connectsFail()) return
    const entries = [...this.#due.keys()]
    this.#due.clear()
    entries.forEach(release)
  }

  /** A connect has succeeded. Returns whether something is due that was postponed. */
  connected (): boolean {
    const wasOwed = this.#isOwed
    this.#isOwed = false
    return wasOwed
  }

  /** Closes so many of them. */
  close (count = Infinity, reason?: CloseReason): void {
    if (this.#due.size > 0) for (const [{ connection }, due] of [...this.#due].slice(0, count)) connection.close(reason ?? due)
  }
}
