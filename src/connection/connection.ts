import { setTimeout as sleep } from 'node:timers/promises'
import type { Socket } from 'node:net'
import { wasBusySince } from '../timing/late-timer.js'
import type { Config } from '../config/config.js'
import type { Deadlines } from '../timing/deadlines.js'
import type { Driver, DriverResult, DriverTypes } from '../driver/postgres-js.js'
import { codeOf } from '../errors/error-code.js'
import { ConnectionLostError, QueryTimeoutError } from '../errors/errors.js'
import { Execution } from './execution.js'
import type { Lag } from '../query/lag.js'
import { orAborted } from '../timing/abortable.js'
import type { ExecutionsResult } from '../driver/execute-many.js'
import { type Call, internalCall } from '../query/query.js'
import { Runner } from './executor.js'
import { readServerFacts, SERVER_QUERY, type ServerFacts, WrongServerError } from './server-info.js'
import { RESET_SESSION } from './session.js'
import { cancelRequest } from '../protocol/socket.js'
import type { Host } from '../config/target.js'
import type { TypeRegistry } from '../codecs/type-registry.js'

/** opening → idle ⇄ busy → closing → closed. Open means idle or busy. A connection dies once and is never revived. */
export type ConnectionState = 'opening' | 'idle' | 'busy' | 'closing' | 'closed'

/** Who has a connection: a single statement, a transaction, a lease, or the pool itself (a check, cleaning). */
export type Holder = 'statement' | 'transaction' | 'lease' | 'pool'

/** Why a connection was closed; counted in `stats().closed`. */
export type CloseReason = 'lost' | 'idle' | 'age' | 'uses' | 'expired' | 'cancel' | 'check' | 'cleaning' | 'copy' | 'transaction' | 'forced' | 'close'

/**
 * Seconds for a CancelRequest to work before the connection is given up. Fewer where the server has let its own limit pass:
 * with `CLOCK_GRACE` it is less than a second until the connection is given up, and all that is waiting for it answered.
 */
const CANCEL_TIMEOUT = 1
const LATE_CANCEL_TIMEOUT = 0.4
/** Seconds after which it is sent again. */
const CANCEL_AGAIN = 0.1
/** Seconds for an idle connection to show that it is alive. */
const CHECK_TIMEOUT = 1
/** Seconds for the server to take its leave. */
const GOODBYE_TIMEOUT = 1

/** The session was given an encoding in which texts would be read and written wrongly. */
class ForeignEncodingError extends Error {
  readonly code = 'CLIENT_ENCODING'
}

export interface ConnectionParts {
  socket: Socket
  driver: Driver
  types: DriverTypes
  host: Host
  config: Config
  deadlines: Deadlines
  /** How often the pool has been told to replace all. */
  generation: () => number
  /** One for all connections of a pool. */
  lag: Lag
  /** Called when the single statements that it was lent for are done. */
  onIdle: (connection: Connection, now: number) => void
  /** Called once, when the connection leaves the open states. */
  onDown: (connection: Connection, reason: CloseReason, cause: unknown) => void
  /** Called once, when its socket is gone. */
  onGone: (connection: Connection) => void
}

/** One physical connection, from birth to death. It runs one call at a time. */
export class Connection {
  readonly host: Host
  /** When it is too old, in the clock of `performance.now()`: with jitter, so that connections do not expire in step. */
  readonly expiresAt: number
  /** How often the pool had been told to replace all when it was born. */
  readonly generation: number
  /** When the state changed last. */
  since = performance.now()
  holder: Holder = 'pool'
  /** Calls that wait for another connection although a transaction on this one has to end first. */
  blocked = 0
  /** Told when it leaves the open states, while whoever has it waits for something other than its answer. */
  onDown: ((reason: CloseReason) => void) | undefined
  /** Whether a transaction of ours is open on it. */
  inTransaction = false
  /** Whether it was reported as held for too long. */
  isReported = false
  /** The calls that led to its being held, where they were noted. */
  takenBy: { stack?: string } | undefined
  readonly #parts: ConnectionParts
  readonly #runner: Runner
  #state: ConnectionState = 'opening'
  #backend: { pid: number, secret: number } | undefined
  #recovering: Promise<void> | undefined
  #server: ServerFacts | undefined
  #refusedToWrite = false

  constructor (parts: ConnectionParts) {
    const { host, socket, driver, types, config, deadlines, lag } = parts
    this.#parts = parts
    this.host = host
    this.generation = parts.generation()
    this.expiresAt = config.maxLifetime === 0 ? Infinity : this.since + config.maxLifetime * 1000 * (0.75 + Math.random() * 0.15)
    this.#runner = new Runner(driver, types, config, deadlines, lag, this.#ownerOfRunner())
    driver.onForeignEncoding = () => this.destroy('lost', new ForeignEncodingError('client_encoding has to stay UTF8'))
    // Between a socket's 'error' and 'close' the driver still takes queries, and loses them.
    socket.on('error', (error) => this.destroy('lost', error))
    socket.on('end', () => this.destroy('lost', new Error('the server closed the connection')))
    socket.on('close', () => {
      this.destroy('lost', new Error('the connection was closed'))
      this.#to('closed')
      parts.onGone(this)
    })
  }

