import { copyOf } from '../../src/errors/callers-stack.js'
import type { RunningTransaction } from '../../src/pool/nested-acquire.js'
import type { Checkout } from '../../src/transaction/checkout.js'
import type { Settings } from '../../src/transaction/settings.js'
import type { Control } from '../../src/transaction/transact.js'
import { SavepointControl, swallowed } from '../../src/transaction/transaction-control.js'
import type { SandboxCheckout } from './checkout.js'
import { LocalSettings } from './local-settings.js'
import type { SandboxSession } from './session.js'
import type { Running } from './state.js'

/**
 * A transaction in a sandbox: what is done since a savepoint. It costs no round trip, as the savepoint leaves with the first call in it,
 * and what releases it or goes back to it with the first call behind it. Settings cost three.
 */
export class SandboxControl implements Control {
  readonly checkout: SandboxCheckout
  readonly #session: SandboxSession
  readonly #settings: Settings | undefined
  #applied: LocalSettings | undefined
  readonly #announced: RunningTransaction | undefined
  #running: Running | undefined

  /** `running`: the transaction as the callers see it that are in it, where it has no function. */
  constructor (session: SandboxSession, checkout: SandboxCheckout, settings: Settings | undefined, running?: RunningTransaction) {
    this.checkout = checkout
    this.#session = session
    this.#settings = settings
    this.#announced = running
  }

  begin (): Promise<void> | undefined {
    this.checkout.throwIfReleased()
    this.checkout.begin.begin()
    this.checkout.firstError = undefined
    this.checkout.wasCommitted = false
    this.#running = this.#session.enter(this.checkout)
    this.#announced?.hold(this.#running)
    return this.#settings === undefined ? this.#session.connection.cancelling : this.#apply(this.#settings)
  }

  async #apply (settings: Settings): Promise<void> {
    try {
      await this.#session.connection.cancelling
      this.#applied = await LocalSettings.apply(this.checkout, settings)
    } catch (error) {
      this.undo()
      throw error
    }
  }

  async commit (): Promise<void> {
    const { connection } = this.#session
    await connection.cancelling
    if (!connection.isOpen) throw copyOf(connection.lostError)
    if (!this.checkout.begin.isDone) return this.#leave()
    if (connection.session.transaction === 'failed') throw swallowed(this.checkout)
    await this.#applied?.restore()
    this.#leave()
  }

  mayBeCommitted (): boolean { return false }

  undo (): undefined {
    if (this.checkout.begin.isDone) this.#session.undo()
    this.#leave()
  }

  #leave (): void {
    this.checkout.begin.end()
    if (this.#running !== undefined) this.#session.leave(this.#running)
  }
}

/** A transaction that is begun by the database in the function of another one: a savepoint in that. */
export class NestedControl extends SavepointControl {
  readonly #session: SandboxSession
  readonly #settings: Settings | undefined
  #applied: LocalSettings | undefined
  readonly #announced: RunningTransaction | undefined
  #running: Running | undefined

  constructor (session: SandboxSession, outer: Checkout, settings: Settings | undefined, running?: RunningTransaction) {
    super(outer, session.running.length)
    this.#session = session
    this.#settings = settings
    this.#announced = running
  }

  override async begin (): Promise<void> {
    await super.begin()
    this.#running = this.#session.enter(this.checkout)
    this.#announced?.hold(this.#running)
    if (this.#settings === undefined) return
    try {
      this.#applied = await LocalSettings.apply(this.checkout, this.#settings)
    } catch (error) {
      await this.undo()
      throw error
    }
  }

  override async commit (): Promise<void> {
    if (this.#session.connection.session.transaction !== 'failed') await this.#applied?.restore()
    await super.commit()
    this.#leave()
  }

  override async undo (): Promise<void> {
    await super.undo()
    this.#leave()
  }

  #leave (): void {
    if (this.#running !== undefined) this.#session.leave(this.#running)
  }
}
