import { type Read, readText } from '../codecs/decode-bytes.js'
import type { Conversion } from '../codecs/conversion.js'
import type { TypeRegistry } from '../codecs/type-registry.js'
import { DecodeError, ProtocolError } from '../errors/errors.js'
import type { PgType, TypeView } from '../codecs/pg-type.js'
import type { ResultColumn, SqlColumn } from './result.js'
import { type ConvertedColumn, convertRows, nameHere } from './row-conversion.js'
import type { WireColumn } from '../protocol/message-reader.js'

/** A column of a result, with how its fields are read. */
interface Column extends ConvertedColumn {
  read: Read
  late: ConvertedColumn['late']
  /** Whether its type was known when it was described. */
  isKnown: boolean
}

/** Makes an empty object that is like `{}` to everyone, and has room for the columns of a row. */
interface RowClass { new (): Record<string, unknown> }

/** By the number of columns: rows of the same columns have the same hidden class, whatever statement they are of. */
const classes: RowClass[] = []

/** Reads the rows of one result or of one prepared statement, whose columns are described once. */
export class RowReader {
  /** Which columns are left as text because their types are unknown; undefined where there are none. */
  unknown: readonly number[] | undefined
  readonly #columns: Column[]
  readonly #described: readonly WireColumn[]
  readonly #registry: TypeRegistry
  readonly #types: TypeView
  readonly #conversion: Conversion | undefined
  /** The same columns as conversions have them. */
  #converted: WeakMap<Conversion, RowReader> | undefined
  /** Why a name cannot be converted. */
  #failure: { readonly cause: unknown } | undefined
  /** Undefined where a name cannot be assigned: `__proto__` would set the prototype of a row. */
  readonly #Row: RowClass | undefined
  /** Not for the first row: a statement that is read once would pay more for it than for its row. */
  #template: object | undefined
  #hasRead = false

