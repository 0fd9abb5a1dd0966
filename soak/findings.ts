/** What has to hold, in the order of the report. */
export const INVARIANTS = {
  settled: 'every promise settled in time',
  lost: 'every acknowledged write is there',
  twice: 'no write is there twice',
  parts: 'no batch or transaction is there in part',
  refused: 'no write that was refused is there',
  money: 'money conserved',
  others: "nobody saw another's row, error or session",
  numbers: 'the pool is back at min, its numbers are true',
  blocked: 'a blocked event loop fails no call',
  each: 'each fault and each kind of work came',
  uncaught: 'no uncaught exception, no unhandled rejection',
  heap: 'heap flat between the first and the last third',
}
export type Invariant = keyof typeof INVARIANTS

export function errorText (error: unknown): string {
  return error instanceof Error ? `${'code' in error ? `${String(error.code)}: ` : ''}${error.message}` : String(error)
}

/** Descriptions that are kept of each invariant's violations. */
const MOST_DETAILS = 10

/** Violations, as they are found. */
export class Findings {
  readonly #counts = new Map<Invariant, number>()
  readonly #details = new Map<Invariant, string[]>()

  add (invariant: Invariant, detail: string, count = 1): void {
    this.#counts.set(invariant, this.count(invariant) + count)
    const details = this.#details.get(invariant) ?? []
    if (details.length < MOST_DETAILS) details.push(detail)
    this.#details.set(invariant, details)
  }

  count (invariant: Invariant): number { return this.#counts.get(invariant) ?? 0 }
  details (invariant: Invariant): readonly string[] { return this.#details.get(invariant) ?? [] }
  get total (): number { return [...this.#counts.values()].reduce((sum, count) => sum + count, 0) }
}
