import type { Connection } from '../connection/connection.js'
import { keepStack } from '../errors/callers-stack.js'
import { QueryError } from '../errors/errors.js'
import type { Pool } from '../pool/pool.js'
import type { StatementCache } from '../query/statement.js'
import { Checkout } from '../transaction/checkout.js'
import { Lease } from './lease.js'
import type { Queryable } from './queryable.js'

/** Where functions of the user's run: on a connection of this pool. */
interface HookScope {
  readonly pool: Pool
  readonly statements: StatementCache
}

/**
 * Runs a function of the user's with the helpers on a connection. They end with it, so that one that keeps them cannot run anything on
 * what is others' by then. Rejects with what it throws, and with `QueryError` if it leaves a transaction open.
 */
export async function runHook (
  { pool, statements }: HookScope, connection: Connection, name: string, hook: (session: Queryable) => unknown
): Promise<void> {
  const lease = new Lease(new Checkout(pool, connection, 'connection'), statements)
  try {
    await hook(lease)
  } catch (error) {
    keepStack(error)
    lease.release() // never rejects; the connection is about to be ended
    throw error
  }
  await lease.release()
  while (connection.cancelling !== undefined) await connection.cancelling // of a call that it gave up
  if (lease.begun) throw new QueryError(`${name} left a transaction open`)
}
