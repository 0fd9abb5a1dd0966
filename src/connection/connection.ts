import type { TypeRegistry } from '../codecs/type-registry.js'
import type { Config } from '../config/config.js'
import type { ConnectedHost } from '../config/target.js'
import type { ExecutionsResult } from '../driver/execute-many.js'
import type { Driver } from '../driver/postgres-js.js'
import type { Preamble } from '../driver/preamble.js'
import type { DriverResult } from '../driver/result.js'
import { SocketClosedError, type SocketOwner, type SocketOwnerEvents } from '../driver/socket-owner.js'
import { ForeignEncodingError, isForeignEncoding, lostError, NoKeyError } from './connection-errors.js'
import type { ServerErrorFields } from '../errors/error-response.js'
import { ServerError } from '../errors/server-error.js'
import { type Backend, cancelRequest } from '../protocol/cancel-request.js'
import type { Lag } from '../query/latency.js'
import { type Call, internalCall } from '../query/call.js'
import type { Deadlines } from '../timing/deadlines.js'
import { BatchExecutor, type Description, type Executions, type Parts } from './batch-executor.js'
import { type Cancellable, Cancellation } from './cancellation.js'
import type { SettleListener, StatementExecution } from './execution.js'
import { Executor } from './executor.js'
import type { ExecutorEvents } from './executor-events.js'
import { InFlight } from './in-flight.js'
import { PreparedStatements } from './prepared-statements.js'
import { greet, readServerInfo, SERVER_QUERY, type ServerInfo, WrongServerError } from './server-info.js'
import { Session } from './session.js'
import type { WrappedLists } from './wrapped-lists.js'

/** opening → open → closing → closed. A connection that has ended is never revived. */
export type ConnectionState = 'opening' | 'open' | 'closing' | 'closed'

/** Why a connection was closed; counted in `stats().closed`. */
export type CloseReason =
  'lost' | 'idle' | 'age' | 'uses' | 'expired' | 'cancel' | 'check' | 'cleaning' | 'copy' | 'transaction' | 'hook' | 'forced' | 'close'

/** Seconds for a CancelRequest that goes with the end of a connection. */
const CANCEL_TIMEOUT = 1
/** Seconds for an idle connection to answer a check. */
const CHECK_TIMEOUT = 1
/** Seconds for the server to close its side. */
const CLOSE_TIMEOUT = 1

export interface ConnectionParts {
  owner: SocketOwner
  driver: Driver
  /** By what the server knows it when a statement is to be cancelled. Some poolers tell none. */
  backend: Backend | undefined
  host: ConnectedHost
  config: Config
  deadlines: Deadlines
  /** These two are one for all connections of a pool. */
  lag: Lag
  wrappedLists: WrappedLists
  /** Does on the connection what is to be done before its first user, again after each reset. Rejects if that fails. */
  setUp: (connection: Connection) => Promise<void>
}

/** What happens to a connection that is open. */
export interface ConnectionEvents {
  /** Nothing is in flight on it any more. */
  drained (now: number): void
  /** Once, when it is no longer open. */
  down (reason: CloseReason, cause: unknown): void
  /** Once, when its socket is gone. */
  gone (): void
}

/** One physical connection, through its whole life cycle. */
export class Connection implements ExecutorEvents, Cancellable, SocketOwnerEvents {
  readonly host: ConnectedHost
  /** How often something was written to it: what is sent between two writes travels together. */
  readonly traffic: { readonly writes: number }
  /** In the clock of `performance.now()`. */
  readonly createdAt = performance.now()
  readonly session: Session
  /** Resolves when its socket is closed, and no timer of the driver's is left. */
  readonly gone: Promise<void>
  #onGone = (): void => {}
  readonly #parts: ConnectionParts
  readonly #inFlight: InFlight
  readonly #executor: Executor
  readonly #batches: BatchExecutor
  readonly #cancellation: Cancellation
  readonly #downListeners = new Set<(reason: CloseReason) => void>()
  #events: ConnectionEvents | undefined
  #state: ConnectionState = 'opening'
  #cancelling: Promise<void> | undefined
  /** Why it has ended. */
  #end: { readonly reason: CloseReason, readonly cause: unknown } | undefined

