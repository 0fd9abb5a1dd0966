import type { Result } from '../case.js'
import { MEASURES, type Measure } from '../work.js'
import { figures, spread, type Spread } from './statistics.js'

/** One question, and which cases answer it: each becomes a panel, named by what the pattern captures of its title (if it does). */
export interface Chart {
  file: string
  title: string
  /** What the lengths of the bars are, with its unit. */
  unit: string
  measure: Measure
  cases: RegExp
  /** The labels of the sides that are shown beside ours, in this order. */
  peers: readonly string[]
  isLogarithmic?: boolean
}

export interface Bar extends Spread { label: string, isOurs: boolean }

/** The bars of one case, ours first, and what no contender is expected to pass. */
export interface Panel { name?: string, rounds: number, bars: readonly Bar[], bound?: Bar }

const OURS = 'ours'
/** Drawn as a line rather than a bar: clients that do nothing but send and receive. */
const BOUND = /^(?:pgbench|COPY)\b/
/** This library with other options. */
const OURS_TOO = /^ours\b/

/** What a chart shows of a result; nothing if it is of another case, or if ours was not measured. */
export function panelOf (chart: Chart, result: Result): Panel | undefined {
  const found = chart.cases.exec(result.item.title)
  const measured = result.item.sides.flatMap(({ label }): Bar[] => {
    const numbers = figures(result, label, chart.measure)
    return numbers.length === 0 ? [] : [{ label, isOurs: label === OURS, ...spread(numbers) }]
  })
  const ours = measured.find(({ isOurs }) => isOurs)
  if (found === null || ours === undefined) return undefined

  const isAhead = (bar: Bar, of: Bar): boolean => isBetter(chart.measure, bar.median, of.median)
  const chosen = chart.peers.flatMap((label) => measured.find((bar) => bar.label === label) ?? [])
  // A chart that leaves out what is quicker than ours would be no comparison.
  const ahead = measured.filter((bar) => isAhead(bar, ours) && !chosen.includes(bar) && !BOUND.test(bar.label) && !OURS_TOO.test(bar.label))
  const bounds = measured.filter(({ label }) => BOUND.test(label)).toSorted((a, b) => isAhead(a, b) ? -1 : 1)
  const [, name] = found
  const [bound] = bounds
  const named = name === undefined ? {} : { name }
  return { ...named, rounds: result.rounds.length, bars: [ours, ...chosen, ...ahead], ...(bound === undefined ? {} : { bound }) }
}

export function isBetter (measure: Measure, figure: number, other: number): boolean {
  return MEASURES[measure].better === 'higher' ? figure > other : figure < other
}
