import { backoff } from './backoff.js'
import { type ConnectParts, ConnectTimeoutError, openConnection } from './open-connection.js'
import type { Log } from '../config/options.js'
import type { Connection } from '../connection/connection.js'
import { WrappedLists } from '../connection/wrapped-lists.js'
import { HostOrder } from './host-order.js'
import { ServerError } from '../errors/server-error.js'
import { RESPONSE_TIMEOUT } from './response-watch.js'
import { AuthenticationError } from './authentication.js'
import { UnknownTypeError } from './named-types.js'
import { ArrayNullsError } from '../connection/server-info.js'
import { RefusedParameterError } from './startup-parameters.js'
import { TlsRefusedError } from '../protocol/socket.js'

/** Connects at once, so that a server that comes back is not met by a stampede; fewer while connecting fails. */
const MOST_AT_ONCE = 4
const MOST_WHILE_FAILING = 2

/** A connect that is under way. */
interface Attempt {
  /** Whether it has only `RESPONSE_TIMEOUT` for each host. */
  readonly isBrief: boolean
  readonly abort: AbortController
  /** Whether a server has not responded to it for `RESPONSE_TIMEOUT`. */
  isUnresponsive: boolean
}

/** What comes of connects. */
export interface ConnectorEvents {
  connected (connection: Connection): void
  connectFailed (error: unknown): void
  /** More connects may be started: the time to wait after a failure is over, or connects hang. */
  mayConnect (): void
  /** A connect has ended that was given up when the connector was stopped. */
  stopped (): void
}

/**
 * Starts connects, a few at a time, and waits a little longer after each failure in a row.
 *
 * While the network swallows everything, connects hang until `connectTimeout`, and TCP repeats what was lost at ever
 * longer intervals: they may learn late that the network is back. So as long as all hang there is a brief one among
 * them, which starts again every second. The others wait, for a server that is merely slow; once one of those has
 * succeeded, there are no brief ones until a connect fails or is quick.
 */
export class Connector {
  readonly #parts: ConnectParts
  readonly #hosts: HostOrder
  readonly #events: ConnectorEvents
  /** In the order in which they were started. */
  readonly #attempts = new Set<Attempt>()
  /** Whether the last connect that succeeded had to wait for long. */
  #isSlow: boolean
  #stopped = false
  #failures = 0
  #lastFailure: unknown
  /** Set while nobody may try again. */
  #retry: NodeJS.Timeout | undefined
  /** Until when the pool itself does not, in the clock of `performance.now()`; a caller that waits may. */
  #restsUntil = 0
  #rest: NodeJS.Timeout | undefined

  constructor ({ log, ...parts }: Omit<ConnectParts, 'wrappedLists'> & { log: Log }, events: ConnectorEvents) {
    this.#parts = { ...parts, wrappedLists: new WrappedLists(log) }
    this.#hosts = new HostOrder(parts.config.hosts)
    // A single one that has never let anyone in may need long for it: there is no network that comes back.
    this.#isSlow = parts.config.hosts.length === 1
    this.#events = events
  }

