import t, { type Test } from 'tap'
import type { Database, DatabaseOptions } from '../../src/index.js'
import { freshDatabase, type Observer, openDatabase, until } from '../support/database.js'

/** A query builder over this library, and over postgres.js itself. */
export interface Builder<Orm> {
  over (db: Database): Orm
  overPostgresJs (t: Test, observer: Observer): Orm
  readonly tables: string
}

/** What a program gives over postgres.js, and then so often over this library, each time with new tables. */
export async function outcomesOf<Orm, T> (
  t: Test, { over, overPostgresJs, tables }: Builder<Orm>, program: (orm: Orm) => Promise<T>, options: DatabaseOptions = {}, times = 1
): Promise<{ db: Database, outcomes: T[] }> {
  const observer = await freshDatabase(t)
  const reference = overPostgresJs(t, observer)
  const db = await openDatabase(t, observer, options)
  const outcomes: T[] = []
  for (const orm of [reference, ...Array.from({ length: times }, () => over(db))]) {
    await observer.rows(tables)
    outcomes.push(await program(orm))
  }
  return { db, outcomes }
}

/** Tests that each program gives the same over both. */
export function testPrograms<Orm> (builder: Builder<Orm>, programs: Readonly<Record<string, (orm: Orm) => Promise<unknown>>>): void {
  for (const [name, program] of Object.entries(programs)) {
    t.test(`the same over both drivers: ${name}`, async (t) => {
      const { db, outcomes: [reference, first, second] } = await outcomesOf(t, builder, program, { max: 2 }, 2)
      t.strictSame(first, reference)
      t.strictSame(second, reference, 'and again, with statements that are prepared and types that have new OIDs')
      await until(() => db.stats().busy === 0) // what cleans a session is behind its last call
      t.match(db.stats(), { busy: 0, waiting: 0 })
    })
  }
}
