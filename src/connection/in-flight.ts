import { PreparedGroup } from '../driver/prepared-group.js'
import type { PreparedSubject } from '../driver/prepared-request.js'
import type { SocketOwner } from '../driver/socket-owner.js'
import { ServerError } from '../errors/server-error.js'
import type { Execution } from './execution.js'
import { paceOf } from '../query/call.js'
import type { Lag } from '../query/latency.js'
import type { Deadline, Deadlines, Expiring } from '../timing/deadlines.js'

/**
 * Milliseconds, and how many times the usual lag, that calls with one Sync may take to be answered: less than the second after which
 * the server looks for deadlocks.
 */
const LATE_GROUP = 250
const LAG_FACTOR = 20
const LATEST_GROUP = 800

/** How often a call is sent at most: types that change all the time, or cancels that hit it by accident, come to an end. */
export const MOST_SENDS = 4

/** The calls that are in flight on one connection. Which of them the server is running is for the owner of the socket to say. */
export class InFlight implements Expiring {
  /** An array and not a Set, which makes a new table for every few that come and go: 1 µs of garbage collection for each query. */
  readonly #executions: Execution[] = []
  readonly #owner: SocketOwner
  readonly #lag: Lag
  readonly #deadlines: Deadlines
  readonly #onLateGroup: () => void
  /** When their times are looked at next. A deadline for each would be two steps of every call: nearly all are answered long before. */
  #deadline: Deadline | undefined
  #answeredAt = 0
  /** When the first of those that travel together was sent, and how many of them are answered. */
  #firstSentAt = 0
  #answered = 0
  /** Of those that were answered in the same moment: how many are still to be measured, what they took, and the share of each. */
  #togetherLeft = 0
  #took = 0
  #share = 0

  /** `onLateGroup` is told that calls with one Sync are not answered: perhaps one of them keeps the others waiting. */
  constructor (owner: SocketOwner, lag: Lag, deadlines: Deadlines, onLateGroup: () => void) {
    this.#owner = owner
    this.#lag = lag
    this.#deadlines = deadlines
    this.#onLateGroup = onLateGroup
  }

  get size (): number { return this.#executions.length }

  /** Whether the server is running something for a call, or for one with which it is answered together: a cancel may reach it. */
  isRunning (execution: Execution): boolean {
    const turn = this.#owner.running
    return turn?.subject === execution || this.group?.includes(execution) === true
  }

  /** The first call that nobody waits for any more, although the server is not done with it. */
  get abandoned (): Execution | undefined { return this.#executions.find(({ isAbandoned }) => isAbandoned) }

  add (execution: Execution): void { this.#executions.push(execution) }

  /** Sees to it that a call that was added is told when its time is up, and a group when it is late. `now` is the time. */
  watch ({ dueAt, joins }: Execution, now: number): void {
    const at = joins ? Math.min(dueAt, now + this.#lateAfter) : dueAt
    if (at === Infinity || (this.#deadline !== undefined && this.#deadline.at <= at)) return
    if (this.#deadline !== undefined) this.#deadlines.clear(this.#deadline)
    this.#deadline = this.#deadlines.set((at - now) / 1000, this, now)
  }

  get #lateAfter (): number { return Math.min(LATE_GROUP + LAG_FACTOR * this.#lag.milliseconds, LATEST_GROUP) }

  /** Tells those whose time is up. */
  expire (): void {
    this.#deadline = undefined
    const now = performance.now()
    for (const execution of [...this.#executions]) if (execution.dueAt <= now) execution.expire()
    if (this.group !== undefined && now - this.#owner.writtenAt >= this.#lateAfter) this.#onLateGroup()
    for (const execution of this.#executions) if (!execution.settled) this.watch(execution, now)
  }

  /** The calls that the server is at, if they are answered together. */
  get group (): PreparedGroup<PreparedSubject> | undefined {
    const turn = this.#owner.running
    return turn instanceof PreparedGroup ? turn : undefined
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

  /** Nothing is added any more. */
  close (): void { if (this.#deadline !== undefined) this.#deadlines.clear(this.#deadline) }

  /** Answers all callers, because the connection is lost. */
  failAll (error: unknown): void {
    for (const execution of [...this.#executions]) {
      execution.finish() // who waits for that goes on
      execution.fail(error)
    }
  }

  /**
   * Tells the statement how long the server took: since it was written, or since it was done with the one before. Of some that are answered
   * `together` only their sum is known: each is told what is left of it when the others took what it usually takes.
   */
  measure ({ call, startedAt }: Execution, together = 1): void {
    if (this.#togetherLeft === 0) this.#answer(startedAt, together)
    this.#togetherLeft--
    const pace = paceOf(call)
    pace.took(together === 1 ? this.#took : this.#took - (together - 1) * pace.estimate, this.#share, this.#lag)
  }

  #answer (startedAt: number, together: number): void {
    const now = performance.now()
    if (startedAt >= this.#answeredAt) {
      this.#firstSentAt = Math.max(startedAt, this.#owner.writtenAt)
      this.#answered = 0
    }
    this.#answered += together
    this.#togetherLeft = together
    this.#took = now - Math.max(this.#firstSentAt, this.#answeredAt)
    this.#share = (now - this.#firstSentAt) / this.#answered
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
