import { Pool, type PoolClient, type QueryConfig, type QueryResult } from 'pg'
import { CREDIT, DEBIT, FETCH, FETCH_WIDE, INSERT_ONE, SLEEP } from '../statements.js'
import type { Contender } from './contender.js'

/** "require" as libpq means it: without that, this version verifies the certificate. */
function poolUrl (url: string): string { return url.replace('sslmode=require', 'sslmode=require&uselibpqcompat=true') }

/** `pg` with its pool. It prepares the statements that have a name. */
export function pg (url: string, applicationName: string, max: number, named: boolean): Contender {
  const pool = new Pool({ connectionString: poolUrl(url), application_name: applicationName, max, min: max, idleTimeoutMillis: 0 })

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
    insertOne: async (n, label) => (await run(pool, 'insert', INSERT_ONE, [n, label])).rowCount,
  }
}

/**
 * `pg` with `pipeline: true`. Its manual: `pool.query()` gains nothing from it, a client has to be checked out and kept for several
 * statements. So all clients are held, and each statement goes to the one that has the fewest under way.
 */
export function pipelined (url: string, applicationName: string, max: number): Contender {
  const pool = new Pool({ connectionString: poolUrl(url), application_name: applicationName, max, min: max, idleTimeoutMillis: 0, pipeline: true })
  const held: Array<{ client: PoolClient, underWay: number }> = []

  async function run (name: string, text: string, values: unknown[]): Promise<QueryResult> {
    let [chosen] = held
    for (const each of held) {
      if (chosen === undefined || chosen.underWay === 0) break
      if (each.underWay < chosen.underWay) chosen = each
    }
    if (chosen === undefined) throw new Error('no client is held')
    chosen.underWay++
    try {
      return await chosen.client.query({ name, text, values })
    } finally {
      chosen.underWay--
    }
  }

  return {
    async open () {
      for (const client of await Promise.all(Array.from({ length: max }, () => pool.connect()))) held.push({ client, underWay: 0 })
    },
    async close () {
      for (const { client } of held.splice(0)) client.release()
      await pool.end()
    },
    fetch: async (id) => (await run('fetch', FETCH, [id])).rows[0],
    insertOne: async (n, label) => (await run('insert', INSERT_ONE, [n, label])).rowCount,
  }
}
