import type { Connection } from '../../src/connection/connection.js'
import type { Held, RunningTransaction } from '../../src/pool/nested-acquire.js'
import type { Pool } from '../../src/pool/pool.js'
import type { Checkout } from '../../src/transaction/checkout.js'
import type { Turns } from './turns.js'

/** A transaction or a savepoint whose function is running: calls of the database in it are run in it. */
export class Running implements Held {
  transaction: RunningTransaction | undefined
  readonly checkout: Checkout
  /** Of the transactions in it that are begun by the database. */
  readonly turns: Turns

  constructor (checkout: Checkout, turns: Turns) {
    this.checkout = checkout
    this.turns = turns
  }
}

/** The session of a sandbox, for what runs on it. */
export interface SandboxState {
  readonly pool: Pool
  readonly connection: Connection
  /** The functions of transactions that are running, the innermost last. */
  readonly running: readonly Running[]
  /** One of them is over. Again, it does nothing. */
  leave (running: Running): void
  /** A statement has ended the transaction: nothing is run until all is begun again. */
  ended (cause: Error): void
  /** Sees to it that what is sent next can be undone alone. `hasEffect`: it may be more than a plain read. Returns what undoes it. */
  save (hasEffect: boolean): string
}
