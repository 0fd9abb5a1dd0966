import type { TargetSessionAttrs } from '../config/options.js'
import type { Driver } from '../driver/postgres-js.js'
import { ServerRefusal } from '../driver/server-refusal.js'
import type { Debug } from '../errors/debug-details.js'
import { ServerError } from '../errors/server-error.js'
import type { DriverResult } from '../driver/result.js'

/** What is asked of a server on each new connection, and again where it may have changed. */
export const SERVER_QUERY = `select pg_catalog.pg_is_in_recovery() as standby,
  pg_catalog.current_setting('transaction_read_only') OPERATOR(pg_catalog.=) 'on' as read_only,
  pg_catalog.current_setting('array_nulls') OPERATOR(pg_catalog.=) 'on' as array_nulls,
  pg_catalog.pg_backend_pid() as pid,
  pg_catalog.current_setting('max_connections')::int as places,
  pg_catalog.current_setting('superuser_reserved_connections')::int OPERATOR(pg_catalog.+)
    coalesce(pg_catalog.current_setting('reserved_connections', true)::int, 0) as reserved`

/** What a server says about itself. */
export interface ServerInfo {
  readonly standby: boolean
  readonly readOnly: boolean
  /** Whether NULL in the text of an array is no text. */
  readonly arrayNulls: boolean
  /** The process that ran the query. With a pooler in between it is not the one that the connection was given. */
  readonly pid: number
  /** Its max_connections. */
  readonly places: number
  /** How many of those it keeps for others. */
  readonly reserved: number
  /** Which server and database it is, where that was asked and is known. */
  readonly identity: string | undefined
  /** Those of the named types that it has not, where that was asked. */
  readonly missingTypes: readonly string[]
}

/** The server that answered is not of the kind that is asked for, or not any more. */
export class WrongServerError extends Error {
  readonly code = 'WRONG_SERVER'
}

/** NULL in an array would be stored as the text NULL, without notice. */
export class ArrayNullsError extends Error {
  readonly code = 'ARRAY_NULLS'

  constructor () {
    super('array_nulls is off in the session, so that NULL in an array would be stored as a text: leave it on in onConnect; ' +
      'behind a pooler that takes no such setting when connecting, by ALTER ROLE … SET or ALTER DATABASE … SET')
  }
}

/** The answer to `SERVER_QUERY`. */
export function readServerInfo ({ rows: [row] }: DriverResult): ServerInfo {
  const { standby, read_only: readOnly, array_nulls: arrayNulls, pid, places, reserved, ...further } = row as Record<string, unknown>
  const { cluster, database, missing_types: missing } = further
  return {
    standby: standby === true,
    identity: typeof cluster === 'string' ? `${cluster} ${String(database)}` : undefined,
    readOnly: readOnly === true,
    arrayNulls: arrayNulls !== false, // a server that does not say has no such setting
    pid: Number(pid),
    places: Number(places),
    reserved: Number(reserved),
    missingTypes: Array.isArray(missing) ? missing.map(String) : [],
  }
}

/**
 * What is asked of a server that has let us in; `furtherColumns` may say which one it is. Rejects with `ServerError` or the driver's error.
 */
export async function greet (driver: Driver, furtherColumns: string, debug: Debug): Promise<ServerInfo> {
  const query = SERVER_QUERY + furtherColumns
  try {
    return readServerInfo(await driver.ask(query, { simple: true }))
  } catch (error) {
    throw error instanceof ServerRefusal ? new ServerError(error.fields, { query, debug }) : error
  }
}

/** Raises `WrongServerError` unless the server is of the wanted kind. */
export function checkServer ({ standby, readOnly }: ServerInfo, wanted: TargetSessionAttrs): void {
  const fits = { any: true, 'prefer-standby': true, primary: !standby, standby, 'read-write': !readOnly, 'read-only': readOnly }
  if (!fits[wanted]) throw new WrongServerError(`the server is not ${wanted}`)
}
