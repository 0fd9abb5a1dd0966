import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import type { Result, Side } from '../../bench/case.js'
import { writeCharts } from '../../bench/report/charts.js'
import { readJson, writeJson } from '../../bench/report/json.js'
import { paint } from '../../bench/report/svg.js'
import type { Measured } from '../../bench/work.js'

/** A case in which each side measures the same in all three rounds, but for a tenth up and down. */
function result (title: string, sides: Readonly<Record<string, Measured>>): Result {
  const all = Object.entries(sides)
  const side = (label: string): Side => ({ label, contender: label, work: { name: 'load', callers: 1, seconds: 1 } })
  const scaled = (measured: Measured, factor: number): Measured => {
    return Object.fromEntries(Object.entries(measured).map(([name, figure]) => [name, figure * factor]))
  }
  const times = (factor: number): Measured[] => all.map(([, measured]) => scaled(measured, factor))
  return { item: { title, note: '', sides: all.map(([label]) => side(label)), targets: [] }, rounds: [0.9, 1, 1.1].map(times) }
}

interface Text { text: string, left: number, right: number, top: number, bottom: number, size: number, fill: string, isBold: boolean }
interface Bar { left: number, top: number, width: number, fill: string }

/** What stands in a drawing, with the room that it takes in a wide font. */
function textsOf (svg: string): Text[] {
  return [...svg.matchAll(/<text ([^>]*)>([^<]*)<\/text>/g)].map(([, attributes = '', escaped = '']) => {
    const text = escaped.replaceAll('&lt;', '<').replaceAll('&gt;', '>').replaceAll('&amp;', '&')
    const number = (pattern: RegExp): number => Number(pattern.exec(attributes)?.[1] ?? 0)
    const x = number(/ x="([^"]+)"/) + number(/translate\(([^ ]+)/)
    const y = number(/ y="([^"]+)"/) + number(/translate\([^ ]+ ([^)]+)\)/)
    const size = number(/font-size:(\d+)px/)
    const width = text.length * size * 0.6
    const anchor = /text-anchor="(\w+)"/.exec(attributes)?.[1]
    const left = anchor === 'end' ? x - width : anchor === 'middle' ? x - width / 2 : x
    const fill = /fill="([^"]+)"/.exec(attributes)?.[1] ?? ''
    return { text, left, right: left + width, top: y - size / 2, bottom: y + size / 2, size, fill, isBold: attributes.includes('bold') }
  })
}

