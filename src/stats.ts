import type { CloseReason } from './connection.js'

/** A snapshot of the pool. `size = free + busy`, always. */
export interface PoolStats {
  /** Open connections; the same number is in pg_stat_activity. */
  size: number
  /** Open and idle. */
  free: number
  /** Open and held by a statement, a transaction or a lease. */
  busy: number
  /** Connects under way. */
  opening: number
  /** Connections that are taking leave of the server; they count against `max` until they are gone. */
  closing: number
  /** Callers in the queue. */
  waiting: number
  min: number
  max: number
  /** Since the start: connections handed out. */
  acquired: number
  /** Since the start: callers that had to queue. */
  waited: number
  /** Since the start: seconds spent in the queue by callers that were served. */
  waitTime: number
  acquireTimeouts: number
  queryTimeouts: number
  /** Connections opened since the start. */
  created: number
  /** Connections closed since the start, by reason. */
  closed: Partial<Record<CloseReason, number>>
  /** Calls that failed since the start, for whatever reason. */
  errors: number
  connectFailures: number
}

/** The counters of a pool. */
export class Counters {
  acquired = 0
  waited = 0
  waitTime = 0
  acquireTimeouts = 0
  queryTimeouts = 0
  created = 0
  closed: Partial<Record<CloseReason, number>> = {}
  errors = 0
  connectFailures = 0
}
