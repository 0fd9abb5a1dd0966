import { KEEPS_FIRST, type Mode, type Shape } from '../query/call.js'
import type { DriverResult, StatementFacts } from './result.js'
import type { RowReader } from './row-reader.js'
import { unexpected } from './turn.js'

/** Rows that hold text in some columns, whose types were unknown when they came. */
export interface Unread { readonly reader: RowReader, readonly columns: readonly number[], readonly rows: readonly unknown[] }

/**
 * The rows that a request gives, and what the server says of its statements. Of a script that is told of the last statement with rows,
 * with the command of the last of all; or, in the mode `statements`, of each.
 */
export class Gathered {
  /** Reads the rows of the last statement that has any. */
  reader: RowReader | undefined
  /** That of the last statement. */
  command: string | null = null
  /** How many rows came. */
  seen = 0
  unread: Unread[] = []
  readonly #mode: Mode
  readonly #shape: Shape | undefined
  readonly #onlyFirst: boolean
  #rows: unknown[] = []
  #count: number | null = null
  #statements: DriverResult[] | undefined

  constructor (mode: Mode, shape: Shape | undefined) {
    this.#mode = mode
    this.#shape = shape
    this.#onlyFirst = KEEPS_FIRST.has(mode)
    if (mode === 'statements') this.#statements = []
  }

  /** Rows of another statement come, which `reader` reads. */
  begin (reader: RowReader | undefined): void {
    if (this.command !== null) this.#count = null
    this.#rows = []
    this.seen = 0
    this.reader = reader
    if (this.#statements === undefined) this.unread = []
    if (reader?.unknown !== undefined) this.unread.push({ reader, columns: reader.unknown, rows: this.#rows })
  }

  /** A DataRow. */
  row (bytes: Buffer, start: number, end: number): void {
    const { reader } = this
    if (reader === undefined) throw unexpected(0x44)
    if (this.seen++ > 0 && this.#onlyFirst) return reader.skip(bytes, start, end)
    if (this.#shape === 'array') this.#rows.push(reader.values(bytes, start, end))
    else if (this.#shape === 'raw') this.#rows.push(reader.raw(bytes, start, end))
    else if (this.#mode === 'value' || this.#mode === 'column') this.#rows.push(reader.first(bytes, start, end))
    else this.#rows.push(reader.row(bytes, start, end))
  }

  /** A statement is done. */
  completed (command: string, count: number | null): void {
    this.command = command
    this.#count ??= count
    if (this.#statements === undefined) return
    this.#statements.push({ rows: this.#rows, seen: this.seen, command, count, described: this.reader })
    this.begin(undefined)
  }

  result (facts: StatementFacts): DriverResult {
    const { seen, command, reader: described } = this
    return { rows: this.#rows, seen, command, count: this.#count, described, statements: this.#statements, ...facts }
  }
}
