import type { ConnectionSet } from './connection-set.js'
import type { LeakDetector } from './leak-detector.js'
import type { PoolEntry } from './pool-entry.js'
import type { Retirement } from './retirement.js'

/** Is told that a connection is idle again. */
export interface RecyclerEvents { released (now: number): void }

/** Takes connections back: reset, checked or replaced where they need it. */
export class Recycler {
  readonly #connections: ConnectionSet
  readonly #retirement: Retirement
  readonly #leaks: LeakDetector
  readonly #events: RecyclerEvents
  #isStopped = false
  /** When all connections were last told to be replaced, in the clock of `performance.now()`. */
  #expiredAt = -Infinity

  constructor (connections: ConnectionSet, retirement: Retirement, leaks: LeakDetector, events: RecyclerEvents) {
    this.#connections = connections
    this.#retirement = retirement
    this.#leaks = leaks
    this.#events = events
  }

  /** From now on connections are closed when they are released. */
  stop (): void { this.#isStopped = true }

  /** Ignores a connection that has ended. */
  release (entry: PoolEntry, now = performance.now()): void {
    const { connection } = entry
    const { session } = connection
    if (!connection.isOpen) return
    if (entry.takenBy !== undefined || entry.isReported) this.#leaks.released(entry, now)
    const underWay = connection.cancelling ?? connection.resetting
    if (underWay !== undefined) this.#after(entry, underWay)
    else if (session.isDirty && !this.#isStopped) this.#after(entry, connection.reset())
    else if (session.isDoubtful && !this.#isStopped) this.#after(entry, connection.check())
    else if (!this.replace(entry, now)) this.#events.released(now)
  }

  /** The pool itself has the connection until then. */
  #after (entry: PoolEntry, work: Promise<void>): void {
    entry.holder = 'pool'
    work.then(() => this.release(entry))
  }

  /** Closes or retires a connection whose time is over, and makes any other idle. */
  replace (entry: PoolEntry, now: number): boolean {
    const { connection } = entry
    const isExpired = connection.createdAt <= this.#expiredAt
    const due = isExpired || this.#isStopped ? undefined : entry.dueFor(now)
    if (this.#isStopped || isExpired) connection.close(this.#isStopped ? 'close' : 'expired')
    else if (due !== undefined && !this.#retirement.postpones(due)) this.#retirement.add(entry, due, now)
    else {
      this.#connections.release(entry, now)
      return false
    }
    return true
  }

  /** Replaces every connection: idle ones now, busy ones when they are released. */
  expire (): void {
    this.#expiredAt = performance.now()
    this.#connections.closeIdle('expired')
  }
}
