import { pino } from 'pino'
import { type ConversionOptions, readConversion } from '../codecs/conversion.js'
import { readConfig } from '../config/config.js'
import { eventLog } from '../config/event-log.js'
import type { PoolOptions } from '../config/options.js'
import { readGiven } from '../config/read-given.js'
import type { SessionListeners } from '../driver/session-reports.js'
import { OptionError } from '../errors/errors.js'
import { type HealthOptions, readHealthOptions } from '../monitoring/health.js'
import { Pool } from '../pool/pool.js'
import { StatementCache } from '../query/statement.js'
import { type AcquireHookOptions, AcquireHooks } from './acquire-hooks.js'
import { Database, type Databases } from './database.js'
import type { Queryable } from './queryable.js'
import { runHook } from './session-hook.js'

export interface DatabaseOptions extends PoolOptions, AcquireHookOptions, ConversionOptions, SessionListeners {
  /** Runs once on each new connection, with its helpers; if it fails, the connection is discarded. */
  onConnect?: ((connection: Queryable) => unknown) | undefined
  health?: HealthOptions | undefined
  /** What its log lines call it. Default `db`. */
  name?: string | undefined
}

/**
 * A database for a script, a worker or a test, without Fastify. Nothing is opened before `open()` or the first call.
 * Without a `log` it writes what is at least a warning to stderr.
 * Raises `OptionError` for a bad option or environment variable.
 *
 * @example
 * await using db = createDatabase({ url: 'postgres://localhost/app', min: 1 }) // or db.close() at the end
 * console.log(await db.fetchVal('SELECT 1'))
 */
export function createDatabase (given: DatabaseOptions = {}, env: NodeJS.ProcessEnv = process.env): Database {
  return createWith({}, given, env)
}

/** A database that has further ones: what its health tells of too. Otherwise as `createDatabase`. */
export function createWith (databases: Databases, given: DatabaseOptions, env: NodeJS.ProcessEnv): Database {
  if (typeof given !== 'object' || given === null || Array.isArray(given) || given instanceof URL) {
    throw new OptionError('createDatabase takes its options in an object: createDatabase({ url, min, max })')
  }
  const { health, name = 'db', ...options } = readGiven('createDatabase', () => ({ ...given }))
  const config = readConfig(options, env)
  const conversion = readGiven('createDatabase', () => readConversion(options))
  const limits = readHealthOptions(health)
  if (typeof name !== 'string' || name === '') throw new OptionError('option name takes what log lines call the database')
  const log = eventLog(options.log ?? pino({ name: 'fastify-postgres-js', level: 'warn' }, pino.destination(2)), name)
  const statements = new StatementCache()
  const { onConnect, onAcquire, onRelease, onNotice, onParameter } = options
  const pool: Pool = new Pool({
    config,
    conversion,
    log,
    onConnect: onConnect && ((connection) => runHook({ pool, statements }, connection, 'onConnect', onConnect)),
    hooks: onAcquire ?? onRelease ? new AcquireHooks({ pool: () => pool, statements, log, onAcquire, onRelease }) : undefined,
    listeners: { onNotice, onParameter },
  })
  return new Database({ pool, statements, databases, health: { log, limits } })
}
