import { mkdir, readdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Result } from '../case.js'
import { drawChart } from './chart-drawing.js'
import { panelOf, type Chart } from './chart-panel.js'

/** Who is compared with, by the labels of the sides; the tables of the page have the figures of all. */
const PEERS = ['Bun.sql', 'pg, named', 'pg, pipeline', 'postgres.js', 'asyncpg']
const HTTP_PEERS = ['@fastify/postgres, named', '@fastify/postgres', 'Fastify + postgres.js', 'FastAPI + asyncpg']
const CALLERS = /^one row by key, (\d+ callers?)$/

/** One chart for each question. */
const CHARTS: readonly Chart[] = [{
  file: 'one-row',
  title: 'One row by key',
  unit: 'Queries per second',
  measure: 'rate',
  cases: CALLERS,
  peers: PEERS,
}, {
  file: 'processor-time',
  title: 'What one row by key costs the client',
  unit: 'Processor time per query, µs',
  measure: 'cpu',
  cases: CALLERS,
  peers: PEERS,
}, {
  file: 'networks',
  title: 'Over TLS, and over a slow network',
  unit: 'Queries or transactions per second',
  measure: 'rate',
  cases: /^((?:over TLS|1 ms of latency): .*)$/,
  peers: PEERS,
}, {
  file: 'slow-neighbours',
  title: '40 quick callers beside 3 slow ones',
  unit: 'Worst latency of the quick ones, ms',
  measure: 'worst',
  cases: /^40 quick callers beside 3 slow ones$/,
  peers: PEERS,
  isLogarithmic: true,
}, {
  file: 'writes',
  title: 'Transactions and single INSERTs',
  unit: 'Transactions or INSERTs per second',
  measure: 'rate',
  cases: /^((?:transaction of two|single INSERT).*)$/,
  peers: PEERS,
}, {
  file: 'batches',
  title: 'Batches of 10,000',
  unit: 'Time of a batch, ms',
  measure: 'time',
  cases: /^(executeMany.*)$/,
  peers: PEERS,
}, {
  file: 'rows',
  title: 'Wide rows',
  unit: 'Reads of 1,000 rows of 10 columns per second',
  measure: 'rate',
  cases: /^1,000 rows of 10 columns$/,
  peers: PEERS,
}, {
  file: 'http',
  title: 'HTTP routes',
  unit: 'Requests per second',
  measure: 'rate',
  cases: /^HTTP,? (?!GET \/api\/health)(.*)$/,
  peers: HTTP_PEERS,
}]

/** Writes a chart for each question that was measured, and removes what no longer is one; returns what each says in words, by file. */
export async function writeCharts (folder: string, results: readonly Result[]): Promise<Map<string, string>> {
  await mkdir(folder, { recursive: true })
  const written = new Map<string, string>()
  for (const chart of CHARTS) {
    const panels = results.flatMap((result) => panelOf(chart, result) ?? [])
    if (panels.length === 0) continue
    await writeFile(join(folder, `${chart.file}.svg`), `${drawChart(chart, panels)}\n`)
    written.set(`${chart.file}.svg`, `${chart.title}: ${chart.unit.toLowerCase()}`)
  }
  const old = (await readdir(folder)).filter((file) => file.endsWith('.svg') && !written.has(file))
  for (const file of old) await rm(join(folder, file))
  return written
}
