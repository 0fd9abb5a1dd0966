import type { Result, Target } from '../case.js'
import { MEASURES, type Measure } from '../work.js'

export interface Spread { median: number, min: number, max: number }

export function spread (numbers: readonly number[]): Spread {
  const sorted = numbers.toSorted((a, b) => a - b)
  const at = (place: number): number => sorted[place] ?? NaN
  const last = sorted.length - 1
  return { median: (at(Math.floor(last / 2)) + at(Math.ceil(last / 2))) / 2, min: at(0), max: at(last) }
}

export function median (numbers: readonly number[]): number { return spread(numbers).median }

/** What a side measured in all rounds; nothing if it was left out. */
export function figures ({ item, rounds }: Result, label: string, measure: Measure): number[] {
  const index = item.sides.findIndex((side) => side.label === label)
  return rounds.flatMap((round) => round[index]?.[measure] ?? [])
}

/** The quotients of two sides within each round: a round is short, so that both had the same machine. */
export function quotients (result: Result, of: string, against: string, measure: Measure): number[] {
  const theirs = figures(result, against, measure)
  return theirs.length === 0 ? [] : figures(result, of, measure).map((figure, round) => figure / (theirs[round] ?? NaN))
}

/** How many times as good `of` is: higher is better, whatever is measured. */
export function timesAsGood (result: Result, of: string, against: string, measure: Measure): number[] {
  const better = MEASURES[measure].better === 'higher'
  return better ? quotients(result, of, against, measure) : quotients(result, against, of, measure)
}

export interface Verdict {
  work: string
  /** In words: what has to be reached. */
  target: string
  /** Not there if a side was left out. */
  ratio?: Spread
  reached?: boolean
}

/** The median of the rounds decides. */
export function verdict (result: Result, target: Target): Verdict {
  const { of, measure } = target
  const work = result.item.title
  const what = measure === 'rate' ? '' : `${MEASURES[measure].title}: `
  if ('below' in target) return decided(figures(result, of, measure), (median) => median < target.below, { work, target: `${what}below ${target.below}` })
  const words = `${what}${'least' in target ? `at least ${round(target.least)}` : `at most ${round(target.most)}`} × ${target.against}`
  return 'least' in target
    ? decided(timesAsGood(result, of, target.against, measure), (median) => median >= target.least, { work, target: lower(measure, words) })
    : decided(quotients(result, of, target.against, measure), (median) => median <= target.most, { work, target: words })
}

function decided (numbers: readonly number[], reaches: (median: number) => boolean, verdict: Verdict): Verdict {
  if (numbers.length === 0) return verdict
  const ratio = spread(numbers)
  return { ...verdict, ratio, reached: reaches(ratio.median) }
}

/** "At least 2 × asyncpg" is clear of a rate only. */
function lower (measure: Measure, words: string): string {
  return MEASURES[measure].better === 'lower' ? words.replace(' × ', ' × lower than ') : words
}

function round (factor: number): string { return factor.toFixed(2).replace(/(\.\d)0$/, '$1') }
