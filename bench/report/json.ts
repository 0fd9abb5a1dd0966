import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { Result, Side, Target } from '../case.js'
import type { Measured } from '../work.js'
import { verdict } from './statistics.js'

/** What was measured on what. */
export interface Run { settings: readonly string[], leftOut: readonly string[], results: readonly Result[] }

/** All that was measured, round by round, so that anyone can calculate otherwise. */
export async function writeJson (file: string, settings: readonly string[], leftOut: readonly string[], results: readonly Result[]): Promise<void> {
  const cases = results.map((result) => ({
    title: result.item.title,
    note: result.item.note,
    sides: result.item.sides.map(({ label, contender, work }, index) => ({ label, contender, work, rounds: result.rounds.map((round) => round[index]) })),
    targets: result.item.targets.map((target) => ({ ...target, ...verdict(result, target) })),
  }))
  await mkdir(dirname(file), { recursive: true })
  await writeFile(file, `${JSON.stringify({ settings, leftOut, cases }, shortened, 1)}\n`)
}

function shortened (_name: string, value: unknown): unknown { return typeof value === 'number' ? Number(value.toPrecision(6)) : value }

interface WrittenCase { title: string, note: string, sides: Array<Side & { rounds: Measured[] }>, targets: Target[] }

/** What `writeJson` has written. */
export async function readJson (file: string): Promise<Run> {
  const { settings, leftOut, cases }: { settings: string[], leftOut: string[], cases: WrittenCase[] } = JSON.parse(await readFile(file, 'utf8'))
  const results = cases.map(({ title, note, sides, targets }): Result => ({
    item: { title, note, sides, targets },
    rounds: (sides[0]?.rounds ?? []).map((_first, round) => sides.map(({ rounds }) => rounds[round] ?? {})),
  }))
  return { settings, leftOut, results }
}
