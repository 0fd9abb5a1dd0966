import type { Acquiring } from '../../src/api/pool-place.js'
import type { Control, Place } from '../../src/transaction/transact.js'
import { readTransactionOptions } from '../../src/transaction/transaction-options.js'
import { SandboxCheckout } from './checkout.js'
import { NestedControl, SandboxControl } from './control.js'
import type { SandboxSession } from './session.js'

/** A transaction or a batch in a sandbox, when it is its turn. */
export class SandboxPlace implements Place {
  readonly #session: SandboxSession
  readonly #acquiring: Acquiring
  #leave: (() => Promise<void> | undefined) | undefined

  constructor (session: SandboxSession, acquiring: Acquiring) {
    this.#session = session
    this.#acquiring = acquiring
  }

  get notesCallers (): boolean { return this.#session.pool.config.debug !== false }

  readonly retries = 0
  mayRunAgain (): Promise<boolean> { return Promise.resolve(false) }

  /** The options of a transaction are checked, and all but its settings have no effect: they are those of the one around it. */
  async enter (): Promise<Control> {
    const session = this.#session
    const { options, signal } = this.#acquiring
    const { beginning: { settings } } = readTransactionOptions(options, this.#acquiring.settings)
    const { inside } = session
    const { turns } = inside ?? session
    await turns.waitFor('transaction', signal)
    const { objection } = session
    if (objection !== undefined) {
      turns.over()
      throw objection
    }
    if (inside !== undefined) {
      this.#leave = () => {
        turns.over()
        return undefined
      }
      return new NestedControl(session, inside.checkout, settings, this.#acquiring.running)
    }
    const checkout = new SandboxCheckout(session, 'transaction', () => turns.over())
    this.#leave = () => checkout.release()
    return new SandboxControl(session, checkout, settings, this.#acquiring.running)
  }

  leave (): Promise<void> | undefined { return this.#leave?.() }
}
