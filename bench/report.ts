import os from 'node:os'
import type { Case } from './cases.js'

interface Spread { median: number, min: number, max: number }

function spread (numbers: readonly number[]): Spread {
  const sorted = numbers.toSorted((a, b) => a - b)
  const at = (place: number): number => sorted[place] ?? NaN
  const last = sorted.length - 1
  return { median: (at(Math.floor(last / 2)) + at(Math.ceil(last / 2))) / 2, min: at(0), max: at(last) }
}

function show ({ median, min, max }: Spread, digits: number): string {
  const [m, low, high] = [median, min, max].map((value) => value.toLocaleString('en', { minimumFractionDigits: digits, maximumFractionDigits: digits }))
  return `${m?.padStart(8)}  (${low} - ${high})`
}

export function verdict (reached: boolean, target: string): string {
  return `  ${reached ? 'reached' : 'NOT REACHED'}: ${target}`
}

/** The figures of one case, and whether its target is reached. The ratio is the median of the ratios of the rounds. */
export function caseReport ({ title, sides, least, target }: Case, rounds: ReadonlyArray<readonly [number, number]>): string {
  const ratio = spread(rounds.map(([first, second]) => first / second))
  const lines = sides.map(({ contender, label = contender }, index) =>
    `  ${label.padEnd(22)}${show(spread(rounds.map((round) => round[index] ?? NaN)), 0)}`)
  lines.push(`  ${'ratio'.padEnd(22)}${show(ratio, 2)}   time per query × ${(1 / ratio.median).toFixed(2)}`)
  if (least !== undefined && target !== undefined) lines.push(verdict(ratio.median >= least, target))
  return [title, ...lines].join('\n')
}

export function settings (server: string, driver: string, rounds: number, seconds: number): string {
  const [cpu] = os.cpus()
  const load = os.loadavg().map((value) => value.toFixed(1)).join(' ')
  return `${server}, Node ${process.version}, postgres.js ${driver}, ${os.platform()} ${os.arch()}
${os.availableParallelism()} cores (${cpu?.model.trim()}), shared by the server and the clients; load average ${load}
${rounds} rounds, ${seconds.toFixed(2)} s each; queries per second: median (min - max)
On a shared machine only the ratios count, each taken within a round.`
}
