const LOG_LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent']

export interface Settings {
  port: number
  host: string
  logLevel: string
  /** Connections at most; undefined where the environment says it. */
  max: number | undefined
  /** Whether nobody named a database, so that the demo brings one. */
  embedded: boolean
}

/** What the demo itself reads from the environment; the rest is read by fastify-postgres-js. An empty variable counts as unset. */
export function readSettings (env: NodeJS.ProcessEnv): Settings {
  const { PORT, HOST, LOG_LEVEL, DB_MAX_POOL_SIZE, DATABASE_URL, DATABASE_HOST } = env
  const host = HOST || '127.0.0.1'
  const logLevel = LOG_LEVEL || 'warn'
  if (/[\s/]/.test(host)) throw new Error('HOST takes a name or an address of this machine, such as 127.0.0.1 or 0.0.0.0')
  if (!LOG_LEVELS.includes(logLevel)) throw new Error(`LOG_LEVEL takes one of ${LOG_LEVELS.join(', ')}`)
  return {
    port: readPort(PORT || '8200'),
    host,
    logLevel,
    max: DB_MAX_POOL_SIZE ? undefined : 10,
    embedded: !DATABASE_URL && !DATABASE_HOST,
  }
}

function readPort (text: string): number {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : NaN
  if (!(port <= 65535)) throw new Error('PORT takes a whole number from 0 to 65535, and 0 means any free port')
  return port
}
