// Counts what one warm fetchOne enters; bench/hops/run.ts is its other end.
import { Session, type Profiler } from 'node:inspector/promises'
import { argv } from 'node:process'

export interface Hop { file: string, name: string, count: number }

const [, , entry = '', url = ''] = argv
/** The folder of the compiled files. */
const built = new URL('../', entry).href
const WARM_UP = 500
const SAMPLES = 25

const { createDatabase }: typeof import('../../src/index.js') = await import(entry)
const db = createDatabase({ url, min: 1, max: 1, log: { debug () {}, info () {}, warn () {}, error () {} } }, {})
await db.open()
await db.execute("CREATE TABLE IF NOT EXISTS hops AS SELECT 1 AS id, 'Ada'::text AS name")
const call = (): Promise<object | null> => db.fetchOne('SELECT id, name FROM hops WHERE id = $1', 1)
for (let count = 0; count < WARM_UP; count++) await call()

const session = new Session()
session.connect()
await session.post('Profiler.enable')
// Function by function, with counts: getters and closures are functions too.
await session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: false })

const samples: Hop[][] = []
for (let count = 0; count < SAMPLES; count++) {
  await session.post('Profiler.takePreciseCoverage') // starts the counts again
  await call()
  const { result } = await session.post('Profiler.takePreciseCoverage')
  samples.push(result.flatMap(hopsOf))
}
// A timer of the pool may have fired in some of them: the fewest are those of the call.
samples.sort((a, b) => total(a) - total(b))
process.send?.(samples[0] ?? [])
await db.close()
session.disconnect()
process.disconnect?.()

function total (hops: Hop[]): number { return hops.reduce((sum, { count }) => sum + count, 0) }

function hopsOf ({ url, functions }: Profiler.ScriptCoverage): Hop[] {
  if (!url.startsWith(built)) return []
  return functions.flatMap(({ functionName, ranges: [range] }) => range === undefined || range.count === 0
    ? []
    : [{ file: url.slice(built.length), name: functionName || '(closure)', count: range.count }])
}
