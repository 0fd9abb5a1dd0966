import { NotAloneError } from '../connection/connection-errors.js'
import { type Caller, type Read, type SessionOutcome, type SettleListener, StatementExecution } from '../connection/execution.js'
import type { DriverResult } from '../driver/result.js'
import { type Calls, callersOf, withCallers } from '../errors/callers-stack.js'
import type { Pool } from '../pool/pool.js'
import type { PoolEntry } from '../pool/pool-entry.js'
import type { Call } from '../query/call.js'
import type { Checkout } from '../transaction/checkout.js'
import type { Settings } from '../transaction/settings.js'
import { type Part, transact } from '../transaction/transact.js'
import { type PromisedCaller, rejectCaller } from './caller.js'
import { placeFor, sandboxOf } from './sandboxing.js'

/** A call that is a transaction of its own. */
export interface CallWithSettings<T> {
  readonly call: Call
  readonly read: Read<T>
  /** The calls that led to it, where they are noted. */
  readonly calls: Calls | undefined
  readonly settings: Settings
}

/**
 * Runs one call on a connection of the pool, as a transaction of its own with settings, which end with it. Rejects as a single call
 * does, and with a `ServerError` where a setting is refused: nothing is run then.
 *
 * What is prepared leaves together with its settings and ONE Sync: for the server that is one transaction, without BEGIN and COMMIT. The
 * connection is nobody else's in the meantime. All else goes as BEGIN, settings, statement and COMMIT.
 *
 * @example
 * await callWithSettings(pool, { call, read, calls, settings: readSettings({ 'app.tenant': 't1' }, 'settings') })
 */
export function callWithSettings<T> (pool: Pool, given: CallWithSettings<T>): Promise<T> {
  if (sandboxOf(pool) !== undefined) return inTransaction(pool, undefined, given)
  const { signal } = given.call.options
  const entry = pool.tryAcquire('transaction', signal)
  return entry === undefined ? inTurn(pool, given) : onEntry(pool, entry, given)
}

async function inTurn<T> (pool: Pool, given: CallWithSettings<T>): Promise<T> {
  try {
    return await onEntry(pool, await pool.acquire('transaction', given.call.options.signal), given)
  } catch (error) {
    throw withCallers(error, given.calls, callersOf(inTurn))
  }
}

function onEntry<T> (pool: Pool, entry: PoolEntry, given: CallWithSettings<T>): Promise<T> {
  return new Promise((resolve) => {
    const caller = new SettingsCaller(pool, entry, given, resolve)
    const execution = new StatementExecution(given.call, caller, caller)
    if (!entry.connection.startBehind(given.settings.alone, execution)) caller.beginTransaction()
  })
}

/** The caller of a statement that leaves with its settings. The connection is released when that is answered. */
class SettingsCaller<T> implements Caller, SettleListener {
  readonly isSession = false
  readonly #pool: Pool
  readonly #entry: PoolEntry
  readonly #given: CallWithSettings<T>
  readonly #caller: PromisedCaller<T>

  constructor (pool: Pool, entry: PoolEntry, given: CallWithSettings<T>, resolve: PromisedCaller<T>['resolve']) {
    this.#pool = pool
    this.#entry = entry
    this.#given = given
    this.#caller = { read: given.read, resolve, reject: rejectCaller, calls: given.calls }
  }

  read (result: DriverResult, call: Call): T { return this.#caller.read(result, call) }
  resolve (value: T): void { this.#caller.resolve(value) }

  reject (error: unknown): void {
    // A change of the schema has made of it what cannot be sent at once: it was not run.
    if (error instanceof NotAloneError) this.beginTransaction()
    else this.#caller.reject(error)
  }

  beginTransaction (): void { this.#caller.resolve(inTransaction(this.#pool, this.#entry, this.#given)) }

  settled (error?: unknown): void {
    if (error instanceof NotAloneError) return
    this.#pool.dispatcher.settled(error)
    this.#pool.release(this.#entry)
  }

  isLast (): boolean { return true }
  objection (outcome: SessionOutcome): Error | undefined { return this.#pool.dispatcher.objection(outcome) }
}

async function inTransaction<T> (pool: Pool, entry: PoolEntry | undefined, given: CallWithSettings<T>): Promise<T> {
  const { call, read, calls, settings } = given
  try {
    // What is made of the result does not undo the statement, as for any single call.
    const place = placeFor(pool, { settings, entry, signal: call.options.signal, takenBy: undefined })
    return read(await transact(place, new CallPart(call)), call)
  } catch (error) {
    throw withCallers(error, calls, callersOf(inTransaction))
  }
}

/** One call. */
class CallPart implements Part<DriverResult> {
  readonly hasCaller = false // the helper has
  readonly #call: Call

  constructor (call: Call) { this.#call = call }

  check (): void {}
  run (checkout: Checkout): Promise<DriverResult> { return checkout.perform(this.#call) }
  failed (): void {}
  end (): undefined {}
  after (): undefined {}
}
