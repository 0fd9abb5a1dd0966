import type { Connection } from '../connection/connection.js'
import type { Execution } from '../connection/execution.js'

/** How many calls may travel together. */
export const MOST_TOGETHER = 16
/** How many milliseconds they may take: few while there are connections to spare. */
const BUDGET_WITH_SPARE = 1
const BUDGET = 8

/**
 * Which calls travel together: those made in one turn of the event loop, or waiting when a connection comes free, as far
 * as they are known to be quick. They leave in one write and are answered in one read, and those two system calls are
 * most of what a quick statement costs. A slow or unknown statement travels alone, so that nobody waits behind it; nor
 * is anything sent behind what left in an earlier turn, or behind a statement that may have to wait for a lock.
 */
export class Pipeline {
  readonly #enabled: boolean
  /** What was lent last, and can take more until it writes. */
  #connection: Connection | undefined
  #writes = 0
  #count = 0
  #cost = 0
  #mayLock = false

  constructor (enabled: boolean) { this.#enabled = enabled }

  /** A connection was lent for a call, which is about to be sent. */
  begin (connection: Connection, execution: Execution): void {
    if (!this.#enabled) return
    const { statement } = execution.call
    const open = statement.mayBePipelined && statement.pace.isQuick && connection.canPipeline(execution.call)
    this.#connection = open ? connection : undefined
    if (!open) return
    this.#count = 1
    this.#cost = statement.pace.estimate
    this.#mayLock = statement.mayLock
    this.#writes = connection.writes
  }

  /** The connection that a further call can be sent on, together with those before it. */
  join ({ call }: Execution, hasSpare: boolean): Connection | undefined {
    const connection = this.#connection
    if (connection === undefined || connection.writes !== this.#writes || this.#count >= MOST_TOGETHER || this.#mayLock) return undefined
    const { mayBePipelined, mayLock, pace } = call.statement
    const cost = this.#cost + pace.estimate
    if (!mayBePipelined || !pace.isQuick || cost > (hasSpare ? BUDGET_WITH_SPARE : BUDGET) || !connection.canPipeline(call)) return undefined
    this.#count++
    this.#cost = cost
    this.#mayLock ||= mayLock
    return connection
  }
}
