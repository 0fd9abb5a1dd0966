import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { init, type CustomSeriesOption, type EChartsOption, type SeriesOption } from 'echarts'
import type { Result } from '../case.js'
import { MEASURES, type Measure } from '../work.js'
import { figures, spread, type Spread } from './statistics.js'

/** Cases side by side; what the pattern captures of a title is the name of the group of bars. */
interface Chart { file: string, title: string, measure: Measure, cases: RegExp, logarithmic?: boolean }

const CHARTS: readonly Chart[] = [
  { file: 'one-row', title: 'One row by key', measure: 'rate', cases: /^one row by key, (\d+ callers?)$/ },
  { file: 'processor-time', title: 'One row by key: processor time of the client per query', measure: 'cpu', cases: /^one row by key, (\d+ callers?)$/ },
  { file: 'slow-neighbours', title: '40 quick callers beside 3 slow ones', measure: 'worst', cases: /^(40 quick callers) beside/, logarithmic: true },
  { file: 'batches', title: 'Batches of 10,000', measure: 'time', cases: /^(executeMany.*)$/, logarithmic: true },
  { file: 'http', title: 'HTTP GET /users/:id', measure: 'rate', cases: /^HTTP GET \/users\/:id, (.*)$/ },
  { file: 'transactions', title: 'Transaction of two statements', measure: 'rate', cases: /^transaction of two statements, (.*)$/ },
  { file: 'rows', title: 'Reads of 1,000 rows of 10 columns', measure: 'rate', cases: /^(1,000 rows of 10 columns)$/ },
]

const SIZE = { width: 960, height: 420 }
const GAPS = { barGap: '10%', barCategoryGap: '18%' }
/** Ours stands out; the others have the colour of their driver, in every chart the same. */
const COLOURS: Readonly<Record<string, string>> = {
  ours: '#d6336c',
  'ours, pipeline false': '#faa2c1',
  'postgres.js': '#1c7ed6',
  'Fastify + postgres.js': '#1c7ed6',
  'postgres.js, unsafe': '#74c0fc',
  'bare client': '#1864ab',
  'pg, named': '#2f9e44',
  '@fastify/postgres, named': '#2f9e44',
  'pg, unnamed': '#8ce99a',
  '@fastify/postgres': '#8ce99a',
  slonik: '#0ca678',
  asyncpg: '#f08c00',
  'FastAPI + asyncpg': '#f08c00',
  'pgbench, 1 client': '#868e96',
  'pgbench, 10 clients': '#868e96',
  'pgbench, 50 clients': '#495057',
  COPY: '#868e96',
}

/** Writes a chart for each group of cases that was measured; returns their titles by file. */
export async function writeCharts (folder: string, results: readonly Result[]): Promise<Map<string, string>> {
  await mkdir(folder, { recursive: true })
  const written = new Map<string, string>()
  for (const chart of CHARTS) {
    const groups = results.flatMap((result) => {
      const name = chart.cases.exec(result.item.title)?.[1]
      return name === undefined ? [] : [{ name, result }]
    })
    if (groups.length === 0) continue
    await writeFile(join(folder, `${chart.file}.svg`), svg(options(chart, groups)))
    written.set(`${chart.file}.svg`, chart.title)
  }
  return written
}

function svg (option: EChartsOption): string {
  // Without a document: the library draws into a string.
  const chart = init(null, null, { renderer: 'svg', ssr: true, ...SIZE })
  try {
    chart.setOption(option)
    return chart.renderToSVGString()
  } finally {
    chart.dispose() // its timers would keep the process alive
  }
}

interface Group { name: string, result: Result }

function options ({ title, measure, logarithmic = false }: Chart, groups: readonly Group[]): EChartsOption {
  const labels = [...new Set(groups.flatMap(({ result }) => result.item.sides.map(({ label }) => label)))]
    .filter((label) => groups.some(({ result }) => figures(result, label, measure).length > 0))
  const series = labels.flatMap((label, index): SeriesOption[] => {
    const spreads = groups.map(({ result }) => {
      const numbers = figures(result, label, measure)
      return numbers.length === 0 ? undefined : spread(numbers)
    })
    const color = COLOURS[label] ?? '#adb5bd'
    return [
      { type: 'bar', name: label, itemStyle: { color }, ...GAPS, data: spreads.map((found) => found?.median ?? null) },
      whiskers(spreads, index, labels.length),
    ]
  })
  const { title: unit, better } = MEASURES[measure]
  return {
    animation: false,
    backgroundColor: '#fff',
    title: { text: title, subtext: `${unit}, ${better} is better; whiskers: least and greatest of the rounds`, left: 'center' },
    legend: { bottom: 0, data: labels, itemGap: 24 },
    grid: { top: 70, bottom: 70, left: 80, right: 20 },
    xAxis: { type: 'category', data: groups.map(({ name }) => name), axisLabel: { interval: 0 } },
    yAxis: { type: logarithmic ? 'log' : 'value' },
    series,
  }
}

/** A line from the least to the greatest figure over the middle of each bar of a series. */
function whiskers (spreads: ReadonlyArray<Spread | undefined>, index: number, count: number): CustomSeriesOption {
  return {
    type: 'custom',
    z: 5,
    silent: true,
    data: spreads.flatMap((found, group) => found === undefined ? [] : [[group, found.min, found.max]]),
    renderItem (_params, api) {
      const group = api.value(0)
      const [x = 0, top = 0] = api.coord([group, api.value(2)])
      const [, bottom = 0] = api.coord([group, api.value(1)])
      const middle = x + (api.barLayout?.({ count, ...GAPS })?.[index]?.offsetCenter ?? 0)
      const line = (x1: number, y1: number, x2: number, y2: number) => ({ type: 'line' as const, shape: { x1, y1, x2, y2 }, style: { stroke: '#212529' } })
      return { type: 'group', children: [line(middle, top, middle, bottom), line(middle - 3, top, middle + 3, top), line(middle - 3, bottom, middle + 3, bottom)] }
    },
  }
}
