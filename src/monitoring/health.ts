import type { EventLog } from '../config/event-log.js'
import { isSeconds, SECONDS } from '../config/durations.js'
import { codeOf } from '../errors/error-code.js'
import { OptionError } from '../errors/errors.js'
import { orAborted } from '../timing/abortable.js'
import { FairLimit } from '../timing/fair-timer.js'
import type { Pool } from '../pool/pool.js'
import { internalCall } from '../query/call.js'
import { rejectUnknown } from '../config/unknown-option.js'

export type HealthStatus = 'healthy' | 'degraded' | 'unavailable'

/** What `GET /api/health` answers. It names no host, user, database or error: the cause goes to the log. */
export interface HealthReport {
  /** The worst among the database and the further ones that are `required`. */
  status: HealthStatus
  database: DatabaseHealth
  /** Of further databases in the same registration, by their names; left out where there are none. */
  databases?: Record<string, DatabaseHealth>
}

/** One database in the report. */
export interface DatabaseHealth {
  /** `degraded`: the database answers, but callers wait for connections. */
  status: HealthStatus
  pool_size: number
  free_connections: number
  min_size: number
  max_size: number
  /** Callers in the queue. */
  waiting: number
  /** How long the database took to answer the last check, in milliseconds; null if it did not, or was too busy to be asked. */
  latency_ms: number | null
}

export interface HealthOptions {
  /** Seconds until the answer at the latest. Default 0.5. */
  timeout?: number | undefined
  /** Seconds for which an outcome, good or bad, stands for the next ones. Default 1. */
  cache?: number | undefined
}

export interface HealthLimits { timeout: number, cache: number }

/** Checks the options. Raises `OptionError`. */
export function readHealthOptions (options: HealthOptions = {}): HealthLimits {
  if (typeof options !== 'object' || options === null) throw new OptionError('option health takes an object')
  rejectUnknown(options, ['timeout', 'cache'], 'health.')
  const { timeout = 0.5, cache = 1 } = options
  for (const [name, value] of Object.entries({ timeout, cache })) {
    if (!isSeconds(value)) throw new OptionError(`option health.${name} takes ${SECONDS}`)
  }
  if (timeout === 0) throw new OptionError('option health.timeout takes more than 0 seconds: the route must have time to answer')
  return { timeout, cache }
}

interface Outcome { alive: boolean, latency: number | null, at: number }

/** Of a pool that is closed, and of a check that is slower than the report may be. */
const NO_ANSWER: Outcome = { alive: false, latency: null, at: 0 }
const WORST_FIRST: readonly HealthStatus[] = ['unavailable', 'degraded', 'healthy']
const CHECK = internalCall('SELECT 1', 'rows')

/**
 * Whether the database answers. One check at a time, its outcome kept for a moment, so that nobody can hammer the
 * database through the route. It never waits in the pool's queue.
 */
export class Health {
  readonly #pool: Pool
  readonly #log: EventLog
  readonly #timeout: number
  readonly #cache: number
  readonly #further: ReadonlyMap<string, Health>
  #outcome: Outcome | undefined
  #checking: Promise<Outcome> | undefined

  /** `further`: other databases that the report tells of. */
  constructor (pool: Pool, log: EventLog, { timeout, cache }: HealthLimits, further: ReadonlyMap<string, Health> = new Map()) {
    this.#pool = pool
    this.#log = log
    this.#timeout = timeout
    this.#cache = cache
    this.#further = further
  }

