import { createError } from './coded-error.js'

interface Cause { cause: unknown }

/**
 * Every error that the library itself raises. Each has a `code` (`FST_PG_…`), a `statusCode` for Fastify's error
 * path and a message that says what to do next. No message ever holds a parameter, SQL, a host or a password:
 * Fastify sends messages to clients.
 */

/** A bad option or environment variable. */
export const OptionError = createError<[string, Cause?]>()('FST_PG_OPTION', '%s', 500)

/** The plugin was registered twice under one name. */
export const AlreadyRegisteredError = createError<[string]>()(
  'FST_PG_ALREADY_REGISTERED',
  "fastify.%s exists already: register fastify-postgres-js once, or give the other database a name of its own with { name: '…' }",
  500)

/** The query is not something that can be run. */
export const QueryError = createError<[string]>()('FST_PG_QUERY', '%s', 500)

/** More or fewer arguments than the statement has parameters. */
export const ParameterCountError = createError<[string, number, number | string]>()(
  'FST_PG_PARAMETER_COUNT',
  '%swrong number of arguments: given %d, but the statement takes %s: write $1, $2, … in its text, and pass one argument for each',
  500)

/** A value that cannot be sent as the type that the server asks for. */
export const ValueError = createError<[string, string]>()('FST_PG_VALUE', '%s cannot be sent: %s', 500)

/** The database cannot be reached, or it refuses us; the reason is the `cause`. */
export const ConnectError = createError<[string, Cause?]>()('FST_PG_CONNECT', 'cannot connect to the database (%s): see the cause', 503)

/** The pool did not open in time. */
export const StartupError = createError<[number, string, Cause?]>()(
  'FST_PG_STARTUP',
  'the database pool was not open within startupTimeout (%d s; last failure: %s): check that the server runs and ' +
  'is reachable, or boot without it with { required: false }',
  503)

/** The connection died while a statement was running on it. Whether the statement took effect is unknown. */
export const ConnectionLostError = createError<[string, Cause?]>()(
  'FST_PG_CONNECTION_LOST',
  'the connection to the database was lost (%s): check whether the work took effect before you repeat it',
  503)

/** What answered is no PostgreSQL server, or a broken one: that connection is ended. Whether the statement took effect is unknown. */
export const ProtocolError = createError<[string, Cause?]>()(
  'FST_PG_PROTOCOL',
  'the server sent what the PostgreSQL protocol does not allow (%s), and the connection was ended: check that host and port ' +
  'are those of a PostgreSQL server, and what stands in between',
  503)

/** No connection was available in time. */
export const AcquireTimeoutError = createError<[number, string, Cause?]>()(
  'FST_PG_ACQUIRE_TIMEOUT',
  'no connection was available within %d s: %s',
  503)

/** As many callers wait for a connection as may. Fastify sends the header along. */
export class QueueFullError extends createError<[number]>()(
  'FST_PG_QUEUE_FULL',
  '%d callers wait for a connection already: try again later, shed load before it gets here, or raise maxWaiting',
  503) {
  readonly headers = { 'retry-after': '1' }
}

/** Every connection is held by a transaction that itself waits for another connection. */
export const NestedAcquireError = createError<[number]>()(
  'FST_PG_NESTED_ACQUIRE',
  'all %d connections are held by transactions that wait for one more connection, so none can go on: inside ' +
  'transaction(async tx => …) call tx.fetchOne(…), tx.execute(…) and so on, not db.…, or raise max',
  503)

/** A statement took longer than it may. */
export const QueryTimeoutError = createError<[number, Cause?]>()(
  'FST_PG_QUERY_TIMEOUT',
  'the statement took longer than its %d s and was cancelled: raise commandTimeout or the timeout of the call',
  504)

/** The caller's AbortSignal fired; its reason is the `cause`. */
export const AbortedError = createError<[Cause?]>()('FST_PG_ABORTED', 'the call was aborted by its signal', 499)

/** The pool is closing or closed. */
export const ClosedError = createError<[Cause?]>()('FST_PG_CLOSED', 'the database pool is closed: nothing can be run any more', 503)

/** A lease or a transaction was used after its end. */
export const ReleasedError = createError<[string]>()(
  'FST_PG_RELEASED',
  'this %s has ended and its connection is back in the pool: await every call inside it, or use db.… instead',
  500)

/** A transaction is over although its function goes on, or a commit would have been a rollback. */
export const TransactionAbortedError = createError<[string, Cause?]>()('FST_PG_TRANSACTION_ABORTED', '%s', 500)

/** A transaction was used while a transaction nested in it is open. */
export const NestedTransactionError = createError()(
  'FST_PG_NESTED_TRANSACTION',
  'a nested transaction is open: use the tx that its own function was given until it ends',
  500)
