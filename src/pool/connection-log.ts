import type { EventLog } from '../config/event-log.js'
import type { CloseReason, Connection } from '../connection/connection.js'
import { isPermanent } from '../connector/connector.js'
import { codeOf } from '../errors/error-code.js'
import { FairTimer } from '../timing/fair-timer.js'

/** Milliseconds without a further loss or failed connect, after which an outage is told, and after which it may be over. */
const QUIET = 1000
/** Milliseconds after which the loss of connections is told at the latest. */
const LATEST = 5000
/** Milliseconds after which it is told that connects fail, in an outage that began with lost connections. */
const LASTING = 10_000

/** Whether a connection was closed that nobody wanted to be closed. */
export function isLoss (reason: CloseReason): boolean { return reason === 'lost' || reason === 'cancel' || reason === 'check' }

/** The pool, as far as it matters for whether an outage is over. */
export interface OutageEvents {
  readonly connections: { readonly size: number }
  /** Whether some of them are being checked, and may prove to be dead. */
  readonly isChecking: boolean
  /** Whether the pool has what it needs, and the server has answered since then, in the clock of `performance.now()`. */
  isWholeSince (time: number): boolean
}

/** From the first lost connection or failed connect until the pool is whole again. */
class Outage {
  readonly since = performance.now()
  /** When a connection was lost, or a connect failed, last. */
  lastAt = this.since
  /** When the pool was whole again, if nothing happened after that. */
  wholeAt: number | undefined
  /** How many connections were lost. */
  lost = 0
  /** What is told of the first of them. */
  firstLost: object = {}
  isLossTold = false
  /** How many connects failed. */
  failures = 0
  isFailureTold = false
  isRefusalTold = false
}

/**
 * What the log says of a pool's connections: each opening and closing at `debug`; an outage in one line, however many connections it
 * has cost and whenever each of them was found to be dead, and in one more when it is over.
 */
export class ConnectionLog {
  readonly #log: EventLog
  readonly #pool: OutageEvents
  #outage: Outage | undefined
  #timer: FairTimer | undefined
  #isStopped = false

  constructor (log: EventLog, pool: OutageEvents) {
    this.#log = log
    this.#pool = pool
  }

  opened ({ pid: backendPid }: Connection): void {
    this.#log.debug({ event: 'connection.opened', backendPid, size: this.#pool.connections.size }, 'database connection opened')
    if (this.#outage !== undefined) this.#noteWhole(this.#outage)
  }

  closed ({ pid: backendPid }: Connection, reason: CloseReason, cause: unknown): void {
    const { size } = this.#pool.connections
    const code = cause === undefined ? {} : { code: codeOf(cause) }
    this.#log.debug({ event: 'connection.closed', backendPid, reason, ...code, size }, 'database connection closed')
    if (!isLoss(reason)) return
    const outage = this.#troubled()
    if (outage.lost++ === 0) outage.firstLost = { err: cause, reason, backendPid }
    if (size === 0) this.#tellLoss(outage) // there are no more
  }

  connectFailed (err: unknown): void {
    const outage = this.#troubled()
    const failures = ++outage.failures
    const isFirst = !outage.isFailureTold && (outage.lost === 0 || outage.lastAt - outage.since > LASTING)
    if (isPermanent(err) && !outage.isRefusalTold) {
      outage.isFailureTold = outage.isRefusalTold = true
      this.#log.warn({ event: 'connect.failed', err, failures }, 'the database refuses connections, and will until the cause is mended')
    } else if (isFirst) {
      outage.isFailureTold = true
      this.#log.warn({ event: 'connect.failed', err, failures }, 'cannot connect to the database: trying again')
    } else this.#log.debug({ event: 'connect.failed', code: codeOf(err), failures }, 'cannot connect to the database')
  }

  /** The pool has opened: with all that it needs, or else without. What failed before that was told as it happened, and is over. */
  started (isWhole: boolean): void {
    if (!isWhole) this.#troubled()
    else if (this.#outage?.lost === 0) this.#end()
  }

  /** The pool begins to close: nobody will see it recover, but it may have. */
  stop (): void {
    const outage = this.#outage
    if (outage !== undefined && this.#pool.isWholeSince(outage.lastAt)) this.#tellEnd(outage)
    this.#isStopped = true
    this.#timer?.clear()
  }

  /** The last connection is gone. */
  stopped (): void {
    if (this.#outage !== undefined) this.#tellLoss(this.#outage)
    this.#end()
  }

  #troubled (): Outage {
    const outage = this.#outage ??= new Outage()
    outage.lastAt = performance.now()
    outage.wholeAt = undefined
    if (this.#timer === undefined) this.#lookIn(QUIET)
    return outage
  }

  #lookIn (milliseconds: number): void {
    if (!this.#isStopped) this.#timer = new FairTimer(milliseconds, () => this.#look(), false)
  }

  #look (): void {
    this.#timer = undefined
    const outage = this.#outage
    if (outage === undefined) return
    const now = performance.now()
    const quiet = now - outage.lastAt
    this.#noteWhole(outage)
    const isQuiet = quiet >= QUIET && !this.#pool.isChecking
    if (isQuiet && outage.wholeAt !== undefined) return this.#tellEnd(outage)
    if (isQuiet || now - outage.since >= LATEST) this.#tellLoss(outage)
    this.#lookIn(quiet < QUIET ? QUIET - quiet : QUIET)
  }

  #noteWhole (outage: Outage): void {
    if (this.#pool.isWholeSince(outage.lastAt)) outage.wholeAt ??= performance.now()
  }

  #tellLoss (outage: Outage): void {
    if (outage.isLossTold || outage.lost === 0) return
    outage.isLossTold = true
    const { lost: count, firstLost } = outage
    this.#log.warn({ event: 'connection.lost', count, ...firstLost, size: this.#pool.connections.size }, 'database connection lost')
  }

  #tellEnd (outage: Outage): void {
    this.#tellLoss(outage)
    const { since, wholeAt = performance.now(), lost: count, failures } = outage
    const seconds = Math.round((wholeAt - since) / 100) / 10
    const { size } = this.#pool.connections
    this.#log.info({ event: 'pool.recovered', count, failures, seconds, size }, 'the database pool has recovered')
    this.#end()
  }

  #end (): void {
    this.#outage = undefined
    this.#timer?.clear()
    this.#timer = undefined
  }
}
