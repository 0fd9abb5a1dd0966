import { ServerError, type Database } from '../src/index.js'
import type { Findings } from './findings.js'
import type { Fate } from './ledger.js'
import { POOL, SLACK } from './settings.js'

/** How a call is made, and what it may reject with besides what the faults do to all. */
export interface Manner {
  name: string
  /** The codes of errors that it provokes itself. They say that nothing happened. */
  codes?: readonly string[]
  /** The error that its own function throws. */
  own?: Error
  /** Seconds, instead of `commandTimeout`. */
  timeout?: number
  signal?: AbortSignal
  /** Statements that it runs one after the other: 1. */
  steps?: number
}

/** What became of a call: with `acknowledged` there is a value, otherwise an error. */
export interface Settled<T> { readonly fate: Fate, readonly value?: T, readonly error?: unknown }

interface Pending { readonly name: string, readonly since: number, readonly bound: number }

/** Makes calls, and judges whether each settles in time and with an error that can be its own. */
export class Calls {
  made = 0
  /** Milliseconds. */
  slowest = 0
  /** How often each error came. */
  readonly errors = new Map<string, number>()
  readonly #pools: readonly Database[]
  readonly #findings: Findings
  readonly #pending = new Set<Pending>()

  /** How often nonsense comes in place of a server's answers now, and when it did last. */
  #nonsense = 0
  #lastNonsense = -Infinity

  constructor (pools: readonly Database[], findings: Findings) {
    this.#pools = pools
    this.#findings = findings
  }

  async attempt<T> (manner: Manner, call: () => Promise<T>): Promise<Settled<T>> {
    const pending = { name: manner.name, since: performance.now(), bound: boundOf(manner) }
    this.made++
    this.#pending.add(pending)
    try {
      return { fate: 'acknowledged', value: await call() }
    } catch (error) {
      return { fate: this.#judge(error, performance.now() - pending.since, manner), error }
    } finally {
      this.#pending.delete(pending)
      const elapsed = performance.now() - pending.since
      this.slowest = Math.max(this.slowest, elapsed)
      if (elapsed > pending.bound) this.#findings.add('settled', `${manner.name} settled after ${seconds(elapsed)}, its limit is ${seconds(pending.bound)}`)
      this.checkNumbers()
    }
  }

  #judge (error: unknown, elapsed: number, { name, codes = [], own, timeout = POOL.commandTimeout, signal }: Manner): Fate {
    if (own !== undefined && error === own) return this.#counted('own', 'refused')
    const code = codeOf(error)
    if (codes.includes(code)) return this.#counted(error instanceof ServerError && code.startsWith('U') ? 'U…' : code, 'refused')
    this.#counted(code, 'refused')
    const wrong = (why: string): void => this.#findings.add('others', `${name}: ${code} ${why}: ${error instanceof Error ? error.message : ''}`)
    switch (code) {
      case 'FST_PG_CONNECTION_LOST':
      case '57P01': // a parallel worker was ended, which is an ERROR of its leader's
        return 'doubtful'
      case 'FST_PG_PROTOCOL':
        if (this.#nonsense === 0 && performance.now() - this.#lastNonsense > SLACK * 1000) wrong('where nothing was nonsense')
        return 'doubtful'
      case 'FST_PG_ACQUIRE_TIMEOUT':
        if (elapsed < POOL.acquireTimeout * 900) wrong(`after only ${seconds(elapsed)}`)
        return 'refused'
      case 'FST_PG_QUERY_TIMEOUT':
        if (elapsed < timeout * 900) wrong(`after only ${seconds(elapsed)}`)
        return 'doubtful'
      case 'FST_PG_ABORTED':
        if (signal?.aborted !== true || !(error instanceof Error) || error.cause !== signal.reason) wrong('by a signal that is not its own')
        return 'doubtful'
      default:
        wrong('is not its own')
        return 'doubtful'
    }
  }

  #counted (code: string, fate: Fate): Fate {
    this.errors.set(code, (this.errors.get(code) ?? 0) + 1)
    return fate
  }

  /** What must hold of the pool's numbers at any moment. */
  checkNumbers (): void {
    for (const db of this.#pools) {
      const { size, free, busy, opening, closing, max } = db.stats()
      if (size !== free + busy || size + opening + closing > max) {
        this.#findings.add('numbers', `during the run: size ${size}, free ${free}, busy ${busy}, opening ${opening}, closing ${closing}, max ${max}`)
      }
    }
  }

  /** While and shortly after `work`, a server may answer with nonsense. */
  async amongNonsense (work: () => Promise<void>): Promise<void> {
    this.#nonsense++
    await work()
    this.#nonsense--
    this.#lastNonsense = performance.now()
  }

  /** Milliseconds until the last one of those under way must have settled. */
  get remaining (): number {
    const now = performance.now()
    return Math.max(0, ...[...this.#pending].map(({ since, bound }) => since + bound - now))
  }

  /** Whatever is still under way now will never end. */
  reportStragglers (): void {
    for (const { name, since } of this.#pending) this.#findings.add('settled', `${name} has not settled after ${seconds(performance.now() - since)}`)
  }
}

export function codeOf (error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : String(error)
}

/** A wait for a connection, the limit of each statement, and one more for BEGIN and COMMIT each. */
function boundOf ({ timeout = POOL.commandTimeout, steps = 1 }: Manner): number {
  const statements = steps === 1 ? 1 : steps + 2
  return (POOL.acquireTimeout + statements * Math.max(timeout, POOL.commandTimeout) + SLACK) * 1000
}

export function seconds (milliseconds: number): string { return `${(milliseconds / 1000).toFixed(1)} s` }
