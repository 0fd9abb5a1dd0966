import { createError } from './coded-error.js'

/**
 * Every error that the library itself raises: its `code` (`FST_PG_…`), its `statusCode` for Fastify's error path, its `message` for
 * clients and its `advice` for the log (message-and-advice.ts). None ever holds a parameter, SQL, a host or a password.
 */

/**
 * A bad option or environment variable. Like the next one it is met by who writes the app, before there are clients: the message is all.
 */
export const OptionError = createError('FST_PG_OPTION', 500, { message: (what: string) => what, advice: (_what: string) => undefined })

/** The plugin was registered twice under one name. */
export const AlreadyRegisteredError = createError('FST_PG_ALREADY_REGISTERED', 500, {
  message: (decorator: string) =>
    `${decorator} exists already: register fastify-postgres-js once, or give the other database a name of its own with { name: '…' }`,
  advice: (_decorator: string) => undefined,
})

/** The query is not something that can be run. The message is what stands before the first colon; what to do stands behind it. */
export const QueryError = createError('FST_PG_QUERY', 500, {
  message: (text: string) => text.split(': ', 1).join(),
  advice: (text: string) => text.includes(': ') ? text.slice(text.indexOf(': ') + 2) : undefined,
})

/** More or fewer arguments than the statement has parameters. `row`: which argument list of a batch, or ''. */
export const ParameterCountError = createError('FST_PG_PARAMETER_COUNT', 500, {
  message: (row: string, _given: number, _takes: number | string) => `${row}wrong number of arguments`,
  advice: (_row: string, given: number, takes: number | string) =>
    `given ${given}, but the statement takes ${takes}: write $1, $2, … in its text, and pass one argument for each`,
})

/** A value that cannot be sent as the type that the server asks for. */
export const ValueError = createError('FST_PG_VALUE', 500, {
  message: (parameter: string, _why: string) => `${parameter} cannot be sent`,
  advice: (_parameter: string, why: string) => why,
})

/** A function of the user's could not read what the server sent; what it threw is the `cause`. The statement has had its effect. */
export const DecodeError = createError('FST_PG_DECODE', 500, {
  message: 'a result cannot be read',
  advice: (what: string) => `${what} threw: see the cause; the statement has had its effect`,
})

const UNAVAILABLE = 'the database is unavailable'
const BUSY = 'the database is busy'

/** `fetchExactlyOne` met no row. */
export const NoRowError = createError('FST_PG_NO_ROW', 404, {
  message: 'no row was found',
  advice: () => 'exactly one was asked for: use fetchOne where none is usual',
})

/** `fetchExactlyOne` met more than one row. */
export const TooManyRowsError = createError('FST_PG_TOO_MANY_ROWS', 500, {
  message: 'more than one row was found',
  advice: () => 'exactly one was asked for: have the conditions of the statement name one, or use fetchOne or fetchAll',
})

/** The database cannot be reached, or it refuses us; the reason is the `cause`. */
export const ConnectError = createError('FST_PG_CONNECT', 503, {
  message: UNAVAILABLE,
  advice: (reason: string) => `cannot connect to the database (${reason}): see the cause`,
})

/** The pool did not open in time. */
export const StartupError = createError('FST_PG_STARTUP', 503, {
  message: UNAVAILABLE,
  advice: (seconds: number, lastFailure: string) =>
    `the database pool was not open within startupTimeout (${seconds} s; last failure: ${lastFailure}): check that the server runs and ` +
    'is reachable, or boot without it with { required: false }',
})

/** The connection died while a statement was running on it. Whether the statement took effect is unknown. */
export const ConnectionLostError = createError('FST_PG_CONNECTION_LOST', 503, {
  message: 'the connection to the database was lost',
  advice: (how: string) => `it was lost (${how}): check whether the work took effect before you repeat it`,
})

/** What answered is no PostgreSQL server, or a broken one: that connection is ended. Whether the statement took effect is unknown. */
export const ProtocolError = createError('FST_PG_PROTOCOL', 503, {
  message: 'the answer of the database cannot be read',
  advice: (what: string) => `the server sent what the PostgreSQL protocol does not allow (${what}), and the connection was ended: ` +
    'check that host and port are those of a PostgreSQL server, and what stands in between',
})

/** No connection was available in time. `isReachable`: whether the database takes connections at all. */
export const AcquireTimeoutError = createError('FST_PG_ACQUIRE_TIMEOUT', 503, {
  message: (_seconds: number, _why: string, isReachable = true) => isReachable ? BUSY : UNAVAILABLE,
  advice: (seconds: number, why: string, _isReachable?: boolean) => `no connection was available within ${seconds} s: ${why}`,
})

/** As many callers wait for a connection as may. Fastify sends the header along. */
export class QueueFullError extends createError('FST_PG_QUEUE_FULL', 503, {
  message: BUSY,
  advice: (waiting: number) =>
    `${waiting} callers wait for a connection already: try again later, shed load before it gets here, or raise maxWaiting`,
}) {
  readonly headers = { 'retry-after': '1' }
}

/** Every connection is held by a transaction that itself waits for another connection. */
export const NestedAcquireError = createError('FST_PG_NESTED_ACQUIRE', 503, {
  message: BUSY,
  advice: (connections: number) =>
    `all ${connections} connections are held by transactions that wait for one more connection, so none can go on: inside ` +
    'transaction(async tx => …) call tx.fetchOne(…), tx.execute(…) and so on, not db.…, or raise max',
})

/** A statement took longer than it may. */
export const QueryTimeoutError = createError('FST_PG_QUERY_TIMEOUT', 504, {
  message: 'the database took too long',
  advice: (seconds: number) =>
    `the statement took longer than its ${seconds} s and was cancelled: raise commandTimeout or the timeout of the call`,
})

/** The caller's AbortSignal fired; its reason is the `cause`. */
export const AbortedError = createError('FST_PG_ABORTED', 499, {
  message: 'the call was aborted',
  advice: () => 'its signal was aborted: the reason is the cause',
})

/** The pool is closing or closed. */
export const ClosedError = createError('FST_PG_CLOSED', 503, {
  message: 'the database pool is closed',
  advice: () => 'nothing can be run any more: the app is closing',
})

/** A lease or a transaction was used after its end. */
export const ReleasedError = createError('FST_PG_RELEASED', 500, {
  message: (what: string) => `this ${what} has ended`,
  advice: (_what: string) => 'its connection is back in the pool: await every call inside it, or use db.… instead',
})

/** A transaction is over although its function goes on, or a commit would have been a rollback. */
export const TransactionAbortedError = createError('FST_PG_TRANSACTION_ABORTED', 500, {
  message: 'the transaction has failed',
  advice: (why: string) => why,
})

/** What a sandbox of `fastify-postgres-js/testing` cannot do. It is met by who writes tests: the message is all. */
export const SandboxError = createError('FST_PG_SANDBOX', 500, { message: (what: string) => what, advice: (_what: string) => undefined })

/** `startPostgres` of `fastify-postgres-js/testing` could not start a server: the message is all here too. */
export const TestServerError = createError('FST_PG_TEST_SERVER', 500, {
  message: (what: string) => what,
  advice: (_what: string) => undefined,
})

/** A transaction was used while a transaction nested in it is open. */
export const NestedTransactionError = createError('FST_PG_NESTED_TRANSACTION', 500, {
  message: 'a nested transaction is open',
  advice: () => 'use the tx that its own function was given until it ends',
})
