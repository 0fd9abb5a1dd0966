import type { SessionOutcome } from '../../src/connection/execution.js'
import type { Held } from '../../src/pool/nested-acquire.js'
import { Checkout } from '../../src/transaction/checkout.js'
import { Savepoint } from './savepoint.js'
import type { SandboxState } from './state.js'

/** The connection of a sandbox in the hands of a lease or a transaction, or of calls, each of which has a savepoint of its own. */
export class SandboxCheckout extends Checkout {
  override readonly begin: Savepoint
  readonly #session: SandboxState
  readonly #released: () => void

  /** `released`: it is not used any more. */
  constructor (session: SandboxState, name: string, released = (): void => {}) {
    super(session.pool, session.connection, name)
    this.#session = session
    this.#released = released
    this.begin = new Savepoint(session)
    this.enter() // it is in a transaction throughout: no call may end that
  }

  override objection (outcome: SessionOutcome): Error | undefined {
    const objection = super.objection(outcome)
    if (objection !== undefined) this.#session.ended(objection)
    return objection
  }

  override get isByHand (): boolean { return false }

  protected override get held (): Held | undefined { return this.#session.running.findLast(({ checkout }) => checkout === this) }

  protected override giveBack (): void {
    for (const running of this.#session.running.filter(({ checkout }) => checkout === this)) this.#session.leave(running)
    this.#released()
  }
}
