import type { Executions, Parts } from '../connection/batch-executor.js'
import type { Connection } from '../connection/connection.js'
import type { Conversion } from '../codecs/conversion.js'
import { type Read, type SessionOutcome, StatementExecution, type StatementTarget, wholeResult } from '../connection/execution.js'
import type { ExecutionsResult } from '../driver/execute-many.js'
import type { Preamble } from '../driver/preamble.js'
import type { DriverResult } from '../driver/result.js'
import { copyOf } from '../errors/callers-stack.js'
import { ReleasedError, TransactionAbortedError } from '../errors/errors.js'
import type { Config } from '../config/config.js'
import type { Held, RunningTransaction } from '../pool/nested-acquire.js'
import type { Pool, Use } from '../pool/pool.js'
import type { PoolEntry } from '../pool/pool-entry.js'
import { type Call, internalCall } from '../query/call.js'
import { DeferredBegin } from './deferred-begin.js'

export const COMMIT = internalCall('COMMIT')
export const ROLLBACK = internalCall('ROLLBACK')

/** The command tags after which a transaction is not the one that it was. */
const ENDS = new Set(['BEGIN', 'START TRANSACTION', 'COMMIT', 'PREPARE TRANSACTION'])

/**
 * A connection in the hands of one lease or transaction. Calls run one after the other in the order in which they were
 * made; at its end the connection is released to the pool, and later calls reject.
 */
export class Checkout implements StatementTarget, Use {
  readonly isSession = true
  readonly connection: Connection
  readonly begin: DeferredBegin
  /** The first error of a call in the transaction, for the cause of a commit that turns into a rollback. */
  firstError: unknown
  beforeRelease: (() => Promise<void>) | undefined
  readonly #pool: Pool
  /** None while the connection is not the pool's yet. */
  readonly #entry: PoolEntry | undefined
  readonly #name: string
  /** Whether a call is running. */
  #running = false
  #starting = false
  /** Whether the call that is running may fail without being anyone's error. */
  #attempting = false
  /** The calls that wait for their turn, and other work that does. */
  readonly #queue: Array<StatementExecution | (() => void)> = []
  #drained: Array<() => void> | undefined
  #isReleased = false
  #end: Promise<void> | undefined
  /** How many transactions and savepoints of ours are open. */
  #depth = 0
  /** The transaction is over although its function goes on: nothing more is run in it. */
  #over: Error | undefined
  /** Whether a statement in the transaction has committed it, or begun another one. */
  wasCommitted = false

  /** `name`: what errors call its holder. */
  constructor (pool: Pool, connection: Connection, name: string, entry?: PoolEntry) {
    this.#pool = pool
    this.connection = connection
    this.#name = name
    this.#entry = entry
    this.begin = new DeferredBegin(connection)
  }

