import { type Call, internalCall } from '../../src/query/call.js'
import type { Checkout } from '../../src/transaction/checkout.js'
import { Settings } from '../../src/transaction/settings.js'

/** The settings of a transaction in a sandbox. No commit ends them there: what was set before is set again. */
export class LocalSettings {
  readonly #checkout: Checkout
  readonly #before: Settings

  private constructor (checkout: Checkout, before: Settings) {
    this.#checkout = checkout
    this.#before = before
  }

  /** Sets them. Rejects with the error of the server where it refuses one. */
  static async apply (checkout: Checkout, settings: Settings): Promise<LocalSettings> {
    const names = [...settings.values.keys()]
    const reading = { call: callToRead(names.length), parts: 1, parametersOf: () => names, before: undefined }
    const { rows: [row] } = await checkout.attemptParts(reading)
    const { was } = row as { was: ReadonlyArray<string | null> }
    await set(checkout, settings)
    const before = names.map((name, index) => [name, was[index] ?? ''] as const)
    // The last one first: what was set before a role may be what that role must not set.
    return new LocalSettings(checkout, new Settings(new Map(before.reverse())))
  }

  /** Before a commit; to go back to a savepoint undoes them anyway. */
  restore (): Promise<void> { return set(this.#checkout, this.#before) }
}

async function set (checkout: Checkout, { call, statement: { parameters }, changesPath, role }: Settings): Promise<void> {
  if (changesPath || role !== undefined) checkout.connection.session.mayChangePath(true, true)
  await checkout.attemptParts({ call, parts: 1, parametersOf: () => parameters, before: undefined })
}

function callToRead (count: number): Call {
  const each = Array.from({ length: count }, (_, index) => `pg_catalog.current_setting($${index + 1}, true)`)
  return internalCall(`SELECT ARRAY[${each.join(', ')}] AS was`)
}
