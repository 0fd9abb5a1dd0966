import { setTimeout as sleep } from 'node:timers/promises'
import type { Actor } from './actor.js'
import { enter, enterHidden, look } from './entering.js'
import { hide } from './hiding.js'
import { addUp, askHealth, failAmongReads, readSeveral, readSlowly } from './reading.js'
import { readByTemplates, readSlowlyByTemplate, writeByTemplate } from './templates.js'
import { lease, transfer } from './transactions.js'
import { echoTyped, readTyped, storeTyped } from './typing.js'
import { write, writeBadly, writeMany, writeSlowly } from './writing.js'

type Work = (actor: Actor) => Promise<void>

/** What callers do, by the pool that they call, and how often. */
const WORK = {
  auto: bag([
    [write, 30], [writeMany, 8], [writeSlowly, 5], [writeBadly, 3], [transfer, 16], [lease, 3], [readSeveral, 20], [failAmongReads, 8], [readSlowly, 4], [addUp, 3],
    [hide, 5], [enter, 3], [look, 3], [askHealth, 1], [writeByTemplate, 12], [readByTemplates, 8], [readSlowlyByTemplate, 3],
  ]),
  always: bag([
    [write, 10], [writeMany, 2], [writeSlowly, 2], [transfer, 4], [lease, 2], [readSeveral, 8], [failAmongReads, 2], [hide, 3], [enter, 5], [enterHidden, 12], [look, 10], [writeByTemplate, 3], [readByTemplates, 3],
  ]),
  forked: bag([[storeTyped, 3], [echoTyped, 2], [readTyped, 2]]),
}

function bag (work: ReadonlyArray<readonly [work: Work, weight: number]>): readonly Work[] {
  return work.flatMap(([work, weight]) => Array.from({ length: weight }, () => work))
}

/** Milliseconds of rest after each thing that it did, at most. */
const LONGEST_REST = 20

/** Does one thing after the other until `end`. */
export async function act (pool: keyof typeof WORK, actor: Actor, end: AbortSignal): Promise<void> {
  while (!end.aborted) {
    const work = actor.random.pick(WORK[pool])
    const rest = actor.random.integer(0, LONGEST_REST)
    await work(actor)
    await sleep(rest)
  }
}
