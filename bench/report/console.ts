import type { Result } from '../case.js'
import { isMeasure, MEASURES, type Measure } from '../work.js'
import { figures, spread, timesAsGood, verdict, type Spread, type Verdict } from './statistics.js'

export function number (value: number, digits: number): string {
  return value.toLocaleString('en', { minimumFractionDigits: digits, maximumFractionDigits: digits })
}

export function showSpread ({ median, min, max }: Spread, digits: number): string {
  return `${number(median, digits)} (${number(min, digits)} - ${number(max, digits)})`
}

/** What was measured, in the order of `MEASURES`. */
export function measuresOf ({ rounds }: Result): Measure[] {
  const names = new Set(rounds.flatMap((round) => round.flatMap((measured) => Object.keys(measured))))
  return Object.keys(MEASURES).filter(isMeasure).filter((name) => names.has(name))
}

/** A line for each side: its figures, and how many times as good the first side is. */
export function sideRows (result: Result): string[][] {
  const [first] = result.item.sides
  const measures = measuresOf(result)
  const [main] = measures
  return result.item.sides.map(({ label }) => {
    const cells = measures.map((measure) => {
      const numbers = figures(result, label, measure)
      return numbers.length === 0 ? '' : showSpread(spread(numbers), MEASURES[measure].digits)
    })
    const ratio = first === undefined || main === undefined || label === first.label ? '' : showSpread(spread(timesAsGood(result, first.label, label, main)), 2)
    return [label, ...cells, ratio]
  })
}

export function sideHeadings (result: Result): string[] {
  return ['', ...measuresOf(result).map((measure) => MEASURES[measure].title), `${result.item.sides[0]?.label ?? ''} is × as good`]
}

export function verdictRow ({ work, target, ratio, reached }: Verdict): string[] {
  const word = reached === undefined ? 'not measured' : reached ? 'reached' : 'NOT REACHED'
  return [work, target, ratio === undefined ? '' : showSpread(ratio, 2), word]
}

export const VERDICT_HEADINGS = ['work', 'ours has to reach', 'measured', '']

export function verdicts (results: readonly Result[]): Verdict[] {
  return results.flatMap((result) => result.item.targets.map((target) => verdict(result, target)))
}

function table (rows: readonly string[][], indent: string): string {
  const widths = rows[0]?.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0))) ?? []
  return rows.map((row) => `${indent}${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  ').trimEnd()}`).join('\n')
}

export function consoleReport (results: readonly Result[]): string {
  const cases = results.map((result) => `${result.item.title}\n  ${result.item.note}\n${table([sideHeadings(result), ...sideRows(result)], '  ')}`)
  const rows = verdicts(results).map(verdictRow)
  return `${cases.join('\n\n')}\n\n${table([VERDICT_HEADINGS, ...rows], '')}`
}
