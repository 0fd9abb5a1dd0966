import { transactionByHand } from '../../src/api/database.js'
import { Lease } from '../../src/api/lease.js'
import type { StatementCache } from '../../src/query/statement.js'
import type { Control } from '../../src/transaction/transact.js'
import { beginCall } from '../../src/transaction/transaction-control.js'
import type { TransactionOptions } from '../../src/transaction/transaction-options.js'
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

  protected override controlFor (options: TransactionOptions): () => Control {
    beginCall(options)
    return () => new SandboxControl(this.#session, this.#own)
  }

  protected override checkTransactionControl (): void { throw transactionByHand() }
}
