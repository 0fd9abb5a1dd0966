import { AsyncLocalStorage } from 'node:async_hooks'

/** A transaction whose function is running: its connection is not released before the calls in that function are over. */
export class RunningTransaction {
  /** How many calls in it, and in transactions in it, wait for a further connection. */
  waiting = 0
  #isOver = false
  /** The transaction in whose function it was begun. */
  #outer: RunningTransaction | undefined

  constructor (outer: RunningTransaction | undefined) { this.#outer = outer }

  /** This one, or when it is over, the one that it was begun in and that still runs. */
  get running (): RunningTransaction | undefined {
    if (!this.#isOver) return this
    this.#outer = this.#outer?.running // those that are over must not pile up where one begins the next
    return this.#outer
  }

  /** Its function is over. */
  end (): void {
    this.#isOver = true
    this.#outer = this.#outer?.running
  }

  /** A call in it begins to wait, or ceases to. */
  count (change: 1 | -1): void {
    this.waiting += change
    this.#outer?.running?.count(change)
  }
}

/** What a transaction holds: a connection of the pool. */
export interface Held { transaction: RunningTransaction | undefined }

/** In which transaction the current caller is: a call that waits for a further connection may wait for itself. */
export class NestedAcquire {
  readonly #current = new AsyncLocalStorage<RunningTransaction>()

  /** Runs the function of a transaction, so that a call in it for a further connection is known to depend on it. */
  async within<T> (held: Held, work: () => Promise<T> | T): Promise<T> {
    const { transaction } = held
    if (transaction !== undefined) return await this.#current.run(transaction, work) // a savepoint
    const running = held.transaction = new RunningTransaction(this.current)
    try {
      return await this.#current.run(running, work)
    } finally {
      running.end()
      if (held.transaction === running) held.transaction = undefined
    }
  }

  /** The transaction that the caller is in. What goes on after the end of one is in none, although it inherits the context. */
  get current (): RunningTransaction | undefined { return this.#current.getStore()?.running }
}