  constructor (described: readonly WireColumn[], registry: TypeRegistry, conversion?: Conversion) {
    this.#described = described
    this.#registry = registry
    this.#conversion = conversion
    this.#types = registry.for(conversion)
    const columns = this.#columns = described.map(({ name, type }) => {
      const known = this.#types.get(type)
      return { name: this.#nameHere(name), type, read: known?.read ?? readText, isKnown: known !== undefined, late: lateOf(known) }
    })
    this.#Row = columns.some(({ name }) => name === '__proto__') ? undefined : rowClass(columns.length)
    this.#noteUnknown()
  }

  #nameHere (name: string): string {
    try {
      return this.#conversion === undefined ? name : nameHere(name, this.#conversion)
    } catch (cause) {
      this.#failure = { cause }
      return name
    }
  }

  /** The reader of the same columns as a conversion has them. */
  for (conversion: Conversion | undefined): RowReader {
    if (conversion === undefined) return this
    this.#converted ??= new WeakMap()
    let reader = this.#converted.get(conversion)
    if (reader === undefined) {
      reader = new RowReader(this.#described, this.#registry, conversion)
      this.#converted.set(conversion, reader)
    }
    return reader
  }

  /** Has the user's functions convert rows that are complete, or only the first value of each. Raises `DecodeError`. */
  converted (rows: readonly unknown[], areValues: boolean): unknown[] {
    // An error of its own for each call.
    if (this.#failure !== undefined) throw new DecodeError('transform.column', this.#failure)
    return this.#conversion === undefined ? [...rows] : convertRows(rows, this.#columns, this.#conversion, areValues)
  }

  #noteUnknown (): void {
    const unknown = this.#columns.flatMap(({ isKnown }, index) => isKnown ? [] : [index])
    this.unknown = unknown.length > 0 ? unknown : undefined
  }

  /**
   * A DataRow → the row: its columns by name. Raises `ProtocolError` for one that does not hold those columns.
   *
   * Every row of every call goes through here: a field is read without a function that finds out where it ends.
   */
  row (bytes: Buffer, start: number, end: number): Record<string, unknown> {
    const Row = this.#Row
    const columns = this.#columns
    if (Row === undefined) return this.#entries(bytes, start, end)
    if (!this.#hasRead) this.#hasRead = true
    else if (this.#template === undefined) this.#template = templateOf(Row, columns.map(({ name }) => name))
    const row = new Row()
    let at = start + 7
    if (at > end || ((bytes[start + 5] ?? 0) << 8 | (bytes[start + 6] ?? 0)) !== columns.length) throw miscounted()
    for (let index = 0; index < columns.length; index++) {
      const column = columns[index]
      if (column === undefined) break
      const from = at + 4
      if (from > end) throw cut()
      const length = (bytes[at] ?? 0) << 24 | (bytes[at + 1] ?? 0) << 16 | (bytes[at + 2] ?? 0) << 8 | (bytes[at + 3] ?? 0)
      at = from
      if (length === -1) {
        row[column.name] = null
        continue
      }
      at += length
      if (length < 0 || at > end) throw overlong()
      row[column.name] = column.read(bytes, from, at)
    }
    if (at !== end) throw excess()
    return row
  }

  /** As `row`, whatever the names are. */
  #entries (bytes: Buffer, start: number, end: number): Record<string, unknown> {
    const values = this.values(bytes, start, end)
    return Object.fromEntries(this.#columns.map(({ name }, index) => [name, values[index]]))
  }

  /** A DataRow → its values. Raises `ProtocolError` as `row` does. */
  values (bytes: Buffer, start: number, end: number): unknown[] { return this.#values(bytes, start, end, this.#columns.length) }

  /** A DataRow → the bytes of its fields, as text. Raises `ProtocolError` as `row` does. */
  raw (bytes: Buffer, start: number, end: number): unknown[] {
    this.skip(bytes, start, end)
    const fields: Array<Buffer | null> = []
    for (let at = start + 7; fields.length < this.#columns.length;) {
      const length = bytes.readInt32BE(at)
      at += 4 + Math.max(0, length)
      fields.push(length === -1 ? null : Buffer.from(bytes.subarray(at - length, at)))
    }
    return fields
  }

  /** A DataRow → its first value alone, as an array. Raises `ProtocolError` as `row` does. */
  first (bytes: Buffer, start: number, end: number): unknown[] { return this.#values(bytes, start, end, 1) }

  /** A DataRow that nobody wants. Raises `ProtocolError` as `row` does. */
  skip (bytes: Buffer, start: number, end: number): void { this.#values(bytes, start, end, 0) }

  /** Reads so many fields, and looks where the others end. */
  #values (bytes: Buffer, start: number, end: number, wanted: number): unknown[] {
    const values: unknown[] = []
    let at = start + 7
    if (at > end || bytes.readUInt16BE(start + 5) !== this.#columns.length) throw miscounted()
    for (const column of this.#columns) {
      const from = at + 4
      if (from > end) throw cut()
      const length = bytes.readInt32BE(at)
      at = length === -1 ? from : from + length
      if (length < -1 || at > end) throw overlong()
      if (values.length < wanted) values.push(length === -1 ? null : column.read(bytes, from, at))
    }
    if (at !== end) throw excess()
    return values
  }

  /** What the columns are. */
  columns (): ResultColumn[] {
    return this.#columns.map(({ name, type }) => ({ name, type, typeName: this.#registry.get(type)?.name ?? null }))
  }

  /** The same, with the columns of tables that they are. */
  sqlColumns (): SqlColumn[] {
    return this.columns().map((column, index) => {
      const { table = 0, number = 0 } = this.#described[index] ?? {}
      return { ...column, table, number }
    })
  }

  /** The types of columns that the pool has yet to learn. */
  typesToLearn (): number[] {
    return this.#columns.flatMap(({ type, isKnown }) => isKnown || this.#registry.get(type) !== undefined ? [] : [type])
  }

  /** Reads in rows what was left as text in some columns, now that their types are known; later rows are read at once. */
  readUnknown (rows: readonly unknown[], columns: readonly number[]): void {
    for (const index of columns) {
      const column = this.#columns[index]
      if (column === undefined) continue
      const type = this.#types.get(column.type)
      column.read = type?.read ?? readText
      column.isKnown = true
      column.late = lateOf(type)
      const decode = type?.decode
      if (decode === undefined || column.late !== undefined) continue
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

/** What may throw is called when the rows are complete. */
function lateOf (type: PgType | undefined): ConvertedColumn['late'] {
  return type?.decode === undefined || !type.mayThrow ? undefined : { decode: type.decode, key: type.key }
}

/** The class of rows of so many columns. */
function rowClass (columns: number): RowClass {
  const Row = classes[columns] ?? createRowClass(columns)
  classes[columns] = Row
  return Row
}

/**
 * A literal has room for four properties. Others go to a list beside it, which is copied as it grows, and an object that gets
 * more than 16 by computed names becomes a hash table. For an object that a constructor makes V8 leaves as much room as it has
 * assignments to `this`, and eight more; after the first eight objects it leaves only what was used. Those are made here.
 */
function createRowClass (columns: number): RowClass {
  function Row (this: Record<string, unknown>, isNever?: true): void {
    if (isNever === undefined) return
    this.a = this.b = this.c = this.d = this.e = this.f = this.g = this.h = this.i = this.j = this.k = this.l = this.m = this.n = 0
    this.o = this.p = this.q = this.r = this.s = this.t = this.u = this.v = this.w = this.x = this.y = this.z = this.A = this.B = 0
  }
  Row.prototype = Object.prototype
  const Class = Row as unknown as RowClass // a class would have a prototype of its own
  const largest = new Class()
  for (let column = 0; column < columns; column++) largest[`column ${column}`] = null
  for (let count = 0; count < 8; count++) Reflect.construct(Class, [])
  return Class
}

/**
 * A row that is kept, so that V8 keeps the hidden class that the rows of a statement have. Its properties hold one kind of value
 * after the other: otherwise the rows before a number that is no integer would have another hidden class than those behind it.
 */
function templateOf (Row: RowClass, names: readonly string[]): object {
  const template = new Row()
  for (const value of [null, 0]) {
    // By assignments it would be a hash table if it had many more properties than there is room for.
    for (const name of names) Object.defineProperty(template, name, { value, enumerable: true, writable: true, configurable: true })
  }
  return template
}

function replaceText (row: object, key: string | number, decode: (text: string) => unknown): void {
  const text: unknown = Object.hasOwn(row, key) ? Reflect.get(row, key) : null
  if (typeof text === 'string') define(row, key, decode(text))
}

function define (row: object, key: string | number, value: unknown): void {
  Object.defineProperty(row, key, { value, enumerable: true, writable: true, configurable: true })
}

function miscounted (): Error { return new ProtocolError('a row with more or fewer fields than its description') }
function cut (): Error { return new ProtocolError('a row that ends before its fields') }
function overlong (): Error { return new ProtocolError('a field that does not end within its row') }
function excess (): Error { return new ProtocolError('a row with bytes behind its fields') }
