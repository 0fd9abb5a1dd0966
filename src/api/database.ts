import { type Batch, runBatch } from '../batch/batch.js'
import { rejectUnknown } from '../config/unknown-option.js'
import { type Calls, callsTo } from '../errors/callers-stack.js'
import { OptionError, QueryError } from '../errors/errors.js'
import { readGiven } from '../config/read-given.js'
import { isSignal } from '../timing/abort-signal.js'
import type { Health, HealthReport } from '../monitoring/health.js'
import type { Holder } from '../pool/pool-entry.js'
import type { Pool } from '../pool/pool.js'
import type { PoolStats } from '../pool/stats.js'
import type { Call } from '../query/call.js'
import type { StatementCache } from '../query/statement.js'
import { Checkout } from '../transaction/checkout.js'
import { beginText, type TransactionOptions } from '../transaction/transaction-options.js'
import './async-dispose.js'
import { forCaller } from './caller.js'
import { Lease } from './lease.js'
import { Queryable } from './queryable.js'
import { checkWork, runInTransaction, type Work } from './transaction.js'

/** A pool of connections and the query helpers on it: what `fastify.db` is. */
export class Database extends Queryable {
  readonly #pool: Pool
  readonly #health: Health

  constructor (pool: Pool, health: Health, statements: StatementCache) {
    super(statements, pool.dispatcher, pool.config.debug !== false)
    this.#pool = pool
    this.#health = health
  }

  /** Opens the pool; resolves when `min` connections are open. The first call of a helper does it too. */
  open (): Promise<void> {
    return forCaller(this.notesCallers, () => this.#pool.open())
  }

  /** Goes on serving for `closeTimeout` seconds at most, then ends everything: for requests that are answered before `close()`. */
  drain (): void { this.#pool.drain() }

  /** Ends the pool: no new work, `closeTimeout` seconds (since `drain()`, if that was called) for what is running. */
  close (): Promise<void> { return this.#pool.close() }

  /** Closes it: `await using db = createDatabase(…)`. */
  [Symbol.asyncDispose] (): Promise<void> { return this.close() }

  /** A connection for the caller alone, until `release()` of the lease. */
  acquire (options: { signal?: AbortSignal | undefined } = {}): Promise<Lease> {
    return forCaller(this.notesCallers, async () => {
      const signal = readSignal(options)
      return new Lease(await this.#checkOut('lease', signal, callsTo(this.acquire)), this.statements)
    })
  }

  override transaction<T> (work: Work<T>, options: TransactionOptions = {}): Promise<T> {
    return forCaller(this.notesCallers, async () => {
      const checked = checkWork(work)
      beginText(options) // a bad option must not cost a connection
      const checkout = await this.#checkOut('transaction', undefined, this.#pool.config.notesTakers ? callsTo(this.transaction) : undefined)
      return await this.#inTransaction(checkout, options, checked)
    })
  }

  /** A snapshot of the pool's numbers. */
  stats (): PoolStats { return this.#pool.stats() }

  /** Whether the database answers, with the pool's numbers; never rejects, and answers within its own deadline. */
  health (): Promise<HealthReport> { return this.#health.report() }

  /** Replaces every connection: idle ones now, busy ones when they are released. */
  expire (): void { this.#pool.expire() }

  protected override checkTransactionControl ({ statement: { leavesTransactionOpen, isScript } }: Call): void {
    // The next call would run elsewhere, outside of that transaction.
    if (leavesTransactionOpen || !isScript) {
      throw new QueryError('a transaction needs a connection of its own: use db.transaction(async (tx) => …), ' +
        'or BEGIN on a lease from db.acquire()')
    }
  }

  protected override async batch (batch: Batch): Promise<void> {
    const { config } = this.#pool
    const checkout = await this.#checkOut('transaction', batch.call.options.signal, config.notesTakers ? callsTo(this.batch) : undefined)
    await this.#inTransaction(checkout, {}, () => runBatch(checkout, batch))
  }

  protected override opened (): Promise<void> { return this.#pool.begin() }

  async #checkOut (holder: Holder, signal?: AbortSignal, takenBy?: Calls): Promise<Checkout> {
    const entry = this.#pool.tryAcquire(holder, signal) ?? await this.#pool.acquire(holder, signal)
    this.#pool.noteTaker(entry, takenBy)
    return new Checkout(this.#pool, entry.connection, holder, entry)
  }

  async #inTransaction<T> (checkout: Checkout, options: TransactionOptions, work: Work<T>): Promise<T> {
    try {
      return await runInTransaction(checkout, this.statements, options, work)
    } finally {
      await checkout.release()
    }
  }
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
