import { Checks } from './idle-checks.js'
import type { Config, Log } from '../config/config.js'
import type { CloseReason, Connection, Holder } from '../connection/connection.js'
import type { Deadlines } from '../timing/deadlines.js'
import { DriverTypes } from '../driver/postgres-js.js'
import { codeOf } from '../errors/error-code.js'
import { AbortedError, AcquireTimeoutError, NestedAcquireError, QueueFullError } from '../errors/errors.js'
import { Execution } from '../connection/execution.js'
import { Inventory } from './connection-set.js'
import { Lag } from '../query/lag.js'
import { Opener } from '../connector/connector.js'
import { MOST_TOGETHER, Pipeline } from './pipelining.js'
import { StartupParameters } from '../connector/startup-parameters.js'
import type { Counters } from './stats.js'
import { Upkeep } from './housekeeper.js'
import { type Applicant, WaitingRoom } from './wait-queue.js'

export interface DispatcherParts {
  config: Config
  log: Log
  deadlines: Deadlines
  counters: Counters
  /** Runs on each new connection before anyone else gets it. */
  onConnect?: ((connection: Connection) => unknown) | undefined
  pool: DispatcherOwner
}

/** The pool, as far as it matters for who gets what. */
export interface DispatcherOwner {
  readonly isOpen: boolean
  readonly isClosing: boolean
  /** As many connections are kept open. */
  readonly least: number
  /** Why nobody may come in any more. The first one to come opens the pool. */
  admit (): Error | undefined
  /** There are `least` connections. */
  onComplete (): void
  onFirst (connection: Connection): void
  onConnectFailed (error: unknown): void
  /** The last connection is gone. */
  onEmpty (): void
}

/**
 * Which connection runs what, and when.
 *
 * Idle connections are a stack, so that warm ones work and cold ones can expire: first-in-first-out costs a factor of
 * two at one caller (measurements.md). Waiters are a queue. At any time one of the two is empty.
 */
export class Dispatcher {
  readonly connections = new Inventory()
  readonly opener: Opener
  readonly upkeep: Upkeep
  /** When the server last answered anyone, in the clock of `performance.now()`. */
  answeredAt = -Infinity
  readonly #config: Config
  readonly #log: Log
  readonly #pool: DispatcherOwner
  readonly #counters: Counters
  readonly #waiters: WaitingRoom
  readonly #pipeline: Pipeline
  readonly #checks: Checks
  #generation = 0
  #dispatching = false

