import { WIDE_ROWS } from '../statements.js'
import type { Contender } from './contender.js'

type Rows = ReadonlyArray<Record<string, unknown>> & { readonly count: number }
type Tag = (strings: TemplateStringsArray, ...values: ReadonlyArray<string | number>) => PromiseLike<Rows>

/** What the clients of postgres.js and of Bun have in common. */
interface TagClient extends Tag {
  begin (work: (sql: Tag) => Promise<number>): Promise<number>
  end (): Promise<void>
}

/** A client of `max` connections that is used by tagged templates, as the manuals of both show it. */
export function byTag (sql: TagClient, max: number): Contender {
  return {
    // It opens one when all others are busy.
    open: () => Promise.all(Array.from({ length: max }, () => sql`SELECT pg_sleep(0.5)`)),
    close: () => sql.end(),
    fetch: async (id) => (await sql`SELECT id, name FROM bench_rows WHERE id = ${id}`)[0],
    fetchWide: () => sql`SELECT id, name, email, city, active, score, visits, balance, settings, created_at FROM bench_wide ORDER BY id LIMIT ${WIDE_ROWS}`,
    sleep: (seconds) => sql`SELECT pg_sleep(${seconds})`,
    transfer: (from, to) => sql.begin(async (sql) => {
      const debit = await sql`UPDATE bench_accounts SET balance = balance - 1 WHERE id = ${from}`
      const credit = await sql`UPDATE bench_accounts SET balance = balance + 1 WHERE id = ${to}`
      return debit.count + credit.count
    }),
    insertOne: async (n, label) => (await sql`INSERT INTO bench_singles (n, label) VALUES (${n}, ${label})`).count,
  }
}
