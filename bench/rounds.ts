import type { Case, Result, Side } from './case.js'
import type { Child } from './processes/child.js'
import type { Referee } from './referee.js'
import { median } from './report/statistics.js'
import { isMeasure, kindOf, type Measured, type Work } from './work.js'

/** Where the run is: `done` of `total` turns. */
export type Progress = (done: number, total: number, text: string) => void

/** The process of a side: one for each contender, kind of work and network. */
export function processOf ({ contender, work, network }: Side): string { return `${contender}: ${kindOf(work)}${network === undefined ? '' : ` (${network})`}` }

/** Milliseconds that a process works before any of its work counts; V8 compiles well only after thousands of calls. */
const FIRST = 1_500

/** Each side does its own work before it counts, for `seconds`: whatever compiles, prepares, opens or learns has done so. */
export async function warmUp (cases: readonly Case[], children: ReadonlyMap<string, Child>, referee: Referee, seconds: number, progress: Progress): Promise<void> {
  // pgbench is compiled, and the heap and the hops are those of a new process.
  const sides = cases.flatMap(({ sides }) => sides).filter(({ contender, work }) => !contender.startsWith('pgbench') && work.name !== 'heap' && work.name !== 'hops')
  const known = new Set<string>()
  for (const [index, side] of sides.entries()) {
    progress(index, sides.length, `warming up: ${processOf(side)}`)
    const { work } = side
    const child = childOf(side, children)
    const started = performance.now()
    const length = known.has(processOf(side)) ? seconds * 1000 : FIRST
    if (work.name === 'load' && length === FIRST) {
      for (const callers of [50, 10]) await child.measure({ name: 'load', callers, seconds: FIRST / 3000 })
    }
    do {
      const left = length - (performance.now() - started)
      await turn(1, 'seconds' in work ? { ...work, seconds: Math.max(seconds, left / 1000) } : work, child, referee)
    } while (performance.now() - started < length * 0.9)
    known.add(processOf(side))
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
      for (const [index, side] of order) {
        progress(done++, total, `round ${round + 1} of ${rounds}: ${item.title}: ${side.label}`)
        measured[index] = await turn(item.repeat ?? 1, side.work, childOf(side, children), referee)
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
    const measured = await child.measure(work)
    all.push(measured)
    await referee.verify(work, measured)
  }
  const medians: Measured = {}
  for (const name of Object.keys(all[0] ?? {})) {
    if (!isMeasure(name)) continue
    const value = medians[name] = median(all.map((measured) => measured[name] ?? NaN))
    if (!Number.isFinite(value)) throw new Error(`${name} of ${work.name} is not a number`)
  }
  return medians
}

function childOf (side: Side, children: ReadonlyMap<string, Child>): Child {
  const child = children.get(processOf(side))
  if (child === undefined) throw new Error(`there is no process ${processOf(side)}`)
  return child
}
