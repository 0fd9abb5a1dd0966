import pg from 'pg'

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

/** Kills a share of the pools' backends: which ones is a matter of the seed. */
export async function kill (url: string, share: number, seed: string): Promise<void> {
  await ask(url, `SELECT pg_terminate_backend(pid) FROM (
    SELECT pid, row_number() OVER (ORDER BY md5(pid || $2)) AS place, count(*) OVER () AS pool FROM pg_stat_activity WHERE application_name LIKE 'soak%') AS backends
    WHERE place <= ceil(pool * $1::float)`, [share, seed])
}

/** How many connections of a pool its servers have. */
export async function countBackends (urls: readonly string[], applicationName: string): Promise<number> {
  const counts = await Promise.all(urls.map((url) => ask(url, 'SELECT count(*)::int AS count FROM pg_stat_activity WHERE application_name = $1', [applicationName])))
  return counts.flat().reduce((sum, row) => sum + Number(row['count']), 0)
}
