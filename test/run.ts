import { spawn } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { startEmbeddedPostgres } from '../tools/embedded-postgres/embedded-postgres.js'
import { TapOutput } from './support/tap-output.js'

/**
 * `npm test`: one PostgreSQL for all test files, each with a database of its own on it; then tap. A run of everything
 * also holds the coverage against what the project promises. Arguments go to tap: `npm test -- test/pool/load.test.ts`. With a
 * `--reporter` of one's own, that says what there is to say.
 */
const LEAST_COVERAGE = 95

const everything = process.argv.length === 2
const hasReporter = process.argv.some((argument) => /^(--reporter|-R)/.test(argument))
const output = await mkdtemp(join(tmpdir(), 'fastify-postgres-js-tap-'))
const server = await startEmbeddedPostgres({ settings: { max_connections: 500 } })
const tap = spawn(process.execPath, [
  'node_modules/tap/dist/esm/run.mjs',
  ...(hasReporter ? [] : ['--reporter=tap']),
  ...(everything ? ['--coverage-report=text', '--coverage-report=json-summary'] : process.argv.slice(2)),
], { stdio: ['inherit', hasReporter ? 'inherit' : 'pipe', 'inherit'], env: { ...process.env, TEST_DATABASE_URL: server.url, SECRETS_REPORT: join(output, 'secrets') } })
/** All that tap has written, unless another reporter shows it. */
const lines: string[] = []
if (tap.stdout !== null) {
  const shown = new TapOutput()
  createInterface({ input: tap.stdout }).on('line', (line) => {
    lines.push(line)
    const text = shown.shown(line)
    if (text !== undefined) console.log(text)
  })
}
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => tap.kill(signal))

let failed = await new Promise<number | null>((resolve) => tap.once('close', resolve)) !== 0
await server.close()
if (everything) failed = !await coverageHolds() || failed
console.log(await secretsReport())
if (!hasReporter) console.log(report())
await rm(output, { recursive: true })
process.exitCode = failed ? 1 : 0

async function coverageHolds (): Promise<boolean> {
  const { total } = JSON.parse(await readFile('.tap/report/coverage-summary.json', 'utf8'))
  const { lines: { pct: lines }, branches: { pct: branches } } = total
  console.log(`\ncoverage of src, plugins, routes and testing: ${lines} % of lines, ${branches} % of branches (at least ${LEAST_COVERAGE} % each)`)
  return lines >= LEAST_COVERAGE && branches >= LEAST_COVERAGE
}

/** How much was searched for secrets (support/disclosure.ts); a file that shows one has failed. */
async function secretsReport (): Promise<string> {
  const text = await readFile(join(output, 'secrets'), 'utf8').catch(() => '')
  const counts = text.split('\n').filter(Boolean).map((line): Record<string, number> => JSON.parse(line))
  const sum = (name: string): number => counts.reduce((total, each) => total + (each[name] ?? 0), 0)
  return `searched for secrets: ${sum('lines')} log lines, ${sum('errors')} errors, ${sum('bodies')} health reports of ${counts.length} processes`
}

/** What failed, as tap wrote it down (its reporters say little without a terminal), and `N passed, N failed` of assertions. */
function report (): string {
  // A line with a time is the sum of a subtest.
  const isOne = (line: string, start: string): boolean => line.trimStart().startsWith(start) && !line.includes('# time=')
  const failures = lines.flatMap((line, index) => isOne(line, 'not ok ') ? [lines.slice(index, index + 40).join('\n')] : [])
  // A file may fail by its exit code alone.
  if (failures.length === 0) failures.push(...lines.filter((line) => line.startsWith('not ok ')))
  return `${failures.slice(0, 20).join('\n\n')}\n${lines.filter((line) => isOne(line, 'ok ')).length} passed, ${failures.length} failed`
}
