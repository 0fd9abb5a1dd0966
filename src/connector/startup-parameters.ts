import type { Config } from '../config/config.js'
import { ServerError } from '../errors/server-error.js'
import type { Host } from '../config/target.js'

/** What PgBouncer answers to a setting that it does not know; it looks no further than the first. */
const REFUSAL = /^unsupported startup parameter( in options)?: ([^\s=]+)/

/** A pooler takes no such setting, although the user asked for it. */
export class RefusedParameterError extends Error {
  readonly code = 'REFUSED_PARAMETER'
}

/** The settings that are sent when connecting: less those of ours that a pooler in front of the server refused before. */
export class StartupParameters {
  readonly #config: Config
  readonly #refused = new WeakMap<Host, ReadonlySet<string>>()

  constructor (config: Config) { this.#config = config }

  /** Connects by `attempt`, and at once again without what was refused. Each round leaves out one more of ours. */
  async connect<T> (host: Host, attempt: (parameters: Readonly<Record<string, string>>) => Promise<T>): Promise<T> {
    for (;;) {
      const refused = this.#refused.get(host) ?? new Set()
      try {
        return await attempt(Object.fromEntries(Object.entries(this.#config.parameters).filter(([name]) => !refused.has(name))))
      } catch (error) {
        const name = refusedName(error)
        if (name === undefined || refused.has(name)) throw error
        if (!this.#config.dispensable.includes(name)) throw refusal(name, error)
        this.#refused.set(host, new Set([...this.#refused.get(host) ?? [], name]))
      }
    }
  }
}

function refusedName (error: unknown): string | undefined {
  return error instanceof ServerError && error.fatal ? REFUSAL.exec(error.serverMessage)?.[2] : undefined
}

function refusal (name: string, cause: unknown): RefusedParameterError {
  return new RefusedParameterError(`option parameters: the pooler in front of the database takes no ${name} when connecting: ` +
    'set it in the database, by ALTER ROLE … SET or ALTER DATABASE … SET, ' +
    'or have PgBouncer track it (track_extra_parameters, from version 1.20)', { cause })
}
