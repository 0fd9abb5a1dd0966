import type { Case, Result, Side } from './case.js'
import type { Child } from './processes/child.js'
import type { Referee } from './referee.js'
import { median } from './report/statistics.js'
import { isMeasure, type Measured, type Work } from './work.js'

/** Where the run is: `done` of `total` turns. */
export type Progress = (done: number, total: number, text: string) => void

/** Seconds of the first work of a contender; V8 compiles a function well only after thousands of calls. */
const FIRST = 1.5

/** Each side does its own work before it counts, for `seconds`: whatever compiles, prepares, opens or learns has done so. */
export async function warmUp (cases: readonly Case[], children: ReadonlyMap<string, Child>, referee: Referee, seconds: number, progress: Progress): Promise<void> {
  const sides = cases.flatMap(({ sides }) => sides).filter(({ contender }) => !contender.startsWith('pgbench')) // is compiled
  const known = new Set<string>()
  for (const [index, { contender, work }] of sides.entries()) {
    progress(index, sides.length, `warming up: ${contender}, ${work.name}`)
    const child = childOf(contender, children)
    const first = !known.has(contender)
    if (first && work.name === 'load') {
      for (const callers of [50, 10, 1]) await child.measure({ name: 'load', callers, seconds: FIRST / 3 })
    }
    await turn(1, 'seconds' in work ? { ...work, seconds: first ? FIRST / 2 : seconds } : work, child, referee)
    known.add(contender)
  }
}

/**
 * Every case in every round, its sides one right after the other and in turned order in every other round: a machine
 * that other people use too changes its speed by the minute, and such changes must meet all sides alike. No round
 * but the first begins that would not end before the process is `limit` milliseconds old.
 */
export async function runRounds (cases: readonly Case[], children: ReadonlyMap<string, Child>, referee: Referee, rounds: number, limit: number, progress: Progress): Promise<Result[]> {
  const results = cases.map((item) => ({ item, rounds: new Array<Measured[]>() }))
  const total = rounds * cases.reduce((sum, { sides }) => sum + sides.length, 0)
  let done = 0
  let length = 0
  for (let round = 0; round === 0 || (round < rounds && performance.now() + length < limit); round++) {
    const started = performance.now()
    for (const { item, rounds: earlier } of results) {
      const order: Array<[number, Side]> = [...item.sides.entries()]
      if (round % 2 === 1) order.reverse()
      const measured: Measured[] = []
      for (const [index, { label, contender, work }] of order) {
        progress(done++, total, `round ${round + 1} of ${rounds}: ${item.title}: ${label}`)
        measured[index] = await turn(item.repeat ?? 1, work, childOf(contender, children), referee)
      }
      earlier.push(measured)
    }
    length = performance.now() - started
  }
  return results
}

async function turn (repeat: number, work: Work, child: Child, referee: Referee): Promise<Measured> {
  const all: Measured[] = []
  for (let time = 0; time < repeat; time++) {
    await referee.prepare(work)
    all.push(await child.measure(work))
    await referee.verify(work)
  }
  const medians: Measured = {}
  for (const name of Object.keys(all[0] ?? {})) {
    if (isMeasure(name)) medians[name] = median(all.map((measured) => measured[name] ?? NaN))
  }
  return medians
}

function childOf (contender: string, children: ReadonlyMap<string, Child>): Child {
  const child = children.get(contender)
  if (child === undefined) throw new Error(`there is no contender ${contender}`)
  return child
}
