import { isSeconds, SECONDS } from '../config/durations.js'
import { OptionError, QueryError } from '../errors/errors.js'
import { type Call, type CallOptions, type Mode, NO_OPTIONS, type RowOptions } from './call.js'
import { answerTo } from './foreign-options.js'
import type { StatementSource } from './statement.js'
import { rejectUnknown } from '../config/unknown-option.js'
import { readGiven } from '../config/read-given.js'
import type { Naming } from '../sql/sql-part.js'
import { compile, isTemplate } from '../sql/template.js'
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

/** A text, with its arguments if it is not called with them. */
interface Texts {
  readonly text: string
  /** The arguments, instead of those behind the query. */
  readonly values?: readonly unknown[] | undefined
}

/** A statement with `$1, $2, …`, a template, or a statement with options for this one call. */
export type Query = string | TemplateStringsArray | (CallOptions & Texts)

/** The same where values come back, and where rows do. */
export type ValueQuery = string | TemplateStringsArray | (Omit<RowOptions, 'rows'> & Texts)
export type RowQuery = string | TemplateStringsArray | (RowOptions & Texts)
/** Rows come back as arrays. */
export type ArrayQuery = RowOptions & Texts & { readonly rows: 'array' }

/** The same for a batch. */
export type BatchQuery = string | (BatchOptions & { readonly text: string })

/** What a batch is asked to run. */
export interface BatchCall extends Call { readonly batchOptions: BatchOptions }

const CALL_OPTIONS = ['text', 'timeout', 'signal', 'prepare']
const BATCH_OPTIONS = ['batch', 'onProgress']
const ROW_OPTIONS = ['limit', 'rows']

const FOR_BATCHES = 'is for executeMany and executeManyWithReturning only'
const GIVES_NO_ROWS = 'is for helpers that give rows, of one statement: execute gives none, and may run a script'
const GIVES_ALL = 'is not for a batch: it gives all rows of all its lists, as objects'

/** The options of each kind of call, and why those of another kind are not for it. */
interface Known { readonly names: readonly string[], readonly misplaced: Readonly<Record<string, string>> }

const OF_ROWS: Known = {
  names: [...CALL_OPTIONS, 'values', ...ROW_OPTIONS],
  misplaced: { batch: FOR_BATCHES, onProgress: FOR_BATCHES },
}
const OF_VALUES: Known = {
  names: [...CALL_OPTIONS, 'values', 'limit'],
  misplaced: { ...OF_ROWS.misplaced, rows: 'is for helpers that give rows: fetchVal and fetchColumn give values' },
}
const OF_EFFECTS: Known = {
  names: [...CALL_OPTIONS, 'values'],
  misplaced: { ...OF_ROWS.misplaced, limit: GIVES_NO_ROWS, rows: GIVES_NO_ROWS },
}
const OF_BATCHES: Known = {
  names: [...CALL_OPTIONS, ...BATCH_OPTIONS],
  misplaced: { values: 'is not for a batch: its lists of arguments are the second argument', limit: GIVES_ALL, rows: GIVES_ALL },
}
const KNOWN: Readonly<Record<Mode, Known>> = {
  row: OF_ROWS,
  onlyRow: OF_ROWS,
  rows: OF_ROWS,
  result: OF_ROWS,
  description: OF_ROWS,
  value: OF_VALUES,
  column: OF_VALUES,
  script: OF_EFFECTS,
  statements: OF_EFFECTS,
}

/** A query in any of its forms → what a connection runs. Raises `QueryError` or `OptionError` for what is neither. */
export function toCall (query: RowQuery, args: readonly unknown[], mode: Mode, source: StatementSource, naming?: Naming): Call {
  if (isTemplate(query)) {
    const compiled = compile(query, args, naming)
    return { statement: source.get(compiled.text), args: compiled.args, mode, options: NO_OPTIONS }
  }
  return readCall(query, args, mode, source, KNOWN[mode])
}

