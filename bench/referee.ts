import { setTimeout as sleep } from 'node:timers/promises'
import postgres from 'postgres'
import { LIMIT } from './processes/child.js'
import { ACCOUNTS, BATCH, TABLES } from './statements.js'
import type { Measured, Work } from './work.js'

/** Sets the tables up for each turn, and looks afterwards whether the contender did what it was asked to. */
export interface Referee {
  createTables (): Promise<void>
  prepare (work: Work): Promise<void>
  verify (work: Work, measured: Measured): Promise<void>
  /** Connections of that name that are open, and how many of them are encrypted. */
  connections (applicationName: string): Promise<{ open: number, encrypted: number }>
  /** Resolves when the server encrypts for those that ask it to. */
  turnTlsOn (): Promise<void>
  /** The version, and what is set other than by default. */
  settings (): Promise<{ version: string, changed: string }>
  end (): Promise<void>
}

const PREPARATION: Partial<Record<Work['name'], string>> = {
  insert: 'TRUNCATE bench_inserts',
  inserts: 'TRUNCATE bench_singles',
  returning: 'TRUNCATE bench_returning RESTART IDENTITY',
  update: `TRUNCATE bench_updates; INSERT INTO bench_updates SELECT n, 0 FROM generate_series(1, ${BATCH}) n; ANALYZE bench_updates`,
  transactions: 'VACUUM bench_accounts',
}

const VERIFICATION: Partial<Record<Work['name'], string>> = {
  insert: `SELECT count(*) = ${BATCH} AND count(DISTINCT n) = ${BATCH} AND min(n) = 0 AND max(n) = ${BATCH - 1}
    AND bool_and(label = 'label of row ' || n) AS right FROM bench_inserts`,
  inserts: `SELECT count(*) = $1::int AND count(DISTINCT n) = $1::int AND min(n) = 0 AND max(n) = $1::int - 1
    AND bool_and(label = 'label of row ' || n) AS right FROM bench_singles`,
  returning: `SELECT count(*) = ${BATCH} AND bool_and(id = n + 1 AND label = 'label of row ' || n) AS right FROM bench_returning`,
  update: `SELECT count(*) = ${BATCH} AND bool_and(value = id * 2) AS right FROM bench_updates`,
  transactions: `SELECT count(*) = ${ACCOUNTS} AND sum(balance) = ${ACCOUNTS} * 1000 AS right FROM bench_accounts`,
}

export function createReferee (url: string): Referee {
  const sql = postgres(url, { max: 1 })

  async function prepare ({ name }: Work): Promise<void> {
    const statements = PREPARATION[name]?.split(';') ?? []
    for (const statement of statements) await sql.unsafe(statement)
  }

  async function verify ({ name }: Work, { done }: Measured): Promise<void> {
    const statement = VERIFICATION[name]
    if (statement === undefined) return
    const [row] = await sql.unsafe(statement, done === undefined ? [] : [done])
    if (row?.['right'] !== true) throw new Error(`the tables are not as they should be after ${name}`)
  }

  async function connections (applicationName: string): Promise<{ open: number, encrypted: number }> {
    const [row] = await sql<Array<{ open: number, encrypted: number }>>`
      SELECT count(*)::int AS open, count(*) FILTER (WHERE ssl)::int AS encrypted
      FROM pg_stat_activity JOIN pg_stat_ssl USING (pid) WHERE application_name = ${applicationName}`
    return row ?? { open: NaN, encrypted: NaN }
  }

  async function turnTlsOn (): Promise<void> {
    await sql`ALTER SYSTEM SET ssl = on`
    await sql`SELECT pg_reload_conf()`
    for (const end = performance.now() + LIMIT; ;) {
      const [row] = await sql<Array<{ ssl: string }>>`SELECT current_setting('ssl') AS ssl`
      if (row?.ssl === 'on') return
      if (performance.now() > end) throw new Error('the server does not take its certificate')
      await sleep(20)
    }
  }

  async function settings (): Promise<{ version: string, changed: string }> {
    const rows = await sql<Array<{ setting: string }>>`
      SELECT name || ' ' || setting AS setting FROM pg_settings
      WHERE source = 'command line' AND name NOT IN ('port', 'listen_addresses', 'unix_socket_directories', 'dynamic_shared_memory_type') ORDER BY name`
    const [version] = await sql<Array<{ version: string }>>`SELECT current_setting('server_version') AS version`
    return { version: version?.version ?? '', changed: rows.map(({ setting }) => setting).join(', ') }
  }

  return {
    async createTables () {
      await sql.unsafe(TABLES)
      await sql.unsafe('VACUUM ANALYZE')
    },
    prepare,
    verify,
    connections,
    turnTlsOn,
    settings,
    end: () => sql.end({ timeout: 1 }),
  }
}
