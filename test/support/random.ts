import { createHash } from 'node:crypto'

/** A source of chance that can be repeated. */
export interface Random {
  /** From 0 to below 1. */
  fraction (): number
  integer (least: number, most: number): number
  chance (probability: number): boolean
  pick<T> (items: readonly T[]): T
}

/** The same seed gives the same numbers (mulberry32). */
export function seeded (seed: string): Random {
  let state = createHash('sha256').update(seed).digest().readUInt32LE()
  const fraction = (): number => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
  const integer = (least: number, most: number): number => least + Math.floor(fraction() * (most - least + 1))
  return {
    fraction,
    integer,
    chance: (probability) => fraction() < probability,
    pick: <T>(items: readonly T[]): T => {
      const item = items[integer(0, items.length - 1)]
      if (item === undefined) throw new Error('there is nothing to pick from')
      return item
    },
  }
}
