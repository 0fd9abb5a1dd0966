import { type Driver, DriverTypes } from '../driver/postgres-js.js'
import { ServerRefusal } from '../driver/server-refusal.js'

/** OIDs mean the same in one database of one cluster, and of its replicas. */
const IDENTITY = `select s.system_identifier::pg_catalog.text as cluster, d.oid as database
from pg_catalog.pg_control_system() s, pg_catalog.pg_database d
where d.datname operator(pg_catalog.=) pg_catalog.current_database()`

/** The types that a pool has learned, for each server that it has met: another one may use their OIDs for other types. */
export class ServerTypes {
  /** For a connection whose server is not known yet: nothing is learned there. */
  readonly builtIn = new DriverTypes()
  readonly #byServer = new Map<string, DriverTypes>()
  #mayAsk = true

  /** Which server it is; undefined where it does not tell. Never rejects. */
  async identify (driver: Driver): Promise<string | undefined> {
    if (!this.#mayAsk) return undefined
    try {
      const { rows: [row] } = await driver.ask(IDENTITY, { simple: true })
      const { cluster, database } = row as Record<string, unknown>
      return typeof cluster === 'string' ? `${cluster} ${String(database)}` : undefined
    } catch (error) {
      if (error instanceof ServerRefusal) this.#mayAsk = false // each question would be an error in the server's log
      return undefined
    }
  }

  /** The types of a server. One that is not known, or may change behind a pooler, shares them with nobody. */
  of (identity: string | undefined): DriverTypes {
    const types = (identity === undefined ? undefined : this.#byServer.get(identity)) ?? new DriverTypes()
    if (identity !== undefined) this.#byServer.set(identity, types)
    return types
  }
}
