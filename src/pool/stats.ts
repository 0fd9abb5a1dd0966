import type { CloseReason } from '../connection/connection.js'

/** What a pool has counted since its start. */
export class Counters {
  /** How often a connection was handed out. */
  acquired = 0
  /** Calls that were sent together with one before them, instead of getting a connection to themselves. */
  pipelined = 0
  /** Callers that had to queue. */
  waited = 0
  /** Seconds spent in the queue by callers that were served. */
  waitTime = 0
  /** Callers that were refused because `maxWaiting` were waiting already. */
  refused = 0
  acquireTimeouts = 0
  queryTimeouts = 0
  /** Connections opened. */
  created = 0
  /** Connections closed, by reason. */
  closed: Partial<Record<CloseReason, number>> = {}
  /** Calls that failed, for whatever reason. */
  errors = 0
  connectFailures = 0
}

/** A snapshot of the pool. `size = free + busy`, always. */
export interface PoolStats extends Counters {
  /** Open connections; the same number is in pg_stat_activity. */
  size: number
  /** Open and idle. */
  free: number
  /** Open and held by a statement, a transaction or a lease. */
  busy: number
  /** Connects under way. */
  opening: number
  /** Connections that are being closed; they count against `max` until they are gone. */
  closing: number
  /** Callers in the queue. */
  waiting: number
  min: number
  max: number
}