function barsOf (svg: string): Bar[] {
  return [...svg.matchAll(/<path d="M([\d.]+) ([\d.]+)l([\d.]+) 0[^"]*Z" fill="([^"]+)"/g)].map(([, left, top, width, fill = '']) => {
    return { left: Number(left), top: Number(top), width: Number(width), fill }
  })
}

type Box = Pick<Text, 'left' | 'right' | 'top' | 'bottom'>
function boxOf ({ left, top, width }: Bar): Box { return { left, right: left + width, top, bottom: top + 14 } }
function overlap (a: Box, b: Box): boolean { return a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom }

/** Where the dashed lines are, and how far down they go. */
function linesOf (svg: string): Array<{ x: number, top: number, bottom: number }> {
  const line = new RegExp(`<path d="M([\\d.]+) ([\\d.]+)L[\\d.]+ ([\\d.]+)"[^>]*stroke="${paint('bound')}"[^>]*stroke-dasharray`, 'g')
  return [...svg.matchAll(line)].map(([, x, one, other]) => {
    const [top = NaN, bottom = NaN] = [Number(one), Number(other)].toSorted((a, b) => a - b)
    return { x: Number(x), top, bottom }
  })
}

const rate = (figure: number): Measured => ({ rate: figure, cpu: 1e6 / figure })
const RESULTS = [
  result('one row by key, 1 caller', { 'postgres.js': rate(50), ours: rate(100), 'pg, named': rate(80), slonik: rate(20) }),
  result('one row by key, 200 callers', {
    'ours, pipeline false': rate(999_999),
    asyncpg: rate(1_000),
    'a newcomer <&>': rate(400_000),
    slonik: rate(90_000),
    ours: rate(200_000),
    'Bun.sql': rate(180_000),
    'pgbench, 50 clients': rate(150_000),
    'pgbench with a pipeline of 16': rate(800_000),
  }),
  result('40 quick callers beside 3 slow ones', { ours: { rate: 5, worst: 6 }, 'postgres.js': { rate: 4, worst: 600 } }),
  result('executeMany, 10,000 rows, INSERT', { ours: { time: 20 }, asyncpg: { time: 2_000 }, COPY: { time: 10 } }),
  result('HTTP GET /users/:id, 64 connections', { ours: rate(9), '@fastify/postgres': rate(3), '@fastify/postgres, named': rate(4) }),
  result('HTTP, 20 queries a request, 64 connections', { ours: rate(7), 'Fastify + postgres.js': rate(3), '@fastify/postgres': rate(2) }),
  result('1 ms of latency: transaction of two statements, 10 callers', { ours: rate(7), 'pg, named': rate(3) }),
  result('HTTP GET /api/health, 64 connections', { ours: rate(9), 'constant route': rate(10) }),
]

const folder = t.testdir({})
const titles = await writeCharts(folder, RESULTS)
const svgs = new Map(await Promise.all([...titles.keys()].map(async (file) => [file, await readFile(join(folder, file), 'utf8')] as const)))
const svg = (file: string): string => svgs.get(file) ?? ''

t.test('a chart for each question that was measured; what is not one any more is removed', async (t) => {
  const again = t.testdir({ 'transactions.svg': '', 'figures.json': '' })
  t.strictSame([...await writeCharts(again, RESULTS)], [...titles])
  const files = ['one-row.svg', 'processor-time.svg', 'networks.svg', 'slow-neighbours.svg', 'batches.svg', 'http.svg']
  t.strictSame([...titles.keys()], files)
  t.strictSame(new Set(await readdir(again)), new Set([...files, 'figures.json']))
  for (const file of files) t.equal(await readFile(join(again, file), 'utf8'), svg(file), 'the same results make the same file')
})

t.test('a panel has ours first, then who was chosen, then whoever else is ahead of it', async (t) => {
  const labels = (file: string): string[] => textsOf(svg(file)).flatMap(({ text, right, left }) => left > 20 && right < 300 ? [text] : [])
  t.strictSame(labels('one-row.svg'), [
    'fastify-postgres-js', 'pg', 'postgres.js',
    'fastify-postgres-js', 'Bun.sql', 'asyncpg', 'a newcomer <&>',
  ], 'without itself with other options, and without slonik, which is behind')
  t.strictSame(labels('http.svg'), [
    'fastify-postgres-js', '@fastify/postgres, named', '@fastify/postgres',
    'fastify-postgres-js', '@fastify/postgres', 'Fastify + postgres.js',
  ], 'without the health route')
})

t.test('our bar is the first, in a colour that no other has, and so is its label', async (t) => {
  for (const [file, drawing] of svgs) {
    const bars = barsOf(drawing)
    const ours = bars.filter(({ fill }) => fill === paint('ours'))
    const panels = ['one-row.svg', 'processor-time.svg', 'http.svg'].includes(file) ? 2 : 1
    t.equal(ours.length, panels, `${file}: one in each panel`)
    t.equal(bars[0]?.fill, paint('ours'))
    t.ok(bars.length > panels)
    const labels = textsOf(drawing).filter(({ text }) => text === 'fastify-postgres-js')
    t.strictSame(ours.map(({ top }) => top + 7), labels.map(({ top, bottom }) => (top + bottom) / 2), 'at the height of its label')
    t.strictSame(new Set(bars.map(({ fill }) => fill)), new Set([paint('ours'), paint('peer')]))
    const texts = textsOf(drawing)
    t.equal(texts.filter(({ isBold, fill }) => isBold && fill === paint('oursText')).length, 2 * panels, 'its label and its figure')
    t.ok(texts.every(({ text, fill }) => (text === 'fastify-postgres-js') <= (fill === paint('oursText'))))
  }
})

t.test('bars are as long as the median, or, on a logarithmic scale, as its power of ten', async (t) => {
  const widths = (file: string): number[] => barsOf(svg(file)).map(({ width }) => width)
  const near = (file: string, expected: number[]): void => {
    const found = widths(file)
    const [first = NaN] = found
    expected.forEach((times, index) => t.ok(Math.abs((found[index] ?? NaN) / first / times - 1) < 0.02, `${file}: ${found.join()}`))
  }
  near('one-row.svg', [1, 0.8, 0.5])
  near('processor-time.svg', [1, 1.25, 2])
  near('batches.svg', [1, 100])
  near('slow-neighbours.svg', [1, Math.log10(600) / Math.log10(6)])
  const [first] = barsOf(svg('one-row.svg'))
  const whisker = new RegExp(`<path d="M([\\d.]+) [\\d.]+L([\\d.]+) [^>]*stroke="${paint('whisker')}"`).exec(svg('one-row.svg')) ?? []
  const ends = [...whisker].slice(1).map((x) => (Number(x) - (first?.left ?? NaN)) / (first?.width ?? NaN))
  t.match(ends.map((end) => end.toFixed(2)), ['0.90', '1.10'], 'and the whiskers go from the least to the greatest')
  const ticks = textsOf(svg('slow-neighbours.svg')).filter(({ text }) => /^1[0,]*$/.test(text))
  t.strictSame(ticks.map(({ text }) => text), ['1', '10', '100', '1,000'])
})

t.test('a logarithmic scale has room for the line and for the whiskers, and one power of ten at least', async (t) => {
  const narrow = t.testdir({})
  const { item } = result('40 quick callers beside 3 slow ones', { ours: {}, asyncpg: {}, 'pgbench, 50 clients': {} })
  for (const [figure, ticks] of [[10, ['10', '100']], [0.5, ['0.1', '1', '10']]] as const) {
    const rounds = [[{ worst: 10 }, { worst: 10 }, { worst: figure }]]
    await writeCharts(narrow, [{ item, rounds }])
    const drawing = await readFile(join(narrow, 'slow-neighbours.svg'), 'utf8')
    const scale = textsOf(drawing).filter(({ text, fill }) => /^[01]/.test(text) && fill === paint('muted'))
    t.strictSame(scale.map(({ text }) => text), ticks)
    const [line] = linesOf(drawing)
    const [bar] = barsOf(drawing)
    if (figure < 10) t.ok(line !== undefined && bar !== undefined && line.x > bar.left && line.x < bar.left + bar.width, 'across the bars')
  }
})

t.test('the best of pgbench and COPY is a line across all bars, and "limit" where none is past it', async (t) => {
  const [line, ...others] = linesOf(svg('one-row.svg'))
  t.strictSame(others, [], 'one panel has it')
  const bars = barsOf(svg('one-row.svg')).slice(3)
  const [ours] = bars
  t.ok(line !== undefined && ours !== undefined)
  if (line === undefined || ours === undefined) return
  t.ok(Math.abs((line.x - ours.left) / ours.width - 4) < 0.02, 'at 800,000 where ours ends at 200,000')
  t.ok(bars.every(({ top }) => top > line.top && top < line.bottom), 'from above the first bar to below the last one')
  const said = (file: string): string[] => textsOf(svg(file)).filter(({ fill }) => fill === paint('bound')).map(({ text }) => text)
  t.strictSame(said('one-row.svg'), ['limit: pgbench with a pipeline of 16, 800,000'])
  t.strictSame(said('batches.svg'), ['limit: COPY, 10.0'])
  const passed = t.testdir({})
  await writeCharts(passed, [result('one row by key, 50 callers', { ours: rate(5), 'pgbench, 50 clients': rate(4) })])
  t.match(await readFile(join(passed, 'one-row.svg'), 'utf8'), />pgbench, 50 clients, 4</)
})

t.test('no text lies over another one, over a bar, or outside', async (t) => {
  for (const [file, drawing] of svgs) {
    const [, width, height] = /^<svg [^>]*width="(\d+)" height="(\d+)"/.exec(drawing)?.map(Number) ?? []
    const texts = textsOf(drawing)
    t.ok(texts.length > 6)
    for (const [index, text] of texts.entries()) {
      t.ok(text.left >= 0 && text.right <= (width ?? 0) && text.top >= 0 && text.bottom <= (height ?? 0), `${file}: ${text.text} is inside`)
      t.ok(text.size * 400 / (width ?? Infinity) >= 8, `${file}: ${text.text} can be read at 400 pixels`)
      t.strictSame(texts.slice(index + 1).filter((other) => overlap(text, other)).map((other) => [text.text, other.text]), [], file)
      t.strictSame(barsOf(drawing).filter((bar) => overlap(text, boxOf(bar))).map((bar) => [text.text, bar]), [], file)
    }
  }
})

t.test('a long name of a line stays inside, on whichever side of it', async (t) => {
  const label = 'pgbench with a name that leaves no room for anything else, in C'
  for (const figure of [1, 45, 55, 150]) {
    const narrow = t.testdir({})
    await writeCharts(narrow, [result('one row by key, 50 callers', { ours: rate(100), [label]: rate(figure) })])
    const text = textsOf(await readFile(join(narrow, 'one-row.svg'), 'utf8')).find(({ text }) => text.includes(label))
    t.ok(text !== undefined && text.left >= 0 && text.right <= 680, `${figure}: from ${text?.left} to ${text?.right}`)
  }
})

t.test('a chart says which way is better, and what it shows in words', async (t) => {
  t.match(svg('one-row.svg'), '>Queries per second: longer is better<')
  t.match(svg('batches.svg'), '>Time of a batch, ms: shorter is better<')
  t.match(svg('slow-neighbours.svg'), '>The scale is logarithmic.<')
  t.match(svg('one-row.svg'), /^<svg role="img" .*>\n<title>One row by key\. Queries per second: longer is better\.<\/title>\n<desc>/)
  const description = /<desc>(.*)<\/desc>/.exec(svg('one-row.svg'))?.[1]
  t.equal(description, '1 caller: fastify-postgres-js 100; pg 80; postgres.js 50. 200 callers: fastify-postgres-js 200,000; ' +
    'Bun.sql 180,000; asyncpg 1,000; a newcomer &lt;&amp;&gt; 400,000; pgbench with a pipeline of 16 800,000.')
})

/** As the Web Content Accessibility Guidelines define it. */
function contrast (one: string, other: string): number {
  const luminance = (colour: string): number => [0.2126, 0.7152, 0.0722].reduce((sum, weight, index) => {
    const part = parseInt(colour.slice(1 + 2 * index, 3 + 2 * index), 16) / 255
    return sum + weight * (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4)
  }, 0)
  const [dark = NaN, light = NaN] = [luminance(one), luminance(other)].toSorted((a, b) => a - b)
  return (light + 0.05) / (dark + 0.05)
}

t.test('each colour has another one on a dark page, and all can be read on both', async (t) => {
  for (const [file, drawing] of svgs) {
    const [, query = ''] = /@media \(prefers-color-scheme: dark\)\{(.*)\}<\/style>/.exec(drawing) ?? []
    const rules = new Map([...query.matchAll(/\[([^\]]+)\]\{\w+:(#\w+)\}/g)].map(([, selector = '', colour = '']) => [selector, colour]))
    const used = new Set([...drawing.matchAll(/ ((?:fill|stroke)="#\w+")/g)].map(([, attribute = '']) => attribute))
    t.ok(used.size > 5)
    t.strictSame([...used].filter((attribute) => !rules.has(attribute)), [], file)
    const light = (attribute: string): string => attribute.slice(-8, -1)
    const dark = (attribute: string): string => rules.get(attribute) ?? ''
    for (const side of [light, dark]) {
      const background = side(`fill="${paint('background')}"`)
      for (const { fill, text } of textsOf(drawing)) t.ok(contrast(side(`fill="${fill}"`), background) >= 4.5, `${file}: ${text}`)
      t.ok(contrast(side(`fill="${paint('ours')}"`), background) >= 3)
      t.not(side(`fill="${paint('ours')}"`), side(`fill="${paint('peer')}"`))
    }
  }
})

t.test('the charts of the page are those of the last run, and the page shows each', async (t) => {
  const { results } = await readJson('docs/benchmarks/figures.json')
  const again = t.testdir({})
  const files = [...(await writeCharts(again, results)).keys()]
  const page = await readFile('docs/benchmarks.md', 'utf8')
  for (const file of files) {
    const drawn = await readFile(join(again, file), 'utf8')
    t.equal(await readFile(`docs/benchmarks/${file}`, 'utf8'), drawn, `npm run bench -- --redraw writes ${file}`)
    t.match(page, `](benchmarks/${file})`)
  }
  t.strictSame((await readdir('docs/benchmarks')).sort(), [...files, 'figures.json'].sort())
})

t.test('figures.json gives back what was measured', async (t) => {
  const file = join(t.testdir({}), 'figures.json')
  await writeJson(file, ['2 cores'], ['wrk is left out'], RESULTS)
  const read = await readJson(file)
  t.strictSame([read.settings, read.leftOut], [['2 cores'], ['wrk is left out']])
  t.match(read.results, RESULTS.map(({ item: { title, sides } }) => ({ item: { title, sides } })))
  const rounded = (results: readonly Result[]): string => {
    return JSON.stringify(results.map(({ rounds }) => rounds), (_, value) => typeof value === 'number' ? value.toPrecision(6) : value)
  }
  t.equal(rounded(read.results), rounded(RESULTS))
})
