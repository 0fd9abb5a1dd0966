/**
 * An acknowledged commit has to survive `stop('immediate')`, which is a crash: so the settings that make the throw-away
 * server of the tests quick are taken back.
 */
export const SERVER_SETTINGS = {
  fsync: 'on',
  synchronous_commit: 'on',
  full_page_writes: 'on',
  max_connections: 100,
  deadlock_timeout: '200ms',
}

/** Options of the pools: seconds. Short ones, so that every limit is met often. */
export const POOL = {
  min: 8,
  max: 16,
  acquireTimeout: 4,
  commandTimeout: 2,
  connectTimeout: 1,
  idleTimeout: 2,
  checkIdle: 0.5,
  maxLifetime: 20,
  maxQueries: 2000,
  closeTimeout: 3,
}

/**
 * Limits that are shorter than the longest time for which the event loop is blocked, and a connection for each probe of that. They
 * stay, so that a probe is sent at once: what could not be sent would need the machine to be quick afterwards.
 */
export const QUIET = { min: 6, max: 6, acquireTimeout: 0.4, commandTimeout: 0.4, connectTimeout: 0.4, checkIdle: 0, maxLifetime: 0, maxQueries: 0 }

/** Seconds beyond its own limits after which a call counts as one that never settles: the machine may be busy. */
export const SLACK = 5

export const ACCOUNTS = 200
export const BALANCE = 1000

/** What the heap may grow by from the first third to the last one: code, caches and what the compiler keeps. */
export const HEAP_GROWTH = { factor: 1.1, bytes: 3e6 }
