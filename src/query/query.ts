import { isSeconds, SECONDS } from '../config/durations.js'
import { OptionError, QueryError } from '../errors/errors.js'
import { type Call, type CallOptions, type Mode, NO_OPTIONS } from './call.js'
import type { StatementSource } from './statement.js'
import { rejectUnknown } from '../config/unknown-option.js'
import { readGiven } from '../config/read-given.js'
import { isSignal } from '../timing/abort-signal.js'

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

/** What a batch is asked to run. */
export interface BatchCall extends Call { readonly batchOptions: BatchOptions }

const CALL_OPTIONS = ['text', 'timeout', 'signal', 'prepare']
const BATCH_OPTIONS = ['batch', 'onProgress']

/** A query in any of its forms → what a connection runs. Raises `QueryError` or `OptionError` for what is neither. */
export function toCall (query: Query, args: readonly unknown[], mode: Mode, source: StatementSource): Call {
  return typeof query === 'string'
    ? { statement: source.get(query), args, mode, options: NO_OPTIONS }
    : readCall(query, args, mode, source, CALL_OPTIONS)
}

/** The same for a batch, whose arguments come later. */
export function toBatchCall (query: BatchQuery, source: StatementSource): BatchCall {
  const call = readCall(query, [], 'rows', source, [...CALL_OPTIONS, ...BATCH_OPTIONS])
  if (typeof query === 'string') return { ...call, batchOptions: NO_OPTIONS }
  const { batch, onProgress } = readGiven('query', () => ({ batch: query.batch, onProgress: query.onProgress }))
  if (batch !== undefined && batch !== 'auto' && batch !== 'pipeline') throw new OptionError("query.batch takes 'auto' or 'pipeline'")
  if (onProgress !== undefined && typeof onProgress !== 'function') throw new OptionError('query.onProgress takes a function')
  return { ...call, batchOptions: { ...call.options, batch, onProgress } }
}

function readCall (query: Query, args: readonly unknown[], mode: Mode, source: StatementSource, known: readonly string[]): Call {
  if (typeof query === 'string') return { statement: source.get(query), args, mode, options: NO_OPTIONS }
  const { text, options } = readGiven('query', () => readOptions(query, known))
  return { statement: source.get(text), args, mode, options }
}

/** Each is read once: a getter may say something else the next time. */
function readOptions (query: Exclude<Query, string>, known: readonly string[]): { text: string, options: CallOptions } {
  const text = typeof query === 'object' && query !== null ? query.text : undefined
  if (typeof text !== 'string') {
    throw new QueryError(Array.isArray(query)
      ? 'a query is called as fetchOne(text, ...args), not as a tagged template: write $1, $2 for the values'
      : 'a query is a string with $1, $2 for its arguments, or { text, timeout, signal, prepare }')
  }
  const misplaced = BATCH_OPTIONS.find((name) => name in query && !known.includes(name))
  if (misplaced !== undefined) throw new OptionError(`query.${misplaced} is for executeMany and executeManyWithReturning only`)
  rejectUnknown(query, known, 'query.')
  const { timeout, signal, prepare } = query
  if (timeout !== undefined && !isSeconds(timeout)) throw new OptionError(`query.timeout takes ${SECONDS}`)
  if (signal !== undefined && !isSignal(signal)) throw new OptionError('query.signal takes an AbortSignal')
  if (prepare !== undefined && typeof prepare !== 'boolean') throw new OptionError('query.prepare takes true or false')
  return { text, options: { timeout, signal, prepare } }
}
