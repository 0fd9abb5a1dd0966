import { BindAborted } from '../driver/argument.js'
import { ChangedTypesError } from '../driver/execute-many.js'
import { PreambleRefusal } from '../driver/preamble.js'
import { ServerRefusal } from '../driver/server-refusal.js'
import { Refusal } from '../codecs/encode.js'
import { ConnectionLostError, ParameterCountError, ProtocolError, QueryError, QueryTimeoutError, ValueError } from '../errors/errors.js'
import type { Debug } from '../errors/debug-details.js'
import { ServerError } from '../errors/server-error.js'
import { type Call, rowName } from '../query/call.js'

/** Which of many argument lists failed, and that list. */
export interface FailedList {
  readonly row: number
  readonly args: readonly unknown[] | undefined
}

export interface FailedCall extends Partial<FailedList> {
  readonly call: Call
  /** The types of the parameters that it was sent with. */
  readonly types?: readonly number[] | undefined
  /** What may be shown of it. */
  readonly debug: Debug
  /** The milliseconds that it took, and the statement_timeout of the session in seconds. */
  readonly took: number
  readonly limit: number | undefined
}

export interface Translation {
  /** What the caller learns. */
  readonly error: unknown
  /** What it says of the connection: it cannot go on, or its server no longer takes writes. */
  readonly means: 'nothing' | 'lost' | 'readOnly'
}

// Where the server itself raises these: any statement may raise the same SQLSTATE, and so may a server behind postgres_fdw.
// Poolers and servers that are no PostgreSQL name no routine.
const READ_ONLY = /^(Prevent\w+|ExecCheck\w+)?$/
const BINDS = /^(exec_bind_message)?$/
const INTERRUPTS = /^(ProcessInterrupts)?$/

/** What the driver rejected a call with → what that means, and what the caller learns. */
export function translate (error: unknown, failed: FailedCall): Translation {
  const { call, types = [], row = call.row, args = call.args, took, limit = 0, debug } = failed
  if (error instanceof ValueError || error instanceof ParameterCountError) return { error, means: 'nothing' }
  if (error instanceof ChangedTypesError) {
    return { error: new QueryError('the types of the parameters changed during the batch: run it again'), means: 'nothing' }
  }
  if (error instanceof ProtocolError) return { error, means: 'lost' }
  if (!(error instanceof ServerRefusal)) {
    const isOurs = error instanceof BindAborted || error instanceof Refusal
    return { error: new ConnectionLostError('while the statement was running', { cause: error }), means: isOurs ? 'nothing' : 'lost' }
  }
  const { text: query, mayCommit: mayHaveCommitted } = call.statement
  // What was refused is not the call's statement, but one of ours in front of it.
  const refused = error instanceof PreambleRefusal ? { debug } : { query, args, row, debug, mayHaveCommitted }
  const serverError = new ServerError(error.fields, refused)
  const isOf = (code: string, routine: RegExp): boolean => error.code === code && routine.test(error.fields.routine ?? '')
  if (isOf('25006', READ_ONLY)) return { error: serverError, means: 'readOnly' }
  if (isOf('08P01', BINDS) && !types.includes(0) && types.length !== call.args.length) {
    return { error: new ParameterCountError(rowName(call.row), call.args.length, types.length), means: 'nothing' }
  }
  const timedOut = isOf('57014', INTERRUPTS) && limit > 0 && took >= limit * 990
  return { error: timedOut ? new QueryTimeoutError(limit, { cause: serverError }) : serverError, means: 'nothing' }
}
