import type { Conversion } from '../codecs/conversion.js'
import type { Config } from '../config/config.js'
import type { EventLog } from '../config/event-log.js'
import type { Connection } from '../connection/connection.js'
import { isPermanent } from '../connector/connector.js'
import { type SessionListeners, sessionReports } from '../driver/session-reports.js'
import { copyOf } from '../errors/callers-stack.js'
import { codeOf } from '../errors/error-code.js'
import { AcquireTimeoutError, ClosedError, ConnectError } from '../errors/errors.js'
import { pingServer } from '../protocol/socket.js'
import { Deadlines } from '../timing/deadlines.js'
import { Pauses } from '../timing/pauses.js'
import { warnIfOverCapacity } from './capacity-check.js'
import { Dispatcher, type DispatcherEvents } from './dispatcher.js'
import type { NestedAcquire } from './nested-acquire.js'
import type { Holder, PoolEntry } from './pool-entry.js'
import { Startup } from './startup.js'
import { Counters, type PoolStats } from './stats.js'

/** new → starting → open → closing → closed; a start that fails goes straight to closing. */
type Phase = 'new' | 'starting' | 'open' | 'closing' | 'closed'

/** The use of a connection by a lease or a transaction. */
export interface Use {
  readonly connection: Connection
  /** Is awaited before the connection is released. Never rejects. */
  beforeRelease: (() => Promise<void>) | undefined
}

/** What the user has done around each use. */
export interface UseHooks {
  /** Rejects where the caller must not use the connection, which has ended then. */
  acquired (use: Use, holder: 'lease' | 'transaction', signal: AbortSignal | undefined): Promise<void>
}

export interface PoolParts {
  config: Config
  /** How values are converted, where that is not as usual. */
  conversion?: Conversion | undefined
  log: EventLog
  /** Runs on each new connection before the pool gets it. */
  onConnect?: ((connection: Connection) => unknown) | undefined
  hooks?: UseHooks | undefined
  listeners?: SessionListeners | undefined
}

/** A pool of connections through its life cycle. Who gets which connection is decided by its dispatcher. */
export class Pool implements DispatcherEvents {
  readonly config: Config
  readonly conversion: Conversion | undefined
  readonly log: EventLog
  /** Between the attempts of transactions. */
  readonly pauses = new Pauses()
  /** Where leases and transactions have something done around their use. Single calls do not. */
  readonly hooks: UseHooks | undefined
  readonly #counters = new Counters()
  readonly #startup: Startup
  /** Which connection runs what: single calls go to it directly. */
  readonly dispatcher: Dispatcher
  /** What the session that was opened last reported of itself then. */
  parameters: Readonly<Record<string, string>> = Object.freeze({})
  #phase: Phase = 'new'
  /** Why the start failed. */
  #failure: Error | undefined
  #start: Promise<void> | undefined
  /** Whether anyone waits for the start itself, and not only for a call that has begun it. */
  #isAwaited = false
  #end: Promise<void> | undefined
  #onEmpty: (() => void) | undefined
  /** When everything is ended at the latest, in the clock of `performance.now()`, once closing has begun. */
  #closeBy: number | undefined
  #drained: NodeJS.Timeout | undefined

