import type { ScalarFamily } from '../codecs/built-in-types.js'
import type { PgType, TypeRegistry } from '../codecs/type-registry.js'
import { bindHead } from '../protocol/message-writer.js'
import type { DriverStatement } from './request-lane.js'
import type { RowReader } from './row-reader.js'

/** A parameter of a prepared statement. */
export interface Parameter {
  readonly type: PgType
  /** Whether a string is its own text form. */
  readonly takesStrings: boolean
  /** Whether `String` gives the text form of a number. */
  readonly takesNumbers: boolean
}

/** A statement that is prepared on a connection, with all that an execution needs to know of it. */
export interface PreparedStatement {
  readonly name: string
  /** The types of its parameters. */
  readonly types: readonly number[]
  readonly parameters: readonly Parameter[]
  readonly reader: RowReader
  /** What its Bind begins with, behind the length. */
  readonly head: Buffer
}

const ENCODE_STRINGS: ReadonlySet<PgType['family']> = new Set<ScalarFamily>(['json', 'bytea'])
const NUMERIC: ReadonlySet<PgType['family']> = new Set<ScalarFamily>(['integer', 'bigint', 'float', 'numeric'])

/** What is known of a statement under its name on the server; undefined as long as the type of a parameter is unknown. */
export function preparedStatement (
  { name, types }: DriverStatement, reader: RowReader, registry: TypeRegistry
): PreparedStatement | undefined {
  const parameters: Parameter[] = []
  for (const oid of types) {
    const type = registry.get(oid)
    if (type === undefined) return undefined
    const { family } = type
    parameters.push({ type, takesStrings: !ENCODE_STRINGS.has(family), takesNumbers: NUMERIC.has(family) })
  }
  return { name, types, parameters, reader, head: bindHead(name, types.length) }
}
