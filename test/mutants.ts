import { spawnSync } from 'node:child_process'
import { readFile } from 'node:fs/promises'

/**
 * `npm run mutants`: StrykerJS over the rooms that need no server (stryker.config.json), then the score of each folder and
 * the list of survivors. Arguments go to Stryker: `npm run mutants -- --mutate src/sql/tokenizer.ts`. Fails below `LEAST`.
 *
 * Stryker is pinned to 9.6.1: from 10 on it takes Node 22.
 */
const LEAST = 85
const REPORT = 'reports/mutation/mutation.json'

interface Mutant { status: string, mutatorName: string, replacement?: string, location: { start: { line: number, column: number } } }
interface Report { files: Record<string, { mutants: Mutant[] }> }

const { status } = spawnSync('npx', ['stryker', 'run', ...process.argv.slice(2)], { stdio: 'inherit' })
if (status !== 0) process.exit(status ?? 1)

const { files }: Report = JSON.parse(await readFile(REPORT, 'utf8'))
const isNoticed = ({ status }: Mutant): boolean => status === 'Killed' || status === 'Timeout'
const counts = (mutant: Mutant): boolean => !['Ignored', 'CompileError', 'RuntimeError'].includes(mutant.status)

const folders = new Map<string, Mutant[]>()
for (const [file, { mutants }] of Object.entries(files)) {
  const folder = file.split('/').slice(0, -1).join('/')
  folders.set(folder, [...folders.get(folder) ?? [], ...mutants.filter(counts)])
  for (const { status, mutatorName, replacement, location: { start } } of mutants.filter((mutant) => counts(mutant) && !isNoticed(mutant))) {
    console.log(`${status} ${file}:${start.line}:${start.column} ${mutatorName} → ${(replacement ?? '').replaceAll(/\s+/g, ' ').slice(0, 100)}`)
  }
}
for (const [folder, mutants] of [...folders].sort()) {
  const noticed = mutants.filter(isNoticed).length
  const score = noticed / mutants.length * 100
  console.log(`${folder}: ${noticed} of ${mutants.length} noticed, ${score.toFixed(1)} %`)
  if (score < LEAST) process.exitCode = 1
}
