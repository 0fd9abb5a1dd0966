import type { Connection } from '../../src/connection/connection.js'
import { copyOf } from '../../src/errors/callers-stack.js'
import { ClosedError, SandboxError } from '../../src/errors/errors.js'
import type { PoolEntry } from '../../src/pool/pool-entry.js'
import type { Pool } from '../../src/pool/pool.js'
import { type Call, internalCall } from '../../src/query/call.js'
import { Deadlines } from '../../src/timing/deadlines.js'
import type { Checkout } from '../../src/transaction/checkout.js'
import { SandboxCheckout } from './checkout.js'
import { Running, type SandboxState } from './state.js'
import { Turns } from './turns.js'

const NAME = 'fastify_postgres_js_sandbox'
const BEGIN = internalCall(`ROLLBACK; BEGIN; SAVEPOINT ${NAME}`)
const ROLLBACK = internalCall('ROLLBACK')
const SAVE = internalCall(`RELEASE ${NAME}; SAVEPOINT ${NAME}`)
const GO_BACK = internalCall(`ROLLBACK TO ${NAME}`)

/** The one connection of a sandbox, and the transaction on it that is never committed. */
export class SandboxSession implements SandboxState {
  readonly pool: Pool
  readonly turns: Turns
  /** The functions of transactions that are running, the innermost last. */
  readonly running: Running[] = []
  readonly #deadlines = new Deadlines()
  #entry: PoolEntry
  /** For the calls outside of transactions. */
  #calls: SandboxCheckout
  /** What was run since the savepoint: plain reads at most, what may have had an effect, or what has to be undone. */
  #since: 'reads' | 'effects' | 'undone' = 'reads'
  /** Why nothing can be run until all is begun again. */
  #failure: Error | undefined

  private constructor (pool: Pool, entry: PoolEntry) {
    this.pool = pool
    this.#entry = entry
    this.turns = this.#newTurns()
    this.#calls = new SandboxCheckout(this, 'sandbox')
  }

  /** Takes a connection of the pool, and begins. Rejects as a call does that finds no connection. */
  static async open (pool: Pool): Promise<SandboxSession> {
    const session = new SandboxSession(pool, await pool.acquire('sandbox'))
    try {
      await session.#begin()
    } catch (error) {
      pool.release(session.#entry)
      throw error
    }
    return session
  }

  get connection (): Connection { return this.#entry.connection }
  get calls (): SandboxCheckout { return this.#calls }

  #newTurns (): Turns {
    return new Turns({ acquireTimeout: this.pool.config.acquireTimeout, deadlines: this.#deadlines, entry: () => this.#entry })
  }

  /** The transaction in whose function the caller is. */
  get inside (): Running | undefined {
    const { current } = this.pool.nested
    return current === undefined ? undefined : this.running.findLast(({ transaction }) => transaction === current)
  }

  /** The function of a transaction is about to run. */
  enter (checkout: Checkout): Running {
    const running = new Running(checkout, this.#newTurns())
    this.running.push(running)
    return running
  }

  /** It is over. Again, it does nothing. */
  leave (running: Running): void {
    const index = this.running.indexOf(running)
    if (index === -1) return
    this.running.splice(index, 1)
    running.transaction?.end()
  }

  /** Why nothing can be run: the connection is lost, or the transaction over. */
  get objection (): Error | undefined {
    if (!this.connection.isOpen) return copyOf(this.connection.lostError)
    return this.#failure === undefined ? undefined : copyOf(this.#failure)
  }

  ended (cause: Error): void {
    this.#failure ??= new SandboxError('a statement has ended the transaction of the sandbox: call reset()', { cause })
  }

  save (hasEffect: boolean): string {
    const mustGoBack = this.#since === 'undone' || this.connection.session.transaction === 'failed'
    if (mustGoBack || this.#since === 'effects') this.#set(mustGoBack ? GO_BACK : SAVE)
    this.#since = hasEffect ? 'effects' : 'reads'
    return GO_BACK.statement.text
  }

  #set (savepoint: Call): void {
    this.connection.run(savepoint).catch((cause: unknown) => {
      this.#failure ??= new SandboxError('the savepoint of the sandbox could not be set: call reset()', { cause })
    })
  }

  /** What was done since the last savepoint is undone before anything else is sent. */
  undo (): void { this.#since = 'undone' }

  /** Undoes everything, and begins again, on another connection if this one is lost. In a turn of its own. */
  async renew (): Promise<void> {
    await this.connection.cancelling
    try {
      // A setting goes with the transaction; a lock of the session, or a statement that was prepared by hand, does not.
      if (this.connection.isOpen && this.connection.session.hasState) await this.connection.reset()
      if (this.connection.isOpen) return await this.#begin()
    } catch {} // it is lost, or of no more use
    this.connection.destroy('transaction')
    this.#entry = await this.pool.acquire('sandbox')
    await this.#begin()
  }

  async #begin (): Promise<void> {
    const { connection } = this
    await connection.cancelling
    await connection.run(BEGIN)
    this.#since = 'reads'
    this.#failure = undefined
    this.#calls = new SandboxCheckout(this, 'sandbox')
  }

  /** Undoes everything, and returns the connection to the pool. `isFree`: in a turn of its own; otherwise what is running ends too. */
  async end (isFree: boolean): Promise<void> {
    if (isFree) await this.connection.run(ROLLBACK).catch(() => this.connection.destroy('transaction'))
    else this.connection.destroy('transaction')
    this.#stop(new SandboxError('the sandbox is closed: use the database itself'))
    if (isFree) this.turns.over()
  }

  /** The pool is closing: what is running ends, and nothing follows. */
  stop (): void { this.#stop(new ClosedError()) }

  #stop (error: Error): void { this.turns.stop(error, () => this.pool.release(this.#entry)) }
}
