import type { Driver } from '../driver/postgres-js.js'
import type { StatementExecution } from './execution.js'
import type { PreparedStatements } from './prepared-statements.js'

/** How often a statement is described again for one call: the schema may change in the meantime. */
const MOST_RENEWALS = 3

/**
 * Prepared statements that a change of the schema has made stale: it may have given the parameters other types, or the
 * result other columns. In a transaction the server refuses to describe them.
 */
export class StaleStatements {
  readonly #driver: Driver
  readonly #prepared: PreparedStatements

  constructor (driver: Driver, prepared: PreparedStatements) {
    this.#driver = driver
    this.#prepared = prepared
  }

  /**
   * What helps a call that failed, as `types` were its parameters': resolves with whether it may run again. Undefined where
   * nothing does. `isStale`: the server itself has said so; otherwise the statement may just be, and is described to find out.
   */
  remedyFor (execution: StatementExecution, types: readonly number[] | undefined, isStale: boolean): Promise<boolean> | undefined {
    const { call: { statement } } = execution
    const known = this.#prepared.get(statement.text)?.types
    const wasPrepared = known !== undefined || this.#prepared.isRenewing(statement.text)
    const mayRenew = execution.isWritten && types !== undefined && wasPrepared && execution.renewals < MOST_RENEWALS
    // Others may have had effects (CALL), or are ours: they run only once.
    if (!mayRenew || !statement.isPlanned) return undefined
    execution.renewals++
    execution.rewrite()
    // Another call found out before.
    if (known !== undefined && known.some((oid, index) => oid !== types[index])) return Promise.resolve(true)
    return isStale ? this.#renew(execution, types.length) : this.#renewIfChanged(execution, types)
  }

  async #renewIfChanged (execution: StatementExecution, types: readonly number[]): Promise<boolean> {
    try {
      const { types: now } = await this.#driver.describeStatement(execution.call.statement.strings, types.length, false, execution)
      if (execution.settled || !now.some((oid, index) => oid !== types[index])) return false
    } catch {
      return false
    }
    return await this.#renew(execution, types.length)
  }

  async #renew (execution: StatementExecution, parameters: number): Promise<boolean> {
    try {
      await this.#prepared.renew(execution.call.statement, parameters, execution)
      return true
    } catch {
      return false
    }
  }
}
