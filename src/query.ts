import { isSeconds, SECONDS } from './durations.js'
import { OptionError, QueryError } from './errors.js'
import { Pace } from './pace.js'
import type { DriverResult } from './result.js'
import type { Statement, StatementCache } from './statement.js'
import { rejectUnknown } from './unknown-option.js'

/** The options of one call. */
export interface CallOptions {
  /** Seconds that this statement may take, instead of `commandTimeout`; 0 for no limit. */
  timeout?: number | undefined
  /** Aborts waiting for a connection as well as the running statement. */
  signal?: AbortSignal | undefined
  /** Whether to prepare the statement: `true` at its first use, `false` never. Without it, from its second use on. */
  prepare?: boolean | undefined
}

/** A statement with `$1, $2, …`, or with options for this one call. */
export type Query = string | (CallOptions & { readonly text: string })

/** `values`: rows as arrays. `script`: several statements, without arguments. */
export type Mode = 'rows' | 'values' | 'script'

/** What a connection is asked to run. */
export interface Call {
  readonly statement: Statement
  readonly args: readonly unknown[]
  readonly mode: Mode
  readonly options: CallOptions
  /** Ours, such as BEGIN: it is known what it leaves behind. */
  readonly internal?: boolean
  /** Which of many argument lists it is, from 0, for errors. */
  readonly row?: number
}

/** What a helper makes of the result. */
export type Read<T> = (result: DriverResult, call: Call) => T

const NO_OPTIONS: CallOptions = Object.freeze({})
const CALL_OPTIONS = ['text', 'timeout', 'signal', 'prepare']

/** A query in any of its forms → what a connection runs. Raises `QueryError` or `OptionError` for what is neither. */
export function toCall (query: Query, args: readonly unknown[], mode: Mode, cache: StatementCache): Call {
  if (typeof query === 'string') return { statement: cache.get(query), args, mode, options: NO_OPTIONS }
  if (typeof query !== 'object' || query === null || typeof query.text !== 'string') {
    throw new QueryError(Array.isArray(query)
      ? 'a query is called as fetchOne(text, ...args), not as a tagged template: write $1, $2 for the values'
      : 'a query is a string with $1, $2 for its arguments, or { text, timeout, signal, prepare }')
  }
  rejectUnknown(query, CALL_OPTIONS, 'query.')
  const { timeout, signal, prepare } = query
  if (timeout !== undefined && !isSeconds(timeout)) throw new OptionError(`query.timeout takes ${SECONDS}`)
  if (signal !== undefined && !(signal instanceof AbortSignal)) throw new OptionError('query.signal takes an AbortSignal')
  if (prepare !== undefined && typeof prepare !== 'boolean') throw new OptionError('query.prepare takes true or false')
  return { statement: cache.get(query.text), args, mode, options: query }
}

/** A statement of our own. */
export function internalCall (text: string, mode: Mode = 'rows', options: CallOptions = NO_OPTIONS): Call {
  const statement = { text, strings: [text] as const, parameters: undefined, uses: 0, pace: new Pace(), mayBePipelined: false, mayLock: false, isScript: false, mayLeaveState: false, controlsTransaction: true, leavesTransactionOpen: false }
  return { statement, args: [], mode, options, internal: true }
}
