import { pino } from 'pino'
import { readConfig } from '../config/config.js'
import { eventLog } from '../config/event-log.js'
import type { PoolOptions } from '../config/options.js'
import { readGiven } from '../config/read-given.js'
import type { Connection } from '../connection/connection.js'
import { OptionError, QueryError } from '../errors/errors.js'
import { Health, type HealthOptions, readHealthOptions } from '../monitoring/health.js'
import { Pool } from '../pool/pool.js'
import { StatementCache } from '../query/statement.js'
import { Checkout } from '../transaction/checkout.js'
import { Database } from './database.js'
import { Lease } from './lease.js'
import type { Queryable } from './queryable.js'

export interface DatabaseOptions extends PoolOptions {
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
  if (typeof given !== 'object' || given === null || Array.isArray(given) || given instanceof URL) {
    throw new OptionError('createDatabase takes its options in an object: createDatabase({ url, min, max })')
  }
  const { health, name = 'db', ...options } = readGiven('createDatabase', () => ({ ...given }))
  const config = readConfig(options, env)
  const healthOptions = readHealthOptions(health)
  if (typeof name !== 'string' || name === '') throw new OptionError('option name takes what log lines call the database')
  const log = eventLog(options.log ?? pino({ name: 'fastify-postgres-js', level: 'warn' }, pino.destination(2)), name)
  const statements = new StatementCache()
  const { onConnect } = options
  const pool: Pool = new Pool({
    config,
    log,
    onConnect: onConnect && (async (connection: Connection) => {
      const lease = new Lease(new Checkout(pool, connection, 'connection'), statements)
      try {
        await onConnect(lease)
        if (lease.begun) throw new QueryError('onConnect left a transaction open')
      } finally {
        await lease.release() // a caller that keeps it must not run anything on what is others' by then
      }
    })
  })
  return new Database(pool, new Health(pool, log, healthOptions), statements)
}
