import type { Batch } from '../batch/batch.js'
import type { TypeOptions } from '../codecs/own-types.js'
import type { EventLog } from '../config/event-log.js'
import { rejectUnknown } from '../config/unknown-option.js'
import { callsTo } from '../errors/callers-stack.js'
import { OptionError } from '../errors/errors.js'
import { readGiven } from '../config/read-given.js'
import { isSignal } from '../timing/abort-signal.js'
import { Health, type HealthLimits, type HealthReport } from '../monitoring/health.js'
import type { Pool } from '../pool/pool.js'
import type { PoolStats } from '../pool/stats.js'
import type { Call } from '../query/call.js'
import type { StatementCache } from '../query/statement.js'
import { Checkout } from '../transaction/checkout.js'
import type { AbortGroup } from '../timing/abort-group.js'
import type { Settings } from '../transaction/settings.js'
import { transact } from '../transaction/transact.js'
import type { TransactionOptions } from '../transaction/transaction-options.js'
import './async-dispose.js'
import { BatchPart } from './batch-part.js'
import { type Binding, BoundDatabase } from './bound-database.js'
import { forCaller } from './caller.js'
import { Lease, reservedWith } from './lease.js'
import { OpenTransaction } from './open-transaction.js'
import type { OwnSql, OwnSqlOptions, TypeNames } from './own-sql.js'
import { hostOf, Queryable, retarget } from './queryable.js'
import { placeFor, refuseByHand, sandboxOf, type Sandboxing, setSandbox } from './sandboxing.js'
import { databaseTag, type ReservedSql, type Sql } from './sql-scopes.js'
import type { TagConversion } from './tag-conversion.js'
import { FunctionPart, type Work } from './transaction.js'

/** For plugins, no part of the public surface: the helpers of a database for one user of it, and a transaction that its maker ends. */
export interface Access {
  bind (database: Database, binding: Binding, Kind?: typeof BoundDatabase): BoundDatabase
  begin (database: Database, beginning: RequestedTransaction): OpenTransaction
  /** Runs a request that may begin one, or has: what it asks of the database itself is known to be in it. */
  frame (database: Database, begun: OpenTransaction | undefined, work: () => void): void
}

/** A transaction without a function. */
export interface RequestedTransaction {
  options: TransactionOptions
  settings: Settings | undefined
  /** What only reads ends with it. */
  group: AbortGroup
  log: EventLog
}

export let access: Access

/** What a sandbox has to have of a database. */
export interface Sandboxed {
  readonly pool: Pool
  readonly statements: StatementCache
  /** From now on calls are run in a sandbox, or on the pool as usual. */
  redirect (sandboxing: Sandboxing | undefined): void
}

/** Undefined for what is no database of ours. */
export let sandboxed: (database: object) => Sandboxed | undefined

/** Databases by their names. */
export type Databases = Readonly<Record<string, Database>>

export interface DatabaseParts {
  pool: Pool
  statements: StatementCache
  databases: Databases
  health: { log: EventLog, limits: HealthLimits }
}

/** A pool of connections and the query helpers on it: what `fastify.db` is. */
export class Database extends Queryable<Sql> {
  readonly #pool: Pool
  /** Further databases that belong to the same registration, by their names. */
  readonly databases: Databases
  readonly #health: Health