  constructor ({ config, conversion, log, onConnect, hooks, listeners = {} }: PoolParts) {
    this.config = config
    this.conversion = conversion
    this.log = log
    this.hooks = hooks
    const deadlines = new Deadlines()
    // What serves callers that did not ask for the whole of it goes on with what there is.
    const mayGoOn = (): boolean => !config.required || (!this.#isAwaited && this.#counters.created > 0)
    this.#startup = new Startup({ config, log, deadlines, lastFailure: () => this.lastFailure, mayGoOn })
    const reports = sessionReports(listeners, log)
    this.dispatcher = new Dispatcher({ config, log, deadlines, counters: this.#counters, onConnect, reports, pool: this })
  }

  get isOpen (): boolean { return this.#phase === 'open' || this.#phase === 'starting' }
  /** During the start at least one connection, to see that the server is there. */
  get least (): number { return this.#phase === 'starting' ? Math.max(this.config.min, 1) : this.config.min }

  admit (): Error | undefined {
    // The caller that opens the pool by calling early hears of a failed start through its own call.
    if (this.#phase === 'new') this.begin().catch(() => {})
    return this.isOpen ? undefined : this.#closedError()
  }

  filled (): void { this.#startup.ready() }

  connected ({ session: { server, isPooled, parameters } }: Connection): void {
    this.parameters = parameters
    if (this.#counters.created === 1 && server !== undefined && !isPooled) warnIfOverCapacity(this.config, server, this.log)
  }

  connectFailed (error: unknown): void {
    const refused = new ConnectError(codeOf(error), { cause: error })
    const isFinal = isPermanent(error) && this.size === 0
    if (isFinal) this.dispatcher.rejectAll(refused)
    if (isFinal || !this.config.required) this.#startup.failed(refused)
  }

  emptied (): void { this.#onEmpty?.() }

  /**
   * Opens `min` connections, and at least one to see that the server is there. Resolves when all are open; with
   * `required: false` also when the first connect failed, and goes on in the background. Rejects with `StartupError`
   * or, at once and without repeating, with `ConnectError` where repeating is of no use; nothing is left open then.
   */
  open (): Promise<void> {
    this.#isAwaited = true
    return this.begin()
  }

  /** The same for a call, which is served by the first connection: once there was one, the pool goes on without the others. */
  begin (): Promise<void> {
    // While a failed start is being cleaned up, its own error comes first.
    if (['closing', 'closed'].includes(this.#phase) && !this.#startup.isUnderWay) return Promise.reject(this.#closedError())
    this.#start ??= this.#startUp()
    return this.#start.catch((error) => { throw copyOf(error) })
  }

  async #startUp (): Promise<void> {
    this.#phase = 'starting'
    this.dispatcher.housekeeper.start()
    const isThere = await this.#startup.run(() => this.dispatcher.dispatch(), (error) => {
      this.#failure = error
      return this.close()
    })
    if (this.#phase === 'starting') this.#phase = 'open'
    this.dispatcher.log.started(isThere)
    const { min, max } = this.config
    if (isThere) this.log.info({ event: 'pool.open', size: this.size, min, max }, 'database pool is open')
  }

  /**
   * A connection for the caller alone, until it is given to `release`. Rejects with `AcquireTimeoutError`,
   * `QueueFullError`, `NestedAcquireError`, `AbortedError`, `ConnectError` or `ClosedError`.
   */
  acquire (holder: Holder, signal?: AbortSignal): Promise<PoolEntry> {
    return new Promise((resolve, reject) => {
      const idle = this.tryAcquire(holder, signal)
      if (idle !== undefined) return resolve(idle)
      const fail = (error: Error): void => {
        this.#counters.errors++
        reject(error)
      }
      this.dispatcher.enqueue({ holder, signal, served: resolve, fail })
    })
  }

  /** An idle connection, or none. */
  tryAcquire (holder: Holder, signal?: AbortSignal): PoolEntry | undefined { return this.dispatcher.tryAcquire(holder, signal) }

  /** Notes the calls that led to an acquisition, for the report of a leak, and where that is written. */
  noteTaker (entry: PoolEntry, takenBy: { stack?: string } | undefined, log?: EventLog): void {
    entry.takenBy = takenBy
    entry.log = log
  }

  /** A caller does not get the connection that was acquired for it: it ends. */
  giveUp (connection: Connection, error: unknown): void {
    connection.destroy('hook')
    this.#counters.errors++
    if (error instanceof AcquireTimeoutError) this.#counters.acquireTimeouts++
  }

  /** Takes a connection back: reset where it needs it, replaced where its time is over. Ignores one that has ended. */
  release (entry: PoolEntry): void { this.dispatcher.release(entry) }

  /** In which transaction a caller is. */
  get nested (): NestedAcquire { return this.dispatcher.nested }

  /** Replaces every connection: idle ones now, busy ones when they are released. */
  expire (): void { this.dispatcher.expire() }

  /**
   * The grace of `closeTimeout` begins now, and the pool goes on serving in the meantime: for an application that still
   * has to answer. Unless it is closed before, everything is ended when the grace is over.
   */
  drain (): void {
    if (this.#closeBy !== undefined) return
    const { closeTimeout } = this.config
    this.#closeBy = performance.now() + closeTimeout * 1000
    this.#drained = setTimeout(() => this.close(), closeTimeout * 1000)
  }

  /**
   * No new work, waiters rejected at once, what is left of the `closeTimeout` seconds for running work, then
   * everything is destroyed. Closing again returns the same promise.
   */
  close (): Promise<void> {
    this.#end ??= this.#shutDown()
    return this.#end
  }

  async #shutDown (): Promise<void> {
    this.#phase = 'closing'
    const { connections } = this.dispatcher
    const error = this.#closedError()
    this.dispatcher.stop(error)
    this.pauses.end()
    this.#startup.abandon(error)
    clearTimeout(this.#drained)
    const now = performance.now()
    this.#closeBy ??= now + this.config.closeTimeout * 1000
    const force = setTimeout(() => connections.destroyAll('forced'), Math.max(0, this.#closeBy - now))
    if (!this.dispatcher.isEmpty) await new Promise<void>((resolve) => { this.#onEmpty = resolve })
    clearTimeout(force)
    this.#phase = 'closed'
    this.dispatcher.log.stopped()
    this.log.info({ event: 'pool.closed' }, 'database pool is closed')
  }

  get size (): number { return this.dispatcher.connections.size }
  get free (): number { return this.dispatcher.connections.free }
  get waiting (): number { return this.dispatcher.waiting }

  /** A plain snapshot of numbers. */
  stats (): PoolStats {
    const { connections: { size, free, busy, closing }, connector, waiting } = this.dispatcher
    const { min, max } = this.config
    const { closed, ...counters } = this.#counters
    return { size, free, busy, opening: connector.underWay, closing, waiting, min, max, ...counters, closed: { ...closed } }
  }

  /** When the server last answered anyone, in the clock of `performance.now()`. */
  get answeredAt (): number { return this.dispatcher.answeredAt }
  /** Why the last connect failed; undefined once one succeeded. */
  get lastFailure (): unknown { return this.dispatcher.connector.lastFailure }
  /** Whether only a caller makes it try to connect soon. */
  get isResting (): boolean { return this.dispatcher.connector.isResting }

  /** Asks the server of an open connection whether it is there, without taking a session. */
  async ping (signal: AbortSignal): Promise<void> {
    const [entry] = this.dispatcher.connections.open
    if (entry === undefined) throw this.#closedError()
    await pingServer(entry.connection.host, signal)
  }

  #closedError (): Error {
    return this.#failure === undefined ? new ClosedError() : copyOf(this.#failure)
  }
}
