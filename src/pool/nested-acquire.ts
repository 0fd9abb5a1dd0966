import { AsyncLocalStorage } from 'node:async_hooks'

/** A transaction whose function is running: its connection is not released before the calls in that function are over. */
export class RunningTransaction implements Surrounding {
  /** How many calls in it, and in transactions in it, wait for a further connection. */
  waiting = 0
  #isOver = false
  #held: Held | undefined
  readonly #owner: NestedAcquire
  /** The transaction in whose function it was begun. */
  #outer: RunningTransaction | undefined

  constructor (owner: NestedAcquire, outer: RunningTransaction | undefined) {
    this.#owner = owner
    this.#outer = outer
  }

  /** It has what it holds up to its end. */
  hold (held: Held): void {
    this.#held = held
    held.transaction = this
  }

  /** This one, or when it is over, the one that it was begun in and that still runs. */
  get running (): RunningTransaction | undefined {
    if (!this.#isOver) return this
    this.#outer = this.#outer?.running // those that are over must not pile up where one begins the next
    return this.#outer
  }

  /** Its function is over. Again, it does nothing. */
  end (): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#outer = this.#outer?.running
    if (this.#held?.transaction === this) this.#held.transaction = undefined
    this.#owner.ended()
  }

  /** A call in it begins to wait, or ceases to. */
  count (change: 1 | -1): void {
    this.waiting += change
    this.#outer?.running?.count(change)
  }
}

/** What a caller may be in. */
interface Surrounding { readonly running: RunningTransaction | undefined }

/** A request, which is in its transaction from the first call of that on. */
class Frame implements Surrounding {
  transaction: RunningTransaction | undefined
  readonly #outer: Surrounding | undefined

  constructor (outer: Surrounding | undefined, transaction: RunningTransaction | undefined) {
    this.#outer = outer
    this.transaction = transaction
  }

  get running (): RunningTransaction | undefined { return this.transaction?.running ?? this.#outer?.running }
}

/** What a transaction holds: a connection of the pool. */
export interface Held { transaction: RunningTransaction | undefined }

/** Milliseconds without a transaction after which nobody's context is followed any more. */
const REST = 1_000

/**
 * In which transaction the current caller is: a call that waits for a further connection may wait for itself.
 *
 * Before Node 24 every promise of the process pays for an AsyncLocalStorage that is on, those of single queries too: it is off while
 * there are no transactions. What is begun then inherits nothing, and what has inherited something is in a transaction that is over:
 * both are in none.
 */
export class NestedAcquire {
  readonly #context = new AsyncLocalStorage<Surrounding>()
  /** How many are running, how many have begun, and how many had when it was last looked at. */
  #running = 0
  #begun = 0
  #seen = 0
  #rest: NodeJS.Timeout | undefined
  readonly #milliseconds: number

  /** It is off after so many milliseconds without a transaction. */
  constructor (milliseconds = REST) { this.#milliseconds = milliseconds }

  /** A transaction begins on what is held, unless it is a part of one: a savepoint. */
  begin (held: Held): RunningTransaction | undefined {
    if (held.transaction !== undefined) return undefined
    const transaction = this.announce()
    transaction.hold(held)
    return transaction
  }

  /** A transaction begins that has yet to get what it holds. */
  announce (): RunningTransaction {
    this.#running++
    this.#follow()
    return new RunningTransaction(this, this.current)
  }

  #follow (): void {
    this.#begun++
    // By a timer, and not when the last one ends: transactions one after the other would switch it on and off each time.
    this.#rest ??= setInterval(() => this.#look(), this.#milliseconds).unref()
  }

  /** Runs what may begin a transaction that it is in itself, as a request does, or has begun it. */
  runFrame (transaction: RunningTransaction | undefined, work: () => void): void {
    this.#follow()
    this.#context.run(new Frame(this.#context.getStore(), transaction), work)
  }

  /** From now on the frame that the caller is in, if it is in one, is in this transaction. */
  enter (transaction: RunningTransaction): void {
    const surrounding = this.#context.getStore()
    if (surrounding instanceof Frame) surrounding.transaction = transaction
  }

  ended (): void { this.#running-- }

  #look (): void {
    if (this.#running === 0 && this.#begun === this.#seen) {
      clearInterval(this.#rest)
      this.#rest = undefined
      this.#context.disable()
    }
    this.#seen = this.#begun
  }

  /** Runs the function of a transaction, so that a call in it for a further connection is known to depend on it. */
  run<A, R> (transaction: RunningTransaction, work: (argument: A, attempt: number) => R, argument: A, attempt: number): R {
    return this.#context.run(transaction, work, argument, attempt)
  }

  /** The transaction that the caller is in. What goes on after the end of one is in none, although it inherits the context. */
  get current (): RunningTransaction | undefined { return this.#context.getStore()?.running }
}
