/** What a contender does in one turn. The Python contenders get the same, as JSON. */
export type Work =
  /** `callers` callers, each with one query for one row at a time. */
  | { name: 'load', callers: number, seconds: number }
  /** All callers at once, each with one query, `times` over. */
  | { name: 'burst', callers: number, times: number }
  /** The same as `load` beside `slow` callers whose statements sleep for `sleep` seconds; only the quick ones count. */
  | { name: 'mixed', callers: number, slow: number, sleep: number, seconds: number }
  /** Each caller with one transaction of two statements at a time. */
  | { name: 'transactions', callers: number, seconds: number }
  /** Each caller with one INSERT of one row at a time. */
  | { name: 'inserts', callers: number, seconds: number }
  /** One caller that reads 1,000 rows of 10 columns at a time. */
  | { name: 'rows', seconds: number }
  /** One batch of 10,000 argument lists. */
  | { name: 'insert' } | { name: 'update' } | { name: 'returning' }
  /** One new pool, until all of its connections are open. */
  | { name: 'connect' }
  /** By how much an idle pool makes the heap grow. */
  | { name: 'heap', connections: number }
  /** Our own functions that one warm call enters. */
  | { name: 'hops' }
  /** Requests over `connections` connections; the load generator sends them. */
  | { name: 'http', path: '/users/:id' | '/users/:id/twenty' | '/api/health', connections: number, seconds: number }

/**
 * Works of one kind share a contender's process; other kinds have processes of their own. A batch, a new pool or a full
 * collection of garbage makes V8 discard code, and whatever came next in the same process was slower, whichever contender did it.
 */
export function kindOf (work: Work): string {
  switch (work.name) {
    case 'load': case 'burst': case 'mixed': return 'one row'
    case 'insert': case 'update': case 'returning': return 'batches'
    case 'http': return work.path
    default: return work.name
  }
}

/** What can be measured in a turn. */
export const MEASURES = {
  /** Per second: queries, transactions, reads or requests. */
  rate: { noun: 'rate', title: 'per second', better: 'higher', digits: 0 },
  /** Of one batch or one start, in milliseconds. */
  time: { noun: 'time', title: 'ms', better: 'lower', digits: 1 },
  worst: { noun: 'worst latency', title: 'worst latency, ms', better: 'lower', digits: 1 },
  p99: { noun: 'p99 latency', title: 'p99, ms', better: 'lower', digits: 1 },
  /** Processor time of the contender per query, in microseconds. */
  cpu: { noun: 'processor time per query', title: 'processor time, µs', better: 'lower', digits: 1 },
  heap: { noun: 'growth of the heap', title: 'MB', better: 'lower', digits: 1 },
  calls: { noun: 'number of functions entered', title: 'calls', better: 'lower', digits: 0 },
  files: { noun: 'number of files entered', title: 'files', better: 'lower', digits: 0 },
} as const

export type Measure = keyof typeof MEASURES
/** `done`: the rows that were inserted, for whoever counts them afterwards. */
export type Measured = Partial<Record<Measure | 'done', number>>

export function isMeasure (name: string): name is Measure { return Object.hasOwn(MEASURES, name) }