  constructor ({ config, log, deadlines, counters, onConnect, pool }: DispatcherParts) {
    this.#config = config
    this.#log = log
    this.#pool = pool
    this.#counters = counters
    this.#waiters = new WaitingRoom(config.acquireTimeout, deadlines, () => this.#acquireTimeout())
    this.#pipeline = new Pipeline(config.pipeline)
    this.#checks = new Checks(config.checkIdle, this.connections, (connection) => this.release(connection), () => this.dispatch())
    this.upkeep = new Upkeep(config, log, this.connections)
    const parts = {
      config,
      types: new DriverTypes(),
      deadlines,
      lag: new Lag(),
      generation: () => this.#generation,
      startupParameters: new StartupParameters(config),
      onConnect,
      onIdle: (connection: Connection, now: number) => this.release(connection, now),
      onDown: (connection: Connection, reason: CloseReason, cause: unknown) => this.#down(connection, reason, cause),
      onGone: (connection: Connection) => this.#gone(connection),
    }
    this.opener = new Opener(parts, (connection) => this.#opened(connection), (error, failures) => this.#connectFailed(error, failures), () => this.dispatch())
  }

  get waiting (): number { return this.#waiters.size }

  /** One call, on whichever connection is free, or comes free. */
  run (execution: Execution): void {
    if (execution.call.options.signal?.aborted === true) return this.enqueue(execution)
    const now = performance.now()
    const connection = this.#pool.isOpen && this.#waiters.size === 0 ? this.#joinOrTake(execution, now) : undefined
    if (connection === undefined) this.enqueue(execution, now)
    else connection.start(execution, now)
  }

  #joinOrTake (execution: Execution, now: number): Connection | undefined {
    // Whoever holds a transaction open must not wait behind a statement that may wait for a lock of his.
    const joined = this.#waiters.held === undefined ? this.#pipeline.join(execution, this.#hasSpare) : undefined
    if (joined !== undefined) {
      this.#counters.pipelined++
      return joined
    }
    const idle = this.#checks.take(now)
    if (idle === undefined) return undefined
    this.#lend(idle, 'statement', now)
    this.#pipeline.begin(idle, execution)
    return idle
  }

  /** Whether a call could have a connection to itself, now or when one more is open. */
  get #hasSpare (): boolean { return this.connections.free > 0 || this.connections.size < this.#config.max }

  /** A free connection, or none. */
  tryAcquire (holder: Holder, signal?: AbortSignal): Connection | undefined {
    if (signal?.aborted === true) return undefined
    const now = performance.now()
    // The pool itself takes one to see whether it is alive.
    const idle = holder === 'pool' ? this.connections.take(now) : this.#checks.take(now)
    if (idle !== undefined) this.#lend(idle, holder, now)
    return idle
  }

  /** He is served when it is his turn. */
  enqueue (applicant: Applicant, now?: number): void {
    const { signal } = applicant
    if (signal?.aborted === true) return applicant.refused(new AbortedError({ cause: signal.reason }))
    const refusal = this.#pool.admit()
    if (refusal !== undefined) return applicant.refused(refusal)
    const { max, maxWaiting } = this.#config
    // Whoever waits only until an idle connection has shown that it is alive is not in the way of others: as many as may be sent together on it.
    if (maxWaiting > 0 && this.#waiters.size - this.#checks.underWay * MOST_TOGETHER >= maxWaiting && applicant.holder !== 'pool') {
      this.#counters.refused++
      return applicant.refused(new QueueFullError(maxWaiting))
    }
    this.#counters.waited++
    const waiter = this.#waiters.enter(applicant, now)
    this.dispatch()
    if (waiter.blocks !== undefined && this.connections.size >= max && this.connections.isDeadlocked) {
      waiter.turnAway(new NestedAcquireError(max))
    }
  }

  turnAllAway (error: Error): void { this.#waiters.turnAllAway(error) }

  /** Runs `work` so that a call in it for a further connection is known to depend on this one. */
  within<T> (connection: Connection, work: () => T): T {
    return this.#waiters.within(connection, work)
  }

  /** Takes a connection back: cleaned where it needs it, replaced where its time is over. Ignores one that is dead. */
  release (connection: Connection, now = performance.now()): void {
    if (connection.state !== 'busy') return
    this.upkeep.returned(connection, now)
    if (connection.recovering !== undefined) {
      connection.holder = 'pool'
      connection.recovering.then(() => this.release(connection))
    } else if ((connection.tainted || connection.inTransaction) && !this.#pool.isClosing) {
      connection.holder = 'pool'
      connection.clean().then(() => this.release(connection))
    } else if (connection.isDoubtful && !this.#pool.isClosing) {
      connection.holder = 'pool'
      connection.check().then(() => this.release(connection))
    } else {
      const reason = this.#reasonToReplace(connection, now)
      if (reason !== undefined) return connection.close(reason)
      this.connections.rest(connection, now)
      this.answeredAt = now
      if (this.#waiters.size > 0) this.dispatch()
    }
  }

  #reasonToReplace (connection: Connection, now: number): CloseReason | undefined {
    const { maxQueries } = this.#config
    if (this.#pool.isClosing) return 'close'
    if (connection.generation !== this.#generation) return 'expired'
    if (maxQueries > 0 && connection.uses >= maxQueries) return 'uses'
    return now >= connection.expiresAt ? 'age' : undefined
  }

  #lend (connection: Connection, holder: Holder, now: number): void {
    connection.lend(holder, now)
    this.#counters.acquired++
  }

  /**
   * The most important function here: decides who gets what. Called after every change of connections or waiters.
   */
  dispatch (): void {
    // A call that is refused before it is sent gives its connection back at once: one round serves all, without recursion.
    if (this.#dispatching) return
    this.#dispatching = true
    const now = performance.now()
    for (let waiter = this.#waiters.first; waiter !== undefined; waiter = this.#waiters.first) {
      const { applicant } = waiter
      const joined = applicant instanceof Execution && waiter.blocks === undefined ? this.#pipeline.join(applicant, this.#hasSpare) : undefined
      const connection = joined ?? this.#checks.take(now)
      if (connection === undefined) break
      this.#counters.waitTime += (now - waiter.since) / 1000
      if (joined !== undefined) this.#counters.pipelined++
      else {
        this.#lend(connection, applicant.holder, now)
        if (applicant instanceof Execution) this.#pipeline.begin(connection, applicant)
      }
      waiter.serve(connection)
    }
    this.#checks.checkStale(this.#waiters.size, now)
    this.#dispatching = false
    if (this.connections.size >= this.#pool.least) this.#pool.onComplete()
    this.opener.start(this.#wanted(), this.#room)
  }

  /** How many connects should be under way: one for each waiter that no check may help, and what is missing to the least. */
  #wanted (): number {
    if (!this.#pool.isOpen) return 0
    return Math.min(Math.max(this.#waiters.size - this.#checks.underWay, this.#pool.least - this.connections.size), this.#room)
  }

  /** How many connections there may be beyond those that are. */
  get #room (): number { return this.#config.max - this.connections.size - this.connections.closing }

  #opened (connection: Connection): void {
    this.#counters.created++
    if (this.#counters.created === 1) this.#pool.onFirst(connection)
    // It may have died in the moment between its greeting and now.
    if (connection.state !== 'opening') return this.dispatch()
    this.connections.add(connection)
    const reason = this.#reasonToReplace(connection, connection.since)
    if (reason !== undefined) return connection.close(reason)
    this.connections.rest(connection)
    this.answeredAt = connection.since
    this.#log.debug({ size: this.connections.size, pid: connection.pid }, 'database connection opened')
    this.dispatch()
  }

  #connectFailed (error: unknown, failures: number): void {
    this.#counters.connectFailures++
    if (failures === 1) this.#log.warn({ err: error }, 'cannot connect to the database: trying again')
    else this.#log.debug({ err: error, failures }, 'cannot connect to the database')
    this.#pool.onConnectFailed(error)
  }

  /** A connection is no longer open. */
  #down (connection: Connection, reason: CloseReason, cause: unknown): void {
    if (!this.connections.down(connection)) return
    this.#counters.closed[reason] = (this.#counters.closed[reason] ?? 0) + 1
    if (reason === 'lost' || reason === 'cancel' || reason === 'check') {
      this.#log.warn({ err: cause, reason, size: this.connections.size }, 'database connection lost')
      // Others may have ended too, without a word.
      if (this.#pool.isOpen) this.#checks.checkAll()
    } else {
      this.#log.debug({ reason, size: this.connections.size }, 'database connection closed')
    }
    this.#checkEmpty()
    this.dispatch()
  }

  /** The socket of a connection is gone, and its place is free. */
  #gone (connection: Connection): void {
    if (!this.connections.gone(connection)) return
    this.#checkEmpty()
    this.dispatch()
  }

  #checkEmpty (): void {
    if (this.connections.isEmpty) this.#pool.onEmpty()
  }

  /** Replaces every connection: idle ones now, busy ones when they come back. */
  expire (): void {
    this.#generation++
    this.connections.closeIdle('expired')
  }

  #acquireTimeout (): Error {
    this.#counters.acquireTimeouts++
    const { acquireTimeout, max } = this.#config
    const cause = this.opener.lastFailure
    const numbers = `${this.connections.describe()}, at most ${max}; callers waiting: ${this.#waiters.size}`
    const advice = cause === undefined
      ? 'release connections sooner, shorten statements, or raise max'
      : `connecting fails (${codeOf(cause)}), see the cause`
    return new AcquireTimeoutError(acquireTimeout, `${numbers}: ${advice}`, ...(cause === undefined ? [] : [{ cause }]))
  }
}
