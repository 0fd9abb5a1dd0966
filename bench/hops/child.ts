// Counts what one warm fetchOne, or a transaction of two statements, enters; bench/hops/run.ts is its other end.
import { createHook } from 'node:async_hooks'
import { Session, type Profiler } from 'node:inspector/promises'
import { argv } from 'node:process'
import Fastify, { type FastifyRequest } from 'fastify'
import { type Hop, type Hops, type HopsWork, isHopsWork } from './child-report.js'

const [, , entry = '', url = '', work = 'fetchOne'] = argv
/** The folder of the compiled files. */
const built = new URL('../', entry).href
const WARM_UP = 500
const SAMPLES = 25
const READ = 'SELECT id, name FROM hops WHERE id = $1'

const { default: plugin }: typeof import('../../plugins/plugin.js') = await import(new URL('../plugins/plugin.js', entry).href)
const app = Fastify()
app.register(plugin, { url, min: 1, max: 1, health: false })
app.get('/route', () => app.db.fetchOne(READ, 1))
app.get('/request', (request: FastifyRequest) => request.db.fetchOne(READ, 1))
await app.ready()
const { db } = app
await db.execute("CREATE TABLE IF NOT EXISTS hops AS SELECT 1 AS id, 'Ada'::text AS name")
const UPDATE = 'UPDATE hops SET name = $2 WHERE id = $1'
const calls: Record<HopsWork, () => PromiseLike<unknown>> = {
  fetchOne: () => db.fetchOne(READ, 1),
  template: () => db.fetchOne`SELECT id, name FROM hops WHERE id = ${1}`,
  transaction: () => db.transaction(async (tx) => {
    await tx.execute(UPDATE, 1, 'Ada')
    await tx.execute(UPDATE, 1, 'Ada')
  }),
  route: () => app.inject('/route'),
  request: () => app.inject('/request'),
}
const call = calls[isHopsWork(work) ? work : 'fetchOne']
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
session.disconnect()
process.send?.({ hops: samples[0] ?? [], promises: await countPromises() } satisfies Hops)
await app.close()
process.disconnect?.()

async function countPromises (): Promise<number> {
  let promises = 0
  const hook = createHook({ init: (_, type) => { if (type === 'PROMISE') promises++ } }).enable()
  const counts: number[] = []
  for (let count = 0; count < SAMPLES; count++) {
    promises = 0
    await call()
    counts.push(promises)
  }
  hook.disable()
  return Math.min(...counts)
}

function total (hops: Hop[]): number { return hops.reduce((sum, { count }) => sum + count, 0) }

function hopsOf ({ url, functions }: Profiler.ScriptCoverage): Hop[] {
  if (!url.startsWith(built)) return []
  return functions.flatMap(({ functionName, ranges: [range] }) => range === undefined || range.count === 0
    ? []
    : [{ file: url.slice(built.length), name: functionName || '(closure)', count: range.count }])
}
