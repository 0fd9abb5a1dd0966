import pg from 'pg'
import { POOL } from './settings.js'

export type ServerRow = Record<string, any>

/** Asks the server by another driver, past the proxy, on a connection of its own: one that is kept may be hit by a restart. */
export async function ask (url: string, text: string, args: unknown[] = []): Promise<ServerRow[]> {
  const client = new pg.Client({ connectionString: url, application_name: 'observer' })
  client.on('error', () => {}) // the query rejects
  await client.connect()
  try {
    return (await client.query(text, args)).rows
  } finally {
    await client.end()
  }
}

/** Kills a share of the pool's backends: which ones is a matter of the seed. */
export async function kill (url: string, share: number, seed: string): Promise<void> {
  await ask(url, `SELECT pg_terminate_backend(pid) FROM (
    SELECT pid, row_number() OVER (ORDER BY md5(pid || $3)) AS place, count(*) OVER () AS pool FROM pg_stat_activity WHERE application_name = $1) AS backends
    WHERE place <= ceil(pool * $2::float)`, [POOL.applicationName, share, seed])
}

/** How many connections of the pool the server has. */
export async function countBackends (url: string): Promise<number> {
  const [row] = await ask(url, 'SELECT count(*)::int AS count FROM pg_stat_activity WHERE application_name = $1', [POOL.applicationName])
  return Number(row?.['count'])
}
