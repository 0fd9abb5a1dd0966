import { MEASURES } from '../work.js'
import { isBetter, type Bar, type Chart, type Panel } from './chart-panel.js'
import { number } from './console.js'
import type { Colour } from './svg.js'

/** Pixels. Narrow and with large letters, so that it can be read at 400 pixels, on a telephone. */
export const WIDTH = 680
const MARGIN = 20
const GAP = 14
const LINE = 24
const START = { x: MARGIN, align: 'left' } as const

const STYLES = {
  title: { size: 20, isBold: true, colour: 'text' },
  unit: { size: 15, isBold: false, colour: 'text' },
  how: { size: 14, isBold: false, colour: 'muted' },
  name: { size: 15, isBold: true, colour: 'text' },
  ours: { size: 15, isBold: true, colour: 'oursText' },
  peer: { size: 15, isBold: false, colour: 'text' },
  bound: { size: 14, isBold: false, colour: 'bound' },
} as const satisfies Record<string, { size: number, isBold: boolean, colour: Colour }>
export const TICK_SIZE = STYLES.how.size

/** A text, by the middle of its height and the end that `align` names. */
export interface Words { text: string, x: number, y: number, align: 'left' | 'right', size: number, isBold: boolean, colour: Colour }
export interface Box { left: number, top: number, width: number, height: number }
export interface Range { min: number, max: number }
export interface PlacedPanel extends Panel { box: Box, range: Range }
export interface Layout { height: number, words: readonly Words[], panels: readonly PlacedPanel[] }

/** What the labels of the sides are called beside the bars, where that is not the same. */
const SHOWN: Readonly<Record<string, string>> = { ours: 'fastify-postgres-js', 'pg, named': 'pg' }
/** A letter of the widest of the usual fonts, of the size 1. */
const LETTER = 0.62

export function widthOf ({ text, size }: { text: string, size: number }): number { return Math.ceil([...text].length * size * LETTER) }

/** The panels one below the other; the labels of all have one column on the left, and the values one on the right. */
export function layOut (chart: Chart, panels: readonly Panel[]): Layout {
  const value = ({ median }: Bar): string => number(median, MEASURES[chart.measure].digits)
  const bars = panels.flatMap((panel) => panel.bars)
  const column = (texts: readonly string[]): number => GAP + Math.max(...texts.map((text) => widthOf({ text, size: STYLES.ours.size })))
  const left = MARGIN + column(bars.map(shown))
  const width = WIDTH - MARGIN - column(bars.map(value)) - left

  const words: Words[] = []
  const write = (style: keyof typeof STYLES, text: string, y: number, end: Pick<Words, 'x' | 'align'> = START): void => {
    words.push({ text, y, ...end, ...STYLES[style] })
  }
  write('title', chart.title, 30)
  write('unit', lengths(chart), 58)
  howToRead(chart, panels).forEach((text, line) => write('how', text, 82 + 20 * line))
  let y = 82 + 20 * howToRead(chart, panels).length + 2

  const placed = panels.map((panel): PlacedPanel => {
    const { name, bars, bound } = panel
    const range = rangeOf(chart, panel)
    if (name !== undefined) {
      write('name', name, y + LINE / 2)
      y += LINE
    }
    if (bound !== undefined) {
      // What a bar is past was no limit.
      const isPassed = bars.some(({ median }) => isBetter(chart.measure, median, bound.median))
      const text = `${isPassed ? '' : 'limit: '}${bound.label}, ${value(bound)}`
      const end = left + width * share(chart, range, bound.median)
      const room = widthOf({ text, size: STYLES.bound.size })
      // On the side of the line where there is more room.
      write('bound', text, y + LINE / 2, end < WIDTH / 2
        ? { x: Math.min(end, WIDTH - MARGIN - room), align: 'left' }
        : { x: Math.max(end, MARGIN + room), align: 'right' })
      y += LINE
    }
    const box = { left, top: y, width, height: LINE * bars.length }
    for (const bar of bars) {
      const style = bar.isOurs ? 'ours' : 'peer'
      write(style, shown(bar), y + LINE / 2, { x: left - GAP / 2, align: 'right' })
      write(style, value(bar), y + LINE / 2, { x: WIDTH - MARGIN, align: 'right' })
      y += LINE
    }
    y += GAP + (chart.isLogarithmic === true ? LINE : 0)
    return { ...panel, box, range }
  })
  return { height: y, words, panels: placed }
}

/** What the length of a bar is, and which is the good one. */
export function lengths ({ unit, measure }: Chart): string {
  return `${unit}: ${MEASURES[measure].better === 'higher' ? 'longer' : 'shorter'} is better`
}

/** A chart in a sentence for each panel, for those who do not see the bars. */
export function inWords (chart: Chart, panels: readonly Panel[]): string {
  const figure = (bar: Bar): string => `${shown(bar)} ${number(bar.median, MEASURES[chart.measure].digits)}`
  return panels.map(({ name, bars, bound }) => {
    const figures = [...bars, ...(bound === undefined ? [] : [bound])].map(figure).join('; ')
    return name === undefined ? `${figures}.` : `${name}: ${figures}.`
  }).join(' ')
}

function shown ({ label }: Bar): string { return SHOWN[label] ?? label }

function howToRead (chart: Chart, panels: readonly Panel[]): string[] {
  const rounds = Math.max(...panels.map(({ rounds }) => rounds))
  return [
    `Median of ${rounds} ${rounds === 1 ? 'round' : 'rounds'}; the whiskers go from the least to the greatest.`,
    ...(chart.isLogarithmic === true ? ['The scale is logarithmic.'] : panels.length > 1 ? ['Each group has a scale of its own.'] : []),
  ]
}

/** From nothing, or, where the scale is logarithmic, from one power of ten to another. */
function rangeOf (chart: Chart, { bars, bound }: Panel): Range {
  const figures = [...bars.flatMap(({ min, max }) => [min, max]), ...(bound === undefined ? [] : [bound.median])]
  const [least, most] = [Math.min(...figures), Math.max(...figures)]
  if (chart.isLogarithmic !== true) return { min: 0, max: most }
  const power = Math.floor(Math.log10(least))
  return { min: 10 ** power, max: 10 ** Math.max(Math.ceil(Math.log10(most)), power + 1) }
}

function share (chart: Chart, { min, max }: Range, value: number): number {
  return chart.isLogarithmic === true ? Math.log(value / min) / Math.log(max / min) : value / max
}
