import type { SocketOwner } from '../driver/socket-owner.js'
import { ServerError } from '../errors/server-error.js'
import { Execution } from './execution.js'
import { paceOf } from '../query/call.js'
import type { Lag } from '../query/latency.js'

/** How often a call is sent at most: types that change all the time, or cancels that hit it by accident, come to an end. */
export const MOST_SENDS = 4

/** The calls that are in flight on one connection. Which of them the server is running is for the owner of the socket to say. */
export class InFlight {
  /** An array and not a Set, which makes a new table for every few that come and go: 1 µs of garbage collection for each query. */
  readonly #executions: Execution[] = []
  readonly #owner: SocketOwner
  readonly #lag: Lag
  #answeredAt = 0
  /** When the first of those that travel together was sent, and how many of them are answered. */
  #firstSentAt = 0
  #answered = 0

  constructor (owner: SocketOwner, lag: Lag) {
    this.#owner = owner
    this.#lag = lag
  }

  get size (): number { return this.#executions.length }
  /** The call for which the server is running something. */
  get running (): Execution | undefined {
    const subject = this.#owner.running?.subject
    return subject instanceof Execution ? subject : undefined
  }

  /** The first call that nobody waits for any more, although the server is not done with it. */
  get abandoned (): Execution | undefined { return this.#executions.find(({ isAbandoned }) => isAbandoned) }

  add (execution: Execution): void {
    this.#executions.push(execution)
  }

  /** How many are left. */
  remove (execution: Execution): number {
    const index = this.#executions.indexOf(execution)
    if (index === 0) this.#executions.shift()
    else if (index !== -1) this.#executions.splice(index, 1)
    return this.#executions.length
  }

  /** A cancel is on its way to the server: it may hit any of them. Nothing is added before it has ended. */
  expose (): void { for (const execution of this.#executions) execution.exposed = true }

  /** Answers all callers, because the connection is lost. */
  failAll (error: unknown): void {
    for (const execution of [...this.#executions]) execution.fail(error)
  }

  /** Tells the statement how long the server took: since it was written, or since it was done with the one before. */
  measure ({ call, startedAt }: Execution): void {
    const now = performance.now()
    if (startedAt >= this.#answeredAt) {
      this.#firstSentAt = Math.max(startedAt, this.#owner.writtenAt)
      this.#answered = 0
    }
    this.#answered++
    paceOf(call).took(now - Math.max(this.#firstSentAt, this.#answeredAt), (now - this.#firstSentAt) / this.#answered, this.#lag)
    this.#answeredAt = now
  }

  /** The time, without asking the clock again if an answer has just been measured. */
  now ({ startedAt }: Execution): number {
    return this.#answeredAt > startedAt ? this.#answeredAt : performance.now()
  }
}

/** Whether a cancel that was meant for a neighbour hit it: what has no effect runs again then. */
export function wasHitByAccident (execution: Execution, error: unknown): boolean {
  return error instanceof ServerError && error.code === '57014' && execution.exposed && !execution.settled && execution.sends < MOST_SENDS
}
