import { connect, type ConnectParts, ConnectTimeoutError } from './open-connection.js'
import type { Connection } from '../connection/connection.js'
import { HostOrder } from './host-order.js'
import { ServerError } from '../errors/server-error.js'
import { SILENCE } from './response-watch.js'
import { RefusedParameterError } from './startup-parameters.js'
import { TlsRefusedError } from '../protocol/socket.js'

/** Connects at once, so that a server that comes back is not met by a stampede; fewer while connecting fails. */
const MOST_AT_ONCE = 4
const MOST_WHILE_FAILING = 2
/** Seconds until the first repeated attempt, and at most. postgres.js's own backoff grows to 20 s (driver-traps.md). */
const FIRST_BACKOFF = 0.05
const LONGEST_BACKOFF = 0.5

/** A connect that is under way. */
interface Attempt {
  /** Whether it has only `SILENCE` for each host. */
  readonly brief: boolean
  readonly abort: AbortController
  /** Whether a server has kept it waiting without a word for `SILENCE`. */
  silent: boolean
}

/**
 * Starts connects, a few at a time, and waits a little longer after each failure in a row.
 *
 * While the network swallows everything, connects hang until `connectTimeout`, and TCP repeats what was lost at ever
 * longer intervals: they may learn late that the network is back. So as long as all are silent there is a brief one among
 * them, begun anew every second. The others wait, for a server that is merely slow; once one of those has succeeded, there
 * are no brief ones until a connect fails or is quick.
 */
export class Opener {
  readonly #parts: ConnectParts
  readonly #hosts: HostOrder
  readonly #onOpened: (connection: Connection) => void
  readonly #onFailed: (error: unknown, failures: number) => void
  readonly #onReady: () => void
  /** In the order in which they were begun. */
  readonly #attempts = new Set<Attempt>()
  /** Whether the last connect that succeeded had to wait for long. */
  #isSlow: boolean
  #stopped = false
  #failures = 0
  #lastFailure: unknown
  #retry: NodeJS.Timeout | undefined

  /** `onReady`: more may be started, because the time to wait after a failure is over, or connects hang. */
  constructor (parts: ConnectParts, onOpened: (connection: Connection) => void, onFailed: (error: unknown, failures: number) => void, onReady: () => void) {
    this.#parts = parts
    this.#hosts = new HostOrder(parts.config.hosts)
    // A single one that has never let anyone in may need long for it: there is no network that comes back.
    this.#isSlow = parts.config.hosts.length === 1
    this.#onOpened = onOpened
    this.#onFailed = onFailed
    this.#onReady = onReady
  }

  get underWay (): number { return this.#attempts.size }
  /** Why the last connect failed; undefined once one succeeded. */
  get lastFailure (): unknown { return this.#lastFailure }

  /** Starts connects until `wanted` are under way, or as many as are allowed now; never more than there is `room` for. */
  start (wanted: number, room: number): void {
    if (this.#retry !== undefined || this.#stopped || wanted === 0) return
    const places = Math.min(room, MOST_AT_ONCE)
    const patient = [...this.#attempts].filter(({ brief }) => !brief)
    if (!this.#isSlow && this.#allHang) this.#startBrief(patient, places)
    const most = Math.min(wanted, this.#failures === 0 ? MOST_AT_ONCE : MOST_WHILE_FAILING)
    for (let count = patient.length; count < most && this.#attempts.size < places; count++) this.#connect(false)
  }

  /** Whether there is nothing under way but patient connects that a server keeps waiting. */
  get #allHang (): boolean {
    return this.#attempts.size > 0 && [...this.#attempts].every(({ brief, silent, abort }) => !brief && silent && !abort.signal.aborted)
  }

  #startBrief (patient: Attempt[], places: number): void {
    if (patient.length < places) this.#connect(true)
    // It makes way, and when it is gone there is a place.
    else if (patient.length > 1) patient.at(-1)?.abort.abort()
  }

  stop (reason: Error): void {
    this.#stopped = true
    clearTimeout(this.#retry)
    for (const { abort } of this.#attempts) abort.abort(reason)
  }

  #connect (brief: boolean): void {
    const attempt: Attempt = { brief, abort: new AbortController(), silent: false }
    const { signal } = attempt.abort
    const { connectTimeout } = this.#parts.config
    const onSilence = (silent: boolean): void => {
      attempt.silent = silent
      if (silent) this.#onReady()
    }
    this.#attempts.add(attempt)
    connect(this.#parts, { hosts: this.#hosts, seconds: brief ? SILENCE : connectTimeout, signal, onSilence }).then((connection) => {
      if (!attempt.silent) this.#giveUpOlder(attempt)
      this.#attempts.delete(attempt)
      this.#isSlow = attempt.silent
      this.#failures = 0
      this.#lastFailure = undefined
      this.#onOpened(connection)
    }, (error) => {
      this.#attempts.delete(attempt)
      if (this.#stopped) return
      // It says nothing that those which wait for longer will not say.
      if (signal.aborted || (brief && error instanceof ConnectTimeoutError)) return this.#onReady()
      this.#isSlow = false
      this.#failures++
      this.#lastFailure = error
      this.#backOff()
      this.#onFailed(error, this.#failures)
    })
  }

  /** A server has answered a connect at once, so those that hang since before are of no use: others take their places. */
  #giveUpOlder (attempt: Attempt): void {
    for (const other of this.#attempts) {
      if (other === attempt) return
      if (other.silent) other.abort.abort()
    }
  }

  #backOff (): void {
    const seconds = Math.min(LONGEST_BACKOFF, FIRST_BACKOFF * 2 ** (this.#failures - 1)) * (0.75 + Math.random() / 4)
    clearTimeout(this.#retry)
    // It holds the process: whoever waits for a connection may have nothing else that does.
    this.#retry = setTimeout(() => {
      this.#retry = undefined
      this.#onReady()
    }, seconds * 1000)
  }
}

/** Whether trying again is of no use: credentials, an unknown database, a refused setting, a certificate, an option of TLS. */
export function isPermanent (error: unknown): boolean {
  if (error instanceof ServerError) return /^(28|3D|42|22|0A)/.test(error.code)
  if (error instanceof TlsRefusedError || error instanceof RefusedParameterError) return true
  const code = error instanceof Error && 'code' in error ? String(error.code) : ''
  return /^ERR_(TLS|SSL|OSSL|INVALID_ARG)|CERT|SELF_SIGNED|UNABLE_TO_VERIFY/.test(code)
}
