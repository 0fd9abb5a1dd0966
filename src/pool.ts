import { warnIfOverBudget } from './budget.js'
import type { Config, Log } from './config.js'
import type { CloseReason, Connection, Holder } from './connection.js'
import { Deadlines } from './deadlines.js'
import { DriverTypes } from './driver.js'
import { codeOf } from './error-code.js'
import { AbortedError, AcquireTimeoutError, ClosedError, ConnectError, NestedAcquireError, QueryTimeoutError, QueueFullError } from './errors.js'
import { Execution } from './execution.js'
import { Inventory } from './inventory.js'
import { Lag } from './lag.js'
import { Opener, isPermanent } from './opener.js'
import { Pipeline } from './pipeline.js'
import type { Call, Read } from './query.js'
import { Startup } from './startup.js'
import { Counters, type PoolStats } from './stats.js'
import { pingServer } from './transport.js'
import { Upkeep } from './upkeep.js'
import { type Applicant, WaitingRoom } from './waiting-room.js'

/** new → starting → open → closing → closed; a start that fails goes straight to closing. */
type Phase = 'new' | 'starting' | 'open' | 'closing' | 'closed'

export interface PoolParts {
  config: Config
  log: Log
  /** Runs on each new connection before anyone else gets it. */
  onConnect?: ((connection: Connection) => unknown) | undefined
}

/**
 * Which connection runs what, and when.
 *
 * Idle connections are a stack, so that warm ones work and cold ones can expire: first-in-first-out costs a factor of
 * two at one caller (measurements.md). Waiters are a queue. At any time one of the two is empty.
 */
export class Pool {
  readonly config: Config
  readonly #log: Log
  readonly #deadlines = new Deadlines()
  readonly #counters = new Counters()
  readonly #opener: Opener
  readonly #connections = new Inventory()
  readonly #waiters: WaitingRoom
  readonly #pipeline: Pipeline
  readonly #startup: Startup
  readonly #upkeep: Upkeep
  #phase: Phase = 'new'
  #generation = 0
  #dispatching = false
  #answeredAt = -Infinity
  #failure: Error | undefined
  #start: Promise<void> | undefined
  #end: Promise<void> | undefined
  #onEmpty: (() => void) | undefined
  /** Idle connections that are being asked whether they are alive. */
  #checking = 0

  constructor ({ config, log, onConnect }: PoolParts) {
    this.config = config
    this.#log = log
    this.#waiters = new WaitingRoom(config.acquireTimeout, this.#deadlines, () => this.#acquireTimeout())
    this.#pipeline = new Pipeline(config.pipeline)
    const parts = {
      config,
      types: new DriverTypes(),
      deadlines: this.#deadlines,
      lag: new Lag(),
      onConnect,
      onIdle: (connection: Connection, now: number) => this.release(connection, now),
      onDown: (connection: Connection, reason: CloseReason, cause: unknown) => this.#down(connection, reason, cause),
      onGone: (connection: Connection) => this.#gone(connection),
    }
    this.#opener = new Opener(parts, (connection) => this.#opened(connection), (error, failures) => this.#connectFailed(error, failures), () => this.#dispatch())
    this.#startup = new Startup(config, log, this.#deadlines, () => this.#opener.lastFailure)
    this.#upkeep = new Upkeep(config, log, this.#connections)
  }

  /**
   * Opens `min` connections, and at least one to see that the server is there. Resolves when all are open; with
   * `required: false` also when the first connect failed, and goes on in the background. Rejects with `StartupError`
   * or, at once and without repeating, with `ConnectError` where repeating is of no use; nothing is left open then.
   */
  open (): Promise<void> {
    // While a failed start is being cleaned up, its own error comes first.
    if (['closing', 'closed'].includes(this.#phase) && !this.#startup.isUnderWay) return Promise.reject(this.#closedError())
    this.#start ??= this.#startUp()
    return this.#start
  }

  async #startUp (): Promise<void> {
    this.#phase = 'starting'
    this.#upkeep.start()
    await this.#startup.run(() => this.#dispatch(), (error) => {
      this.#failure = error
      return this.close()
    })
    if (this.#phase === 'starting') this.#phase = 'open'
    if (this.config.required) this.#log.info({ size: this.#connections.size, min: this.config.min, max: this.config.max }, 'database pool is open')
  }

