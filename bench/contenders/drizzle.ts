import { eq, sql } from 'drizzle-orm'
import { integer, pgTable, text } from 'drizzle-orm/pg-core'
import { drizzle } from 'drizzle-orm/postgres-js'
import postgres from 'postgres'
import { createDatabase } from '../../src/index.js'
import type { Contender } from './contender.js'

const rows = pgTable('bench_rows', { id: integer().primaryKey(), name: text().notNull() })
const SILENT = { debug () {}, info () {}, warn () {}, error () {} }

/** One row by its key: a query that is put together each time, or one that was made once, with a placeholder. */
function fetching (client: postgres.Sql, isMadeOnce: boolean): NonNullable<Contender['fetch']> {
  const orm = drizzle(client)
  if (!isMadeOnce) return async (id) => (await orm.select().from(rows).where(eq(rows.id, id)))[0]
  const query = orm.select().from(rows).where(eq(rows.id, sql.placeholder('id'))).prepare('by_id')
  return async (id) => (await query.execute({ id }))[0]
}

/** Drizzle's driver for postgres.js, on a tag of this library. */
export function drizzleOnOurs (url: string, applicationName: string, connections: number, isMadeOnce = false): Contender {
  const db = createDatabase({ url, min: connections, max: connections, applicationName, log: SILENT }, {})
  return {
    open: () => db.open(),
    close: () => db.close(),
    fetch: fetching(db.createSql(), isMadeOnce),
  }
}

/** The same on postgres.js itself. */
export function drizzleOnPostgresJs (url: string, name: string, max: number, isMadeOnce = false): Contender {
  const client = postgres(url, { max, connection: { application_name: name } })
  return {
    open: () => Promise.all(Array.from({ length: max }, () => client`SELECT pg_sleep(0.5)`)),
    close: () => client.end(),
    fetch: fetching(client, isMadeOnce),
  }
}
