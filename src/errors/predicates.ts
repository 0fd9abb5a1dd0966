import { COMMITTED, ServerError } from './server-error.js'

/**
 * What an error says, asked of anything that was thrown: also of `undefined`, of errors of other libraries (which are never one of
 * these) and of those of another copy of this package.
 */

/** An error of the server with this SQLSTATE. Of a `ServerError` that is none, TypeScript then knows that it is another one. */
export type ServerErrorOf<Code extends string> = ServerError & { readonly code: Code }

/** Of what was thrown, nothing may throw again. */
function isOf<const Code extends string> (error: unknown, codes: readonly Code[]): error is ServerErrorOf<Code> {
  try {
    return error instanceof ServerError && codes.some((code) => code === error.code)
  } catch {
    return false
  }
}

/** Whether an error is of a kind, and of a constraint of this name if one is given. */
function violates<const Code extends string> (error: unknown, codes: readonly Code[], constraint?: string): error is ServerErrorOf<Code> {
  return isOf(error, codes) && (constraint === undefined || error.constraint_name === constraint)
}

/**
 * Whether a row with this key is there already (23505).
 * @example
 * if (isUniqueViolation(error, 'users_email_key')) return reply.code(409).send({ message: 'email is taken' })
 */
export function isUniqueViolation (error: unknown, constraint?: string): error is ServerErrorOf<'23505'> {
  return violates(error, ['23505'], constraint)
}

/**
 * Whether what a row refers to is not there, or a row is still referred to (23503; from PostgreSQL 18 on 23001 where the constraint is
 * one with RESTRICT).
 */
export function isForeignKeyViolation (error: unknown, constraint?: string): error is ServerErrorOf<'23503' | '23001'> {
  return violates(error, ['23503', '23001'], constraint)
}

/** Whether a CHECK constraint, of a table or of a domain, refuses a row (23514). */
export function isCheckViolation (error: unknown, constraint?: string): error is ServerErrorOf<'23514'> {
  return violates(error, ['23514'], constraint)
}

/** Whether a row overlaps another one that an EXCLUDE constraint keeps apart (23P01). */
export function isExclusionViolation (error: unknown, constraint?: string): error is ServerErrorOf<'23P01'> {
  return violates(error, ['23P01'], constraint)
}

/** Whether a value is missing in a column that is NOT NULL (23502); the column may be given. */
export function isNotNullViolation (error: unknown, column?: string): error is ServerErrorOf<'23502'> {
  return isOf(error, ['23502']) && (column === undefined || error.column_name === column)
}

/** Whether a transaction met changes of another one (40001): run it again. */
export function isSerializationFailure (error: unknown): error is ServerErrorOf<'40001'> { return isOf(error, ['40001']) }

/** Whether a transaction was given up because it and another one waited for each other (40P01): run it again. */
export function isDeadlock (error: unknown): error is ServerErrorOf<'40P01'> { return isOf(error, ['40P01']) }

/** Whether a lock was not to be had, by NOWAIT or in time (55P03). */
export function isLockNotAvailable (error: unknown): error is ServerErrorOf<'55P03'> { return isOf(error, ['55P03']) }

/** What was undone, or not begun, and may succeed the next time. */
const UNDONE = ['40001', '40P01', '55P03'] as const
const REFUSED_FOR_NOW = ['FST_PG_ACQUIRE_TIMEOUT', 'FST_PG_QUEUE_FULL'] as const
type RetryableCode = (typeof UNDONE | typeof REFUSED_FOR_NOW)[number]

/**
 * Whether the same again, from its beginning, may succeed, and nothing of it has happened: a serialization failure, a deadlock, a lock
 * or a connection that was not to be had in time. What failed inside a transaction is run again as a whole transaction. False for what may
 * have taken effect, such as a timeout, a lost connection, or a CALL, a DO and a script with a COMMIT, which may have committed before.
 * @example
 * if (isRetryable(error) && attempt < 5) continue
 */
export function isRetryable (error: unknown): error is Error & { readonly code: RetryableCode } {
  try {
    const isUndone = isOf(error, UNDONE) && Reflect.get(error, COMMITTED) !== true
    return isUndone || (error instanceof Error && 'code' in error && REFUSED_FOR_NOW.some((code) => code === error.code))
  } catch {
    return false
  }
}
