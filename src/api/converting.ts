import type { Conversion } from '../codecs/conversion.js'
import type { Read } from '../connection/execution.js'
import type { DriverResult } from '../driver/result.js'
import type { Call } from '../query/call.js'

/** A call whose values are converted. */
export function withConversion (call: Call, conversion: Conversion): Call {
  const { missing } = conversion.transform
  const args = missing === undefined ? call.args : Array.from(call.args, (arg) => arg === undefined ? missing : arg)
  return { ...call, args, conversion }
}

/** Has the user's functions convert the rows before they are read. Raises `DecodeError`. */
export function converting<T> (read: Read<T>): Read<T> {
  return (result, call) => read(converted(result, call), call)
}

function converted ({ rows, seen, command, count, described, name, types, statements }: DriverResult, call: Call): DriverResult {
  const isAsSent = call.options.rows === 'raw' || described === undefined
  return {
    rows: isAsSent ? rows : described.converted(rows, call.mode === 'value' || call.mode === 'column'),
    seen,
    command,
    count,
    described,
    name,
    types,
    statements: statements?.map((each) => converted(each, call)),
  }
}
