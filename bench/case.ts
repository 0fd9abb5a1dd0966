import type { Network } from './networks/network.js'
import type { Measure, Measured, Work } from './work.js'

/** One side of a comparison: who does what, over loopback unless it says otherwise. */
export interface Side { label: string, contender: string, work: Work, network?: Network }

/** What one side has to reach. `of` and `against` are labels of sides. */
export type Target =
  /** Times as good: so many times the rate, or so many times less time. */
  | { of: string, measure: Measure, against: string, least: number }
  /** Times as much: for what should be low. */
  | { of: string, measure: Measure, against: string, most: number }
  /** An amount, where no other side sets the measure. */
  | { of: string, measure: Measure, below: number }

/** Sides that do the same work, and what they have to reach. */
export interface Case {
  title: string
  /** What is counted, and how: for the reader of the figures. */
  note: string
  sides: readonly Side[]
  targets: readonly Target[]
  /** Turns that are taken together in a round, where one is short; the median counts. */
  repeat?: number
}

/** The result of a case: what each side measured in each round, in the order of the sides. */
export interface Result { item: Case, rounds: ReadonlyArray<readonly Measured[]> }

/** Only the cases whose titles have all the words; with `targetsOnly` only what the targets name, unless words name a case that has none. */
export function narrowed (cases: readonly Case[], only: string, targetsOnly: boolean): Case[] {
  const words = only.toLowerCase().split(/\s+/)
  return cases
    .filter(({ title }) => words.every((word) => title.toLowerCase().includes(word)))
    .filter(({ targets }) => !targetsOnly || only !== '' || targets.length > 0)
    .map((item) => targetsOnly ? { ...item, sides: item.sides.filter(({ label }) => isNamed(label, item.targets)) } : item)
}

function isNamed (label: string, targets: readonly Target[]): boolean {
  return targets.length === 0 || targets.some((target) => target.of === label || ('against' in target && target.against === label))
}

/** Without the sides whose contenders are not there. */
export function without (missing: ReadonlyMap<string, string>, cases: readonly Case[]): Case[] {
  return cases.map((item) => ({ ...item, sides: item.sides.filter(({ contender }) => !missing.has(contender)) }))
}