  get conversion (): Conversion | undefined { return this.#pool.conversion }

  /** Runs a call in its turn. Raises `ReleasedError` after `release()`. */
  run (execution: StatementExecution): void {
    this.throwIfReleased()
    this.#inTurn(execution)
  }

  /** Runs a call in its turn, and resolves with its result. */
  perform (call: Call, read: Read<DriverResult> = wholeResult): Promise<DriverResult> {
    return new Promise((resolve, reject) => this.run(new StatementExecution(call, { read, resolve, reject }, this)))
  }

  /** Runs a call that may fail without being anyone's error: it is not counted. */
  attempt (call: Call): Promise<DriverResult> {
    return this.#takeTurn(call, () => {
      this.#attempting = true
      return this.connection.run(call, this)
    })
  }

  /** The types of a statement's parameters. A transaction that has yet to begin does so with it. `after`: statements of ours behind it. */
  describe (call: Call, after: Preamble | undefined): Promise<readonly number[]> {
    return this.#takeTurn(call, () => this.connection.describe({ call, before: this.begin.take(), after }, this), true)
  }

  /** One statement for many lists of arguments, sent together. */
  executeMany (executions: Executions): Promise<ExecutionsResult> {
    return this.#takeTurn(executions.call, () => this.connection.executeMany(executions, this))
  }

  /** A chunk of argument lists in parts, which may fail without being anyone's error. */
  attemptParts (parts: Parts): Promise<ExecutionsResult> {
    return this.#takeTurn(parts.call, () => {
      this.#attempting = true
      return this.connection.executeParts(parts, this)
    })
  }

  #start (execution: StatementExecution): void {
    const { begin } = this
    if (execution.call === ROLLBACK || (this.#over === undefined && begin.isDone)) this.connection.start(execution)
    else if (this.#over !== undefined || begin.underWay !== undefined || !begin.sendWith(execution)) {
      this.#ensureBegun(execution.call, () => this.connection.start(execution), (error) => execution.fail(error))
    }
  }

  /** Does something in its turn. It is over when `settled` is called. `begins`: it sends BEGIN itself where there is one to send. */
  #takeTurn<T> (call: Call, work: () => Promise<T>, begins = false): Promise<T> {
    if (this.#isReleased) return Promise.reject(new ReleasedError(this.#name))
    return new Promise((resolve, reject) => {
      const refuse = (error: unknown): void => {
        this.settled(error)
        reject(error)
      }
      this.#inTurn(() => this.#ensureBegun(call, () => work().then(resolve, reject), refuse, begins))
    })
  }

  #ensureBegun (call: Call, proceed: () => void, refuse: (error: unknown) => void, begins = false): void {
    const { underWay } = this.begin
    if (underWay !== undefined) underWay.then(() => this.#ensureBegun(call, proceed, refuse, begins))
    else if (this.#over !== undefined) refuse(copyOf(this.#over))
    else if (begins) proceed()
    else {
      this.begin.ensure(call, proceed, (error) => {
        this.#endTransaction(error)
        refuse(error)
      })
    }
  }

  /** A transaction or savepoint of ours begins: what ends a transaction has no place in it. */
  enter (): void { this.#depth++ }

  /** It is over. */
  leave (): void {
    if (--this.#depth === 0) this.#over = undefined // a lease goes on
  }

  /** Raises `TransactionAbortedError` once the transaction is over. */
  throwIfOver (): void {
    if (this.#over !== undefined) throw copyOf(this.#over)
  }

  #endTransaction (cause: unknown): Error {
    this.#over ??= new TransactionAbortedError('the transaction is over, although its function goes on: it was not begun, or a statement ' +
      'in it has ended it. Nothing more is run in it: let its function commit by returning, or roll back by throwing', { cause })
    return this.#over
  }

  get pool (): Pool { return this.#pool }
  get config (): Config { return this.#pool.config }
  /** Whether the calls that lead to a helper are noted. */
  get notesCallers (): boolean { return this.config.debug !== false }

  get standardStrings (): boolean { return this.connection.session.standardStrings }

  /** A transaction has its connection up to its end, unless something runs before its release; a lease goes on. */
  isLast (call: Call): boolean {
    return this.#entry?.holder === 'transaction' && this.beforeRelease === undefined && (call === COMMIT || call === ROLLBACK)
  }

  /** A call in a transaction may not end it, nor begin another one: what comes next would be outside of it. */
  objection ({ call: { statement }, status, tags, error }: SessionOutcome): Error | undefined {
    if (this.#depth === 0) return undefined
    const rollbacks = tags.filter((tag) => tag === 'ROLLBACK').length
    const hasEnded = tags.some((tag) => ENDS.has(tag))
    if (hasEnded) this.wasCommitted = true
    const isOver = status === 'none' || rollbacks > statement.rollbacksTo || hasEnded
    return isOver ? this.#endTransaction(this.firstError ?? error) : undefined
  }

  /** The call that is running is over: the next one may start. */
  settled (error?: unknown): void {
    const counts = error !== undefined && !this.#attempting
    if (counts) {
      this.firstError ??= error
      this.#pool.dispatcher.settled(error)
    }
    this.#attempting = false
    this.#running = false
    this.#next()
  }

  #inTurn (work: StatementExecution | (() => void)): void {
    if (this.#running || this.#starting) this.#queue.push(work)
    else this.#next(work)
  }

  #next (first?: StatementExecution | (() => void)): void {
    // A call that is refused before it is sent is settled at once: one round serves all, without recursion.
    if (this.#starting) return
    this.#starting = true
    for (let work = first ?? this.#queue.shift(); work !== undefined; work = this.#running ? undefined : this.#queue.shift()) {
      this.#running = true
      if (work instanceof StatementExecution) this.#start(work)
      else work()
    }
    this.#starting = false
    if (this.#running || this.#drained === undefined) return
    const drained = this.#drained
    this.#drained = undefined
    for (const resolve of drained) resolve()
  }

  /** Resolves when the calls made so far are done; nothing to wait for where there are none. */
  drain (): Promise<void> | undefined {
    return this.#running ? new Promise((resolve) => { (this.#drained ??= []).push(resolve) }) : undefined
  }

  /**
   * The function of a transaction begins, if it is not a part of another one. Until its end a call in it for a further connection is
   * known to depend on this one.
   */
  startRunning (): RunningTransaction | undefined {
    const { held } = this
    return held === undefined ? undefined : this.#pool.nested.begin(held)
  }

  /** Runs the function of a transaction, for the first time or again. */
  call<A, R> (work: (argument: A, attempt: number) => R, argument: A, attempt = 1): R {
    const transaction = this.held?.transaction
    return transaction === undefined ? work(argument, attempt) : this.#pool.nested.run(transaction, work, argument, attempt)
  }

  /** Raises `ReleasedError` after `release()`. */
  throwIfReleased (): void {
    if (this.#isReleased) throw new ReleasedError(this.#name)
  }

  /** Ends the connection, unless it was released. */
  destroy (): void {
    if (!this.#isReleased) this.connection.destroy('transaction')
  }

  /** Releases the connection once what is under way on it is done: at once where that is nothing. Again, it does nothing. */
  release (): Promise<void> | undefined {
    if (this.#isReleased) return this.#end
    this.#isReleased = true
    const rest = this.drain()
    const ready = this.beforeRelease === undefined ? rest : Promise.resolve(rest).then(this.beforeRelease)
    this.#end = ready?.then(() => this.giveBack())
    if (ready === undefined) this.giveBack()
    return this.#end
  }

  /** Whether a transaction that begins now is a part of one that was begun by hand. */
  get isByHand (): boolean { return this.begin.isDone }

  /** What the function of a transaction holds. */
  protected get held (): Held | undefined { return this.#entry }

  /** Nothing is under way on the connection any more. */
  protected giveBack (): void {
    if (this.#entry !== undefined) this.#pool.release(this.#entry)
  }
}
