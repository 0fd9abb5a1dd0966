import { ParameterCountError, ValueError } from '../errors/errors.js'
import { Refusal } from '../codecs/encode.js'
import { type Call, rowName } from '../query/call.js'
import type { Statement } from '../query/statement.js'
import type { PgType, TypeView } from '../codecs/pg-type.js'
import type { TypeRegistry } from '../codecs/type-registry.js'

/** Thrown while the driver binds: the statement is not executed, and our side finds out why and what to do. */
export class BindAborted extends Error {}

/**
 * One argument of a statement on its way through the driver.
 *
 * The driver asks for the text form when it binds: at once for a prepared statement, after the server named the types
 * for a new one. A serialiser that throws there wedges the connection (docs/internals/driver-traps.md), unless the statement is just
 * being described; so arguments of prepared statements are written before anything is given to the driver.
 */
export class Argument {
  readonly value: unknown
  /** How types are written. */
  readonly #types: TypeView
  #oid = 0
  #text: string | Refusal = ''

  constructor (value: unknown, types: TypeView) {
    this.value = value
    this.#types = types
  }

  /** Writes the text form, once for each type: reading a value may run code of the user's. */
  write (type: PgType): void {
    if (this.#oid === type.oid) return
    this.#oid = type.oid
    this.#text = textOrRefusal(this.#types.get(type.oid) ?? type, this.value)
  }

  /** The text form. Raises the `Refusal` of a value that has none. */
  textAs (type: PgType): string {
    if (this.#oid !== type.oid) this.write(type)
    if (typeof this.#text !== 'string') throw this.#text
    return this.#text
  }

  /** What the driver does with a type that it has no serialiser for: one that the pool has not learned yet. */
  toString (): never { throw new BindAborted() }
}

/** The text form of a value, or why it has none, whatever the value does when it is read. */
export function textOrRefusal (type: PgType, value: unknown): string | Refusal {
  try {
    const text: unknown = type.encode(value) // by methods of the value, which may be the caller's
    if (typeof text !== 'string') throw new Refusal('its text form is no string')
    // Written as UTF-8, it would silently be another character.
    if (!text.isWellFormed()) throw new Refusal('it holds one half of a surrogate pair without the other')
    return text
  } catch (error) {
    return error instanceof Refusal ? error : new Refusal('reading it fails, or it is too long for a string')
  }
}

/** Only for an error: a `$7` inside a string counts too. */
function highestPlaceholder (text: string): number {
  let highest = 0
  for (const [, digits] of text.matchAll(/\$(\d+)/g)) highest = Math.max(highest, Number(digits))
  return highest
}

/** The protocol counts to 65,535, but postgres.js 3.4.9 stops here. */
const MOST_ARGUMENTS = 65_533

/** The text of a statement, and how many parameters it has where that is known. */
type Parametrised = Pick<Statement, 'text' | 'parameters'>

/** Wraps the arguments of a call; null stays null. Checks what can be known without the types. `row` names them in an error. */
export function toArguments ({ args: values, statement, row, conversion }: Call, registry: TypeRegistry): Array<Argument | null> {
  const types = registry.for(conversion)
  checkCount(values, statement, row)
  const wrapped: Array<Argument | null> = []
  for (let index = 0; index < values.length; index++) {
    const value = values[index]
    if (value === undefined) throw undefinedValue(index, row)
    wrapped.push(value === null ? null : new Argument(value, types))
  }
  return wrapped
}

/** Refuses as many arguments as the text tells for sure to be too many or too few. */
export function checkCount (values: readonly unknown[], { text, parameters }: Parametrised, row: number | undefined): void {
  const { length } = values
  if (length > MOST_ARGUMENTS) throw new ParameterCountError(rowName(row), length, `at most ${MOST_ARGUMENTS}`)
  if (parameters !== undefined) {
    if (length !== parameters) throw new ParameterCountError(rowName(row), length, parameters)
  // A text without `$3` has no third parameter, wherever else it has dollars.
  } else if (length > 0 && !text.includes(`$${length}`)) {
    throw new ParameterCountError(rowName(row), length, highestPlaceholder(text))
  }
}

function undefinedValue (index: number, row: number | undefined): Error {
  return new ValueError(`${rowName(row)}parameter $${index + 1}`, 'it is undefined (use null for NULL)')
}

/** Why an argument cannot be sent → the error that names the parameter. What is not ours was thrown by the caller's list. */
function refused (error: unknown, index: number, row: number | undefined): Error {
  if (error instanceof ValueError) return error
  const parameter = `${rowName(row)}parameter $${index + 1}`
  if (!(error instanceof Refusal)) return new ValueError(parameter, 'reading it fails')
  return new ValueError(parameter, error.message, ...error.cause === undefined ? [] : [{ cause: error.cause }])
}

/**
 * Writes each argument as its type, so that nothing can throw later. Returns the types that the pool has yet to learn;
 * throws the coded error for a wrong count or a value that cannot be sent.
 */
export function writeArguments (
  args: ReadonlyArray<Argument | null>, types: readonly number[], registry: TypeRegistry, row?: number
): number[] {
  if (args.length !== types.length) throw new ParameterCountError(rowName(row), args.length, types.length)
  const unknown: number[] = []
  for (let index = 0; index < args.length; index++) {
    const argument = args[index]
    const oid = types[index]
    if (argument === null || argument === undefined || oid === undefined) continue
    const type = registry.types.get(oid)
    if (type === undefined) {
      unknown.push(oid)
      continue
    }
    try {
      argument.textAs(type)
    } catch (error) {
      throw refused(error, index, row)
    }
  }
  return unknown
}

/** One of many argument lists, all of whose types are known: `row` is its number in an error. */
export interface ArgumentList {
  readonly statement: Parametrised
  readonly types: readonly number[]
  readonly known: TypeView
  readonly row: number
}

/** Its text forms, without an `Argument` for each. Refuses what `toArguments` and `writeArguments` refuse. */
export function writeTexts (values: readonly unknown[], { statement, types, known, row }: ArgumentList): Array<string | null> {
  if (values.length !== types.length || values.length > MOST_ARGUMENTS) {
    checkCount(values, statement, row)
    throw new ParameterCountError(rowName(row), values.length, types.length)
  }
  const texts: Array<string | null> = []
  for (let index = 0; index < types.length; index++) {
    const type = known.get(types[index] ?? 0)
    if (type === undefined) throw new Error(`type ${types[index]} should have been learned`)
    try {
      const value = values[index]
      if (value === undefined) throw undefinedValue(index, row)
      const text = value === null ? null : textOrRefusal(type, value)
      if (text instanceof Refusal) throw text
      texts.push(text)
    } catch (error) {
      throw refused(error, index, row)
    }
  }
  return texts
}
