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
  const { noun, title, better } = MEASURES[measure]
  const work = result.item.title
  if ('below' in target) {
    return decided(figures(result, of, measure), (median) => median < target.below, { work, target: `${noun} below ${target.below} ${title}` })
  }
  const { against } = target
  if ('most' in target) {
    const words = `at most ${factor(target.most)} × the ${noun} of ${against}`
    return decided(quotients(result, of, against, measure), (median) => median <= target.most, { work, target: words })
  }
  const words = better === 'higher' ? `at least ${factor(target.least)} × the ${noun} of ${against}` : `${noun} at least ${factor(target.least)} × lower than ${against}`
  return decided(timesAsGood(result, of, against, measure), (median) => median >= target.least, { work, target: words })
}

function decided (numbers: readonly number[], reaches: (median: number) => boolean, verdict: Verdict): Verdict {
  if (numbers.length === 0) return verdict
  const ratio = spread(numbers)
  return { ...verdict, ratio, reached: reaches(ratio.median) }
}

function factor (number: number): string { return number.toFixed(2).replace(/\.?0+$/, '') }
