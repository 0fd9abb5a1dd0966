import type { StatementExecution } from '../connection/execution.js'
import { type Call, paceOf } from '../query/call.js'
import type { ConnectionSet } from './connection-set.js'
import type { PoolEntry } from './pool-entry.js'

/** How many calls may travel together, and while there are connections to spare: two of them are answered sooner than one with all. */
export const MOST_TOGETHER = 32
const MOST_WITH_SPARE = 16
/** How many milliseconds they may take: few while there are connections to spare. */
const BUDGET_WITH_SPARE = 1
const BUDGET = 8

/**
 * Which calls travel together: those made in one turn of the event loop, or waiting when a connection is released, as
 * far as they are known to be quick. They leave in one write and are answered in one read, and those two system calls are
 * most of what a quick statement costs. A slow or unknown statement travels alone, so that nobody waits behind it; nor
 * is anything sent behind what left in an earlier turn. Only plain reads travel together: a cancel that is meant for one
 * may hit its neighbour, which is run again then, and must not have had any effect.
 */
export class Pipelining {
  readonly #enabled: boolean
  readonly #connections: ConnectionSet
  readonly #max: number
  /** What was acquired last, for which call, and can take more until it writes. */
  #entry: PoolEntry | undefined
  #first: Call | undefined
  #writes = 0
  #count = 0
  #cost = 0

  /** `max`: how many connections there may be. */
  constructor (enabled: boolean, connections: ConnectionSet, max: number) {
    this.#enabled = enabled
    this.#connections = connections
    this.#max = max
  }

  /** Nothing joins any more. */
  stop (): void { this.#entry = undefined }

  /** A connection was acquired for a call, which is about to be sent. Whether others may follow is found out by the next one. */
  begin (entry: PoolEntry, execution: StatementExecution): void {
    execution.mayWait = this.#connections.busy > 1 // a single caller waits for nothing
    if (!this.#enabled) return
    this.#entry = entry
    this.#first = execution.call
    this.#writes = entry.connection.traffic.writes
  }

  /** Whether something may still be sent together with what was sent last. */
  get isOpen (): boolean { return this.#entry !== undefined && this.#entry.connection.traffic.writes === this.#writes }

  /** Whether a call could have a connection to itself, now or when one more is open. */
  get #hasSpare (): boolean { return this.#connections.free > 0 || this.#connections.size < this.#max }

  /** The connection that a further call can be sent on, together with those before it. Only while it is open. */
  join (execution: StatementExecution): PoolEntry | undefined {
    const { call } = execution
    const entry = this.#entry
    if (entry === undefined) return undefined
    if (!this.#letsJoin(entry)) {
      this.#entry = undefined
      return undefined
    }
    const cost = this.#cost + paceOf(call).estimate
    const isFull = this.#hasSpare
      ? this.#count >= MOST_WITH_SPARE || cost > BUDGET_WITH_SPARE
      : this.#count >= MOST_TOGETHER || cost > BUDGET
    if (isFull || !canTravel(call, entry)) return undefined
    this.#count++
    this.#cost = cost
    execution.mayWait = execution.joins = true
    return entry
  }

  /** Whether the connection is still in the hands of single statements, and the first of them lets others follow. */
  #letsJoin (entry: PoolEntry): boolean {
    if (!entry.isBusy || entry.holder !== 'statement') return false
    const first = this.#first
    if (first === undefined) return true
    this.#first = undefined
    this.#count = 1
    this.#cost = paceOf(first).estimate
    return canTravel(first, entry)
  }
}

/** Whether a call may be sent together with others: it is quick, has no effect, and needs nothing asked before. */
function canTravel (call: Call, { connection }: PoolEntry): boolean {
  return call.statement.mayBePipelined && paceOf(call).isQuick && connection.canPipeline(call)
}
