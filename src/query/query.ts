import { isSeconds, SECONDS } from '../config/durations.js'
import { OptionError, QueryError } from '../errors/errors.js'
import { Pace } from './latency.js'
import type { Statement, StatementCache } from './statement.js'
import { rejectUnknown } from '../config/unknown-option.js'

/** The options of one call. */
export interface CallOptions {
  /** Seconds that this statement may take, instead of `commandTimeout`; 0 for no limit. */
  timeout?: number | undefined
  /** Aborts waiting for a connection as well as the running statement. */
  signal?: AbortSignal | undefined
  /** Whether to prepare the statement: `true` at its first use, `false` never. Without it, from its second use on. */
  prepare?: boolean | undefined
}

/** The options of one batch. */
export interface BatchOptions extends CallOptions {
  /**
   * `'auto'`: an INSERT of many rows may travel as arrays, in one statement, where that is the same as one execution for
   * each list. `'pipeline'`: always one execution for each.
   */
  batch?: 'auto' | 'pipeline' | undefined
  /** Called after each chunk with the number of lists done so far: they count when the batch resolves. A promise is awaited. */
  onProgress?: ((done: number) => unknown) | undefined
}

/** A statement with `$1, $2, …`, or with options for this one call. */
export type Query = string | (CallOptions & { readonly text: string })

/** The same for a batch. */
export type BatchQuery = string | (BatchOptions & { readonly text: string })

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

/** What a batch is asked to run. */
export interface BatchCall extends Call { readonly batchOptions: BatchOptions }

/** Whether it goes by the simple protocol, because it may be a script; a single statement need not. */
export function isSimple ({ mode, args, statement }: Call): boolean {
  return mode === 'script' && args.length === 0 && statement.parameters === undefined
}

/** How an error names the argument list of a batch. */
export function rowName (row: number | undefined): string {
  return row === undefined ? '' : `row ${row}, `
}

const NO_OPTIONS: CallOptions = Object.freeze({})
const CALL_OPTIONS = ['text', 'timeout', 'signal', 'prepare']
const BATCH_OPTIONS = ['batch', 'onProgress']

/** A query in any of its forms → what a connection runs. Raises `QueryError` or `OptionError` for what is neither. */
export function toCall (query: Query, args: readonly unknown[], mode: Mode, cache: StatementCache): Call {
  return typeof query === 'string'
    ? { statement: cache.get(query), args, mode, options: NO_OPTIONS }
    : readCall(query, args, mode, cache, CALL_OPTIONS)
}

/** The same for a batch, whose arguments come later. */
export function toBatchCall (query: BatchQuery, cache: StatementCache): BatchCall {
  const call = readCall(query, [], 'rows', cache, [...CALL_OPTIONS, ...BATCH_OPTIONS])
  if (typeof query === 'string') return { ...call, batchOptions: NO_OPTIONS }
  const { batch, onProgress } = query
  if (batch !== undefined && batch !== 'auto' && batch !== 'pipeline') throw new OptionError("query.batch takes 'auto' or 'pipeline'")
  if (onProgress !== undefined && typeof onProgress !== 'function') throw new OptionError('query.onProgress takes a function')
  return { ...call, batchOptions: query }
}

function readCall (query: Query, args: readonly unknown[], mode: Mode, cache: StatementCache, known: readonly string[]): Call {
  if (typeof query === 'string') return { statement: cache.get(query), args, mode, options: NO_OPTIONS }
  if (typeof query !== 'object' || query === null || typeof query.text !== 'string') {
    throw new QueryError(Array.isArray(query)
      ? 'a query is called as fetchOne(text, ...args), not as a tagged template: write $1, $2 for the values'
      : 'a query is a string with $1, $2 for its arguments, or { text, timeout, signal, prepare }')
  }
  const misplaced = BATCH_OPTIONS.find((name) => name in query && !known.includes(name))
  if (misplaced !== undefined) throw new OptionError(`query.${misplaced} is for executeMany and executeManyWithReturning only`)
  rejectUnknown(query, known, 'query.')
  const { timeout, signal, prepare } = query
  if (timeout !== undefined && !isSeconds(timeout)) throw new OptionError(`query.timeout takes ${SECONDS}`)
  if (signal !== undefined && !(signal instanceof AbortSignal)) throw new OptionError('query.signal takes an AbortSignal')
  if (prepare !== undefined && typeof prepare !== 'boolean') throw new OptionError('query.prepare takes true or false')
  return { statement: cache.get(query.text), args, mode, options: query }
}

/** A statement of our own. By the simple protocol, so that no DEALLOCATE ALL of a user's takes it away. */
export function internalCall (text: string, mode: Mode = 'script', options: CallOptions = NO_OPTIONS): Call {
  const statement = { text, strings: [text] as const, parameters: undefined, uses: 0, pace: new Pace(), isPlanned: false, mayBePipelined: false, mayLock: false, isScript: false, mayLeaveState: false, controlsTransaction: true, leavesTransactionOpen: false }
  return { statement, args: [], mode, options, internal: true }
}
