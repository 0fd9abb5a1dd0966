/** What a chart is painted with, each on a light and on a dark page. The light ones are all different: they tell what is what. */
const PALETTE = {
  background: ['#ffffff', '#0d1117'],
  text: ['#1f2328', '#f0f6fc'],
  muted: ['#59636e', '#9198a1'],
  line: ['#d1d9e0', '#3d444d'],
  whisker: ['#25292e', '#ffffff'],
  peer: ['#aeb6bf', '#656c76'],
  ours: ['#0969da', '#1f6feb'],
  oursText: ['#0550ae', '#58a6ff'],
  bound: ['#bc4c00', '#f0883e'],
} as const

export type Colour = keyof typeof PALETTE

/** As it is on a light page. */
export function paint (colour: Colour): string { return PALETTE[colour][0] }

const DARK_RULES = ['fill', 'stroke'].flatMap((attribute) => {
  return Object.values(PALETTE).map(([light, dark]) => `[${attribute}="${light}"]{${attribute}:${dark}}`)
})

/** What is for a page that answers to a pointer. It is numbered through the process: the same chart would not be the same file. */
const POINTER = / (?:class|pointer-events|ecmeta_\w+)="[^"]*"|<style ><!\[CDATA\[.*?<\/style>\n/gs

/**
 * Gives a drawing a title, a description, and the colours of a dark page. An image has media queries of its own, also where
 * a page may not bring any (GitHub), and its background with it, should the two be of different minds.
 */
export function finishSvg (svg: string, { title, description }: { title: string, description: string }): string {
  const head = [
    `<title>${escaped(title)}</title>`,
    `<desc>${escaped(description)}</desc>`,
    `<style>@media (prefers-color-scheme: dark){${DARK_RULES.join('')}}</style>`,
  ]
  return svg.replaceAll(POINTER, '').replace(/^<svg ([^>]*)>/, (_match, attributes: string) => `<svg role="img" ${attributes}>\n${head.join('\n')}`)
}

function escaped (text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
}
