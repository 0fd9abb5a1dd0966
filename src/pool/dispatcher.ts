import type { Conversion } from '../codecs/conversion.js'
import type { Config } from '../config/config.js'
import type { EventLog } from '../config/event-log.js'
import type { CloseReason, Connection } from '../connection/connection.js'
import { type SessionOutcome, type SettleListener, StatementExecution } from '../connection/execution.js'
import { Connector, type ConnectorEvents } from '../connector/connector.js'
import type { ConnectParts } from '../connector/open-connection.js'
import { ServerTypes } from '../connector/server-types.js'
import { StartupParameters } from '../connector/startup-parameters.js'
import { AbortedError, NestedAcquireError, QueryError, QueryTimeoutError, QueueFullError } from '../errors/errors.js'
import { SaltedPasswords } from '../protocol/scram.js'
import { Lag } from '../query/latency.js'
import { isAborted, reasonOf } from '../timing/abort-signal.js'
import type { Deadlines } from '../timing/deadlines.js'
import { acquireTimeout } from './acquire-timeout.js'
import { ConnectionLog, isLoss, type OutageEvents } from './connection-log.js'
import { ConnectionSet } from './connection-set.js'
import { Housekeeper } from './housekeeper.js'
import { IdleChecks, type IdleCheckEvents } from './idle-checks.js'
import { LeakDetector } from './leak-detector.js'
import { NestedAcquire } from './nested-acquire.js'
import { MOST_TOGETHER, Pipelining } from './pipelining.js'
import { type Holder, PoolEntry, type PoolEntryEvents } from './pool-entry.js'
import { Recycler } from './recycler.js'
import { Retirement } from './retirement.js'
import type { Counters } from './stats.js'
import { type Acquisition, WaitQueue } from './wait-queue.js'

export interface DispatcherParts extends Pick<ConnectParts, 'onConnect' | 'reports'> {
  config: Config
  log: EventLog
  deadlines: Deadlines
  counters: Counters
  pool: DispatcherEvents
}

/** The pool, as far as it matters for who gets what. */
export interface DispatcherEvents {
  readonly isOpen: boolean
  readonly conversion: Conversion | undefined
  /** As many connections are kept open. */
  readonly least: number
  /** Why no caller may enter any more. The first one to come opens the pool. */
  admit (): Error | undefined
  /** There are `least` connections. */
  filled (): void
  connected (connection: Connection): void
  connectFailed (error: unknown): void
  /** The last connection is gone, and no connect is under way. */
  emptied (): void
}

/**
 * Which connection runs what, and when.
 *
 * Idle connections are a stack, so that warm ones work and cold ones can expire: first-in-first-out costs a factor of
 * two at one caller (docs/internals/measurements.md). Waiters are a queue. At any time one of the two is empty.
 */
export class Dispatcher implements ConnectorEvents, PoolEntryEvents, IdleCheckEvents, SettleListener, OutageEvents {
  /** Each call has whichever connection is idle. */
  readonly isSession = false
  readonly connections: ConnectionSet
  readonly connector: Connector
  readonly log: ConnectionLog
  readonly housekeeper: Housekeeper
  /** When the server last answered anyone, in the clock of `performance.now()`. */
  answeredAt = -Infinity
  readonly config: Config
  readonly #pool: DispatcherEvents
  readonly #counters: Counters
  readonly #waiters: WaitQueue
  readonly nested = new NestedAcquire()
  readonly #pipelining: Pipelining
  readonly #checks: IdleChecks
  /** Milliseconds without use after which a connection is checked before use. */
  readonly #checkIdle: number
  readonly #recycler: Recycler
  /** Whether a backslash is a character like any other in '…', as the last session that was opened has it. */
  standardStrings: boolean | undefined = undefined
  readonly #retirement = new Retirement(() => this.connector.isFailing, () => this.dispatch())
  #dispatching = false

