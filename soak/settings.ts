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

/** Seconds. Short ones, so that every limit is met often. */
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
  applicationName: 'soak',
}

/** Seconds beyond its own limits after which a call counts as one that never settles: the machine may be busy. */
export const SLACK = 5

export const ACCOUNTS = 200
export const BALANCE = 1000

/** What the heap may grow by from the first third to the last one: code, caches and what the compiler keeps. */
export const HEAP_GROWTH = { factor: 1.1, bytes: 3e6 }
