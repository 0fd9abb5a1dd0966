import type { StatementTarget } from '../connection/execution.js'
import { QueryError } from '../errors/errors.js'
import type { Pool } from '../pool/pool.js'
import type { Call } from '../query/call.js'
import type { Place } from '../transaction/transact.js'
import type { Lease } from './lease.js'
import { type Acquiring, PoolPlace } from './pool-place.js'

/** Where the calls of a database are run instead of on its pool: one connection, on which all is undone in the end. */
export interface Sandboxing extends StatementTarget {
  place (acquiring: Acquiring): Place
  acquire (signal: AbortSignal | undefined): Promise<Lease>
  /** The pool is being closed: nothing is run any more. */
  stop (): void
}

/** Those that are in use. */
export const sandboxes = new WeakMap<Pool, Sandboxing>()

/** The sandbox that a pool has at this time. */
export function sandboxOf (pool: Pool): Sandboxing | undefined { return sandboxes.get(pool) }

/** From now on what asks for a pool is run in a sandbox, or on the pool as usual. */
export function setSandbox (pool: Pool, sandboxing: Sandboxing | undefined): void {
  if (sandboxing === undefined) sandboxes.delete(pool)
  else sandboxes.set(pool, sandboxing)
}

/** Where a transaction of a pool is made. */
export function placeFor (pool: Pool, acquiring: Acquiring): Place {
  return sandboxOf(pool)?.place(acquiring) ?? new PoolPlace(pool, acquiring)
}

/** Refuses a statement that begins or ends a transaction outside of one. Raises `QueryError`. */
export function refuseByHand (pool: Pool, call: Call): void {
  if (sandboxOf(pool) !== undefined) throw transactionByHand()
  refuseTransactionControl(call)
}

/** On a connection of the pool, the next call would run elsewhere, outside of a transaction that is begun by hand. */
function refuseTransactionControl ({ statement: { leavesTransactionOpen, isScript } }: Call): void {
  if (leavesTransactionOpen || !isScript) {
    throw new QueryError('a transaction needs a connection of its own: use db.transaction(async (tx) => …), ' +
      'or BEGIN on a lease from db.acquire()')
  }
}

/** In a sandbox, one transaction is around all. */
export function transactionByHand (): Error {
  return new QueryError('in a sandbox no transaction is begun or ended by hand: use transaction(async (tx) => …)')
}
