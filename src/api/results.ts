import type { DriverResult, ResultColumn, SqlColumn } from '../driver/result.js'
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
  readonly columns: SqlColumn[]
  /** What was run. */
  readonly statement: SqlStatement
}

/** A statement as the server knows it. */
export interface SqlStatement {
  /** The name under which it is prepared on its connection; empty where it is not. */
  readonly name: string
  readonly string: string
  /** The OIDs of the types of its parameters. */
  readonly types: number[]
  readonly columns: SqlColumn[]
}

/** The rows of a query. */
export type SqlResult<T extends readonly unknown[] = Row[]> = T & SqlResultMeta

/** What a function of a transaction gives: of an array what its elements resolve with. */
export type Settled<T> = T extends readonly unknown[] ? { -readonly [K in keyof T]: Awaited<T[K]> } : T

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
export function toDescription (result: DriverResult, { statement: { text } }: Call): SqlStatement { return statementOf(result, text) }

function statementOf ({ name = '', types = [], described }: DriverResult, text: string): SqlStatement {
  return { name, string: text, types: [...types], columns: described?.sqlColumns() ?? [] }
}

/** Those that hold the results of the statements of a script. */
const scripts = new WeakSet<object>()

/**
 * The rows of a tag's query: an array that says what the server said of it, where nothing that goes through it would look. Of a script
 * an array of such results, one for each statement.
 */
export function toSqlResult<T extends readonly unknown[]> (result: DriverResult, { statement: { text } }: Call): SqlResult<T> {
  const { statements, command } = result
  if (statements === undefined) return withMeta(result, text)
  const [only = result, ...further] = statements
  if (further.length === 0) return withMeta(only, text)
  const each = statements.map((result) => withMeta(result, text))
  const script = withMeta<T>({ rows: each, seen: 0, command, count: null, described: undefined }, text)
  scripts.add(script)
  return script
}

function withMeta<T extends readonly unknown[]> (result: DriverResult, text: string): SqlResult<T> {
  const { rows, count, command } = result
  let statement: SqlStatement | undefined
  const get = (): SqlStatement => {
    statement ??= statementOf(result, text)
    return statement
  }
  return Object.defineProperties(rows, {
    count: { value: count, writable: true },
    command: { value: command, writable: true },
    columns: { get: () => get().columns },
    statement: { get },
  }) as unknown as SqlResult<T>
}

/** The results of the statements of a script, or of the one statement that was run. */
export function eachOf<T extends readonly unknown[]> (result: SqlResult<T>): ReadonlyArray<SqlResult<T>> {
  return scripts.has(result) ? result as readonly unknown[] as ReadonlyArray<SqlResult<T>> : [result]
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
