import { transactionByHand } from '../../src/api/sandboxing.js'
import { Lease } from '../../src/api/lease.js'
import type { StatementCache } from '../../src/query/statement.js'
import type { Control } from '../../src/transaction/transact.js'
import type { TransactionPlan } from '../../src/transaction/transaction-options.js'
import type { SandboxCheckout } from './checkout.js'
import { SandboxControl } from './control.js'
import type { SandboxSession } from './session.js'

/** The connection of a sandbox for the caller alone. */
export class SandboxLease extends Lease {
  readonly #session: SandboxSession
  readonly #own: SandboxCheckout

  constructor (session: SandboxSession, checkout: SandboxCheckout, statements: StatementCache) {
    super(checkout, statements)
    this.#session = session
    this.#own = checkout
  }

  override get begun (): boolean { return false }

  protected override controlFor ({ beginning: { settings } }: TransactionPlan): () => Control {
    return () => new SandboxControl(this.#session, this.#own, settings)
  }

  protected override checkTransactionControl (): void { throw transactionByHand() }
}
