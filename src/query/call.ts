import type { Conversion } from '../codecs/conversion.js'
import type { AbortScope } from '../timing/abort-group.js'
import { Latency } from './latency.js'
import type { Statement } from './statement.js'

/** The options of one call. */
export interface CallOptions {
  /** Seconds that this statement may take, instead of `commandTimeout`; 0 for no limit. */
  timeout?: number | undefined
  /** Aborts waiting for a connection as well as the running statement. */
  signal?: AbortSignal | undefined
  /** Whether to prepare the statement: `true` at its first use, `false` never. Without it, from its second use on. */
  prepare?: boolean | undefined
}

/** The same for a call that gives rows. */
export interface RowOptions extends CallOptions {
  /** How many rows the server is asked for, from 1: it stops there, and says neither how many there are nor what it has run. */
  limit?: number | undefined
  /** `'array'`: each row is an array, in the order of the columns. */
  rows?: 'array' | 'object' | undefined
}

/** How rows are given. `raw`: as arrays of the bytes that the server sent. */
export type Shape = 'array' | 'object' | 'raw'

/** The options of a call as a connection takes them. */
export interface AskedOptions extends Omit<RowOptions, 'rows'> { rows?: Shape | undefined }

/**
 * What is made of the rows. `row`: the first, the others are only counted; `onlyRow`: there should be no others. `column`: the first
 * field of each row; `value`: that of the first row. `result`: rows with their columns. `script`: there may be several statements,
 * without arguments; `statements`: the same, and what each of them gave. `description`: nothing is run, and its types are asked for.
 */
export type Mode = 'description' | 'statements' | 'rows' | 'row' | 'onlyRow' | 'column' | 'value' | 'result' | 'script'

/** Those for which rows behind the first are only counted. */
export const KEEPS_FIRST: ReadonlySet<Mode> = new Set<Mode>(['row', 'onlyRow', 'value'])

/** What a connection is asked to run. */
export interface Call {
  readonly statement: Statement
  readonly args: readonly unknown[]
  readonly mode: Mode
  readonly options: AskedOptions
  /** Ours, such as BEGIN: it is known what it leaves behind. */
  readonly internal?: boolean
  /** How its values are converted, where that is not as usual. */
  readonly conversion?: Conversion | undefined
  /** What it ends with. */
  readonly group?: AbortScope
  /** Which of many argument lists it is, from 0, for errors. */
  readonly row?: number
}

export const NO_OPTIONS: CallOptions = Object.freeze({})

/** Whether it goes by the simple protocol, because it may be a script; a single statement need not. */
export function isSimple ({ mode, args, statement }: Call): boolean {
  return (mode === 'script' || mode === 'statements') && args.length === 0 && statement.parameters === undefined
}

/** What is known of how long a call takes. The first rows of a result may cost next to nothing where the whole costs much. */
export function paceOf ({ statement, options: { limit } }: Call): Latency {
  return limit === undefined ? statement.latency : statement.limitedLatency
}

/** How an error names the argument list of a batch. */
export function rowName (row: number | undefined): string {
  return row === undefined ? '' : `row ${row}, `
}

/** A statement of our own. By the simple protocol, so that no DEALLOCATE ALL of a user's takes it away. */
export function internalCall (text: string, mode: Mode = 'script', options: CallOptions = NO_OPTIONS): Call {
  const statement = {
    text,
    strings: [text] as const,
    parameters: undefined,
    uses: 0,
    latency: new Latency(),
    limitedLatency: new Latency(),
    isLong: false,
    isPlanned: false,
    mayBePipelined: false,
    isScript: false,
    isVarying: false,
    leaves: 'nothing' as const,
    setsPath: false,
    changesSession: false,
    localSettings: 0,
    rollbacksTo: 0,
    controlsTransaction: true,
    mayCommit: false,
    leavesTransactionOpen: false
  }
  return { statement, args: [], mode, options, internal: true }
}
