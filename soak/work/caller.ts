import { setTimeout as sleep } from 'node:timers/promises'
import type { Actor } from './actor.js'
import { addUp, failAmongReads, readSeveral, readSlowly } from './reading.js'
import { lease, transfer } from './transactions.js'
import { write, writeBadly, writeMany, writeSlowly } from './writing.js'

/** What a caller does, and how often. */
const WORK: ReadonlyArray<[work: (actor: Actor) => Promise<void>, weight: number]> = [
  [write, 30], [writeMany, 8], [writeSlowly, 5], [writeBadly, 3],
  [transfer, 16], [lease, 3],
  [readSeveral, 20], [failAmongReads, 8], [readSlowly, 4], [addUp, 3],
]
const BAG = WORK.flatMap(([work, weight]) => Array.from({ length: weight }, () => work))

/** Milliseconds of rest after each thing that it did, at most. */
const LONGEST_REST = 20

/** Does one thing after the other until `end`. */
export async function act (actor: Actor, end: AbortSignal): Promise<void> {
  while (!end.aborted) {
    const work = actor.random.pick(BAG)
    const rest = actor.random.integer(0, LONGEST_REST)
    await work(actor)
    await sleep(rest)
  }
}
