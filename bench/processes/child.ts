import type { Measured, Work } from '../work.js'

/** A contender's process, seen from ours. */
export interface Child {
  /** Resolves when all of its connections are open. */
  open (): Promise<unknown>
  /** Rejects when the contender fails, ends, or does not answer within `LIMIT`. */
  measure (work: Work): Promise<Measured>
  kill (): void
}

/** Milliseconds, for the slowest turn. */
export const LIMIT = 60_000

/** The environment for a contender: nothing in it may set one up by chance. */
export function environment (own: Record<string, string>): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(([name]) => !/^(NODE_OPTIONS|PG|DATABASE_|DB_|PYTHON)/.test(name))
  return { ...Object.fromEntries(kept), ...own }
}
