import { warnIfOverBudget } from './capacity-check.js'
import type { Config, Log } from '../config/config.js'
import type { Connection, Holder } from '../connection/connection.js'
import { Deadlines } from '../timing/deadlines.js'
import { Dispatcher, type DispatcherOwner } from './dispatcher.js'
import { codeOf } from '../errors/error-code.js'
import { ClosedError, ConnectError, QueryTimeoutError } from '../errors/errors.js'
import { Execution, type Read } from '../connection/execution.js'
import { isPermanent } from '../connector/connector.js'
import type { Call } from '../query/query.js'
import { Startup } from './startup.js'
import { Counters, type PoolStats } from './stats.js'
import { pingServer } from '../protocol/socket.js'

/** new → starting → open → closing → closed; a start that fails goes straight to closing. */
type Phase = 'new' | 'starting' | 'open' | 'closing' | 'closed'

export interface PoolParts {
  config: Config
  log: Log
  /** Runs on each new connection before anyone else gets it. */
  onConnect?: ((connection: Connection) => unknown) | undefined
}

/** A pool of connections from its start to its end. Who gets which connection is decided by its dispatcher. */
export class Pool {
  readonly config: Config
  readonly #log: Log
  readonly #counters = new Counters()
  readonly #startup: Startup
  readonly #dispatcher: Dispatcher
  #phase: Phase = 'new'
  /** Why the start failed. */
  #failure: Error | undefined
  #start: Promise<void> | undefined
  #end: Promise<void> | undefined
  #onEmpty: (() => void) | undefined
  /** When everything is ended at the latest, in the clock of `performance.now()`, once closing has begun. */
  #closeBy: number | undefined
  #drained: NodeJS.Timeout | undefined

  constructor ({ config, log, onConnect }: PoolParts) {
    this.config = config
    this.#log = log
    const deadlines = new Deadlines()
    this.#startup = new Startup(config, log, deadlines, () => this.lastFailure)
    this.#dispatcher = new Dispatcher({ config, log, deadlines, counters: this.#counters, onConnect, pool: this.#asOwner() })
  }

