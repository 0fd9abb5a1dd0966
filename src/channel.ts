import type { Connection } from './connection.js'
import type { DriverResult } from './driver.js'
import { ReleasedError } from './errors.js'
import type { ExecutionsResult } from './executions.js'
import type { Pool } from './pool.js'
import type { Call } from './query.js'

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
  #tail: Promise<unknown> | undefined
  #end: Promise<void> | undefined

  constructor (pool: Pool, connection: Connection, name: string) {
    this.pool = pool
    this.connection = connection
    this.#name = name
  }

  run (call: Call): Promise<DriverResult> {
    return this.#inTurn(() => this.connection.run(call, this.#onSettled))
  }

  /** The same for a call that may fail without being anyone's error: it is not counted. */
  attempt (call: Call): Promise<DriverResult> {
    return this.#inTurn(() => this.connection.run(call))
  }

  /** The types of a statement's parameters. */
  describe (call: Call): Promise<readonly number[]> {
    return this.#inTurn(() => this.connection.describe(call, this.#onSettled))
  }

  /** One statement for many lists of arguments, sent together. */
  runMany (call: Call, types: readonly number[], lists: ReadonlyArray<readonly unknown[]>, firstRow: number): Promise<ExecutionsResult> {
    return this.#inTurn(() => this.connection.runMany(call, types, lists, firstRow, this.#onSettled))
  }

  readonly #onSettled = (error?: unknown): void => {
    if (error === undefined) return
    this.firstError ??= error
    this.pool.countError(error)
  }

  #inTurn<T> (work: () => Promise<T>): Promise<T> {
    if (this.#end !== undefined) return Promise.reject(new ReleasedError(this.#name))
    const result = this.#tail === undefined ? work() : this.#tail.then(work)
    const tail = result.then(() => {}, () => {}).then(() => {
      if (this.#tail === tail) this.#tail = undefined
    })
    this.#tail = tail
    return result
  }

  /** Resolves when the calls made so far are done. */
  async drain (): Promise<void> {
    while (this.#tail !== undefined) await this.#tail
  }

  /** Ends the connection, unless it is somebody else's by now. */
  destroy (): void {
    if (this.#end === undefined) this.connection.destroy('transaction')
  }

  /** Gives the connection back once what is under way on it is done. Again, it does nothing. */
  release (): Promise<void> {
    this.#end ??= this.drain().then(() => this.pool.release(this.connection))
    return this.#end
  }
}
