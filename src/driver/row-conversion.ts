import type { Conversion, TransformedColumn } from '../codecs/conversion.js'
import { DecodeError } from '../errors/errors.js'

/** A column as its values are converted. */
export interface ConvertedColumn {
  readonly name: string
  readonly type: number
  /** Reads what is still the text of the server: a function of the user's, or one that calls it. */
  readonly late: { readonly decode: (text: string) => unknown, readonly key: string } | undefined
}

/**
 * Calls the user's functions for rows that are complete: what these throw ends one call, and not the reading of what others wait for.
 * Rows are objects, or arrays of as many fields as were wanted: of the first alone where `areValues`, which are no rows.
 * Raises `DecodeError`.
 */
export function convertRows (
  rows: readonly unknown[], columns: readonly ConvertedColumn[], { transform }: Conversion, areValues: boolean
): unknown[] {
  const { value: transformValue, row: transformRow } = transform
  const shown = columns.map(({ name, type }): TransformedColumn => Object.freeze({ name, type }))
  // Of several columns with one name a row has the last.
  const lastOf = new Map(columns.map(({ name }, index) => [name, index]))
  const converted = (row: object, isList: boolean): void => {
    columns.forEach((column, index) => {
      const key = isList ? index : column.name
      if (!Object.hasOwn(row, key) || (!isList && lastOf.get(column.name) !== index)) return
      const { late } = column
      let value: unknown = Reflect.get(row, key)
      if (late !== undefined && typeof value === 'string') value = attempt(`the decoder of ${late.key}`, late.decode, value)
      if (transformValue !== undefined) value = attempt('transform.value', (value) => transformValue(value, shown[index] ?? column), value)
      Object.defineProperty(row, key, { value, enumerable: true, writable: true, configurable: true })
    })
  }
  if (transformValue !== undefined || columns.some(({ late }) => late !== undefined)) {
    for (const row of rows) converted(row as object, Array.isArray(row))
  }
  if (transformRow === undefined || areValues) return [...rows]
  return rows.map((row) => attempt('transform.row', transformRow, row as Record<string, unknown>))
}

function attempt<T> (what: string, convert: (given: T) => unknown, given: T): unknown {
  try {
    return convert(given)
  } catch (cause) {
    throw new DecodeError(what, { cause })
  }
}

/** The name of a column here. Raises what the user's function does. */
export function nameHere (name: string, { transform: { columnFrom } }: Conversion): string {
  if (columnFrom === undefined) return name
  const given: unknown = columnFrom(name)
  if (typeof given !== 'string') throw new TypeError('transform.column gave no string')
  return given
}
