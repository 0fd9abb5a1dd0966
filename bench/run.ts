// npm run bench -- [--quick] [--rounds N]
import { readFile } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import postgres from 'postgres'
import { startEmbeddedPostgres } from '../examples/embedded/postgres.js'
import { build } from './build.js'
import { cases } from './cases.js'
import { startChild, type Child } from './child.js'
import { contenders, idlePools, ROWS } from './contenders.js'
import { caseReport, settings, verdict } from './report.js'
import { runRounds } from './rounds.js'

const LEAST_ROUNDS = 5
const MEGABYTE = 1_000_000
const MOST_HEAP = 10 * MEGABYTE

const { values: { quick, rounds: wish } } = parseArgs({ options: { quick: { type: 'boolean', default: false }, rounds: { type: 'string' } } })
const rounds = Math.max(LEAST_ROUNDS, Math.floor(Number(wish ?? (quick ? 5 : 9))) || 0)
/** Of load in each turn. A round has eight such turns, and the whole run has its limits. */
const seconds = Math.min(quick ? 0.4 : 1.2, (quick ? 20 : 100) / (8 * rounds))

const children = new Map<string, Child>()
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => { for (const child of children.values()) child.kill() })

function progress (text: string): void {
  process.stderr.write(process.stderr.isTTY ? `\r\x1b[K${text}` : `${text}\n`)
}

progress('compiling, and starting PostgreSQL')
const [compiled, server] = await Promise.all([build(), startEmbeddedPostgres({ settings: { max_connections: 200 } })])
const admin = postgres(server.url, { max: 1 })

/** Starts a contender and sees to it that all its connections are open. Returns by how much its heap grew. */
async function open (name: string, connections: number): Promise<number> {
  const child = startChild(compiled.folder, name, server.url)
  children.set(name, child)
  const grown = await child.ask({ name: 'open' })
  const [row] = await admin`SELECT count(*)::int AS open FROM pg_stat_activity WHERE application_name = ${`bench ${name}`}`
  if (row?.['open'] !== connections) throw new Error(`${name} has ${row?.['open']} connections open, not ${connections}`)
  return grown
}

try {
  await admin`CREATE TABLE bench_rows (id int PRIMARY KEY, name text NOT NULL)`
  await admin`INSERT INTO bench_rows SELECT n, 'name of row ' || n FROM generate_series(1, ${ROWS}::int) n`
  await admin`VACUUM ANALYZE bench_rows`
  const [version] = await admin`SHOW server_version`
  const { dependencies } = JSON.parse(await readFile(new URL('../package.json', import.meta.url), 'utf8'))
  console.log(settings(`PostgreSQL ${version?.['server_version']}`, dependencies.postgres, rounds, seconds))

  const heaps: string[] = []
  for (const [name, { connections }] of Object.entries(idlePools)) {
    progress(`heap of an idle pool: ${name}`)
    const grown = await open(name, connections)
    await children.get(name)?.ask({ name: 'close' })
    heaps.push(`  ${name.padEnd(22)}${(grown / MEGABYTE).toFixed(1).padStart(8)} MB`)
    if (name.startsWith('ours')) heaps.push(verdict(grown < MOST_HEAP, 'less than 10 MB'))
  }

  for (const [name, { connections }] of Object.entries(contenders)) {
    progress(`opening and warming up: ${name}`)
    await open(name, connections)
    for (const callers of [50, 10, 1]) await children.get(name)?.ask({ name: 'load', callers, seconds: quick ? 0.3 : 1 })
  }
  const results = await runRounds(cases(seconds), children, rounds, progress)
  progress('')
  for (const [item, figures] of results) console.log(`\n${caseReport(item, figures)}`)
  console.log(`\nheap of an idle pool of 50 connections\n${heaps.join('\n')}`)
  console.log(`\n${performance.now() / 1000 | 0} s in all`)
} finally {
  for (const child of children.values()) child.kill()
  await admin.end({ timeout: 1 })
  await Promise.all([server.close(), compiled.remove()])
}
