import { DriverTypes } from '../driver/postgres-js.js'

/** Further columns of what is asked of a new session: OIDs mean the same in one database of one cluster, and of its replicas. */
const IDENTITY = `, (select s.system_identifier::pg_catalog.text from pg_catalog.pg_control_system() as s) as cluster,
  (select d.oid from pg_catalog.pg_database as d where d.datname OPERATOR(pg_catalog.=) pg_catalog.current_database()) as database`

/** The types that a pool has learned, for each server that it has met: another one may use their OIDs for other types. */
export class ServerTypes {
  /** For a connection whose server is not known yet: nothing is learned there. */
  readonly builtIn = new DriverTypes()
  readonly #byServer = new Map<string, DriverTypes>()
  #question = IDENTITY

  /** What is asked to know which server it is. Nothing, once that was refused. */
  get question (): string { return this.#question }

  /** The role may not know which server it is: each further question would be an error in the server's log. */
  refused (): void { this.#question = '' }

  /** The types of a server. One that is not known, or may change behind a pooler, shares them with nobody. */
  of (identity: string | undefined): DriverTypes {
    const types = (identity === undefined ? undefined : this.#byServer.get(identity)) ?? new DriverTypes()
    if (identity !== undefined) this.#byServer.set(identity, types)
    return types
  }
}
