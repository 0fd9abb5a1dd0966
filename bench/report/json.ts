import { mkdir, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { Result } from '../case.js'
import { verdict } from './statistics.js'

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
