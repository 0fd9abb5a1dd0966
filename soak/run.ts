// npm run soak -- [--minutes N | --seconds N] [--writes N] [--callers N] [--seed TEXT] [--json FILE]
import { setTimeout as sleep } from 'node:timers/promises'
import { clearProgress, showProgress } from '../tools/progress.js'
import { startEmbeddedPostgres, type EmbeddedPostgres } from '../tools/embedded-postgres/embedded-postgres.js'
import { seeded } from '../test/support/random.js'
import { Calls } from './calls.js'
import { checkEach } from './check-each.js'
import { checkClosed, checkMoney, checkPool, checkTypes, checkWrites, nothingWritten } from './check.js'
import { Counts } from './counts.js'
import { makeFaults } from './faults/schedule.js'
import { NETWORK_FAULTS } from './faults/network.js'
import { STRANGE_FAULTS, warmUp } from './faults/strangers.js'
import { Findings } from './findings.js'
import { Heap } from './heap.js'
import { Ledger } from './ledger.js'
import { type Options, readOptions, UsageError } from './options.js'
import { createPools, HOME, type Pools } from './pools.js'
import { describe, type Outcome, writeJson } from './report.js'
import { SCHEMA } from './schema.js'
import { ask } from './server.js'
import { SERVER_SETTINGS } from './settings.js'
import { STATE_SCHEMA } from './state-schema.js'
import { countDifferentTypes, TYPE_SCHEMAS } from './type-schema.js'
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

/** Seconds of a run from which on each fault has to come. */
const LONG_ENOUGH = 20

async function soak (options: Options, server: EmbeddedPostgres, pools: Pools, counts: Counts): Promise<Outcome> {
  const { seed, callers, seconds, writes } = options
  const { auto, always, forked, quiet, proxy } = pools
  const all = [auto, always, forked, quiet]
  await ask(server.url, [TYPE_SCHEMAS[0], SCHEMA, STATE_SCHEMA].join(';'))
  await ask(quiet.urls[0] ?? '', TYPE_SCHEMAS[1])
  if (await countDifferentTypes(forked.urls) < 20) throw new Error('the OIDs of the two servers are not different enough')
  await Promise.all(all.map(({ db }) => db.open()))
  await warmUp(quiet.db)
  const calls = new Calls(all.map(({ db }) => db), findings)
  const tally = { single: 0, batch: 0, transaction: 0 }
  const acknowledged = (): number => tally.single + tally.batch + tally.transaction
  const stage = { calls, counts, findings, tally, largestBatch: writes > 0 ? LARGEST_BATCH_FOR_WRITES : LARGEST_BATCH }
  const since = performance.now()
  const elapsed = (): number => (performance.now() - since) / 1000
  const heap = new Heap(seconds === 0 ? 2 : Math.max(0.5, seconds / 200))

  let rounds = seconds < LONG_ENOUGH ? 0 : 2
  const haveAllCome = (): boolean => rounds <= 0
  const schedule = { counts, end: end.signal, onRound: () => { rounds-- } }
  const chaos = Promise.all([
    makeFaults({ ...schedule, faults: NETWORK_FAULTS, peace: [200, 1000], chaos: { server, proxy, pools: [auto.db, always.db, forked.db] }, random: seeded(`${seed} faults`) }),
    makeFaults({ ...schedule, faults: STRANGE_FAULTS, peace: [500, 2500], chaos: { pools, calls, counts, findings }, random: seeded(`${seed} strange faults`) }),
  ])
  /** So many callers of a pool: their ledgers, and what they do. */
  const start = (pool: 'auto' | 'always' | 'forked', size: number, first: number, home = ''): { ledgers: Ledger[], work: Promise<unknown> } => {
    const ledgers = Array.from({ length: size }, () => new Ledger())
    const work = ledgers.map((ledger, index) => {
      const number = first + index
      return act(pool, { ...stage, db: pools[pool].db, home, number, ledger, asked: 0, random: seeded(`${seed} ${pool} caller ${number}`) }, end.signal)
    })
    return { ledgers, work: Promise.all(work) }
  }
  const parts = [start('auto', callers, 0), start('always', Math.ceil(callers / 4), callers, HOME), start('forked', Math.ceil(callers / 10), 0)] as const
  const work = Promise.all(parts.map((part) => part.work))
  // Whichever fails first ends the run.
  for (const part of [chaos, work]) part.catch(() => end.abort())
  for (let shown = -1; !end.signal.aborted && (elapsed() < seconds || acknowledged() < writes || !haveAllCome());) {
    const percent = Math.floor(Math.min(1, seconds === 0 ? 1 : elapsed() / seconds, writes === 0 ? 1 : acknowledged() / writes) * 100)
    if (percent !== shown || process.stderr.isTTY) {
      showProgress(percent, 100, `% ${Math.floor(elapsed())} s, ${acknowledged()} rows acknowledged, ${counts.total('faults')} faults, ${findings.total} violations`)
    }
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
  const numbers = []
  for (const pool of all) numbers.push(await checkPool(pool, callers, findings))
  const written = nothingWritten()
  await checkWrites({ urls: auto.urls, table: 'writes' }, [...parts[0].ledgers, ...parts[1].ledgers], written, findings)
  await checkWrites({ urls: forked.urls, table: 'things' }, parts[2].ledgers, written, findings)
  await checkTypes(forked.urls, findings)
  const money = await checkMoney(server.url, findings)
  for (const pool of all) await checkClosed(pool, findings)
  const each = checkEach(counts, took, LONG_ENOUGH, findings)
  return { options, seconds: took, calls, counts, findings, tally, written, money, each, pool: numbers.join('; '), heap: heap.check(findings) }
}

async function main (): Promise<void> {
  const options = readOptions(process.argv.slice(2))
  const { seed, callers, seconds, writes, json } = options
  console.log(`seed ${seed}, ${callers} callers, ${[seconds > 0 ? `${seconds} s` : '', writes > 0 ? `${writes} rows acknowledged` : ''].filter((part) => part !== '').join(' and ')}`)
  const settings = SERVER_SETTINGS
  // The pool whose way leads to both has the password of one.
  const [server, other] = await Promise.all([startEmbeddedPostgres({ settings }), startEmbeddedPostgres({ settings, hba: 'host all all 127.0.0.1/32 trust' })])
  const counts = new Counts()
  const pools = await createPools(server.url, other.url, seed, counts)
  try {
    const outcome = await soak(options, server, pools, counts)
    await sleep(0) // a rejection that nobody handles is told of only now
    console.log(describe(outcome))
    if (json !== undefined) await writeJson(json, outcome)
    process.exitCode = outcome.findings.total === 0 ? 0 : 1
  } finally {
    await pools.close()
    await Promise.all([server.close(), other.close()])
  }
}

try {
  await main()
} catch (error) {
  console.error(error instanceof UsageError ? `soak: ${error.message}` : error)
  process.exitCode = error instanceof UsageError ? 2 : 1
}
