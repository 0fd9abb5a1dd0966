import { drizzle } from 'drizzle-orm/postgres-js'
import postgres from 'postgres'
import type { Test } from 'tap'
import type { Database, DatabaseOptions } from '../../../src/index.js'
import { freshDatabase, openDatabase, type Observer } from '../../support/database.js'
import type { Drizzle } from './programs.js'
import * as schema from './schema.js'

/** Drizzle over one tag of a database. */
export function over (db: Database, options?: Parameters<Database['createSql']>[0]): Drizzle {
  return drizzle(db.createSql(options), { schema })
}

/** Drizzle over postgres.js itself. */
export function overPostgresJs (t: Test, { url }: Observer): Drizzle {
  const sql = postgres(url, { max: 1, onnotice () {} })
  t.teardown(() => sql.end())
  return drizzle(sql, { schema })
}

export async function open (t: Test, options: DatabaseOptions = {}) {
  const observer = await freshDatabase(t)
  await observer.rows(schema.TABLES)
  const db = await openDatabase(t, observer, options)
  return { observer, db, orm: over(db) }
}
