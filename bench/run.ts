// npm run bench -- [--quick] [--only WORDS] [--rounds N] [--json FILE] [--write], or: npm run bench -- --against REF [--pairs N] [--most RATIO], or: npm run bench -- --redraw
import { parseArgs } from 'node:util'
import { startEmbeddedPostgres } from '../tools/embedded-postgres/embedded-postgres.js'
import { compare } from './against/compare.js'
import { build } from './build.js'
import { narrowed, without } from './case.js'
import { cases as allCases } from './cases.js'
import { findInstalled } from './installed.js'
import type { Child } from './processes/child.js'
import { openAll } from './processes/open-all.js'
import { startContender } from './processes/start.js'
import { openNetworks } from './networks/open.js'
import type { Networks } from './networks/network.js'
import { createReferee } from './referee.js'
import { consoleReport } from './report/console.js'
import { redrawDocument, writeDocument } from './report/document.js'
import { writeJson } from './report/json.js'
import { clearProgress, showProgress } from '../tools/progress.js'
import { describeRounds, readSettings } from './report/settings.js'
import { runRounds, warmUp } from './rounds.js'
import { SETTINGS } from './statements.js'

const { values: { quick, only, rounds: wish, json, write, redraw, against, pairs, most } } = parseArgs({
  options: {
    /** Fewer and shorter rounds, and only the contenders that a target names. */
    quick: { type: 'boolean', default: false },
    /** Only the cases whose titles have all these words. */
    only: { type: 'string', default: '' },
    rounds: { type: 'string' },
    json: { type: 'string' },
    /** Writes docs/benchmarks.md and its charts. */
    write: { type: 'boolean', default: false },
    /** Only writes that page and its charts once more, from what the last run has left in figures.json. */
    redraw: { type: 'boolean', default: false },
    /** Only compares this working tree with another commit. */
    against: { type: 'string' },
    pairs: { type: 'string', default: '10' },
    /** Times the processor time of that commit that are let pass. */
    most: { type: 'string', default: 'Infinity' },
  },
})
if (against !== undefined) {
  if (!Number.isInteger(Number(pairs)) || Number(pairs) < 1) throw new Error('--pairs takes a number from 1 on')
  if (!(Number(most) > 0)) throw new Error('--most takes a number above 0')
  process.exit(await compare({ ref: against, pairs: Number(pairs), most: Number(most) }) ? 0 : 1)
}
if (redraw) {
  await redrawDocument()
  process.exit()
}
const rounds = Number(wish ?? (quick ? 3 : 7))
if (!Number.isInteger(rounds) || rounds < 1) throw new Error('--rounds takes a number from 1 on')
if (write && only !== '') throw new Error('--write takes the whole run: leave --only out')
const seconds = quick ? 0.25 : 0.5
/** Milliseconds: no round begins that would not end by then. A busy machine then gets fewer. */
const QUICK_LIMIT = 150_000

const wanted = narrowed(allCases(seconds), only, quick)
if (wanted.length === 0) throw new Error(`no case has the words: ${only}`)
showProgress(0, 1, 'looking for what is installed')
const installed = findInstalled(new Set(wanted.flatMap(({ sides }) => sides.map(({ contender }) => contender))))
let cases = without(installed.missing, wanted)
const leftOut = [...installed.missing].map(([name, why]) => `${name} is left out: it is not there (${why})`)

const children = new Map<string, Child>()
function killAll (): void { for (const child of children.values()) child.kill() }
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, killAll)

showProgress(0, 1, 'compiling, and starting PostgreSQL')
const starting = startEmbeddedPostgres({ settings: SETTINGS })
starting.catch(() => {}) // is looked at when the compiler is done
const compiled = await build()
const server = await starting.catch(async (error) => {
  await compiled.remove()
  throw error
})
const referee = createReferee(server.url)
let networks: Networks | undefined

try {
  await referee.createTables()
  const needed = new Set(cases.flatMap(({ sides }) => sides.map(({ network = 'loopback' }) => network)))
  showProgress(0, 1, 'opening the networks and the processes')
  networks = await openNetworks(needed, compiled.folder, server, referee)
  const settings = [...await readSettings(await referee.settings(), installed.versions), ...networks.remarks, ...installed.remarks]
  const { url } = networks
  const failed = await openAll(cases, children, (side) => startContender(side, compiled.folder, url(side.network ?? 'loopback'), installed), referee)
  for (const [name, why] of failed) leftOut.push(`${name} is left out: it does not run (${why})`)
  cases = without(failed, cases)
  clearProgress()
  console.log([...settings, ...leftOut].join('\n'))

  await warmUp(cases, children, referee, quick ? 0.15 : 1, showProgress)
  const results = await runRounds(cases, children, referee, rounds, quick ? QUICK_LIMIT : Infinity, showProgress)
  clearProgress()

  settings.push(describeRounds(results[0]?.rounds.length ?? 0, seconds))
  console.log(`\n${settings.at(-1)}\n\n${consoleReport(results)}`)
  const file = json ?? `bench/results/${quick ? 'quick' : 'full'}.json`
  await writeJson(file, settings, leftOut, results)
  if (write) await writeDocument(settings, leftOut, results)
  console.log(`\n${file} has every figure; ${Math.round(performance.now() / 1000)} s in all`)
} finally {
  killAll()
  networks?.close()
  await referee.end()
  await Promise.all([server.close(), compiled.remove()])
}
