import { mkdir, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { Calls } from './calls.js'
import type { Written } from './check.js'
import type { Counts } from './counts.js'
import { type Findings, INVARIANTS, type Invariant } from './findings.js'
import type { Options } from './options.js'
import type { Tally } from './work/actor.js'

/** What is known at the end. */
export interface Outcome {
  options: Options
  seconds: number
  calls: Calls
  findings: Findings
  tally: Tally
  counts: Counts
  written: Written
  money: string
  pool: string
  each: string
  heap: string
}

const number = (value: number): string => value.toLocaleString('en')
const counted = (counts: ReadonlyMap<string, number>): string => [...counts].sort(([a], [b]) => a < b ? -1 : 1).map(([name, count]) => `${name} ${number(count)}`).join(', ')

/** Each invariant's figure, in words. */
function figuresOf ({ calls, findings, written: { writes, rows, doubtfulThere }, money, pool, each, heap }: Outcome): Record<Invariant, string> {
  const bad = (invariant: Invariant): string => number(findings.count(invariant))
  return {
    settled: `${number(calls.made)} calls, ${bad('settled')} not in time; the slowest took ${(calls.slowest / 1000).toFixed(1)} s`,
    lost: `${number(rows.acknowledged)} acknowledged (in ${number(writes.acknowledged)} calls), ${bad('lost')} lost`,
    twice: `${bad('twice')} twice`,
    parts: `${bad('parts')} in part; ${number(writes.doubtful)} in doubt (${number(rows.doubtful)} rows), of which ${number(doubtfulThere)} are there`,
    refused: `${number(writes.refused)} refused (${number(rows.refused)} rows), ${bad('refused')} there`,
    money,
    others: `${bad('others')} seen`,
    numbers: pool,
    blocked: `${bad('blocked')} failed`,
    each,
    uncaught: `${bad('uncaught')}`,
    heap,
  }
}

/** The table of the invariants, and what was done. */
export function describe (outcome: Outcome): string {
  const { calls, counts, findings, tally, seconds } = outcome
  const figures = figuresOf(outcome)
  const width = Math.max(...Object.values(INVARIANTS).map((title) => title.length))
  const lines = invariantsOf(findings).flatMap(({ name, title, violations, details }) =>
    [`${violations === 0 ? 'ok      ' : 'VIOLATED'}  ${title.padEnd(width)}  ${figures[name]}`, ...details.map((detail) => `          - ${detail}`)])
  return [
    `${seconds.toFixed(0)} s; faults: ${counted(counts.of('faults'))}`,
    ...[...counts.groups].filter(([group]) => group !== 'faults').map(([group, names]) => `${group}: ${number(counts.total(group))}: ${counted(names)}`),
    `rows acknowledged: ${number(tally.single)} by single writes, ${number(tally.batch)} in batches, ${number(tally.transaction)} in transactions`,
    `errors: ${counted(calls.errors)}`,
    '',
    ...lines,
    '',
    findings.total === 0 ? '0 violations' : `${number(findings.total)} violations`,
  ].join('\n')
}

function invariantsOf (findings: Findings) {
  return (Object.keys(INVARIANTS) as Invariant[]).map((name) => ({ name, title: INVARIANTS[name], violations: findings.count(name), details: findings.details(name) }))
}

export async function writeJson (file: string, outcome: Outcome): Promise<void> {
  const { options, seconds, calls, counts, findings, tally, written } = outcome
  const { json: _, ...given } = options
  const figures = figuresOf(outcome)
  await mkdir(dirname(file), { recursive: true })
  await writeFile(file, `${JSON.stringify({
    ...given,
    took: Math.round(seconds),
    calls: calls.made,
    slowestCall: Math.round(calls.slowest),
    faults: Object.fromEntries(counts.of('faults')),
    done: Object.fromEntries([...counts.groups].map(([group, names]) => [group, Object.fromEntries(names)])),
    errors: Object.fromEntries(calls.errors),
    acknowledgedRows: tally,
    written,
    invariants: invariantsOf(findings).map((invariant) => ({ ...invariant, figure: figures[invariant.name] })),
    violations: findings.total,
  }, undefined, 1)}\n`)
}