  get state (): ConnectionState { return this.#state }
  /** The server's process for it, as in pg_stat_activity. */
  get pid (): number { return this.#backend?.pid ?? 0 }
  /** The types that the pool knows. */
  get types (): TypeRegistry { return this.#parts.types.registry }
  /** How many statements it has run. */
  get uses (): number { return this.#runner.uses }
  /** Whether it must be cleaned before anyone else gets it. */
  get tainted (): boolean { return this.#runner.tainted }
  /** While a cancelled statement is still ending: nobody else may have the connection before. */
  get recovering (): Promise<void> | undefined { return this.#recovering }

  /** What its server said about itself when it was opened. */
  get server (): ServerFacts | undefined { return this.#server }
  /** Whether a pooler is in between, which lends sessions of its own: the process that answers is not the one we were told of. */
  get isPooled (): boolean { return this.#server !== undefined && this.#server.pid !== this.pid }
  /** Whether its server could be written to at first, and has refused to since: it may have been demoted. */
  get isDoubtful (): boolean { return this.#refusedToWrite && this.#server?.readOnly === false }

  /** The first exchange: authentication, and what is asked of every new session. */
  async greet (): Promise<ServerFacts> {
    const result = await this.#runner.greet(SERVER_QUERY)
    this.#backend = result.state ?? undefined
    this.#server = readServerFacts(result)
    if (this.isPooled) this.#runner.behindPooler()
    return this.#server
  }

  /** Notes what the session is by now: what it is compared with when it is checked. */
  async look (timeout?: number): Promise<void> { this.#server = await this.#ask(timeout) }

  async #ask (timeout: number | undefined): Promise<ServerFacts> {
    return readServerFacts(await this.run(internalCall(SERVER_QUERY, 'script', { timeout })))
  }

  /** Asks the server whether it is alive, and still as it was when the connection was opened. Otherwise that ends here. */
  async check (): Promise<void> {
    this.#refusedToWrite = false
    const due = performance.now() + CHECK_TIMEOUT * 1000
    try {
      const { readOnly } = await this.#ask(CHECK_TIMEOUT)
      if (readOnly && this.#server?.readOnly === false) throw new WrongServerError('the server has become read-only')
    } catch (error) {
      // The clock of a process that was busy goes off before it has read the answer. Not on a connection that is given up meanwhile.
      const wasBusy = error instanceof QueryTimeoutError && wasBusySince(due)
      if (wasBusy) await this.#recovering
      if (wasBusy && this.#isUsable) return await this.check()
      this.destroy('check', error)
    }
  }

  lend (holder: Holder, now = performance.now()): void {
    this.#to('busy', now)
    this.holder = holder
  }

  rest (now?: number): void { this.#to('idle', now) }

  /** The one place where the state changes. */
  #to (state: ConnectionState, now = performance.now()): void {
    this.#state = state
    this.since = now
  }

  /**
   * Runs a call. Rejects with `ServerError` or one of the coded errors; afterwards the connection is fit for the next
   * call, or dead. `onSettled` is called just before the caller is answered.
   */
  run (call: Call, onSettled?: (error?: unknown) => void): Promise<DriverResult> {
    return new Promise((resolve, reject) => this.start(new Execution(call, resolve, reject, onSettled)))
  }

  /** The same for a caller who has a promise already. `now` is the time, if the caller just asked for it. */
  start (execution: Execution, now?: number): void {
    if (this.#recovering === undefined) this.#runner.run(execution, now)
    else this.#recovering.then(() => this.start(execution))
  }

  /** The same with a statement of ours right before it, if it can be sent at once; if not, false. */
  startWith (text: string, execution: Execution): boolean {
    return this.#recovering === undefined && this.#runner.runWith(text, execution)
  }

  /** How often something was written: what is sent between two writes travels together. */
  get writes (): number { return this.#runner.writes }

  /** Whether a call can be sent behind those that are in flight. */
  canPipeline (call: Call): boolean {
    return this.#state === 'busy' && this.holder === 'statement' && this.#runner.canPipeline(call)
  }

  /** The types of a statement's parameters; only in a transaction. */
  describe (call: Call, onSettled?: (error?: unknown) => void): Promise<readonly number[]> {
    if (this.#recovering !== undefined) return this.#recovering.then(() => this.describe(call, onSettled))
    return this.#runner.describe(call, onSettled)
  }

  /** Runs a statement for many lists of arguments, with the types that its parameters have; only in a transaction. */
  runMany (call: Call, types: readonly number[], lists: ReadonlyArray<readonly unknown[]>, firstRow: number, onSettled?: (error?: unknown) => void): Promise<ExecutionsResult> {
    if (this.#recovering !== undefined) return this.#recovering.then(() => this.runMany(call, types, lists, firstRow, onSettled))
    return this.#runner.runMany(call, types, lists, firstRow, onSettled)
  }

  get #isUsable (): boolean { return this.#state === 'busy' || this.#state === 'opening' }

  #ownerOfRunner () {
    const connection = this
    return {
      get usable (): boolean { return connection.#isUsable },
      idle (now: number): void { connection.#idle(now) },
      cancel (late: boolean): void { connection.#recover(late) },
      broken (reason: CloseReason, cause: unknown): void { connection.destroy(reason, cause) },
      refusedToWrite (): void { connection.#refusedToWrite = true },
    }
  }

  /** Nothing is in flight any more. Whoever holds it for more than single statements gives it back himself. */
  #idle (now: number): void {
    if (this.#state === 'busy' && this.holder === 'statement' && this.#recovering === undefined) this.#parts.onIdle(this, now)
  }

  /** Cancels what is running and sees to it that it has ended before anyone else gets the connection. */
  #recover (late: boolean): void {
    // Of one that has ended nothing is left to cancel, and whoever waits for it must not wait again.
    if (!this.#isUsable) return
    this.#recovering ??= this.#cancelRunning(late).finally(() => {
      this.#recovering = undefined
      const { oldest } = this.#runner
      if (oldest === undefined) this.#idle(performance.now())
      else if (oldest.settled) this.#recover(false)
    })
  }

  async #cancelRunning (late: boolean): Promise<void> {
    const limit = AbortSignal.timeout((late ? LATE_CANCEL_TIMEOUT : CANCEL_TIMEOUT) * 1000)
    this.#runner.expose(true)
    try {
      await orAborted(limit, () => this.#cancelUntilEnded(limit))
    } catch (error) {
      this.destroy('cancel', error)
    } finally {
      this.#runner.expose(false)
    }
  }

  /** Until both are over: a cancel that is still on its way would hit the next statement. */
  async #cancelUntilEnded (limit: AbortSignal): Promise<void> {
    const ended = this.#runner.oldest?.whenFinished().then(() => true) ?? true
    // The server ignores a cancel that comes between two statements, so that it may be needed again.
    do await this.#requestCancel(limit)
    while (!await Promise.race([ended, sleep(CANCEL_AGAIN * 1000, false, { ref: false })]))
  }

  /** Never the driver's cancel: among pipelined queries it gives callers each other's rows (driver-traps.md). */
  async #requestCancel (signal: AbortSignal): Promise<void> {
    if (this.#backend !== undefined) await cancelRequest(this.host, this.#parts.config.ssl, this.#backend, signal)
  }

  /** What was done to the session so far belongs to it: it is how every new one begins. */
  settleIn (): void { this.#runner.tainted = false }

  /** Makes the session as new. Afterwards it is clean, or on its way out. */
  async clean (): Promise<void> {
    const { onConnect, connectTimeout } = this.#parts.config
    // What onConnect set up would be reset too, and it runs only once on a connection.
    // And a pooler remembers settings as those of the client: after RESET ALL it would go on with the server's.
    if (onConnect !== undefined || this.isPooled) return this.close('cleaning')
    try {
      await this.run(internalCall(RESET_SESSION, 'script', { timeout: connectTimeout }))
      this.#runner.wasReset()
      this.inTransaction = false
    } catch (error) {
      this.destroy('cleaning', error)
    }
  }

  /** Takes leave of the server. Only for a connection with nothing in flight. */
  close (reason: CloseReason): void {
    if (!this.#goDown(reason, undefined)) return
    this.#parts.driver.end()
    setTimeout(() => this.#parts.socket.destroy(), GOODBYE_TIMEOUT * 1000).unref()
  }

  /** Ends it now, whatever it is doing: callers are told, and the server is asked to stop what it is running. */
  destroy (reason: CloseReason, cause?: unknown): void {
    const running = this.#runner.inFlight > 0
    if (this.#state === 'closing' && reason !== 'lost') this.#parts.socket.destroy()
    if (!this.#goDown(reason, cause)) return
    if (running && reason !== 'lost') this.#requestCancel(AbortSignal.timeout(CANCEL_TIMEOUT * 1000)).catch(() => {})
    this.#runner.failAll(cause === undefined ? new ConnectionLostError(reason) : new ConnectionLostError(codeOf(cause), { cause }))
    this.#parts.driver.end()
    this.#parts.socket.destroy()
  }

  #goDown (reason: CloseReason, cause: unknown): boolean {
    if (this.#state === 'closing' || this.#state === 'closed') return false
    this.#to('closing')
    this.#parts.onDown(this, reason, cause)
    this.onDown?.(reason)
    return true
  }
}
