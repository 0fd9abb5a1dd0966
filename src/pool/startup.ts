import type { Config } from '../config/config.js'
import type { Log } from '../config/options.js'
import type { Deadlines } from '../timing/deadlines.js'
import { codeOf } from '../errors/error-code.js'
import { StartupError } from '../errors/errors.js'

interface StartupParts {
  config: Config
  log: Log
  deadlines: Deadlines
  /** Why the last connect failed. */
  lastFailure: () => unknown
  /** Whether the pool may be without the connections that it should begin with. */
  mayGoOn: () => boolean
}

/** The time between a pool's first connect and the moment when it is open, or has given up. */
export class Startup {
  readonly #config: Config
  readonly #log: Log
  readonly #deadlines: Deadlines
  readonly #lastFailure: () => unknown
  readonly #mayGoOn: () => boolean
  #pending: { resolve: () => void, reject: (error: Error) => void } | undefined

  constructor ({ config, log, deadlines, lastFailure, mayGoOn }: StartupParts) {
    this.#config = config
    this.#log = log
    this.#deadlines = deadlines
    this.#lastFailure = lastFailure
    this.#mayGoOn = mayGoOn
  }

  /** Also while what a failed start has opened is being closed. */
  get isUnderWay (): boolean { return this.#pending !== undefined }

  /** Begins, and waits for one of the following, `startupTimeout` at most. After a failure it rejects once `cleanUp` is done. */
  async run (begin: () => void, cleanUp: (error: Error) => Promise<void>): Promise<void> {
    const { startupTimeout } = this.#config
    const expiry = { expire: () => this.failed(this.#timeoutError()) }
    const deadline = startupTimeout === 0 ? undefined : this.#deadlines.set(startupTimeout, expiry)
    try {
      await new Promise<void>((resolve, reject) => {
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
  ready (): void { this.#pending?.resolve() }

  /** It will not work, or takes too long: the end of it, or where the pool may go on, one that goes on trying. */
  failed (error: Error): void {
    if (this.#pending === undefined) return
    if (!this.#mayGoOn()) return this.#pending.reject(error)
    this.#log.warn({ err: error }, 'the database is not there yet: going on without it, and trying in the background')
    this.#pending.resolve()
  }

  /** The pool is closed before that. */
  abandon (error: Error): void { this.#pending?.reject(error) }

  #timeoutError (): Error {
    const cause = this.#lastFailure()
    return new StartupError(this.#config.startupTimeout, cause === undefined ? 'none' : codeOf(cause), { cause })
  }
}