  #asOwner (): DispatcherOwner {
    const pool = this
    const { min } = this.config
    return {
      get isOpen (): boolean { return pool.isOpen },
      get isClosing (): boolean { return pool.#phase === 'closing' || pool.#phase === 'closed' },
      // At the start at least one, to see that the server is there.
      get least (): number { return pool.#phase === 'starting' ? Math.max(min, 1) : min },
      admit (): Error | undefined {
        // Whoever opened the pool by calling early hears of a failed start through its own call.
        if (pool.#phase === 'new') pool.open().catch(() => {})
        return pool.isOpen ? undefined : pool.#closedError()
      },
      onComplete (): void { pool.#startup.ready() },
      onFirst ({ server, isPooled }): void { if (server !== undefined && !isPooled) warnIfOverBudget(pool.config, server, pool.#log) },
      onConnectFailed (error): void { pool.#connectFailed(error) },
      onEmpty (): void { pool.#onEmpty?.() },
    }
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
    this.#dispatcher.upkeep.start()
    await this.#startup.run(() => this.#dispatcher.dispatch(), (error) => {
      this.#failure = error
      return this.close()
    })
    if (this.#phase === 'starting') this.#phase = 'open'
    const { required, min, max } = this.config
    if (required) this.#log.info({ size: this.size, min, max }, 'database pool is open')
  }

  #connectFailed (error: unknown): void {
    const refused = new ConnectError(codeOf(error), { cause: error })
    const isFinal = isPermanent(error) && this.size === 0
    if (isFinal) this.#dispatcher.turnAllAway(refused)
    if (isFinal || !this.config.required) this.#startup.failed(refused)
  }

  /** Runs one call on whichever connection is free, or comes free; resolves with what `read` makes of the result. */
  run<T> (call: Call, read: Read<T>): Promise<T> {
    return new Promise((resolve, reject) => this.#dispatcher.run(new Execution(call, (result) => resolve(read(result, call)), reject, this.#onSettled)))
  }

  readonly #onSettled = (error?: unknown): void => { if (error !== undefined) this.countError(error) }

  /**
   * A connection for the caller alone, to be given back by `release`. Rejects with `AcquireTimeoutError`,
   * `QueueFullError`, `NestedAcquireError`, `AbortedError`, `ConnectError` or `ClosedError`.
   */
  acquire (holder: Holder, signal?: AbortSignal): Promise<Connection> {
    return new Promise((resolve, reject) => {
      const idle = this.tryAcquire(holder, signal)
      if (idle !== undefined) return resolve(idle)
      const refused = (error: Error): void => {
        this.#counters.errors++
        reject(error)
      }
      this.#dispatcher.enqueue({ holder, signal, served: resolve, refused })
    })
  }

  /** A free connection, or none. */
  tryAcquire (holder: Holder, signal?: AbortSignal): Connection | undefined { return this.#dispatcher.tryAcquire(holder, signal) }

  /** Takes a connection back: cleaned where it needs it, replaced where its time is over. Ignores one that is dead. */
  release (connection: Connection): void { this.#dispatcher.release(connection) }

  /** Runs `work` so that a call in it for a further connection is known to depend on this one. */
  within<T> (connection: Connection, work: () => T): T { return this.#dispatcher.within(connection, work) }

  /** Replaces every connection: idle ones now, busy ones when they come back. */
  expire (): void { this.#dispatcher.expire() }

  /**
   * The grace of `closeTimeout` begins now, and the pool goes on serving meanwhile: for an application that still has
   * to answer. Unless it is closed before, everything is ended when the grace is over.
   */
  drain (): void {
    if (this.#closeBy !== undefined) return
    const { closeTimeout } = this.config
    this.#closeBy = performance.now() + closeTimeout * 1000
    this.#drained = setTimeout(() => this.close(), closeTimeout * 1000)
  }

  /**
   * No new work, waiters turned away at once, what is left of the `closeTimeout` seconds for running work, then
   * everything is destroyed. Closing again returns the same promise.
   */
  close (): Promise<void> {
    this.#end ??= this.#shutDown()
    return this.#end
  }

  async #shutDown (): Promise<void> {
    this.#phase = 'closing'
    const { upkeep, opener, connections } = this.#dispatcher
    const error = this.#closedError()
    upkeep.stop()
    opener.stop(error)
    this.#startup.abandon(error)
    this.#dispatcher.turnAllAway(error)
    connections.closeIdle('close')
    clearTimeout(this.#drained)
    const now = performance.now()
    this.#closeBy ??= now + this.config.closeTimeout * 1000
    const force = setTimeout(() => connections.destroyAll('forced'), Math.max(0, this.#closeBy - now))
    if (!connections.isEmpty) await new Promise<void>((resolve) => { this.#onEmpty = resolve })
    clearTimeout(force)
    this.#phase = 'closed'
    this.#log.debug({}, 'database pool is closed')
  }

  get size (): number { return this.#dispatcher.connections.size }
  get free (): number { return this.#dispatcher.connections.free }
  get waiting (): number { return this.#dispatcher.waiting }

  /** A plain snapshot of numbers. */
  stats (): PoolStats {
    const { connections: { size, free, busy, closing }, opener, waiting } = this.#dispatcher
    const { min, max } = this.config
    const { closed, ...counters } = this.#counters
    return { size, free, busy, opening: opener.underWay, closing, waiting, min, max, ...counters, closed: { ...closed } }
  }

  /** When the server last answered anyone, in the clock of `performance.now()`. */
  get answeredAt (): number { return this.#dispatcher.answeredAt }
  get isOpen (): boolean { return this.#phase === 'open' || this.#phase === 'starting' }
  /** Why the last connect failed; undefined once one succeeded. */
  get lastFailure (): unknown { return this.#dispatcher.opener.lastFailure }

  /** Asks the server of an open connection whether it is there, without taking a session. */
  async ping (signal: AbortSignal): Promise<void> {
    const [connection] = this.#dispatcher.connections.open
    if (connection === undefined) throw this.#closedError()
    await pingServer(connection.host, signal)
  }

  /** Counts a failed call, whatever the reason. */
  countError (error: unknown): void {
    this.#counters.errors++
    if (error instanceof QueryTimeoutError) this.#counters.queryTimeouts++
  }

  #closedError (): Error {
    return this.#failure ?? new ClosedError()
  }
}
