import type { ScalarFamily } from '../codecs/built-in-types.js'
import type { PgType } from '../codecs/pg-type.js'
import type { TypeRegistry } from '../codecs/type-registry.js'
import type { Conversion } from '../codecs/conversion.js'
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

const ENCODE_STRINGS: ReadonlySet<PgType['family']> = new Set<PgType['family']>(['json', 'bytea', 'own'])
const NUMERIC: ReadonlySet<PgType['family']> = new Set<ScalarFamily>(['integer', 'bigint', 'float', 'numeric'])

/** A statement that is prepared on a connection, with all that an execution needs to know of it. */
export class PreparedStatement {
  readonly name: string
  /** The types of its parameters. */
  readonly types: readonly number[]
  readonly parameters: readonly Parameter[]
  readonly reader: RowReader
  /** What its Bind begins with, behind the length. */
  readonly head: Buffer
  readonly #registry: TypeRegistry
  #converted: WeakMap<Conversion, PreparedStatement> | undefined

  constructor ({ name, types, parameters, reader, head, registry }: Parts) {
    this.name = name
    this.types = types
    this.parameters = parameters
    this.reader = reader
    this.head = head
    this.#registry = registry
  }

  /** The same as a conversion has it. */
  for (conversion: Conversion): PreparedStatement {
    this.#converted ??= new WeakMap()
    let converted = this.#converted.get(conversion)
    if (converted === undefined) {
      const { name, types, head } = this
      const registry = this.#registry
      const known = registry.for(conversion)
      const parameters = this.parameters.map(({ type }) => parameterOf(known.get(type.oid) ?? type))
      converted = new PreparedStatement({ name, types, parameters, reader: this.reader.for(conversion), head, registry })
      this.#converted.set(conversion, converted)
    }
    return converted
  }
}

type Parts = Pick<PreparedStatement, 'name' | 'types' | 'parameters' | 'reader' | 'head'> & { registry: TypeRegistry }

/** What is known of a statement under its name on the server; undefined as long as the type of a parameter is unknown. */
export function preparedStatement (
  { name, types }: DriverStatement, reader: RowReader, registry: TypeRegistry
): PreparedStatement | undefined {
  const parameters: Parameter[] = []
  for (const oid of types) {
    const type = registry.get(oid)
    if (type === undefined) return undefined
    parameters.push(parameterOf(type))
  }
  return new PreparedStatement({ name, types, parameters, reader, head: bindHead(name, types.length), registry })
}

function parameterOf (type: PgType): Parameter {
  return { type, takesStrings: !ENCODE_STRINGS.has(type.family), takesNumbers: NUMERIC.has(type.family) }
}
