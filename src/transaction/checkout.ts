import type { Connection } from '../connection/connection.js'
import { codeOf } from '../errors/error-code.js'
import { ReleasedError, TransactionAbortedError } from '../errors/errors.js'
import { Execution, type Read } from '../connection/execution.js'
import type { ExecutionsResult } from '../driver/execute-many.js'
import type { Pool } from '../pool/pool.js'
import { type Call, internalCall } from '../query/query.js'
import type { DriverResult } from '../driver/result.js'

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

  /** The server has said that the transaction is over. */
  ended (): void { this.#doubtful = false }

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
      this.#inTurn(() => call === ROLLBACK ? this.connection.start(execution) : this.#start(execution))
    })
  }

  /** The same for a call that may fail without being anyone's error: it is not counted. */
  attempt (call: Call): Promise<DriverResult> {
    return this.#perform(call, () => this.connection.run(call, this.#advance))
  }

  /** The types of a statement's parameters. */
  describe (call: Call): Promise<readonly number[]> {
    return this.#perform(call, () => this.connection.describe(call, this.#onSettled))
  }

  /** One statement for many lists of arguments, sent together. */
  runMany (call: Call, types: readonly number[], lists: ReadonlyArray<readonly unknown[]>, firstRow: number): Promise<ExecutionsResult> {
    return this.#perform(call, () => this.connection.runMany(call, types, lists, firstRow, this.#onSettled))
  }

  #start (execution: Execution): void {
    const begin = this.#begin
    if (begin !== undefined) {
      this.#begin = undefined
      this.#begins = true
      if (this.connection.startWith(begin.statement.text, execution)) return
      this.#begin = begin
      this.#begins = false
    }
    this.#ready(execution.call, () => this.connection.start(execution), (error) => execution.fail(error))
  }

  /** Does something in its turn. The work says by `#onSettled` or `#advance` that it is done. */
  #perform<T> (call: Call, work: () => Promise<T>): Promise<T> {
    if (this.#end !== undefined) return Promise.reject(new ReleasedError(this.#name))
    return new Promise((resolve, reject) => {
      const refuse = (error: unknown): void => {
        this.#onSettled(error)
        reject(error)
      }
      this.#inTurn(() => this.#ready(call, () => work().then(resolve, reject), refuse))
    })
  }

  /**
   * Sees to it that the transaction has begun. If it has not, the call is not run: it would be outside of it. Its timeout
   * and signal hold meanwhile too.
   */
  #ready ({ options }: Call, proceed: () => void, refuse: (error: unknown) => void): void {
    const first = this.#begin ?? (this.#doubtful ? PROBE : undefined)
    this.#begin = undefined
    if (first === undefined) return proceed()
    this.#doubtful = true
    const begun = (): void => {
      this.#doubtful = false
      proceed()
    }
    this.connection.start(new Execution({ ...first, options }, begun, (error) => {
      const code = first === PROBE ? codeOf(error) : undefined
      // The transaction is open, and the server will say itself that it has failed.
      if (code === '25P02') begun()
      else refuse(code === '25P01' ? new TransactionAbortedError({ cause: this.firstError }) : error)
    }))
  }

  readonly #onSettled = (error: unknown): void => {
    if (error !== undefined) {
      this.firstError ??= error
      this.pool.countError(error)
      if (this.#begins) this.#doubtful = true
    }
    this.#advance()
  }

  readonly #advance = (): void => {
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
