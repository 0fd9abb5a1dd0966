import type { Read } from '../connection/execution.js'
import { pino } from 'pino'
import type { Batch } from '../batch/batch.js'
import { Channel } from '../transaction/checkout.js'
import { readConfig, type Log, type PoolOptions } from '../config/config.js'
import type { Connection, Holder } from '../connection/connection.js'
import { OptionError, QueryError } from '../errors/errors.js'
import { Health, readHealthOptions, type HealthOptions, type HealthReport } from '../monitoring/health.js'
import { Lease } from './lease.js'
import { Pool } from '../pool/pool.js'
import type { Call } from '../query/query.js'
import { Queryable } from './queryable.js'
import { StatementCache } from '../query/statement.js'
import type { PoolStats } from '../pool/stats.js'
import { batchInTransaction, inTransaction, type Transaction } from './transaction.js'
import { beginText, type TransactionOptions } from '../transaction/transaction-options.js'

export interface DatabaseOptions extends Omit<PoolOptions, 'onConnect'> {
  /** Runs once on each new connection, with its helpers; if it fails, the connection is discarded. */
  onConnect?: ((connection: Queryable) => unknown) | undefined
  health?: HealthOptions | undefined
}

/** A pool of connections and the query helpers on it: what `fastify.db` is. */
export class Database extends Queryable {
  readonly #pool: Pool
  readonly #health: Health

  constructor (pool: Pool, health: Health, statements: StatementCache) {
    super(statements)
    this.#pool = pool
    this.#health = health
  }

  /** Opens the pool; resolves when `min` connections are open. The first call of a helper does it too. */
  open (): Promise<void> { return this.#pool.open() }

  /** Goes on serving, for `closeTimeout` seconds at most; then everything is ended. For before `close()`, while requests are being answered. */
  drain (): void { this.#pool.drain() }

  /** Ends the pool: no new work, `closeTimeout` seconds (since `drain()`, if that was called) for what is running. */
  close (): Promise<void> { return this.#pool.close() }

  /** A connection for the caller alone; give it back with `release()`. */
  async acquire (options: { signal?: AbortSignal | undefined } = {}): Promise<Lease> {
    if (options.signal !== undefined && !(options.signal instanceof AbortSignal)) throw new OptionError('acquire.signal takes an AbortSignal')
    return new Lease(await this.#channel('lease', options.signal, callsTo(this.acquire)), this.statements)
  }

  override async transaction<T> (work: (tx: Transaction) => Promise<T> | T, options: TransactionOptions = {}): Promise<T> {
    beginText(options) // a bad option must not cost a connection
    const channel = await this.#channel('transaction', undefined, this.#pool.config.notesTakers ? callsTo(this.transaction) : undefined)
    try {
      return await inTransaction(channel, this.statements, work, options)
    } finally {
      await channel.release()
    }
  }

  /** A snapshot of the pool's numbers. */
  stats (): PoolStats { return this.#pool.stats() }

  /** Whether the database answers, with the pool's numbers; never rejects, and answers within its own deadline. */
  health (): Promise<HealthReport> { return this.#health.report() }

  /** Replaces every connection: free ones now, busy ones when they come back. */
  expire (): void { this.#pool.expire() }

  protected override run<T> (call: Call, read: Read<T>): Promise<T> {
    const { controlsTransaction, leavesTransactionOpen, isScript } = call.statement
    // The next call would run elsewhere, outside of that transaction.
    if (controlsTransaction && (leavesTransactionOpen || !isScript)) {
      throw new QueryError('a transaction needs a connection of its own: use db.transaction(async (tx) => …), or BEGIN on a lease from db.acquire()')
    }
    return this.#pool.run(call, read)
  }

  protected override async batch (batch: Batch): Promise<void> {
    const channel = await this.#channel('transaction', batch.call.options.signal, this.#pool.config.notesTakers ? callsTo(this.batch) : undefined)
    try {
      await batchInTransaction(channel, this.statements, batch)
    } finally {
      await channel.release()
    }
  }

  async #channel (holder: Holder, signal?: AbortSignal, takenBy?: { stack?: string }): Promise<Channel> {
    const connection = this.#pool.tryAcquire(holder, signal) ?? await this.#pool.acquire(holder, signal)
    connection.takenBy = takenBy
    return new Channel(this.#pool, connection, holder)
  }
}

/** The calls that led to a call of `method`, put in words only when somebody reads them: 2 µs. */
function callsTo (method: (...args: never[]) => unknown): { stack?: string } {
  const calls = {}
  Error.captureStackTrace(calls, method)
  return calls
}

/**
 * A database for a script, a worker or a test, without Fastify. Nothing is opened before `open()` or the first call.
 * Raises `OptionError` for a bad option or environment variable.
 *
 * @example
 * const db = createDatabase({ url: 'postgres://localhost/app', min: 1 })
 * console.log(await db.fetchVal('SELECT 1'))
 * await db.close()
 */
export function createDatabase ({ health, ...options }: DatabaseOptions = {}, env: NodeJS.ProcessEnv = process.env): Database {
  const config = readConfig(options, env)
  const healthOptions = readHealthOptions(health)
  const log: Log = options.log ?? pino({ name: 'fastify-postgres-js' })
  const statements = new StatementCache()
  const { onConnect } = options
  const pool: Pool = new Pool({
    config,
    log,
    onConnect: onConnect && (async (connection: Connection) => {
      const lease = new Lease(new Channel(pool, connection, 'connection'), statements)
      try {
        await onConnect(lease)
        if (lease.begun) throw new QueryError('onConnect left a transaction open')
      } finally {
        await lease.release() // whoever keeps it must not run anything on what is others' by then
      }
    })
  })
  return new Database(pool, new Health(pool, log, healthOptions), statements)
}
