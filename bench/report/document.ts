import { readFile, writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import type { Result } from '../case.js'
import { writeCharts } from './charts.js'
import { sideHeadings, sideRows, VERDICT_HEADINGS, verdictRow, verdicts } from './console.js'
import { writeJson } from './json.js'

const PAGE = fileURLToPath(new URL('../../docs/benchmarks.md', import.meta.url))
const FOLDER = fileURLToPath(new URL('../../docs/benchmarks/', import.meta.url))
const BEGIN = '<!-- written by npm run bench: begin -->'
const END = '<!-- written by npm run bench: end -->'

/** Writes the figures, the charts and docs/benchmarks/figures.json; what stands around the marks stays as it is. */
export async function writeDocument (settings: readonly string[], leftOut: readonly string[], results: readonly Result[]): Promise<void> {
  const page = await readFile(PAGE, 'utf8')
  const [begin, end] = [page.indexOf(BEGIN), page.indexOf(END)]
  if (begin < 0 || end < begin) throw new Error(`${PAGE} has no marks to write between`)

  const charts = await writeCharts(FOLDER, results)
  await writeJson(`${FOLDER}figures.json`, settings, leftOut, results)
  const sections = [
    '## Settings',
    [...settings, ...leftOut].map((line) => `- ${line}`).join('\n'),
    '## Targets',
    table([VERDICT_HEADINGS, ...verdicts(results).map(verdictRow)]),
    '## Charts',
    ...[...charts].map(([file, title]) => `![${title}](benchmarks/${file})`),
    '## Figures',
    ...results.flatMap((result) => [`### ${capitalised(result.item.title)}`, `${capitalised(result.item.note)}.`, table([sideHeadings(result), ...sideRows(result)])]),
  ]
  await writeFile(PAGE, `${page.slice(0, begin + BEGIN.length)}\n\n${sections.join('\n\n')}\n\n${page.slice(end)}`)
}

function table ([headings = [], ...rows]: readonly string[][]): string {
  return [headings, headings.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n')
}

// The names of the helpers keep their case.
function capitalised (text: string): string {
  return text.startsWith('execute') ? text : text.charAt(0).toUpperCase() + text.slice(1)
}
