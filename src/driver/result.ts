/** A column of a result. */
export interface ResultColumn {
  readonly name: string
  /** The OID of its type. */
  readonly type: number
  /** The name of its type, as in `pg_type`: `int4`, `timestamptz`; of an array `text[]`. Null where the server did not tell. */
  readonly typeName: string | null
}

/** A column of a tag's result. */
export interface SqlColumn extends ResultColumn {
  /** The OID of the table that it is a column of, and its number there; 0 where it is none of a table's. */
  readonly table: number
  readonly number: number
}

/** What a statement is on the server. */
export interface StatementFacts {
  /** The name under which it is prepared; empty where it is not. */
  readonly name?: string | undefined
  /** The types of its parameters, as far as the server was asked for them. */
  readonly types?: readonly number[] | undefined
}

/** Who knows the columns of a result. */
export interface DescribedColumns {
  columns (): ResultColumn[]
  sqlColumns (): SqlColumn[]
  converted (rows: readonly unknown[], areValues: boolean): unknown[]
}

/** What a statement gave. */
export interface DriverResult extends StatementFacts {
  /** In the form that was asked for; without those that were only counted. */
  readonly rows: unknown[]
  /** How many rows came. */
  readonly seen: number
  /** The name of its command tag: INSERT, SELECT, CREATE TABLE. Null for an empty statement, and where a limit was reached. */
  readonly command: string | null
  readonly count: number | null
  /** Who knows the columns; undefined where there are none, or nobody asked for them. */
  readonly described: DescribedColumns | undefined
  /** What each statement of a script gave, where that was asked for. */
  readonly statements?: readonly DriverResult[] | undefined
}
