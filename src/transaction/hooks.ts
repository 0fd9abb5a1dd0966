import type { EventLog } from '../config/event-log.js'

/** How a transaction has ended. `unknown`: the connection was lost while it was committed. */
export type Outcome = 'committed' | 'rolledBack' | 'unknown'

/** What is to be done when a transaction is over, in the order in which it was given. */
export class Hooks {
  readonly log: EventLog
  readonly #onCommit: Array<() => unknown> = []
  readonly #onRollback: Array<(error: unknown) => unknown> = []

  constructor (log: EventLog) { this.log = log }

  afterCommit (hook: () => unknown): void { this.#onCommit.push(hook) }
  afterRollback (hook: (error: unknown) => unknown): void { this.#onRollback.push(hook) }

  /** Those of a savepoint that was released: it ends with this transaction. */
  add (inner: Hooks): void {
    this.#onCommit.push(...inner.#onCommit)
    this.#onRollback.push(...inner.#onRollback)
  }

  /** Runs them one after the other. Never rejects: nothing of what they do changes the outcome, or what the caller gets. */
  async run (outcome: Outcome, error: unknown): Promise<void> {
    if (outcome === 'committed') for (const hook of this.#onCommit) await this.#try('afterCommit', hook)
    else if (outcome === 'rolledBack') for (const hook of this.#onRollback) await this.#try('afterRollback', () => hook(error))
    else {
      const hooks = this.#onCommit.length + this.#onRollback.length
      this.log.warn({ event: 'hook.skipped', err: error, hooks }, 'it is not known whether a transaction was committed: ' +
        'neither afterCommit nor afterRollback is called for it')
    }
  }

  async #try (hook: 'afterCommit' | 'afterRollback', work: () => unknown): Promise<void> {
    try {
      await work()
    } catch (error) {
      const message = `a function given to ${hook} has failed: the transaction is over all the same`
      this.log.error({ event: 'hook.failed', err: error, hook }, message)
    }
  }
}
