// Bun.sql in a process of Bun's; processes/node.ts is its other end.
import { SQL } from 'bun'
import type { Contender } from '../contenders/contender.js'
import { serve } from '../contenders/serve.js'
import { WIDE_ROWS } from '../statements.js'

const CONNECTIONS = 10

const { BENCH_URL: url } = process.env
if (url === undefined) throw new Error('processes/node.ts starts this file')

/** The native client of another runtime, as its manual shows it. */
function bunSql (url: string, applicationName: string, max: number): Contender {
  const sql = new SQL({ url, max, connection: { application_name: applicationName } })
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

await serve(() => bunSql(url, 'bench Bun.sql', CONNECTIONS), (connections = CONNECTIONS) => bunSql(url, 'bench another Bun.sql', connections))
