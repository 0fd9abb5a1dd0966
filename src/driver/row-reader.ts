import type { TypeRegistry } from '../codecs/type-registry.js'
import { ProtocolError } from '../errors/errors.js'
import type { ResultColumn } from './result.js'
import type { WireColumn } from '../protocol/message-reader.js'

type Decode = ((text: string) => unknown) | undefined

/** A column of a result, with how its text is read; without, the text is the value. */
interface Column extends WireColumn {
  decode: Decode
  /** Whether its type was known when it was described. */
  isKnown: boolean
}

/** Reads the rows of one result or of one prepared statement, whose columns are described once. */
export class RowReader {
  readonly #columns: Column[]
  /** Assigned, the name `__proto__` would set the prototype of a row. */
  readonly #hasProto: boolean
  readonly #registry: TypeRegistry
  #unknown: readonly number[] | undefined
  /** Where the next field is. */
  #at = 0

  constructor (columns: readonly WireColumn[], registry: TypeRegistry) {
    this.#registry = registry
    this.#columns = columns.map(({ name, type }) => {
      const known = registry.get(type)
      return { name, type, decode: known?.decode, isKnown: known !== undefined }
    })
    this.#hasProto = columns.some(({ name }) => name === '__proto__')
    this.#noteUnknown()
  }

  /** Which columns are left as text because their types are unknown; undefined where there are none. */
  get unknown (): readonly number[] | undefined { return this.#unknown }

  #noteUnknown (): void {
    const unknown = this.#columns.flatMap(({ isKnown }, index) => isKnown ? [] : [index])
    this.#unknown = unknown.length > 0 ? unknown : undefined
  }

  /** A DataRow → the row: its columns by name. Raises `ProtocolError` for one that does not hold those columns. */
  row (bytes: Buffer, start: number, end: number): Record<string, unknown> {
    const row: Record<string, unknown> = {}
    this.#start(bytes, start, end)
    for (const column of this.#columns) {
      const value = this.#value(column, bytes, end)
      if (this.#hasProto && column.name === '__proto__') define(row, column.name, value)
      else row[column.name] = value
    }
    if (this.#at !== end) throw excess()
    return row
  }

  /** A DataRow → its values. Raises `ProtocolError` as `row` does. */
  values (bytes: Buffer, start: number, end: number): unknown[] {
    const values: unknown[] = []
    this.#start(bytes, start, end)
    for (const column of this.#columns) values.push(this.#value(column, bytes, end))
    if (this.#at !== end) throw excess()
    return values
  }

  /** A DataRow → its first value alone, as an array. Raises `ProtocolError` as `row` does. */
  first (bytes: Buffer, start: number, end: number): unknown[] {
    this.#start(bytes, start, end)
    const [column] = this.#columns
    const values = column === undefined ? [] : [this.#value(column, bytes, end)]
    this.#pass(this.#columns.length - values.length, bytes, end)
    return values
  }

  /** A DataRow that nobody wants. Raises `ProtocolError` as `row` does. */
  skip (bytes: Buffer, start: number, end: number): void {
    this.#start(bytes, start, end)
    this.#pass(this.#columns.length, bytes, end)
  }

  /** Goes on to the end of a row, without reading its fields. */
  #pass (fields: number, bytes: Buffer, end: number): void {
    for (; fields > 0; fields--) this.#field(bytes, end)
    if (this.#at !== end) throw excess()
  }

  #start (bytes: Buffer, start: number, end: number): void {
    this.#at = start + 7
    if (this.#at > end || bytes.readUInt16BE(start + 5) !== this.#columns.length) {
      throw new ProtocolError('a row with more or fewer fields than its description')
    }
  }

  /** The value of the next field. */
  #value ({ decode }: Column, bytes: Buffer, end: number): unknown {
    const length = this.#field(bytes, end)
    if (length === -1) return null
    const text = bytes.toString('utf8', this.#at - length, this.#at)
    return decode === undefined ? text : decode(text)
  }

  /** Goes to the end of the next field. Returns its length in bytes; -1 is NULL. */
  #field (bytes: Buffer, end: number): number {
    const from = this.#at + 4
    if (from > end) throw new ProtocolError('a row that ends before its fields')
    const length = bytes.readInt32BE(this.#at)
    this.#at = from
    if (length === -1) return -1
    const to = from + length
    if (length < 0 || to > end) throw new ProtocolError('a field that does not end within its row')
    this.#at = to
    return length
  }

  /** What the columns are. */
  columns (): ResultColumn[] {
    return this.#columns.map(({ name, type }) => ({ name, type, typeName: this.#registry.get(type)?.name ?? null }))
  }

  /** The types of columns that the pool has yet to learn. */
  typesToLearn (registry: TypeRegistry): number[] {
    return this.#columns.flatMap(({ type, isKnown }) => isKnown || registry.get(type) !== undefined ? [] : [type])
  }

  /** Reads in rows what was left as text in some columns, now that their types are known; later rows are read at once. */
  readUnknown (rows: readonly unknown[], columns: readonly number[], registry: TypeRegistry): void {
    for (const index of columns) {
      const column = this.#columns[index]
      if (column === undefined) continue
      const decode = registry.get(column.type)?.decode
      column.decode = decode
      column.isKnown = true
      if (decode === undefined) continue
      // Of several columns with one name a row holds the last.
      const isLast = this.#columns.findLastIndex(({ name }) => name === column.name) === index
      for (const row of rows) {
        if (Array.isArray(row)) replaceText(row, index, decode)
        else if (isLast) replaceText(row as object, column.name, decode)
      }
    }
    this.#noteUnknown()
  }
}

function replaceText (row: object, key: string | number, decode: (text: string) => unknown): void {
  const text: unknown = Object.hasOwn(row, key) ? Reflect.get(row, key) : null
  if (typeof text === 'string') define(row, key, decode(text))
}

function define (row: object, key: string | number, value: unknown): void {
  Object.defineProperty(row, key, { value, enumerable: true, writable: true, configurable: true })
}

function excess (): Error { return new ProtocolError('a row with bytes behind its fields') }