  /** The numbers are of this moment; whether the database answers was found out at most `cache` seconds ago. */
  async report (): Promise<HealthReport> {
    if (this.#further.size === 0) {
      const database = this.#describe(this.#recentOutcome() ?? await this.#checkOnce())
      return { status: database.status, database }
    }
    const limit = new FairLimit(this.#timeout)
    const checks = [...this.#further].map(async ([name, health]) => [name, health, await health.#outcomeWithin(limit.signal)] as const)
    const outcomes = Promise.all(checks)
    const own = this.#recentOutcome() ?? await this.#checkOnce()
    const further = (await outcomes).map(([name, health, outcome]) => [name, health, health.#describe(outcome)] as const)
    limit.clear()
    const database = this.#describe(own)
    const deciding = [database, ...further.flatMap(([, health, report]) => health.#pool.config.required ? [report] : [])]
    const status = WORST_FIRST.find((status) => deciding.some((report) => report.status === status)) ?? 'healthy'
    return { status, database, databases: Object.fromEntries(further.map(([name, , report]) => [name, report])) }
  }

  /** For a report that waits no longer than the signal says: what is slower does not answer. */
  async #outcomeWithin (limit: AbortSignal): Promise<Outcome> {
    return this.#recentOutcome() ?? await orAborted(limit, () => this.#checkOnce()).catch(() => NO_ANSWER)
  }

  #describe ({ alive, latency }: Outcome): DatabaseHealth {
    const { size, free, waiting, config: { min, max } } = this.#pool
    const status = !alive || !this.#pool.isOpen ? 'unavailable' : waiting > 0 ? 'degraded' : 'healthy'
    return { status, pool_size: size, free_connections: free, min_size: min, max_size: max, waiting, latency_ms: latency }
  }

  #recentOutcome (): Outcome | undefined {
    if (!this.#pool.isOpen) return NO_ANSWER
    return this.#outcome !== undefined && this.#stands(this.#outcome) ? this.#outcome : undefined
  }

  #checkOnce (): Promise<Outcome> {
    this.#checking ??= this.#check().finally(() => { this.#checking = undefined })
    return this.#checking
  }

  /** A success does not outlive the connections that it was found out with: they may be gone because the server is. */
  #stands ({ alive, at }: Outcome): boolean {
    return performance.now() - at < this.#cache * 1000 && !(alive && this.#pool.size === 0)
  }

  async #check (): Promise<Outcome> {
    const start = performance.now()
    const limit = new FairLimit(this.#timeout)
    const previous = this.#outcome?.alive
    const outcome: Outcome = { alive: true, latency: null, at: 0 }
    try {
      if (await this.#ask(limit.signal)) outcome.latency = Math.round((performance.now() - start) * 100) / 100
    } catch (error) {
      outcome.alive = false
      if (previous !== false) {
        this.#log.error({ event: 'health.failed', err: error, code: codeOf(error) }, 'the database does not answer the health check')
      }
    } finally {
      limit.clear()
    }
    if (outcome.alive && previous === false) {
      this.#log.info({ event: 'health.recovered' }, 'the database answers the health check again')
    }
    outcome.at = performance.now()
    this.#outcome = outcome
    return outcome
  }

  /** Resolves with whether the database answered a query; with false where its answers to others are evidence enough. */
  async #ask (limit: AbortSignal): Promise<boolean> {
    const pool = this.#pool
    const entry = pool.tryAcquire('pool')
    if (entry !== undefined) {
      try {
        await orAborted(limit, () => entry.connection.run({ ...CHECK, options: { timeout: this.#timeout, signal: limit } }))
        return true
      } finally {
        pool.release(entry)
      }
    }
    const { size, waiting, config: { min } } = pool
    if (size === 0) {
      // For `min`, or for a caller that waits, the pool goes on connecting; otherwise, or at rest, only a further caller makes it try.
      if (pool.lastFailure !== undefined && min + waiting > 0 && !pool.isResting) throw pool.lastFailure
      try {
        pool.release(await orAborted(limit, () => pool.acquire('pool', limit)))
      } catch (error) {
        throw pool.lastFailure ?? error
      }
      return false
    }
    if (performance.now() - pool.answeredAt < this.#cache * 1000) return false
    // All are held, and nobody had an answer recently: whether a server is there can be asked without a session.
    await orAborted(limit, () => pool.ping(limit))
    return false
  }
}