  constructor ({ config, log, deadlines, counters, onConnect, reports, pool }: DispatcherParts) {
    this.config = config
    this.log = new ConnectionLog(log, this)
    this.#pool = pool
    this.#counters = counters
    this.connections = new ConnectionSet(this.#retirement)
    this.#waiters = new WaitQueue(config.acquireTimeout, deadlines, () => {
      counters.acquireTimeouts++
      return acquireTimeout(config, this.connections, this.#waiters.size, this.connector.lastFailure)
    })
    this.#pipelining = new Pipelining(config.pipeline, this.connections, config.max)
    this.#checks = new IdleChecks(this.connections, this)
    this.#checkIdle = config.checkIdle === 0 ? Infinity : config.checkIdle * 1000
    const leaks = new LeakDetector(config.leakWarning, log)
    this.#recycler = new Recycler(this.connections, this.#retirement, leaks, this)
    this.housekeeper = new Housekeeper(config, this.connections, leaks)
    const shared = { types: new ServerTypes(pool.conversion), salted: new SaltedPasswords(), lag: new Lag() }
    const startupParameters = new StartupParameters(config)
    this.connector = new Connector({ config, log, deadlines, onConnect, reports, startupParameters, ...shared }, this)
  }

  get conversion (): Conversion | undefined { return this.#pool.conversion }
  get waiting (): number { return this.#waiters.size }
  get isChecking (): boolean { return this.#checks.underWay > 0 }
  /** Whether there is no connection, and none is being opened. */
  get isEmpty (): boolean { return this.connections.isEmpty && this.connector.underWay === 0 }

  /** Runs one call, on whichever connection is idle, or released next. */
  run (execution: StatementExecution): void {
    const now = performance.now()
    const { signal } = execution.call.options
    const mustWait = this.#waiters.size > 0 || (signal !== undefined && isAborted(signal))
    const entry = mustWait ? undefined : this.#joinOrTake(execution, now)
    if (entry === undefined) this.enqueue(execution, now)
    else entry.connection.start(execution, now)
  }

  #joinOrTake (execution: StatementExecution, now: number): PoolEntry | undefined {
    // A caller that holds a transaction open must not wait behind a statement that may wait for one of its locks.
    const joined = this.#pipelining.isOpen && this.nested.current === undefined ? this.#join(execution) : undefined
    if (joined !== undefined) return joined
    const idle = this.connections.take(now, now - this.#checkIdle)
    if (idle === undefined) return undefined
    this.#acquired(idle, 'statement', now)
    this.#pipelining.begin(idle, execution)
    return idle
  }

  #join (execution: StatementExecution): PoolEntry | undefined {
    const joined = this.#pipelining.join(execution)
    if (joined !== undefined) this.#counters.pipelined++
    return joined
  }

  /** An idle connection, or none. */
  tryAcquire (holder: Holder, signal?: AbortSignal): PoolEntry | undefined {
    if (isAborted(signal)) return undefined
    const now = performance.now()
    // The pool itself takes one to see whether it is alive.
    const idle = this.connections.take(now, holder === 'pool' ? -Infinity : now - this.#checkIdle)
    if (idle !== undefined) this.#acquired(idle, holder, now)
    return idle
  }

  /** The caller is served when it is its turn. */
  enqueue (acquisition: Acquisition, now = performance.now()): void {
    const { signal } = acquisition
    if (isAborted(signal)) return acquisition.fail(new AbortedError({ cause: reasonOf(signal) }))
    const refusal = this.#pool.admit()
    if (refusal !== undefined) return acquisition.fail(refusal)
    const { max, maxWaiting } = this.config
    // A caller that waits only until an idle connection is checked is not in the way of others: as many as may be sent together on it.
    const inTheWay = this.#waiters.size - this.#checks.underWay * MOST_TOGETHER
    if (maxWaiting > 0 && inTheWay >= maxWaiting && acquisition.holder !== 'pool') {
      this.#counters.refused++
      return acquisition.fail(new QueueFullError(maxWaiting))
    }
    this.#counters.waited++
    const waiter = this.#waiters.enter(acquisition, this.nested.current, now)
    this.dispatch()
    if (waiter.isNested && this.connections.size >= max && this.connections.isDeadlocked) {
      waiter.reject(new NestedAcquireError(max))
    }
  }

  rejectAll (error: Error): void { this.#waiters.rejectAll(error) }

  /** Gives nothing to anyone any more: connections are closed when they are released. */
  stop (error: Error): void {
    this.log.stop()
    this.housekeeper.stop()
    this.connector.stop(error)
    this.#pipelining.stop()
    this.#recycler.stop()
    this.rejectAll(error)
    this.connections.closeIdle('close')
  }

  release (entry: PoolEntry, now?: number): void { this.#recycler.release(entry, now) }

  alive (entry: PoolEntry): void { this.#recycler.release(entry) }
  dead (): void { this.dispatch() }

  isLast (): boolean { return true } // the next call is another caller's

  /** The next call would run elsewhere, and the transaction stay open in the pool. */
  objection ({ status }: SessionOutcome): Error | undefined {
    if (status === 'none') return undefined
    return new QueryError('the statement left a transaction open, which was rolled back: use transaction(async (tx) => …)')
  }

  /** Counts a failed call, whatever the reason. */
  settled (error?: unknown): void {
    if (error === undefined) return
    this.#counters.errors++
    if (error instanceof QueryTimeoutError) this.#counters.queryTimeouts++
  }

  released (now: number): void {
    this.answeredAt = now
    if (this.#waiters.size > 0) this.dispatch()
  }

  #acquired (entry: PoolEntry, holder: Holder, now: number): void {
    entry.acquire(holder, now)
    this.#counters.acquired++
  }

  /** The most important function here: decides who gets what. Called after every change of connections or waiters. */
  dispatch (): void {
    // A call that is refused before it is sent releases its connection at once: one round serves all, without recursion.
    if (this.#dispatching) return
    this.#dispatching = true
    const now = performance.now()
    this.#retirement.takeBack((entry) => this.#recycler.replace(entry, now))
    for (let waiter = this.#waiters.first; waiter !== undefined; waiter = this.#waiters.first) {
      const { acquisition } = waiter
      const statement = acquisition instanceof StatementExecution ? acquisition : undefined
      const joined = statement !== undefined && !waiter.isNested && this.#pipelining.isOpen ? this.#join(statement) : undefined
      const entry = joined ?? this.connections.take(now, now - this.#checkIdle)
      if (entry === undefined) break
      this.#counters.waitTime += (now - waiter.since) / 1000
      if (joined === undefined) {
        this.#acquired(entry, acquisition.holder, now)
        if (statement !== undefined) this.#pipelining.begin(entry, statement)
      }
      waiter.serve(entry)
    }
    this.#checks.checkStale(this.#waiters.size, now)
    this.#dispatching = false
    if (this.connections.size >= this.#pool.least) this.#pool.filled()
    // Only max is in the way of a new connection: one makes place for it, and the others wait for what comes of that.
    if (this.#room === 0 && this.connections.closing === 0) this.#retirement.close(1)
    this.connector.start(this.#wanted(), this.#room, this.#waiters.size > 0)
  }

  /** How many connects should be under way: one for each waiter that no check may help, and what is missing to the least. */
  #wanted (): number {
    if (!this.#pool.isOpen) return 0
    const missing = Math.max(this.#waiters.size - this.#checks.underWay, this.#pool.least - this.connections.size, this.#retirement.wanted)
    return Math.min(missing, this.#room)
  }

  /** How many connections there may be beyond those that are. */
  get #room (): number { return this.config.max - this.connections.size - this.connections.closing }

  connected (connection: Connection): void {
    this.#counters.created++
    this.standardStrings = connection.session.standardStrings
    this.#pool.connected(connection)
    if (!connection.isUsable) return this.dispatch() // it may have ended since its greeting
    const entry = new PoolEntry(connection, this.config, this.#recycler, this)
    this.connections.add(entry)
    if (this.#recycler.replace(entry, entry.since)) return
    this.answeredAt = entry.since
    this.log.opened(connection)
    if (this.#retirement.connected()) this.connections.sweep(0, 0)
    // It takes the place of one, and nobody misses what is more than the least.
    this.#retirement.close(this.#waiters.size > 0 ? 1 : Math.max(1, this.connections.size - this.#pool.least))
    this.dispatch()
  }

  connectFailed (error: unknown): void {
    this.#counters.connectFailures++
    this.log.connectFailed(error)
    this.#pool.connectFailed(error)
    this.dispatch()
  }

  isWholeSince (time: number): boolean {
    return this.answeredAt >= time && this.connections.size >= this.#pool.least && !this.connector.isFailing
  }

  mayConnect (): void { this.dispatch() }
  stopped (): void { this.#freed() }
  down (entry: PoolEntry, reason: CloseReason, cause: unknown): void {
    this.connections.down(entry)
    this.#counters.closed[reason] = (this.#counters.closed[reason] ?? 0) + 1
    this.log.closed(entry.connection, reason, cause)
    // Others may have ended too, without notice.
    if (isLoss(reason) && this.#pool.isOpen) this.#checks.checkAll()
    this.#freed()
  }

  gone (entry: PoolEntry): void {
    this.connections.gone(entry)
    this.#freed()
  }

  #freed (): void {
    if (this.isEmpty) this.#pool.emptied()
    this.dispatch()
  }

  expire (): void { this.#recycler.expire() }
}
