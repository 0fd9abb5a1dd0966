import type { Driver } from '../driver/postgres-js.js'
import { Execution } from './execution.js'
import type { Lag } from '../query/latency.js'

/** The calls that are in flight on one connection. Which of them the server is running is for the owner of the socket to say. */
export class InFlight {
  /** An array and not a Set, which makes a new table for every few that come and go: 1 µs of garbage collection for each query. */
  readonly #executions: Execution[] = []
  readonly #driver: Driver
  readonly #lag: Lag
  /** Whether a cancel is on its way to the server: it may hit any of them. */
  #cancelling = false
  #answeredAt = 0
  /** When the first of those that travel together was sent, and how many of them are answered. */
  #firstSentAt = 0
  #answered = 0

  constructor (driver: Driver, lag: Lag) {
    this.#driver = driver
    this.#lag = lag
  }

  get size (): number { return this.#executions.length }
  /** The call for which the server is running something. */
  get running (): Execution | undefined {
    const subject = this.#driver.running?.subject
    return subject instanceof Execution ? subject : undefined
  }

  get isCancelling (): boolean { return this.#cancelling }

  add (execution: Execution): void {
    execution.exposed = this.#cancelling
    this.#executions.push(execution)
  }

  /** How many are left. */
  remove (execution: Execution): number {
    const index = this.#executions.indexOf(execution)
    if (index === 0) this.#executions.shift()
    else if (index !== -1) this.#executions.splice(index, 1)
    return this.#executions.length
  }

  /** A cancel is on its way, or not any more. */
  expose (cancelling: boolean): void {
    this.#cancelling = cancelling
    if (cancelling) for (const execution of this.#executions) execution.exposed = true
  }

  /** Answers all callers, because the connection is lost. */
  failAll (error: unknown): void {
    for (const execution of [...this.#executions]) execution.fail(error)
  }

  /** Tells the statement how long the server took: since it was written, or since it was done with the one before. */
  measure ({ call: { statement }, startedAt }: Execution, writtenAt: number): void {
    const now = performance.now()
    if (startedAt >= this.#answeredAt) {
      this.#firstSentAt = Math.max(startedAt, writtenAt)
      this.#answered = 0
    }
    this.#answered++
    statement.latency.took(now - Math.max(this.#firstSentAt, this.#answeredAt), (now - this.#firstSentAt) / this.#answered, this.#lag)
    this.#answeredAt = now
  }

  /** The time, without asking the clock again if an answer has just been measured. */
  now ({ startedAt }: Execution): number {
    return this.#answeredAt > startedAt ? this.#answeredAt : performance.now()
  }
}
