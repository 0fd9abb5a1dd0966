import { Pool, type PoolClient, type QueryConfig, type QueryResult } from 'pg'
import { CREDIT, DEBIT, FETCH, FETCH_WIDE, SLEEP } from '../statements.js'
import type { Contender } from './contender.js'

/** `pg` with its pool. It prepares the statements that have a name. */
export function pg (url: string, applicationName: string, max: number, named: boolean): Contender {
  const pool = new Pool({ connectionString: url, application_name: applicationName, max, min: max, idleTimeoutMillis: 0 })

  function run (on: Pool | PoolClient, name: string, text: string, values: unknown[] = []): Promise<QueryResult> {
    const query: QueryConfig = named ? { name, text, values } : { text, values }
    return on.query(query)
  }

  async function transfer (from: number, to: number): Promise<number> {
    const client = await pool.connect()
    try {
      await client.query('BEGIN')
      const debit = await run(client, 'debit', DEBIT, [from])
      const credit = await run(client, 'credit', CREDIT, [to])
      await client.query('COMMIT')
      return (debit.rowCount ?? 0) + (credit.rowCount ?? 0)
    } catch (error) {
      await client.query('ROLLBACK')
      throw error
    } finally {
      client.release()
    }
  }

  return {
    async open () {
      const clients = await Promise.all(Array.from({ length: max }, () => pool.connect()))
      for (const client of clients) client.release()
    },
    close: () => pool.end(),
    fetch: async (id) => (await run(pool, 'fetch', FETCH, [id])).rows[0],
    fetchWide: async () => (await run(pool, 'wide', FETCH_WIDE)).rows,
    sleep: (seconds) => run(pool, 'sleep', SLEEP, [seconds]),
    transfer,
  }
}
