import type { Ssl } from './target.js'

/** The part of pino's logger that is used. */
export interface Log {
  debug (object: object, message: string): void
  info (object: object, message: string): void
  warn (object: object, message: string): void
  error (object: object, message: string): void
}

/** When what a caller left in a session is cleaned away: settings, locks, temporary tables, cursors, LISTEN. */
export type ResetMode = 'auto' | 'always' | 'never'

export type TargetSessionAttrs = 'any' | 'read-write' | 'read-only' | 'primary' | 'standby' | 'prefer-standby'

/** All durations are in seconds, fractions allowed; 0 means no limit. What is left out comes from the environment. */
export interface PoolOptions {
  /** `postgres://user:password@host:port/database`; environment: DATABASE_URL. */
  url?: string | undefined
  /** One host or several, tried in turn; environment: DATABASE_HOST. Default `localhost`. */
  host?: string | readonly string[] | undefined
  /** Environment: DATABASE_PORT. Default 5432. */
  port?: number | undefined
  /** Environment: DATABASE_NAME. Default: the user's name. */
  database?: string | undefined
  /** Environment: DATABASE_USER. Default: the operating system's user. */
  user?: string | undefined
  /** Or a function that is asked at each connect, for passwords that change; environment: DATABASE_PASSWORD. */
  password?: string | (() => string | Promise<string>) | undefined
  ssl?: Ssl | undefined
  /**
   * How the server may authenticate us, as libpq's `require_auth`: `'scram-sha-256'`, `'!password,!md5'`. Default: by any
   * method, but a password in clear text only over TLS or within this machine.
   */
  requireAuth?: string | undefined
  applicationName?: string | undefined
  targetSessionAttrs?: TargetSessionAttrs | undefined
  /** Session settings that are sent when connecting, such as `{ search_path: 'app' }`. */
  parameters?: Readonly<Record<string, string | number | boolean>> | undefined
  /** Connections that are always open; environment: DB_MIN_POOL_SIZE. Default 10. */
  min?: number | undefined
  /** Connections at most; environment: DB_MAX_POOL_SIZE. Default 50. */
  max?: number | undefined
  /** How long a call waits for a connection. Default 30. */
  acquireTimeout?: number | undefined
  /** How long one statement may take; environment: DB_COMMAND_TIMEOUT. Default 60. */
  commandTimeout?: number | undefined
  /** How long one connect may take. Default 5. */
  connectTimeout?: number | undefined
  /** How long the whole start may take, with repeated attempts. Default 8, below Fastify's pluginTimeout of 10. */
  startupTimeout?: number | undefined
  /** Whether the start fails without the database. Default true. */
  required?: boolean | undefined
  /** Statements after which a connection is replaced, a chunk of a batch for one; environment: DB_MAX_QUERIES. Default 50000. */
  maxQueries?: number | undefined
  /** Idle connections beyond `min` are closed after it; environment: DB_MAX_INACTIVE_CONNECTION_LIFETIME. Default 300. */
  idleTimeout?: number | undefined
  /** A connection that was idle for longer is checked before use. Default 30. */
  checkIdle?: number | undefined
  /** Callers that may wait for a connection at once; more are refused. Default 0: no limit. */
  maxWaiting?: number | undefined
  /** A lease or transaction that holds a connection for longer is reported once. Default 30; given, the report says who took it. */
  leakWarning?: number | undefined
  /** How many processes have a pool like this one, for the warning that they need more connections than the server has. Default 1. */
  instances?: number | undefined
  /** Age at which a connection is replaced, less 10 to 25 %, so that they do not all expire at once. Default 1800. */
  maxLifetime?: number | undefined
  /** Grace for running work when the pool closes; 0 ends it at once. Default 10. */
  closeTimeout?: number | undefined
  /** Prepare statements that are used repeatedly. Turn off behind PgBouncer in transaction mode, unless it tracks them. Default true. */
  prepare?: boolean | undefined
  /**
   * When a session is made as new for its next user. `'auto'`: unless all that was run are plain statements that call nothing but
   * functions of the server's own that are known to leave nothing. `'always'`: after every use, single statements included.
   * `'never'`: only an open transaction is rolled back. Default `'auto'`.
   */
  reset?: ResetMode | undefined
  /** Send quick statements together: those of one turn of the event loop, and those that wait for a connection. Default true. */
  pipeline?: boolean | undefined
  /**
   * For development: what an error shows in its stack besides, and so in a log. `true`: the statement with the position marked, and the
   * server's own words, which may hold data. `{ parameters: true }`: the parameters too. Default false.
   */
  debug?: boolean | { readonly parameters?: boolean | undefined } | undefined
  /** A pino-like logger. */
  log?: Log | undefined
}
