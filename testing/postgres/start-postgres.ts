import '../../src/api/async-dispose.js'
import { readGiven } from '../../src/config/read-given.js'
import { rejectUnknown } from '../../src/config/unknown-option.js'
import { OptionError } from '../../src/errors/errors.js'
import { startEmbeddedPostgres } from './embedded-postgres.js'

export interface StartPostgresOptions {
  /** Settings of the server, as in postgresql.conf. Default: 200 connections, and nothing is flushed to the disk. */
  settings?: Record<string, string | number> | undefined
  /** Gets every line that the server writes. */
  log?: ((line: string) => void) | undefined
}

/** A PostgreSQL server for tests. */
export interface TestPostgres {
  /** For the option `url`: the database `postgres`, by the superuser. */
  readonly url: string
  readonly host: string
  readonly port: number
  readonly user: string
  readonly password: string
  /** Ends the server, and removes its data. Again, it does nothing. */
  stop (): Promise<void>
  /** Ends it: `await using postgres = await startPostgres()`. */
  [Symbol.asyncDispose] (): Promise<void>
}

/**
 * Starts a real PostgreSQL of the package `embedded-postgres`, on a free port of 127.0.0.1, in a temporary folder. It ends with this
 * process at the latest, even if that is killed. Rejects with `FST_PG_TEST_SERVER` if that package is not installed, or if the server
 * does not start.
 *
 * @example
 * const postgres = await startPostgres()
 * app.register(postgresJs, { url: postgres.url })
 * // … and when the tests are done
 * await postgres.stop()
 */
export async function startPostgres (options: StartPostgresOptions = {}): Promise<TestPostgres> {
  const { url, host, port, user, password, close } = await startEmbeddedPostgres(readGiven('startPostgres', () => read(options)))
  return { url, host, port, user, password, stop: close, [Symbol.asyncDispose]: close }
}

function read (options: StartPostgresOptions): { settings?: Record<string, string | number>, log?: (line: string) => void } {
  if (typeof options !== 'object' || options === null) {
    throw new OptionError('startPostgres takes its options in an object: { settings, log }')
  }
  rejectUnknown(options, ['settings', 'log'], 'startPostgres.')
  const { settings = {}, log } = options
  if (typeof settings !== 'object' || settings === null) throw new OptionError('startPostgres.settings takes an object')
  const copied = { ...settings }
  for (const value of Object.values(copied)) {
    if (typeof value !== 'string' && typeof value !== 'number') throw new OptionError('startPostgres.settings takes strings and numbers')
  }
  if (log !== undefined && typeof log !== 'function') throw new OptionError('startPostgres.log takes a function')
  return { settings: copied, ...(log !== undefined && { log: guarded(log) }) }
}

/** Whatever the function of the user does, it does to itself. */
function guarded (log: (line: string) => unknown): (line: string) => void {
  return (line) => { new Promise((resolve) => { resolve(log(line)) }).catch(() => {}) }
}