  /** Runs one call on whichever connection is free, or comes free; resolves with what `read` makes of the result. */
  run<T> (call: Call, read: Read<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const execution = new Execution(call, (result) => resolve(read(result, call)), reject, this.#onSettled)
      if (call.options.signal?.aborted === true) return this.#enqueue(execution)
      const now = performance.now()
      const connection = this.isOpen && this.#waiters.size === 0 ? this.#joinOrTake(execution, now) : undefined
      if (connection === undefined) this.#enqueue(execution, now)
      else connection.start(execution, now)
    })
  }

  readonly #onSettled = (error?: unknown): void => { if (error !== undefined) this.countError(error) }

  #joinOrTake (execution: Execution, now: number): Connection | undefined {
    // Whoever holds a transaction open must not wait behind a statement that may wait for a lock of his.
    const joined = this.#waiters.held === undefined ? this.#pipeline.join(execution, this.#hasSpare) : undefined
    if (joined !== undefined) {
      this.#counters.pipelined++
      return joined
    }
    const idle = this.#take(now)
    if (idle === undefined) return undefined
    this.#lend(idle, 'statement', now)
    this.#pipeline.begin(idle, execution)
    return idle
  }

  /** A free connection that was alive not long ago. */
  #take (now: number): Connection | undefined {
    const { checkIdle } = this.config
    return this.#connections.take(now, checkIdle === 0 ? undefined : now - checkIdle * 1000)
  }

  /** Whether a call could have a connection to itself, now or when one more is open. */
  get #hasSpare (): boolean { return this.#connections.free > 0 || this.#connections.size < this.config.max }

  /**
   * A connection for the caller alone, to be given back by `release`. Rejects with `AcquireTimeoutError`,
   * `NestedAcquireError`, `AbortedError`, `ConnectError` or `ClosedError`.
   */
  acquire (holder: Holder, signal?: AbortSignal): Promise<Connection> {
    return new Promise((resolve, reject) => {
      const idle = this.tryAcquire(holder, signal)
      if (idle !== undefined) return resolve(idle)
      const refused = (error: Error): void => {
        this.#counters.errors++
        reject(error)
      }
      this.#enqueue({ holder, signal, served: resolve, refused })
    })
  }

  /** A free connection, or none. */
  tryAcquire (holder: Holder, signal?: AbortSignal): Connection | undefined {
    if (signal?.aborted === true) return undefined
    const now = performance.now()
    // The pool itself takes one to see whether it is alive.
    const idle = holder === 'pool' ? this.#connections.take(now) : this.#take(now)
    if (idle !== undefined) this.#lend(idle, holder, now)
    return idle
  }

  #enqueue (applicant: Applicant, now?: number): void {
    const { signal } = applicant
    if (signal?.aborted === true) return applicant.refused(new AbortedError({ cause: signal.reason }))
    // Whoever opened the pool by calling early hears of a failed start through its own call.
    if (this.#phase === 'new') this.open().catch(() => {})
    if (!this.isOpen) return applicant.refused(this.#closedError())
    const { max, maxWaiting } = this.config
    if (maxWaiting > 0 && this.#waiters.size >= maxWaiting && applicant.holder !== 'pool') {
      this.#counters.refused++
      return applicant.refused(new QueueFullError(maxWaiting))
    }
    this.#counters.waited++
    const waiter = this.#waiters.enter(applicant, now)
    this.#dispatch()
    if (waiter.blocks !== undefined && this.#connections.size >= max && this.#connections.isDeadlocked) {
      waiter.turnAway(new NestedAcquireError(max))
    }
  }

  /** Runs `work` so that a call in it for a further connection is known to depend on this one. */
  within<T> (connection: Connection, work: () => T): T {
    return this.#waiters.within(connection, work)
  }

  /** Takes a connection back: cleaned where it needs it, replaced where its time is over. Ignores one that is dead. */
  release (connection: Connection, now = performance.now()): void {
    if (connection.state !== 'busy') return
    this.#upkeep.returned(connection, now)
    if (connection.recovering !== undefined) {
      connection.recovering.then(() => this.release(connection))
    } else if ((connection.tainted || connection.inTransaction) && this.#phase !== 'closing') {
      connection.holder = 'pool'
      connection.clean().then(() => this.release(connection))
    } else if (connection.isDoubtful && this.#phase !== 'closing') {
      connection.holder = 'pool'
      connection.check().then(() => this.release(connection))
    } else {
      const reason = this.#reasonToReplace(connection, now)
      if (reason !== undefined) return connection.close(reason)
      this.#connections.rest(connection, now)
      this.#answeredAt = now
      if (this.#waiters.size > 0) this.#dispatch()
    }
  }

  #reasonToReplace (connection: Connection, now: number): CloseReason | undefined {
    const { maxQueries } = this.config
    if (this.#phase === 'closing') return 'close'
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
  #dispatch (): void {
    // A call that is refused before it is sent gives its connection back at once: one round serves all, without recursion.
    if (this.#dispatching) return
    this.#dispatching = true
    const now = performance.now()
    for (let waiter = this.#waiters.first; waiter !== undefined; waiter = this.#waiters.first) {
      const { applicant } = waiter
      const joined = applicant instanceof Execution && waiter.blocks === undefined ? this.#pipeline.join(applicant, this.#hasSpare) : undefined
      const connection = joined ?? this.#take(now)
      if (connection === undefined) break
      this.#counters.waitTime += (now - waiter.since) / 1000
      if (joined !== undefined) this.#counters.pipelined++
      else {
        this.#lend(connection, applicant.holder, now)
        if (applicant instanceof Execution) this.#pipeline.begin(connection, applicant)
      }
      waiter.serve(connection)
    }
    for (let stale; this.#checking < this.#waiters.size && (stale = this.#connections.take(now)) !== undefined;) this.#check(stale, now)
    this.#dispatching = false
    if (this.#connections.size >= Math.max(this.config.min, 1)) this.#startup.ready()
    this.#opener.start(this.#wanted())
  }

  /** Asks a connection whether it is alive: it comes free again, or is replaced. */
  #check (connection: Connection, now: number): void {
    connection.lend('pool', now)
    this.#checking++
    connection.check().then(() => {
      this.#checking--
      if (connection.state === 'busy') this.release(connection)
      else this.#dispatch()
    })
  }

  /** A connection ended, and others may have ended too without a word: all idle ones are asked, at once. */
  #checkAllIdle (): void {
    const now = performance.now()
    for (let idle; this.isOpen && (idle = this.#connections.take(now)) !== undefined;) this.#check(idle, now)
  }

  /** How many connects should be under way: one for each waiter that no check may help, and what is missing to `min`. */
  #wanted (): number {
    if (!this.isOpen) return 0
    const { min, max } = this.config
    const least = this.#phase === 'starting' ? Math.max(min, 1) : min
    const { size, closing } = this.#connections
    return Math.min(Math.max(this.#waiters.size - this.#checking, least - size), max - size - closing)
  }

  #opened (connection: Connection): void {
    connection.generation = this.#generation
    this.#counters.created++
    if (this.#counters.created === 1 && connection.server !== undefined) warnIfOverBudget(this.config, connection.server, this.#log)
    // It may have died in the moment between its greeting and now.
    if (connection.state !== 'opening') return this.#dispatch()
    this.#connections.add(connection)
    if (this.#phase === 'closing' || this.#phase === 'closed') return connection.close('close')
    this.#connections.rest(connection)
    this.#answeredAt = connection.since
    this.#log.debug({ size: this.#connections.size, pid: connection.pid }, 'database connection opened')
    this.#dispatch()
  }

  #connectFailed (error: unknown, failures: number): void {
    this.#counters.connectFailures++
    if (failures === 1) this.#log.warn({ err: error }, 'cannot connect to the database: trying again')
    else this.#log.debug({ err: error, failures }, 'cannot connect to the database')
    if (isPermanent(error) && this.#connections.size === 0) {
      const refused = new ConnectError(codeOf(error), { cause: error })
      this.#waiters.turnAllAway(refused)
      this.#startup.failed(refused)
    } else if (!this.config.required) {
      this.#startup.failed(new ConnectError(codeOf(error), { cause: error }))
    }
  }

  /** A connection is no longer open. */
  #down (connection: Connection, reason: CloseReason, cause: unknown): void {
    if (!this.#connections.down(connection)) return
    this.#counters.closed[reason] = (this.#counters.closed[reason] ?? 0) + 1
    const isUnexpected = reason === 'lost' || reason === 'cancel' || reason === 'check'
    if (isUnexpected) {
      this.#log.warn({ err: cause, reason, size: this.#connections.size }, 'database connection lost')
      this.#checkAllIdle()
    } else {
      this.#log.debug({ reason, size: this.#connections.size }, 'database connection closed')
    }
    this.#checkEmpty()
    this.#dispatch()
  }

  /** The socket of a connection is gone, and its place is free. */
  #gone (connection: Connection): void {
    if (!this.#connections.gone(connection)) return
    this.#checkEmpty()
    this.#dispatch()
  }

  /** Replaces every connection: idle ones now, busy ones when they come back. */
  expire (): void {
    this.#generation++
    this.#connections.closeIdle('expired')
  }

  /**
   * No new work, waiters turned away at once, `closeTimeout` seconds for running work, then everything is destroyed.
   * Closing again returns the same promise.
   */
  close (): Promise<void> {
    this.#end ??= this.#shutDown()
    return this.#end
  }

  async #shutDown (): Promise<void> {
    this.#phase = 'closing'
    this.#upkeep.stop()
    const error = this.#closedError()
    this.#opener.stop(error)
    this.#startup.abandon(error)
    this.#waiters.turnAllAway(error)
    this.#connections.closeIdle('close')
    const force = setTimeout(() => this.#connections.destroyAll('forced'), this.config.closeTimeout * 1000)
    if (!this.#connections.isEmpty) await new Promise<void>((resolve) => { this.#onEmpty = resolve })
    clearTimeout(force)
    this.#phase = 'closed'
    this.#log.debug({}, 'database pool is closed')
  }

  #checkEmpty (): void {
    if (this.#connections.isEmpty) this.#onEmpty?.()
  }

  get size (): number { return this.#connections.size }
  get free (): number { return this.#connections.free }
  get waiting (): number { return this.#waiters.size }

  /** A plain snapshot of numbers. */
  stats (): PoolStats {
    const { size, free, busy, closing } = this.#connections
    const { min, max } = this.config
    const { closed, ...counters } = this.#counters
    return { size, free, busy, opening: this.#opener.underWay, closing, waiting: this.#waiters.size, min, max, ...counters, closed: { ...closed } }
  }

  /** When the server last answered anyone, in the clock of `performance.now()`. */
  get answeredAt (): number { return this.#answeredAt }
  get isOpen (): boolean { return this.#phase === 'open' || this.#phase === 'starting' }
  /** Why the last connect failed; undefined once one succeeded. */
  get lastFailure (): unknown { return this.#opener.lastFailure }

  /** Asks the server of an open connection whether it is there, without taking a session. */
  async ping (signal: AbortSignal): Promise<void> {
    const [connection] = this.#connections.open
    if (connection === undefined) throw this.#closedError()
    await pingServer(connection.host, signal)
  }

  /** Counts a failed call, whatever the reason. */
  countError (error: unknown): void {
    this.#counters.errors++
    if (error instanceof QueryTimeoutError) this.#counters.queryTimeouts++
  }

  #acquireTimeout (): Error {
    this.#counters.acquireTimeouts++
    const { acquireTimeout, max } = this.config
    const cause = this.#opener.lastFailure
    const numbers = `${this.#connections.describe()}, at most ${max}; callers waiting: ${this.#waiters.size}`
    const advice = cause === undefined
      ? 'release connections sooner, shorten statements, or raise max'
      : `connecting fails (${codeOf(cause)}), see the cause`
    return new AcquireTimeoutError(acquireTimeout, `${numbers}: ${advice}`, ...(cause === undefined ? [] : [{ cause }]))
  }

  #closedError (): Error {
    return this.#failure ?? new ClosedError()
  }
}
