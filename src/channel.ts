import type { Connection } from './connection.js'
import { codeOf } from './error-code.js'
import { ReleasedError, TransactionAbortedError } from './errors.js'
import { Execution } from './execution.js'
import type { Pool } from './pool.js'
import { type Call, internalCall, type Read } from './query.js'
import type { DriverResult } from './result.js'

export const ROLLBACK = internalCall('ROLLBACK')
/** Fails inside of a failed transaction as well as outside of any, each in its own way. */
const PROBE = internalCall('SAVEPOINT fastify_postgres_js_probe')

/**
 * A connection in the hands of one lease or transaction. Calls run one after the other in the order in which they were
 * made; when it ends, the connection goes back to the pool, and later calls reject.
 */
export class Channel {
  readonly pool: Pool
  readonly connection: Connection
  /** The first error of a call, for the cause of a commit that turns into a rollback. */
  firstError: unknown
  readonly #name: string
  /** A BEGIN that travels with the first call. */
  #begin: Call | undefined
  /** Whether the call that is running carries a BEGIN. */
  #begins = false
  /** Whether a call that carried the BEGIN failed: by itself, or because the server refused to begin. */
  #doubtful = false
  #running = false
  #starting = false
  /** The calls that wait for their turn. */
  readonly #queue: Array<() => void> = []
  readonly #drained: Array<() => void> = []
  #end: Promise<void> | undefined

  constructor (pool: Pool, connection: Connection, name: string) {
    this.pool = pool
    this.connection = connection
    this.#name = name
  }

  /**
   * Begins a transaction with the next call, which saves a round trip. The server skips the call if it refuses to begin.
   */
  begin (call: Call): void {
    this.#begin = call
    this.#doubtful = false
    this.firstError = undefined
  }

  /** Whether nothing was run since `begin`, so that the server knows of no transaction. It is given up then. */
  takeBackBegin (): boolean {
    const unused = this.#begin !== undefined
    this.#begin = undefined
    return unused
  }

  run (call: Call): Promise<DriverResult>
  /** Resolves with what `read` makes of the result. */
  run<T> (call: Call, read: Read<T>): Promise<T>
  run (call: Call, read: Read<unknown> = (result) => result): Promise<unknown> {
    if (this.#end !== undefined) return Promise.reject(new ReleasedError(this.#name))
    return new Promise((resolve, reject) => {
      const execution = new Execution(call, (result) => resolve(read(result, call)), reject, this.#onSettled)
      this.#inTurn(() => this.#start(execution))
    })
  }

  /** One prepared statement for many lists of arguments, sent together. */
  runPrepared (call: Call, lists: ReadonlyArray<readonly unknown[]>, firstRow: number): Promise<DriverResult[]> {
    if (this.#end !== undefined) return Promise.reject(new ReleasedError(this.#name))
    return new Promise((resolve, reject) => {
      this.#inTurn(() => {
        this.connection.runPrepared(call, lists, firstRow, this.#onSettled).then(resolve, reject)
      })
    })
  }

  #start (execution: Execution): void {
    const begin = this.#begin
    this.#begin = undefined
    if (begin !== undefined) {
      this.#begins = this.connection.startWith(begin.statement.text, execution)
      if (!this.#begins) this.#startAfter(begin, execution)
    } else if (this.#doubtful && execution.call !== ROLLBACK) {
      this.#startAfter(PROBE, execution)
    } else {
      this.connection.start(execution)
    }
  }

  /** Runs a call of ours first. If that fails, the other one is not run: it would be outside of the transaction. */
  #startAfter (first: Call, execution: Execution): void {
    const refuse = (error: unknown): void => {
      this.#doubtful = true
      execution.fail(error)
    }
    const proceed = (): void => {
      this.#doubtful = false
      this.connection.start(execution)
    }
    this.connection.start(new Execution(first, proceed, (error) => {
      if (first !== PROBE) return refuse(error)
      // The transaction is open, and the server will say itself that it has failed.
      if (codeOf(error) !== '25P02') return refuse(new TransactionAbortedError({ cause: this.firstError }))
      proceed()
    }))
  }

  readonly #onSettled = (error: unknown): void => {
    if (error !== undefined) {
      this.firstError ??= error
      this.pool.countError(error)
      if (this.#begins) this.#doubtful = true
    }
    this.#begins = false
    this.#running = false
    this.#next()
  }

  #inTurn (start: () => void): void {
    this.#queue.push(start)
    this.#next()
  }

  #next (): void {
    // A call that is refused before it is sent is settled at once: one round serves all, without recursion.
    if (this.#starting) return
    this.#starting = true
    while (!this.#running) {
      const start = this.#queue.shift()
      if (start === undefined) break
      this.#running = true
      start()
    }
    this.#starting = false
    if (!this.#running) for (const resolve of this.#drained.splice(0)) resolve()
  }

  /** Resolves when the calls made so far are done; nothing to wait for where there are none. */
  drain (): Promise<void> | undefined {
    return this.#running ? new Promise((resolve) => this.#drained.push(resolve)) : undefined
  }

  /** Ends the connection, unless it is somebody else's by now. */
  destroy (): void {
    if (this.#end === undefined) this.connection.destroy('transaction')
  }

  /** Gives the connection back once what is under way on it is done. Again, it does nothing. */
  release (): Promise<void> {
    this.#end ??= this.#giveBack()
    return this.#end
  }

  async #giveBack (): Promise<void> {
    const calls = this.drain()
    if (calls !== undefined) await calls
    this.pool.release(this.connection)
  }
}
