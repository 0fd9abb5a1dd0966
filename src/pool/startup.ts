import type { Config } from '../config/config.js'
import type { EventLog } from '../config/event-log.js'
import { isPermanent } from '../connector/connector.js'
import type { Deadlines } from '../timing/deadlines.js'
import { codeOf } from '../errors/error-code.js'
import { StartupError } from '../errors/errors.js'

interface StartupParts {
  config: Config
  log: EventLog
  deadlines: Deadlines
  /** Why the last connect failed. */
  lastFailure: () => unknown
  /** Whether the pool may be without the connections that it should begin with. */
  mayGoOn: () => boolean
}

/** The time between a pool's first connect and the moment when it is open, or has given up. */
export class Startup {
  readonly #config: Config
  readonly #log: EventLog
  readonly #deadlines: Deadlines
  readonly #lastFailure: () => unknown
  readonly #mayGoOn: () => boolean
  #pending: { resolve: (isThere: boolean) => void, reject: (error: Error) => void } | undefined

  constructor ({ config, log, deadlines, lastFailure, mayGoOn }: StartupParts) {
    this.#config = config
    this.#log = log
    this.#deadlines = deadlines
    this.#lastFailure = lastFailure
    this.#mayGoOn = mayGoOn
  }

  /** Also while what a failed start has opened is being closed. */
  get isUnderWay (): boolean { return this.#pending !== undefined }

  /**
   * Begins, and waits for one of the following, `startupTimeout` at most. Resolves with whether the database is there; after a
   * failure it rejects once `cleanUp` is done.
   */
  async run (begin: () => void, cleanUp: (error: Error) => Promise<void>): Promise<boolean> {
    const { startupTimeout } = this.#config
    const expiry = { expire: () => this.failed(this.#timeoutError()) }
    const deadline = startupTimeout === 0 ? undefined : this.#deadlines.set(startupTimeout, expiry)
    try {
      return await new Promise<boolean>((resolve, reject) => {
        this.#pending = { resolve, reject }
        begin()
      })
    } catch (error) {
      await cleanUp(error as Error)
      throw error
    } finally {
      this.#pending = undefined
      if (deadline !== undefined) this.#deadlines.clear(deadline)
    }
  }

  /** All connections that the pool needs are open. */
  ready (): void { this.#pending?.resolve(true) }

  /** It will not work, or takes too long: the end of it, or where the pool may go on, one that goes on with what it has. */
  failed (error: Error): void {
    if (this.#pending === undefined) return
    if (!this.#mayGoOn()) return this.#pending.reject(error)
    const what = isPermanent(error.cause) ? 'the database refuses connections' : 'the database is not there yet'
    this.#log.warn({ event: 'startup.deferred', err: error }, `${what}: going on without it`)
    this.#pending.resolve(false)
  }

  /** The pool is closed before that. */
  abandon (error: Error): void { this.#pending?.reject(error) }

  #timeoutError (): Error {
    const cause = this.#lastFailure()
    return new StartupError(this.#config.startupTimeout, cause === undefined ? 'none' : codeOf(cause), { cause })
  }
}