/** The same for a batch, whose arguments come later. */
export function toBatchCall (query: BatchQuery, source: StatementSource): BatchCall {
  const call = readCall(query, [], 'rows', source, OF_BATCHES)
  if (typeof query === 'string') return { ...call, batchOptions: NO_OPTIONS }
  const { batch, onProgress } = readGiven('query', () => ({ batch: query.batch, onProgress: query.onProgress }))
  if (batch !== undefined && batch !== 'auto' && batch !== 'pipeline') throw new OptionError("query.batch takes 'auto' or 'pipeline'")
  if (onProgress !== undefined && typeof onProgress !== 'function') throw new OptionError('query.onProgress takes a function')
  return { ...call, batchOptions: { ...call.options, batch, onProgress } }
}

function readCall (
  query: Exclude<RowQuery, TemplateStringsArray>, given: readonly unknown[], mode: Mode, source: StatementSource, known: Known
): Call {
  if (typeof query === 'string') return { statement: source.get(query), args: given, mode, options: NO_OPTIONS }
  const { text, values, options } = readGiven('query', () => readOptions(query, known))
  if (values !== undefined && given.length > 0) {
    throw new QueryError('the arguments are given twice, by query.values and behind the query: pass them one way')
  }
  if (mode === 'onlyRow' && options.limit === 1) {
    throw new OptionError('query.limit of fetchExactlyOne takes 2 or more: with one row it cannot tell that there is another')
  }
  return { statement: source.get(text), args: values ?? given, mode, options }
}

/** Each is read once: a getter may say something else the next time. */
function readOptions (query: RowOptions & Texts, known: Known): { text: string, values: unknown[] | undefined, options: RowOptions } {
  const text = typeof query === 'object' && query !== null ? query.text : undefined
  if (typeof text !== 'string') {
    throw new QueryError(isTemplate(query)
      ? 'a batch takes no template: write $1, $2 in a text, and pass the lists of values behind it'
      : 'a query is a string with $1, $2 for its arguments, or { text, values, timeout, signal, prepare }')
  }
  rejectMisplaced(query, known)
  const { timeout, signal, prepare, values, limit, rows } = query
  if (timeout !== undefined && !isSeconds(timeout)) throw new OptionError(`query.timeout takes ${SECONDS}`)
  if (signal !== undefined && !isSignal(signal)) throw new OptionError('query.signal takes an AbortSignal')
  if (prepare !== undefined && typeof prepare !== 'boolean') throw new OptionError('query.prepare takes true or false')
  if (values !== undefined && !Array.isArray(values)) throw new OptionError('query.values takes an array of the arguments')
  if (limit !== undefined && !isRowCount(limit)) throw new OptionError(`query.limit takes a whole number of rows from 1 to ${MOST_ROWS}`)
  if (rows !== undefined && rows !== 'array' && rows !== 'object') throw new OptionError("query.rows takes 'array' or 'object'")
  // A copy: the caller may go on to use the array while the call waits for its turn.
  return { text, values: values === undefined ? undefined : Array.from(values), options: { timeout, signal, prepare, limit, rows } }
}

/** Refuses what is for other calls, and what is another library's, with what to do; and what is nobody's. */
function rejectMisplaced (query: object, { names, misplaced }: Known): void {
  for (const [name, why] of Object.entries(misplaced)) if (name in query) throw new OptionError(`query.${name} ${why}`)
  for (const name of Object.keys(query)) {
    const answer = names.includes(name) ? undefined : answerTo(name)
    if (answer !== undefined) throw new OptionError(`query.${name} is no option here: ${answer}`)
  }
  rejectUnknown(query, names, 'query.')
}

/** What Execute has room for. */
const MOST_ROWS = 2_147_483_647

function isRowCount (value: unknown): value is number {
  return Number.isInteger(value) && Number(value) >= 1 && Number(value) <= MOST_ROWS
}
