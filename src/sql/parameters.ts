import { tokenize } from './tokenizer.js'

/** The highest number of a parameter in a text: 2 of `SELECT $1, $2`, and 0 without parameters. */
export function highestParameter (text: string): number {
  if (!text.includes('$')) return 0
  let highest = 0
  for (const { kind, start, end } of tokenize(text)) {
    if (kind === 'parameter') highest = Math.max(highest, Number(text.slice(start + 1, end)))
  }
  return highest
}
