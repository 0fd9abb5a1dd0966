import { startEmbeddedPostgres } from '../../tools/embedded-postgres/embedded-postgres.js'
import { clearProgress, showProgress } from '../../tools/progress.js'
import { build } from '../build.js'
import { startVersion } from '../processes/node.js'
import { createReferee } from '../referee.js'
import { number } from '../report/console.js'
import { median } from '../report/statistics.js'
import { SETTINGS } from '../statements.js'
import type { Measured } from '../work.js'
import { medianInterval } from './interval.js'
import { buildCommit, buildThis, type Version } from '../version.js'

const CALLERS = [1, 10, 50]
/** Of load in a sample, and before the first of them counts. */
const SECONDS = 2
const MEASURES = { cpu: 'processor time of a query, µs', rate: 'queries per second' } as const

interface Comparison { ref: string, pairs: number, most: number }
/** What both versions measured right after each other, at each number of callers. */
type Pair = { mine: readonly Measured[], theirs: readonly Measured[] }

/** This working tree against another commit; false if it takes more than `most` times the processor time at any number of callers. */
export async function compare ({ ref, pairs, most }: Comparison): Promise<boolean> {
  const cleanups: Array<() => Promise<unknown>> = []
  function kept<T> (thing: T, remove: (thing: T) => Promise<unknown>): T {
    cleanups.unshift(() => remove(thing))
    return thing
  }
  showProgress(0, 1, `compiling this and ${ref}, and starting PostgreSQL`)
  try {
    const theirs = kept(await buildCommit(ref), (version) => version.remove())
    const mine = kept(await buildThis(), (version) => version.remove())
    const { folder } = kept(await build(), (built) => built.remove())
    const { url } = kept(await startEmbeddedPostgres({ settings: SETTINGS }), (server) => server.close())
    const referee = kept(createReferee(url), (referee) => referee.end())
    await referee.createTables()
    const measured = await takePairs(pairs, folder, { mine, theirs }, url)
    clearProgress()
    return report(measured, { ref, pairs, most })
  } finally {
    for (const remove of cleanups) await remove()
  }
}

/** Both in turned order in every other pair, so that a machine that grows slower meets both alike. */
async function takePairs (pairs: number, folder: string, { mine, theirs }: { mine: Version, theirs: Version }, url: string): Promise<Pair[]> {
  const measured: Pair[] = []
  for (let pair = 0; pair < pairs; pair++) {
    showProgress(pair, pairs, `pair ${pair + 1} of ${pairs}`)
    const first = pair % 2 === 0 ? mine : theirs
    const one = await sample(folder, first, url)
    const other = await sample(folder, first === mine ? theirs : mine, url)
    measured.push(first === mine ? { mine: one, theirs: other } : { mine: other, theirs: one })
  }
  return measured
}

/** A new process each time: what V8 happens to compile would otherwise be the same in all pairs. */
async function sample (folder: string, version: Version, url: string): Promise<Measured[]> {
  const child = startVersion(folder, version.label, version.entry, url)
  try {
    await child.open()
    for (const callers of CALLERS.toReversed()) await child.measure({ name: 'load', callers, seconds: SECONDS / 3 })
    const measured: Measured[] = []
    for (const callers of CALLERS) measured.push(await child.measure({ name: 'load', callers, seconds: SECONDS }))
    return measured
  } finally {
    child.kill()
  }
}

function report (measured: readonly Pair[], { ref, pairs, most }: Comparison): boolean {
  console.log(`one row by key, 10 connections, ${pairs} pairs; ratio: this / ${ref}, median of the pairs and its interval`)
  let holds = true
  for (const [index, callers] of CALLERS.entries()) {
    for (const measure of ['cpu', 'rate'] as const) {
      const mine = measured.map((pair) => pair.mine[index]?.[measure] ?? NaN)
      const theirs = measured.map((pair) => pair.theirs[index]?.[measure] ?? NaN)
      const ratio = medianInterval(mine.map((figure, pair) => figure / (theirs[pair] ?? NaN)))
      const digits = measure === 'cpu' ? 1 : 0
      console.log(`${callers} callers: ${MEASURES[measure]}: this ${number(median(mine), digits)}, ${ref} ${number(median(theirs), digits)}, ` +
        `ratio ${number(ratio.median, 3)} (${number(ratio.low, 3)} - ${number(ratio.high, 3)}, ${number(ratio.confidence * 100, 1)} %)`)
      if (measure === 'cpu' && !(ratio.median <= most)) {
        console.error(`more than ${most} times the processor time of ${ref} with ${callers} callers`)
        holds = false
      }
    }
  }
  return holds
}
