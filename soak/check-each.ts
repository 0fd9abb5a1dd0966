import type { Counts, Group } from './counts.js'
import { NETWORK_FAULTS } from './faults/network.js'
import { STRANGE_FAULTS } from './faults/strangers.js'
import type { Findings } from './findings.js'

const WORK: readonly Group[] = ['hostile start-ups', 'hostile answers', 'hidden transactions', 'states left', 'log lines that threw', 'values of types that differ', 'templates']
/** So often each has to come in a long run, once in a short one. */
const OFTEN = 20
const SECONDS_FOR_EACH = 30

/** Each fault and each kind of work has come often enough for so many seconds, if those are more than a few. */
export function checkEach (counts: Counts, seconds: number, least: number, findings: Findings): string {
  const often = seconds < least ? 0 : Math.min(OFTEN, Math.max(1, Math.floor(seconds / SECONDS_FOR_EACH)))
  const made = counts.of('faults')
  const kinds = [
    ...[...NETWORK_FAULTS, ...STRANGE_FAULTS].map(([name]) => ({ name, count: made.get(name) ?? 0 })),
    ...WORK.map((name) => ({ name, count: counts.total(name) })),
  ].sort((a, b) => a.count - b.count)
  for (const { name, count } of kinds) if (count < often) findings.add('each', `${name}: ${count} times, not ${often}`)
  return `at least ${often} times: ${kinds[0]?.name} came ${kinds[0]?.count} times`
}
