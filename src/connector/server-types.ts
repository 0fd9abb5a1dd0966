import type { Conversion } from '../codecs/conversion.js'
import type { ServerInfo } from '../connection/server-info.js'
import { DriverTypes } from '../driver/postgres-js.js'
import { missingTypesColumn, UnknownTypeError } from './named-types.js'

/** Further columns of what is asked of a new session: OIDs mean the same in one database of one cluster, and of its replicas. */
const IDENTITY = `, (select s.system_identifier::pg_catalog.text from pg_catalog.pg_control_system() as s) as cluster,
  (select d.oid from pg_catalog.pg_database as d where d.datname OPERATOR(pg_catalog.=) pg_catalog.current_database()) as database`

/** The types that a pool has learned, for each server that it has met: another one may use their OIDs for other types. */
export class ServerTypes {
  /** For a connection whose server is not known yet: nothing is learned there. */
  readonly builtIn = new DriverTypes()
  readonly #byServer = new Map<string, DriverTypes>()
  #identity = IDENTITY
  /** Which of the named types are missing; asked until a server has them all. */
  #missing: string

  constructor (conversion: Conversion | undefined) { this.#missing = missingTypesColumn(conversion) }

  /** What is asked to know which server it is, until that was refused, and whether it has the types that are named. */
  get question (): string { return this.#identity + this.#missing }

  /** The role may not know which server it is: each further question would be an error in the server's log. */
  refused (): void { this.#identity = '' }

  /** Raises `UnknownTypeError`. */
  check ({ missingTypes }: ServerInfo): void {
    if (missingTypes.length > 0) throw new UnknownTypeError(missingTypes)
    this.#missing = ''
  }

  /** The types of a server. One that is not known, or may change behind a pooler, shares them with nobody. */
  of (identity: string | undefined): DriverTypes {
    const types = (identity === undefined ? undefined : this.#byServer.get(identity)) ?? new DriverTypes()
    if (identity !== undefined) this.#byServer.set(identity, types)
    return types
  }
}
