import type { Case } from './cases.js'
import type { Child } from './child.js'

/** Queries per second of both sides, in each round. */
export type Results = Map<Case, Array<[number, number]>>

/**
 * Every case in every round, the two sides one right after the other and in turned order in every other round: a
 * machine that other people use too changes its speed by the minute, and such changes must meet both sides alike.
 */
export async function runRounds (cases: readonly Case[], children: ReadonlyMap<string, Child>, rounds: number, progress: (text: string) => void): Promise<Results> {
  const results: Results = new Map(cases.map((item) => [item, []]))
  for (let round = 0; round < rounds; round++) {
    for (const [index, item] of cases.entries()) {
      progress(`round ${round + 1} of ${rounds}, ${index + 1} of ${cases.length}: ${item.title}`)
      const measured: [number, number] = [0, 0]
      const order = round % 2 === 0 ? [0, 1] as const : [1, 0] as const
      for (const side of order) {
        const { contender, work } = item.sides[side]
        const child = children.get(contender)
        if (child === undefined) throw new Error(`there is no contender ${contender}`)
        measured[side] = await child.ask(work)
      }
      results.get(item)?.push(measured)
    }
  }
  return results
}
