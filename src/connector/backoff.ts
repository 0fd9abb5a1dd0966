/** Seconds until the first repeated attempt. postgres.js's own backoff grows to 20 s (docs/internals/driver-traps.md). */
const FIRST = 0.05
/** Seconds at most, so that a server that comes back is met soon. */
const LONGEST = 0.5
/** Seconds at most where trying again is of no use, and nobody waits for it. */
const LONGEST_REST = 60

/** Seconds to wait after so many failures in a row. */
export function backoff (failures: number, isPermanent: boolean, hasCallers: boolean): number {
  return Math.min(isPermanent && !hasCallers ? LONGEST_REST : LONGEST, FIRST * 2 ** (failures - 1))
}