  constructor (parts: ConnectionParts) {
    const { owner, driver, config, deadlines, lag } = parts
    this.#parts = parts
    this.host = parts.host
    this.traffic = owner
    this.gone = new Promise((resolve) => { this.#onGone = resolve })
    this.session = new Session(owner, config.commandTimeout, config.reset)
    this.#inFlight = new InFlight(owner, lag, deadlines, () => this.#breakUpGroup())
    const prepared = new PreparedStatements(driver, this.session)
    this.#executor = new Executor({ driver, owner, config, session: this.session, inFlight: this.#inFlight, prepared, events: this })
    this.#batches = new BatchExecutor(this.#executor, driver, this.session, prepared)
    this.#cancellation = new Cancellation(this.#inFlight, this)
    owner.takeOver(this)
  }

  parameter (name: string, value: string): void {
    if (isForeignEncoding(name, value)) this.destroy('lost', new ForeignEncodingError())
    this.session.reported()
  }

  running (): void { this.#cancellation.running() }
  ending (fields: ServerErrorFields): void { this.destroy('lost', new ServerError(fields, { debug: this.#parts.config.debug })) }
  lost (cause: unknown): void { this.destroy('lost', cause) }

  closed (): void {
    this.destroy('lost', new SocketClosedError())
    this.#state = 'closed'
    this.#parts.driver.end().then(() => {
      this.#events?.gone()
      this.#onGone()
    })
  }

  get isOpen (): boolean { return this.#state === 'open' }
  get isUsable (): boolean { return this.#state === 'open' || this.#state === 'opening' }
  /** The server's process for it, as in pg_stat_activity. */
  get pid (): number { return this.#parts.backend?.pid ?? this.session.server?.pid ?? 0 }
  /** The types that the pool knows. */
  get types (): TypeRegistry { return this.#parts.driver.types.registry }
  /** How many statements it has run. */
  get uses (): number { return this.#executor.uses }
  /** While a cancelled statement is still ending: nothing else may run on it before that. */
  get cancelling (): Promise<void> | undefined { return this.#cancelling }

  /** What is asked of every new session. */
  async greet (furtherColumns = ''): Promise<ServerInfo> {
    // Of a connection that has ended the driver only says that it has.
    const { driver, config: { debug } } = this.#parts
    const server = await greet(driver, furtherColumns, debug).catch((error) => { throw this.#end?.cause ?? error })
    this.session.opened(server, this.#parts.backend?.pid)
    return server
  }

  /** What a call learns that meets it when it has ended. */
  get lostError (): Error { return lostError(this.#end?.reason ?? 'lost', this.#end?.cause) }

  /** It is ready for its first user, and `events` are told what happens to it. */
  open (events: ConnectionEvents): void {
    this.#events = events
    if (this.#state === 'opening') this.#state = 'open'
  }

  /** Notes what the session is by now: what it is compared with when it is checked. */
  async look (timeout?: number): Promise<void> { this.session.looked(await this.#askServer(timeout)) }

  async #askServer (timeout: number | undefined): Promise<ServerInfo> {
    return readServerInfo(await this.run(internalCall(SERVER_QUERY, 'script', { timeout })))
  }

  /** Checks that the server answers, and is still as it was when the connection was opened. Otherwise the connection ends here. */
  async check (): Promise<void> {
    this.session.checked()
    const was = this.session.server
    try {
      const { readOnly } = await this.#askServer(CHECK_TIMEOUT)
      if (readOnly && was?.readOnly === false) throw new WrongServerError('the server has become read-only')
    } catch (error) {
      this.destroy('check', error)
    }
  }

  /**
   * Runs a call. Rejects with `ServerError` or one of the coded errors; afterwards the connection is fit for the next
   * call, or has ended.
   */
  run (call: Call, listener?: SettleListener): Promise<DriverResult> {
    return this.#whenFree(() => this.#executor.perform(call, listener))
  }

  /** Runs a call whose caller has a promise already. `now` is the time, if the caller just asked for it. */
  start (execution: StatementExecution, now?: number): void {
    if (this.#cancelling === undefined) this.#executor.run(execution, now)
    else this.#cancelling.then(() => this.start(execution))
  }

  /** Runs a call with statements of ours right before it, if all can be sent at once; if not, false. */
  startBehind (before: Preamble, execution: StatementExecution): boolean {
    return this.#cancelling === undefined && this.#executor.runBehind(before, execution)
  }

  /** Whether a call can be sent behind those that are in flight. */
  canPipeline (call: Call): boolean {
    // A pooler takes a session back when all that it was told to sync is answered: the answers to a description behind
    // that, which is only flushed, are lost.
    return this.#state === 'open' && !this.session.isPooled && this.#cancelling === undefined && this.#executor.canSendAtOnce(call)
  }

  /** The types of a statement's parameters; only in a transaction. */
  describe (description: Description, listener: SettleListener): Promise<readonly number[]> {
    return this.#whenFree(() => this.#batches.describe(description, listener))
  }

  /** Runs a statement for many lists of arguments; only in a transaction. */
  executeMany (executions: Executions, listener: SettleListener): Promise<ExecutionsResult> {
    return this.#whenFree(() => this.#batches.run(executions, listener))
  }

  /** Runs a statement for the parts of a chunk; only in a transaction. */
  executeParts (parts: Parts, listener?: SettleListener): Promise<ExecutionsResult> {
    return this.#whenFree(() => this.#batches.runParts(parts, listener))
  }

  /** Runs something when no cancel is on its way. */
  #whenFree<T> (run: () => Promise<T>): Promise<T> {
    return this.#cancelling === undefined ? run() : this.#cancelling.then(() => this.#whenFree(run))
  }

  drained (now: number): void { if (this.#cancelling === undefined) this.#events?.drained(now) }
  ran (call: Call, types: readonly number[] | undefined): void { this.#parts.wrappedLists.ran(call, types, this.types) }

  /** Sees to it that what nobody waits for has ended before anything else is sent. */
  abandoned (): void {
    if (this.isUsable) this.#cancel(() => this.#cancellation.endAbandoned()) // otherwise nothing is left to cancel
  }

  #breakUpGroup (): void {
    const { group } = this.#inFlight
    if (!this.isOpen || group === undefined) return
    this.#cancel(() => this.#cancellation.breakUp(group).then(() => this.#cancellation.endAbandoned()))
  }

  /** Nothing else is sent until then. */
  #cancel (cancel: () => Promise<void>): void {
    this.#parts.owner.tellsRunning = true
    this.#cancelling ??= cancel().finally(() => {
      this.#cancelling = undefined
      this.#parts.owner.tellsRunning = false
      if (this.#inFlight.size === 0) this.drained(performance.now())
    })
  }

  broken (reason: 'lost' | 'copy', cause?: unknown): void { this.destroy(reason, cause) }
  cancelFailed (error: unknown): void { this.destroy('cancel', error) }

  /** Never the driver's cancel: among pipelined queries it gives callers each other's rows (docs/internals/driver-traps.md). */
  async requestCancel (signal: AbortSignal, onSent?: () => void): Promise<void> {
    const { backend, config: { ssl } } = this.#parts
    if (backend === undefined) throw new NoKeyError()
    const { isEncrypted = false } = this.host
    await cancelRequest({ host: this.host, ssl: ssl === 'prefer' && isEncrypted ? 'require' : ssl }, backend, signal, onSent)
  }

  /** Until a reset that follows what was sent last is over. */
  get resetting (): Promise<void> | undefined { return this.#executor.reset.underWay }

  /** Makes the session as new, and sets it up. Afterwards it is clean, or the connection is closing. */
  async reset (): Promise<void> {
    // A pooler remembers settings as those of the client: after RESET ALL it would go on with the server's.
    if (this.session.isPooled) return this.close('cleaning')
    try {
      if (!this.session.isBare) await this.#executor.reset.run()
      if (this.session.isBare) await this.#parts.setUp(this)
    } catch (error) {
      this.destroy('cleaning', error)
    }
  }

  /** Calls `listener` when the connection is no longer open, until the function that is returned is called. */
  onDown (listener: (reason: CloseReason) => void): () => void {
    this.#downListeners.add(listener)
    return () => { this.#downListeners.delete(listener) }
  }

  /** Closes it gracefully. Only for a connection with nothing in flight. */
  close (reason: CloseReason): void {
    if (!this.#goDown(reason, undefined)) return
    this.#parts.driver.end()
    setTimeout(() => this.#parts.owner.destroy(), CLOSE_TIMEOUT * 1000).unref()
  }

  /** Ends it now, whatever it is doing: callers are told, and the server is asked to stop what it is running. */
  destroy (reason: CloseReason, cause?: unknown): void {
    const running = this.#inFlight.size > 0
    if (this.#state === 'closing' && reason !== 'lost') this.#parts.owner.destroy()
    if (!this.#goDown(reason, cause)) return
    if (running && reason !== 'lost') this.requestCancel(AbortSignal.timeout(CANCEL_TIMEOUT * 1000)).catch(() => {})
    this.#inFlight.failAll(this.lostError)
    this.#parts.owner.destroy()
    this.#parts.driver.end()
  }

  #goDown (reason: CloseReason, cause: unknown): boolean {
    if (!this.isUsable) return false
    this.#state = 'closing'
    this.#end = { reason, cause }
    this.#cancellation.stop()
    this.#inFlight.close()
    this.#events?.down(reason, cause)
    for (const listener of this.#downListeners) listener(reason)
    return true
  }
}
