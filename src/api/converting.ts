import { type ArgumentLists, isReadable } from '../batch/argument-lists.js'
import type { Conversion } from '../codecs/conversion.js'
import type { Read } from '../connection/execution.js'
import type { Calls } from '../errors/callers-stack.js'
import type { Call, Mode } from '../query/call.js'
import type { RowQuery } from '../query/query.js'

/** A helper that was called where values are converted. */
export interface ConvertedRun<T> {
  readonly query: RowQuery
  readonly args: readonly unknown[]
  readonly mode: Mode
  readonly read: Read<T>
  /** The calls that led to it, where they are noted. */
  readonly calls: Calls | undefined
  readonly conversion: Conversion
}

/** A call whose values are converted. */
export function withConversion (call: Call, conversion: Conversion): Call {
  const { missing } = conversion.transform
  const args = missing === undefined ? call.args : call.args.map((arg) => arg === undefined ? missing : arg)
  return { ...call, args, conversion }
}

/** Has the user's functions convert the rows before they are read. Raises `DecodeError`. */
export function converting<T> (read: Read<T>): Read<T> {
  return (result, call) => {
    const { seen, command, count, described, types } = result
    const isRaw = call.options.rows === 'raw'
    const areValues = call.mode === 'value' || call.mode === 'column'
    const rows = isRaw || described === undefined ? result.rows : described.converted(result.rows, areValues)
    return read({ rows, seen, command, count, described, types }, call)
  }
}

/** The lists of a batch, with something else for what is undefined. */
export async function * completed (lists: ArgumentLists, missing: unknown): AsyncGenerator<readonly unknown[]> {
  for await (const list of lists) yield isReadable(list) ? Array.from(list, (arg) => arg === undefined ? missing : arg) : list
}
