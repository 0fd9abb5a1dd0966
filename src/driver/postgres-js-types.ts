/** What libraries over postgres.js ask for. */
export type { PendingQuery as PostgresJsQuery, Sql as PostgresJsSql, TransactionSql as PostgresJsTransactionSql } from 'postgres'
