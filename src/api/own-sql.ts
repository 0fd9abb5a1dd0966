import type { ConversionOptions } from '../codecs/conversion.js'
import type { JsonText } from '../codecs/json-text.js'
import type { TypeOptions } from '../codecs/own-types.js'
import type { PostgresJsQuery, PostgresJsSql, PostgresJsTransactionSql } from '../driver/postgres-js-types.js'
import type { TransactionOptions } from '../transaction/transaction-options.js'
import type { Row, Settled } from './results.js'

/** The options of a tag of its own. */
export interface OwnSqlOptions<Types extends TypeOptions = TypeOptions> extends ConversionOptions { types?: Types | undefined }

/** What each tag of its own can do, wherever it was made. */
export interface AnySql {
  <T extends ReadonlyArray<object | undefined> = Row[]> (
    template: TemplateStringsArray, ...values: readonly unknown[]
  ): Promise<T & Counted>
  unsafe<T extends object[] = Row[]> (text: string, args?: unknown[], options?: { prepare?: boolean | undefined }): Promise<T & Counted>
}

interface Counted { readonly count: number | null, readonly command: string | null }

/** A query of a tag of its own. */
export interface OwnSqlQuery<T extends ReadonlyArray<object | undefined>> extends PostgresJsQuery<T> {
  /** Seconds that it may take, instead of `commandTimeout`; 0 for no limit. */
  timeout (seconds: number): this
  /** Aborts waiting for a connection as well as the running statement. */
  signal (signal: AbortSignal): this
}

/**
 * A tag of `createSql`. Drizzle and others take it for a client of postgres.js, and so it has the type of one: docs/postgres-js.md says
 * where it differs.
 */
export interface OwnSql<Types extends Record<string, unknown> = Record<never, never>> extends PostgresJsSql<Types> {
  <T extends ReadonlyArray<object | undefined> = Row[]> (template: TemplateStringsArray, ...values: readonly unknown[]): OwnSqlQuery<T>
  /** JSON that is text already: sent as it is. */
  jsonText (text: string): JsonText
  /** As that of postgres.js; and with the options of `db.transaction`, instead of the words of BEGIN. */
  readonly begin: PostgresJsSql<Types>['begin'] &
    (<T>(options: TransactionOptions, work: (sql: PostgresJsTransactionSql<Types>) => Promise<T> | T) => Promise<Settled<T>>)
}

/** The names of types → what `sql.types` takes by them. */
export type TypeNames<Types extends TypeOptions> = TypeOptions extends Types ? Record<never, never> : { [Name in keyof Types]: unknown }

/** The tag of a lease of its own. */
export interface OwnReservedSql<Types extends Record<string, unknown> = Record<never, never>> extends OwnSql<Types> {
  release (): Promise<void>
}
