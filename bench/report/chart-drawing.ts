import { init, type CustomSeriesOption, type EChartsOption, type GraphicComponentOption, type SeriesOption } from 'echarts'
import { inWords, layOut, lengths, TICK_SIZE, WIDTH, type PlacedPanel, type Words } from './chart-layout.js'
import type { Chart, Panel } from './chart-panel.js'
import { finishSvg, paint } from './svg.js'

const FONT = "-apple-system, 'Segoe UI', Helvetica, Arial, sans-serif"
const BAR = 14

/** A chart as an SVG document. */
export function drawChart (chart: Chart, panels: readonly Panel[]): string {
  const layout = layOut(chart, panels)
  const isLogarithmic = chart.isLogarithmic === true
  const drawn = render(layout.height, {
    animation: false,
    backgroundColor: paint('background'),
    textStyle: { fontFamily: FONT },
    graphic: layout.words.map(text),
    grid: layout.panels.map(({ box }) => ({ ...box })),
    xAxis: layout.panels.map(({ range }, gridIndex) => ({
      gridIndex,
      ...range,
      startValue: range.min,
      type: isLogarithmic ? 'log' : 'value',
      axisLabel: { show: isLogarithmic, fontSize: TICK_SIZE, color: paint('muted') },
      splitLine: { show: isLogarithmic, lineStyle: { color: paint('line') } },
      axisLine: { show: false },
      axisTick: { show: false },
    })),
    yAxis: layout.panels.map(({ bars }, gridIndex) => ({
      gridIndex,
      type: 'category',
      inverse: true,
      data: bars.map(({ label }) => label),
      axisLabel: { show: false },
      axisLine: { lineStyle: { color: paint('line') } },
      axisTick: { show: false },
    })),
    series: layout.panels.flatMap(panelSeries),
  })
  return finishSvg(drawn, { title: `${chart.title}. ${lengths(chart)}.`, description: inWords(chart, panels) })
}

function render (height: number, option: EChartsOption): string {
  // Without a document: the library draws into a string.
  const chart = init(null, null, { renderer: 'svg', ssr: true, width: WIDTH, height })
  try {
    chart.setOption(option)
    return chart.renderToSVGString()
  } finally {
    chart.dispose() // its timers would keep the process alive
  }
}

function text ({ text, x, y, align, size, isBold, colour }: Words): GraphicComponentOption {
  const font = { fontSize: size, fontFamily: FONT, fontWeight: isBold ? 'bold' : 'normal' } as const
  return { type: 'text', silent: true, style: { text, x, y, align, verticalAlign: 'middle', fill: paint(colour), ...font } }
}

function panelSeries ({ bars, bound }: PlacedPanel, index: number): SeriesOption[] {
  const axes = { xAxisIndex: index, yAxisIndex: index, silent: true }
  return [
    {
      ...axes,
      type: 'bar',
      barWidth: BAR,
      data: bars.map(({ median, isOurs }) => ({ value: median, itemStyle: { color: paint(isOurs ? 'ours' : 'peer') } })),
      markLine: {
        silent: true,
        symbol: 'none',
        label: { show: false },
        lineStyle: { color: paint('bound'), type: [5, 4], width: 2 },
        data: bound === undefined ? [] : [{ xAxis: bound.median }],
      },
    },
    { ...axes, ...whiskers(bars) },
  ]
}

/** A line from the least to the greatest figure along the middle of each bar. */
function whiskers (bars: PlacedPanel['bars']): CustomSeriesOption {
  return {
    type: 'custom',
    z: 5,
    data: bars.map(({ min, max }, row) => [min, max, row]),
    encode: { x: [0, 1], y: 2 },
    renderItem (_params, api) {
      const row = api.value(2)
      const [left = 0, y = 0] = api.coord([api.value(0), row])
      const [right = 0] = api.coord([api.value(1), row])
      const line = (x1: number, y1: number, x2: number, y2: number) => {
        return { type: 'line' as const, shape: { x1, y1, x2, y2 }, style: { fill: 'none', stroke: paint('whisker'), lineWidth: 1.5 } }
      }
      return { type: 'group', children: [line(left, y, right, y), line(left, y - 4, left, y + 4), line(right, y - 4, right, y + 4)] }
    },
  }
}
