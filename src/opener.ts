import { connect, type ConnectParts } from './connect.js'
import type { Connection } from './connection.js'
import { ServerError } from './server-error.js'
import { RefusedParameterError } from './startup-parameters.js'
import { TlsRefusedError } from './transport.js'

/** Connects at once, so that a server that comes back is not met by a stampede; fewer while connecting fails. */
const MOST_AT_ONCE = 4
const MOST_WHILE_FAILING = 2
/** Seconds until the first repeated attempt, and at most. postgres.js's own backoff grows to 20 s (driver-traps.md). */
const FIRST_BACKOFF = 0.05
const LONGEST_BACKOFF = 0.8

/** Starts connects, a few at a time, and waits a little longer after each failure in a row. */
export class Opener {
  readonly #parts: ConnectParts
  readonly #onOpened: (connection: Connection) => void
  readonly #onFailed: (error: unknown, failures: number) => void
  readonly #onReady: () => void
  readonly #abort = new AbortController()
  #underWay = 0
  #failures = 0
  #lastFailure: unknown
  #retry: NodeJS.Timeout | undefined

  /** `onReady`: the time to wait after a failure is over. */
  constructor (parts: ConnectParts, onOpened: (connection: Connection) => void, onFailed: (error: unknown, failures: number) => void, onReady: () => void) {
    this.#parts = parts
    this.#onOpened = onOpened
    this.#onFailed = onFailed
    this.#onReady = onReady
  }

  get underWay (): number { return this.#underWay }
  /** Why the last connect failed; undefined once one succeeded. */
  get lastFailure (): unknown { return this.#lastFailure }

  /** Starts connects until `wanted` are under way, or as many as are allowed now. */
  start (wanted: number): void {
    if (this.#retry !== undefined || this.#abort.signal.aborted) return
    const most = this.#failures === 0 ? MOST_AT_ONCE : MOST_WHILE_FAILING
    while (this.#underWay < Math.min(wanted, most)) this.#connect()
  }

  stop (reason: Error): void {
    clearTimeout(this.#retry)
    this.#abort.abort(reason)
  }

  #connect (): void {
    this.#underWay++
    connect(this.#parts, this.#abort.signal).then((connection) => {
      this.#underWay--
      this.#failures = 0
      this.#lastFailure = undefined
      this.#onOpened(connection)
    }, (error) => {
      this.#underWay--
      if (this.#abort.signal.aborted) return
      this.#failures++
      this.#lastFailure = error
      this.#backOff()
      this.#onFailed(error, this.#failures)
    })
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

/** Whether trying again is of no use: credentials, an unknown database, a refused setting, a certificate. */
export function isPermanent (error: unknown): boolean {
  if (error instanceof ServerError) return /^(28|3D|42|22|0A)/.test(error.code)
  if (error instanceof TlsRefusedError || error instanceof RefusedParameterError) return true
  const code = error instanceof Error && 'code' in error ? String(error.code) : ''
  return /^ERR_(TLS|SSL|OSSL)|CERT|SELF_SIGNED|UNABLE_TO_VERIFY/.test(code)
}
