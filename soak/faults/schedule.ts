import { setTimeout as sleep } from 'node:timers/promises'
import type { Random } from '../../test/support/random.js'
import type { Counts } from '../counts.js'

/** A fault, drawn before it is made, so that the next one is the same in each run. It heals what it broke. */
export type Make<Chaos> = (chaos: Chaos, random: Random) => () => Promise<void>

/** How often each comes before all start again. */
export type Faults<Chaos> = ReadonlyArray<readonly [name: string, times: number, make: Make<Chaos>]>

interface Schedule<Chaos> {
  readonly faults: Faults<Chaos>
  /** Milliseconds between two faults, from and to: half of it in the first round, so that each has come early. */
  readonly peace: readonly [least: number, most: number]
  readonly chaos: Chaos
  readonly random: Random
  readonly counts: Counts
  readonly end: AbortSignal
  /** Each fault was made once. */
  readonly onRound: () => void
}

/** Makes one fault after the other until the end, each once at first, and leaves nothing broken. */
export async function makeFaults<Chaos> ({ faults, peace: [least, most], chaos, random, counts, end, onRound }: Schedule<Chaos>): Promise<void> {
  for (let round = 0; !end.aborted; round++) {
    for (const [name, , make] of shuffled(faults, round > 0, random)) {
      const peace = random.integer(least, most) / (round === 0 ? 2 : 1)
      const fault = make(chaos, random)
      await sleep(peace, undefined, { signal: end }).catch(() => {}) // the end
      if (end.aborted) return
      counts.add('faults', name)
      await fault()
    }
    if (round === 0) onRound()
  }
}

function shuffled<Chaos> (faults: Faults<Chaos>, repeats: boolean, random: Random): Faults<Chaos> {
  const bag = faults.flatMap((fault) => Array.from({ length: repeats ? fault[1] : 1 }, () => fault))
  return bag.map((fault) => ({ fault, place: random.fraction() })).sort((a, b) => a.place - b.place).map(({ fault }) => fault)
}
