/** A column of a result. */
export interface ResultColumn {
  readonly name: string
  /** The OID of its type. */
  readonly type: number
  /** The name of its type, as in `pg_type`: `int4`, `timestamptz`; of an array `text[]`. Null where the server did not tell. */
  readonly typeName: string | null
}

/** What a statement gave. */
export interface DriverResult {
  /** In the form that was asked for; without those that were only counted. */
  readonly rows: unknown[]
  /** How many rows came. */
  readonly seen: number
  /** The name of its command tag: INSERT, SELECT, CREATE TABLE. Null for an empty statement, and where a limit was reached. */
  readonly command: string | null
  readonly count: number | null
  /** Who knows the columns; undefined where there are none, or nobody asked for them. */
  readonly described: { columns (): ResultColumn[], converted (rows: readonly unknown[], areValues: boolean): unknown[] } | undefined
  /** The types of its parameters, where the server was asked for them. */
  readonly types?: readonly number[] | undefined
}
