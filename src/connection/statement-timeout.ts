import type { Limit } from './execution.js'

/** How much later than the server's own statement_timeout our clock goes off: it is for networks that swallow everything. */
const CLOCK_GRACE = 0.5
const UNDOES_SET = /rollback|abort|reset|discard|statement_timeout/i

/** The statement_timeout of one session, in seconds; 0 is none. Only a timeout longer than the usual one concerns it. */
export class StatementTimeout {
  readonly #usual: number
  /** Undefined when a rollback may have changed it. */
  #current: number | undefined
  /** Whether nothing is set in the session, so that only our own clock limits statements. */
  #clockOnly = false
  // Fields and not getters, because each call looks at them; only this class writes them.
  /** Whether the session needs nothing for a call without a timeout of its own. */
  isUsual = true
  /** Of a call without a timeout of its own. */
  usualLimit: Limit

  constructor (usual: number) {
    this.#usual = usual
    this.#current = usual
    this.usualLimit = this.#limit(usual)
  }

  get current (): number | undefined { return this.#current }

  /** What the session needs for a call with this timeout. */
  neededFor (timeout = this.#usual): number {
    if (this.#clockOnly) return 0
    const isLonger = timeout === 0 || (this.#usual !== 0 && timeout > this.#usual)
    return isLonger ? timeout : this.#usual
  }

  /** Whether a call with this timeout can be sent as the session is. */
  isSetFor (timeout: number | undefined): boolean {
    if (timeout === undefined) return this.isUsual
    return this.#current === this.neededFor(timeout)
  }

  /** Whether a call with this timeout can be sent as the session is, and leaves it as it was. */
  suits (timeout: number | undefined): boolean {
    return this.#clockOnly || (this.#current === this.#usual && (timeout === undefined || this.neededFor(timeout) === this.#usual))
  }

  /** How long a call with this timeout may take, by the server's clock and by ours. */
  limitFor (timeout: number | undefined): Limit {
    return timeout === undefined ? this.usualLimit : this.#limit(timeout)
  }

  #limit (timeout: number): Limit {
    return { timeout, clock: timeout === this.neededFor(timeout) && timeout !== 0 ? timeout + CLOCK_GRACE : timeout }
  }

  /** Whether only our own clock limits a call, which otherwise is there for networks that swallow everything. */
  isLeftToClock (timeout?: number): boolean {
    return this.#clockOnly ? (timeout ?? this.#usual) !== 0 : timeout !== undefined && timeout !== this.neededFor(timeout)
  }

  /** From now on nothing is set in the session. */
  leaveToClock (): void {
    this.#clockOnly = true
    this.#set(0)
    this.usualLimit = this.#limit(this.#usual)
  }

  textToSet (seconds: number): string {
    return `SET statement_timeout = ${Math.ceil(seconds * 1000)}`
  }

  wasSet (seconds: number): void { this.#set(seconds) }

  #set (seconds: number | undefined): void {
    this.#current = seconds
    this.isUsual = this.#clockOnly || seconds === this.#usual
  }

  /** A rollback undoes a SET, also one that a COMMIT turned into, and so may the session's user. */
  hasRun (text: string, command: string | null | undefined): void {
    if (!this.isUsual && (UNDOES_SET.test(text) || command === 'ROLLBACK')) this.#set(undefined)
  }

  /** The session is as it was after connecting. */
  reset (): void { this.#set(this.#clockOnly ? 0 : this.#usual) }
}
