import type { DriverResult, ResultColumn } from '../driver/result.js'
import { NoRowError, TooManyRowsError } from '../errors/errors.js'
import type { Call } from '../query/call.js'

/** A row: its columns by name. */
export type Row = Record<string, unknown>

/** What the server said of a statement. */
export interface ExecuteResult {
  /** The command tag, such as `INSERT 0 1` or `CREATE TABLE`. */
  status: string
  command: string
  /** Rows affected or returned. */
  count: number
}

/** What the server said of a statement, with its rows. */
export interface QueryResult<T = Row> {
  rows: T[]
  /** Rows affected or returned. Null where the server does not count (`CREATE TABLE`), and where a limit was reached. */
  count: number | null
  /** `SELECT`, `INSERT`, `CREATE TABLE`. Null for an empty statement, and where a limit was reached. */
  command: string | null
  /** In their order, also without rows; none for a statement that gives no rows. */
  columns: ResultColumn[]
}

/** What the server said of a statement: properties of the array of its rows, not enumerable. */
export interface SqlResultMeta {
  /** Rows affected or returned. Null where the server does not count, as for `CREATE TABLE`. */
  readonly count: number | null
  /** `SELECT`, `INSERT`, `CREATE TABLE`. Null for an empty statement. */
  readonly command: string | null
  /** In their order; none for a statement that gives no rows. */
  readonly columns: ResultColumn[]
  /** What was run. */
  readonly statement: { readonly string: string, readonly columns: ResultColumn[] }
}

/** What the server says of a statement that it has not run. */
export interface SqlDescription {
  readonly string: string
  /** The OIDs of the types of its parameters. */
  readonly types: number[]
  readonly columns: ResultColumn[]
}

/** The rows of a query. */
export type SqlResult<T extends readonly unknown[] = Row[]> = T & SqlResultMeta

export function onlyRow<T> ({ rows: [row], seen }: DriverResult): T {
  if (seen === 0) throw new NoRowError()
  if (seen > 1) throw new TooManyRowsError()
  return row as T
}

export function firstRow<T> ({ rows }: DriverResult): T | null {
  return rows.length === 0 ? null : rows[0] as T
}

export function allRows<T> ({ rows }: DriverResult): T[] {
  return rows as T[]
}

export function firstValue<T> ({ rows: [row] }: DriverResult): T | null {
  return row === undefined ? null : valueOf<T>(row)
}

export function allValues<T> ({ rows }: DriverResult): T[] {
  return rows.map((row) => valueOf<T>(row) as T)
}

/** Of the fields that were read of a row; there are rows without columns. */
function valueOf<T> (row: unknown): T | null {
  return Array.isArray(row) && row.length > 0 ? row[0] as T | null : null
}

export function toQueryResult<T> ({ rows, count, command, described }: DriverResult): QueryResult<T> {
  return { rows: rows as T[], count, command, columns: described?.columns() ?? [] }
}

/** What a tag's query is, without having run. */
export function toDescription ({ types = [], described }: DriverResult, { statement: { text } }: Call): SqlDescription {
  return { string: text, types: [...types], columns: described?.columns() ?? [] }
}

/** The rows of a tag's query: an array that says what the server said of it, where nothing that goes through it would look. */
export function toSqlResult<T extends readonly unknown[]> ({ rows, count, command, described }: DriverResult, call: Call): SqlResult<T> {
  const { isScript, text } = call.statement
  // Of several statements, the driver has the rows of one, the count of another one, and the command of the last.
  const result = isScript ? [] : rows
  let columns: ResultColumn[] | undefined
  const columnsOf = (): ResultColumn[] => {
    columns ??= isScript ? [] : described?.columns() ?? []
    return columns
  }
  return Object.defineProperties(result, {
    count: { value: isScript ? null : count, writable: true },
    command: { value: command, writable: true },
    columns: { get: columnsOf },
    statement: { get: () => ({ string: text, columns: columnsOf() }) },
  }) as unknown as SqlResult<T>
}

/** The same result without its rows. */
export function withoutRows (result: SqlResult<readonly unknown[]>): SqlResult<[]> {
  const meta = META.map((name) => [name, Object.getOwnPropertyDescriptor(result, name) ?? {}] as const)
  return Object.defineProperties([], Object.fromEntries(meta)) as unknown as SqlResult<[]>
}

const META = ['count', 'command', 'columns', 'statement'] as const

export function toExecuteResult ({ command, count }: DriverResult, { statement: { isScript } }: Call): ExecuteResult {
  const name = command ?? ''
  // Of several statements without rows the driver mixes the count of the first with the command of the last.
  if (isScript) return { status: name, command: name, count: 0 }
  // The driver drops the OID, which has been 0 since Postgres 12.
  const status = count === null ? name : name === 'INSERT' ? `INSERT 0 ${count}` : `${name} ${count}`
  return { status, command: name, count: count ?? 0 }
}