  get underWay (): number { return this.#attempts.size }
  /** Why the last connect failed; undefined once one succeeded. */
  get lastFailure (): unknown { return this.#lastFailure }
  /** Whether a connection cannot be had now: the last connect failed, or a server keeps one waiting. */
  get isFailing (): boolean {
    return this.#lastFailure !== undefined || [...this.#attempts].some(({ isUnresponsive }) => isUnresponsive)
  }

  /** Whether only a caller makes it try again soon. */
  get isResting (): boolean { return this.#rest !== undefined }

  /**
   * Starts connects until `wanted` are under way, or as many as are allowed now; never more than there is `room` for.
   * `hasCallers`: whether somebody waits for them.
   */
  start (wanted: number, room: number, hasCallers: boolean): void {
    if (this.#retry !== undefined || this.#stopped || wanted === 0) return
    if (!hasCallers && performance.now() < this.#restsUntil) return this.#takeRest()
    this.#endRest()
    const places = Math.min(room, MOST_AT_ONCE)
    const patient = [...this.#attempts].filter(({ isBrief }) => !isBrief)
    if (!this.#isSlow && this.#allHang) this.#startBrief(patient, places)
    const most = Math.min(wanted, this.#failures === 0 ? MOST_AT_ONCE : MOST_WHILE_FAILING)
    for (let count = patient.length; count < most && this.#attempts.size < places; count++) this.#connect(false)
  }

  /** Whether there is nothing under way but patient connects that a server keeps waiting. */
  get #allHang (): boolean {
    const hangs = ({ isBrief, isUnresponsive, abort }: Attempt): boolean => !isBrief && isUnresponsive && !abort.signal.aborted
    return this.#attempts.size > 0 && [...this.#attempts].every(hangs)
  }

  #startBrief (patient: Attempt[], places: number): void {
    if (patient.length < places) this.#connect(true)
    // One of them makes way, and when it is gone there is a place.
    else if (patient.length > 1) patient.at(-1)?.abort.abort()
  }

  stop (reason: Error): void {
    this.#stopped = true
    clearTimeout(this.#retry)
    this.#endRest()
    for (const { abort } of this.#attempts) abort.abort(reason)
  }

  #connect (isBrief: boolean): void {
    const attempt: Attempt = { isBrief, abort: new AbortController(), isUnresponsive: false }
    const { signal } = attempt.abort
    const seconds = isBrief ? RESPONSE_TIMEOUT : this.#parts.config.connectTimeout
    const onResponsiveness = (isUnresponsive: boolean): void => {
      attempt.isUnresponsive = isUnresponsive
      if (isUnresponsive) this.#events.mayConnect()
    }
    this.#attempts.add(attempt)
    openConnection(this.#parts, { hosts: this.#hosts, seconds, signal, onResponsiveness })
      .then((connection) => this.#succeeded(attempt, connection), (error) => this.#failed(attempt, error))
  }

  #succeeded (attempt: Attempt, connection: Connection): void {
    if (!attempt.isUnresponsive) this.#giveUpOlder(attempt)
    this.#attempts.delete(attempt)
    this.#isSlow = attempt.isUnresponsive
    this.#failures = 0
    this.#lastFailure = undefined
    this.#restsUntil = 0
    this.#events.connected(connection)
  }

  #failed (attempt: Attempt, error: unknown): void {
    this.#attempts.delete(attempt)
    if (this.#stopped) return this.#events.stopped()
    // It says nothing that those which wait for longer will not say.
    if (attempt.abort.signal.aborted || (attempt.isBrief && error instanceof ConnectTimeoutError)) return this.#events.mayConnect()
    this.#isSlow = false
    this.#failures++
    this.#lastFailure = error
    this.#backOff(isPermanent(error))
    this.#events.connectFailed(error)
  }

  /** A server has answered a connect at once, so earlier ones that hang are of no use: others take their places. */
  #giveUpOlder (attempt: Attempt): void {
    for (const other of this.#attempts) {
      if (other === attempt) return
      if (other.isUnresponsive) other.abort.abort()
    }
  }

  #backOff (isPermanent: boolean): void {
    const jitter = 0.75 + Math.random() / 4
    const seconds = backoff(this.#failures, isPermanent, true) * jitter
    this.#restsUntil = isPermanent ? performance.now() + backoff(this.#failures, isPermanent, false) * jitter * 1000 : 0
    clearTimeout(this.#retry)
    // It holds the process: a caller that waits for a connection may have nothing else that does.
    this.#retry = setTimeout(() => {
      this.#retry = undefined
      this.#events.mayConnect()
    }, seconds * 1000)
  }

  #takeRest (): void {
    this.#rest ??= setTimeout(() => {
      this.#rest = undefined
      this.#events.mayConnect()
    }, this.#restsUntil - performance.now())
  }

  #endRest (): void {
    clearTimeout(this.#rest)
    this.#rest = undefined
  }
}

const PERMANENT = [TlsRefusedError, RefusedParameterError, AuthenticationError, ArrayNullsError, UnknownTypeError]

/** Whether trying again is of no use: credentials, an unknown database, a refused setting, a certificate, an option of TLS. */
export function isPermanent (error: unknown): boolean {
  if (error instanceof ServerError) return /^(28|3D|42|22|0A)/.test(error.code)
  if (PERMANENT.some((kind) => error instanceof kind)) return true
  const code = error instanceof Error && 'code' in error ? String(error.code) : ''
  return /^ERR_(TLS|SSL|OSSL|INVALID_ARG)|CERT|SELF_SIGNED|UNABLE_TO_VERIFY/.test(code)
}
