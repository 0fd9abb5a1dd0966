// npm run soak -- [--minutes N | --seconds N] [--writes N] [--callers N] [--seed TEXT] [--json FILE]
import { setTimeout as sleep } from 'node:timers/promises'
import { clearProgress, showProgress } from '../tools/progress.js'
import { startEmbeddedPostgres, type EmbeddedPostgres } from '../tools/embedded-postgres/embedded-postgres.js'
import { createDatabase, type Database } from '../src/index.js'
import { FaultProxy } from '../tools/fault-proxy.js'
import { seeded } from '../test/support/random.js'
import { Calls } from './calls.js'
import { checkClosed, checkMoney, checkPool, checkWrites } from './check.js'
import { makeFaults } from './faults.js'
import { Findings } from './findings.js'
import { Heap } from './heap.js'
import { Ledger } from './ledger.js'
import { type Options, readOptions, UsageError } from './options.js'
import { describe, type Outcome, writeJson } from './report.js'
import { SCHEMA } from './schema.js'
import { ask } from './server.js'
import { POOL, SERVER_SETTINGS } from './settings.js'
import { act } from './work/caller.js'

/** Lists of a batch at most: more where many rows are wanted. */
const LARGEST_BATCH = 200
const LARGEST_BATCH_FOR_WRITES = 2000

const findings = new Findings()
process.on('uncaughtException', (error, origin) => findings.add('uncaught', `${origin}: ${error.stack}`))
process.on('unhandledRejection', (reason) => findings.add('uncaught', `unhandled rejection: ${reason instanceof Error ? reason.stack : String(reason)}`))
/** The end, whether the time is over or somebody interrupts. */
const end = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => end.abort())

const silent = (): void => {}

async function soak (options: Options, server: EmbeddedPostgres, proxy: FaultProxy, db: Database): Promise<Outcome> {
  const { seed, callers, seconds, writes } = options
  await ask(server.url, SCHEMA)
  await db.open()
  const calls = new Calls(db, findings)
  const tally = { single: 0, batch: 0, transaction: 0 }
  const acknowledged = (): number => tally.single + tally.batch + tally.transaction
  const stage = { db, calls, findings, tally, largestBatch: writes > 0 ? LARGEST_BATCH_FOR_WRITES : LARGEST_BATCH }
  const ledgers = Array.from({ length: callers }, () => new Ledger())
  const faults = new Map<string, number>()
  const since = performance.now()
  const elapsed = (): number => (performance.now() - since) / 1000
  const heap = new Heap(seconds === 0 ? 2 : Math.max(0.5, seconds / 200))

  const chaos = makeFaults({ server, proxy, db, random: seeded(`${seed} faults`), made: faults }, end.signal)
  const work = Promise.all(ledgers.map((ledger, number) => act({ ...stage, number, ledger, asked: 0, random: seeded(`${seed} caller ${number}`) }, end.signal)))
  // Whichever fails first ends the run.
  for (const part of [chaos, work]) part.catch(() => end.abort())
  for (let shown = -1; !end.signal.aborted && (elapsed() < seconds || acknowledged() < writes);) {
    const percent = Math.floor(Math.min(1, seconds === 0 ? 1 : elapsed() / seconds, writes === 0 ? 1 : acknowledged() / writes) * 100)
    const made = [...faults.values()].reduce((sum, count) => sum + count, 0)
    if (percent !== shown || process.stderr.isTTY) showProgress(percent, 100, `% ${Math.floor(elapsed())} s, ${acknowledged()} rows acknowledged, ${made} faults, ${findings.total} violations`)
    shown = percent
    await sleep(100, undefined, { signal: end.signal }).catch(() => {}) // the end
  }
  const took = elapsed()
  end.abort()
  clearProgress()

  await chaos
  // Callers end what they are doing; each of their calls has its limit.
  while (!await Promise.race([work.then(() => true), sleep(200, false)]) && calls.remaining > 0);
  calls.reportStragglers()
  heap.stop()
  const pool = await checkPool(db, server.url, callers, findings)
  const written = await checkWrites(server.url, ledgers, findings)
  const money = await checkMoney(server.url, findings)
  await checkClosed(db, server.url, findings)
  return { options, seconds: took, calls, findings, tally, faults, written, money, pool, heap: heap.check(findings) }
}

async function main (): Promise<void> {
  const options = readOptions(process.argv.slice(2))
  const { seed, callers, seconds, writes, json } = options
  console.log(`seed ${seed}, ${callers} callers, ${[seconds > 0 ? `${seconds} s` : '', writes > 0 ? `${writes} rows acknowledged` : ''].filter((part) => part !== '').join(' and ')}`)
  const server = await startEmbeddedPostgres({ settings: SERVER_SETTINGS })
  const proxy = await FaultProxy.open(server.url)
  const db = createDatabase({ ...POOL, url: proxy.url, log: { debug: silent, info: silent, warn: silent, error: silent } }, {})
  try {
    const outcome = await soak(options, server, proxy, db)
    await sleep(0) // a rejection that nobody handles is told of only now
    console.log(describe(outcome))
    if (json !== undefined) await writeJson(json, outcome)
    process.exitCode = outcome.findings.total === 0 ? 0 : 1
  } finally {
    await db.close()
    await proxy.close()
    await server.close()
  }
}

try {
  await main()
} catch (error) {
  console.error(error instanceof UsageError ? `soak: ${error.message}` : error)
  process.exitCode = error instanceof UsageError ? 2 : 1
}
