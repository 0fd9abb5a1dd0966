import { isDeadlock, isSerializationFailure } from '../errors/predicates.js'
import { COMMITTED, type ServerError } from '../errors/server-error.js'
import type { Pool } from '../pool/pool.js'
import { jitteredPause } from '../timing/pauses.js'

/** An error in the chain of causes is looked for no deeper: it may go round. */
const DEEPEST = 20

/**
 * The serialization failure or deadlock that an error is or was caused by: the transaction may succeed when it runs again. What may have
 * been committed all the same does not count, unless it is the `own` error of the transaction, in which nothing commits midway.
 */
export function conflictIn (error: unknown, own?: unknown): ServerError | undefined {
  try {
    let cause = error
    for (let depth = 0; depth < DEEPEST && typeof cause === 'object' && cause !== null; depth++) {
      if (isSerializationFailure(cause) || isDeadlock(cause)) {
        return Reflect.get(cause, COMMITTED) === true && cause !== own ? undefined : cause
      }
      cause = Reflect.get(cause, 'cause')
    }
  } catch {} // a getter or a Proxy of the user's
  return undefined
}

/** The pause behind a failed attempt, from 1. It ends when the pool begins to close. */
export async function pauseAfter (attempt: number, error: unknown, { log, pauses }: Pool): Promise<void> {
  const code = conflictIn(error, error)?.code
  log.debug({ event: 'transaction.retried', attempt, code }, 'a transaction met another one, and runs again')
  await pauses.wait(jitteredPause(attempt))
}