  static {
    access = {
      bind: (database, binding, Kind = BoundDatabase) => new Kind(database.#pool, database.statements, binding),
      begin: (database, { options, settings, group, log }) => {
        const { statements } = database
        const pool = database.#pool
        const running = pool.nested.announce()
        const place = placeFor(pool, { options, settings, running, log, takenBy: undefined })
        return new OpenTransaction(place, { pool, statements, running, group, log })
      },
      frame: (database, begun, work) => database.#pool.nested.runFrame(begun?.running, work),
    }
    sandboxed = (database) => !(#pool in database)
      ? undefined
      : {
          pool: database.#pool,
          statements: database.statements,
          redirect (sandboxing) {
            setSandbox(database.#pool, sandboxing)
            retarget(database, sandboxing ?? database.#pool.dispatcher)
          },
        }
  }

  constructor ({ pool, health, statements, databases }: DatabaseParts) {
    super(statements, pool.dispatcher, pool.config.debug !== false)
    this.#pool = pool
    this.databases = Object.freeze({ ...databases })
    const further = new Map(Object.entries(this.databases).map(([name, database]) => [name, database.#health]))
    this.#health = new Health(pool, health.log, health.limits, further)
  }

  createSql<Types extends TypeOptions = TypeOptions> (options: OwnSqlOptions<Types> = {}): OwnSql<TypeNames<Types>> {
    return this.makeTag(this.ownConversion(options)) as unknown as OwnSql<TypeNames<Types>> // by OwnSql's own words
  }

  protected override makeTag (conversion: TagConversion): Sql {
    const reserve = async (): Promise<ReservedSql> => reservedWith(await this.acquire(), conversion)
    return databaseTag({ host: hostOf(this), within: this, conversion, session: this.#pool, reserve })
  }

  /** Opens the pool; resolves when `min` connections are open. The first call of a helper does it too. */
  open (): Promise<void> {
    return forCaller(this.notesCallers, () => this.#pool.open())
  }

  /** Goes on serving for `closeTimeout` seconds at most, then ends everything: for requests that are answered before `close()`. */
  drain (): void { this.#pool.drain() }

  /** Ends the pool: no new work, `closeTimeout` seconds (since `drain()`, if that was called) for what is running. */
  close (): Promise<void> {
    const closed = this.#pool.close()
    sandboxOf(this.#pool)?.stop()
    return closed
  }

  /** Closes it: `await using db = createDatabase(…)`. */
  [Symbol.asyncDispose] (): Promise<void> { return this.close() }

  /** A connection for the caller alone, until `release()` of the lease. */
  acquire (options: { signal?: AbortSignal | undefined } = {}): Promise<Lease> {
    return forCaller(this.notesCallers, async () => {
      const signal = readSignal(options)
      const sandbox = sandboxOf(this.#pool)
      if (sandbox !== undefined) return await sandbox.acquire(signal)
      const takenBy = callsTo(this.acquire)
      const entry = this.#pool.tryAcquire('lease', signal) ?? await this.#pool.acquire('lease', signal)
      this.#pool.noteTaker(entry, takenBy)
      const checkout = new Checkout(this.#pool, entry.connection, 'lease', entry)
      if (this.#pool.hooks !== undefined) await this.#pool.hooks.acquired(checkout, 'lease', signal)
      return new Lease(checkout, this.statements)
    })
  }

  override transaction<T> (work: Work<T>, options?: TransactionOptions): Promise<T> {
    const takenBy = this.#pool.config.notesTakers ? callsTo(this.transaction) : undefined
    return transact(placeFor(this.#pool, { options, takenBy }), new FunctionPart(work, this.statements, 0))
  }

  /** A snapshot of the pool's numbers. */
  stats (): PoolStats { return this.#pool.stats() }

  /**
   * Whether the database answers, with the pool's numbers, and the same of further ones in its registration; never rejects, and answers
   * within its own deadline.
   */
  health (): Promise<HealthReport> { return this.#health.report() }

  /** Replaces every connection: idle ones now, busy ones when they are released. */
  expire (): void { this.#pool.expire() }

  protected override checkTransactionControl (call: Call): void { refuseByHand(this.#pool, call) }

  protected override batch (batch: Batch): Promise<void> {
    const takenBy = this.#pool.config.notesTakers ? callsTo(this.batch) : undefined
    return transact(placeFor(this.#pool, { signal: batch.call.options.signal, takenBy }), new BatchPart(batch))
  }

  protected override opened (): Promise<void> { return this.#pool.begin() }
}

/** The signal among the options of `acquire`. Raises `OptionError`. */
function readSignal (options: { signal?: AbortSignal | undefined }): AbortSignal | undefined {
  return readGiven('acquire.signal', () => {
    if (typeof options !== 'object' || options === null || isSignal(options)) {
      throw new OptionError('acquire takes its options in an object: acquire({ signal })')
    }
    rejectUnknown(options, ['signal'], 'acquire.')
    const { signal } = options
    if (signal !== undefined && !isSignal(signal)) throw new OptionError('acquire.signal takes an AbortSignal')
    return signal
  })
}
