import { readFile, writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import type { Result } from '../case.js'
import { writeCharts } from './charts.js'
import { sideHeadings, sideRows, VERDICT_HEADINGS, verdictRow, verdicts } from './console.js'
import { readJson, writeJson } from './json.js'
import { reachedTargets, resultRows } from './result.js'

const PAGE = fileURLToPath(new URL('../../docs/benchmarks.md', import.meta.url))
const FOLDER = fileURLToPath(new URL('../../docs/benchmarks/', import.meta.url))
const JSON_FILE = `${FOLDER}figures.json`
const marks = (part: string): readonly [begin: string, end: string] => [`<!-- written by npm run bench: ${part}begin -->`, `<!-- written by npm run bench: ${part}end -->`]
const CHARTS = 'The bars are a choice of the contenders, and any other that is ahead of this library; the tables below have all of them. The dashed line is what ' +
  '`pgbench` or COPY does, which only send and receive; "limit" if nothing is ahead of it.'
const RESULT = marks('result ')
const FIGURES = marks('')

/** Writes the figures, the charts and docs/benchmarks/figures.json; what stands around the marks stays as it is. */
export async function writeDocument (settings: readonly string[], leftOut: readonly string[], results: readonly Result[]): Promise<void> {
  await writeJson(JSON_FILE, settings, leftOut, results)
  await redrawDocument()
}

/** Writes the page and its charts from figures.json, as the last run has left it. */
export async function redrawDocument (): Promise<void> {
  const { settings, leftOut, results } = await readJson(JSON_FILE)
  const page = await readFile(PAGE, 'utf8')
  const charts = await writeCharts(FOLDER, results)
  const sections = [
    '## Settings',
    [...settings, ...leftOut].map((line) => `- ${line}`).join('\n'),
    '## Targets',
    table([VERDICT_HEADINGS, ...verdicts(results).map(verdictRow)]),
    '## Charts',
    CHARTS,
    ...[...charts].map(([file, title]) => `![${title}](benchmarks/${file})`),
    '## Figures',
    ...results.flatMap((result) => [`### ${capitalised(result.item.title)}`, `${capitalised(result.item.note)}.`, table([sideHeadings(result), ...sideRows(result)])]),
  ]
  const result = [table(resultRows(results)), reachedTargets(results)]
  await writeFile(PAGE, between(FIGURES, sections, between(RESULT, result, page)))
}

function between ([begin, end]: readonly [begin: string, end: string], parts: readonly string[], page: string): string {
  const [from, to] = [page.indexOf(begin), page.indexOf(end)]
  if (from < 0 || to < from) throw new Error(`${PAGE} has no marks to write between: ${begin}`)
  return `${page.slice(0, from + begin.length)}\n\n${parts.join('\n\n')}\n\n${page.slice(to)}`
}

function table ([headings = [], ...rows]: readonly string[][]): string {
  return [headings, headings.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n')
}

// The names of the helpers keep their case.
function capitalised (text: string): string {
  return text.startsWith('execute') ? text : text.charAt(0).toUpperCase() + text.slice(1)
}
