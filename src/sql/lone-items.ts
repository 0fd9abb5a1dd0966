import { tokenize } from './tokenizer.js'

/** A parameter that is a whole item of a select list: its place among the arguments, and where its number ends in the text. */
export interface LoneItem { readonly index: number, readonly end: number }

const NONE: readonly LoneItem[] = []

/** Words that end a select list. One that only looks like that, as in IS DISTINCT FROM, ends it too early, and less is found. */
const ENDS = new Set(['from', 'where', 'group', 'having', 'window', 'order', 'limit', 'offset', 'fetch', 'for'])
/** Words behind which the type of an item is for another list, or for a table, to say. */
const ELSEWHERE = new Set(['union', 'intersect', 'except', 'into'])
/** What stands behind an item that is nothing else than the parameter. */
const CLOSES = new Set([',', ';', 'as', 'from'])

/**
 * The parameters that are items of the select list of a plain SELECT by themselves. Nothing in the statement says of which type they
 * are, and the server takes them for text. What is in brackets is another statement's or an expression's.
 */
export function loneItems (text: string): readonly LoneItem[] {
  const items: LoneItem[] = []
  const counts = new Map<number, number>()
  let [tokens, depth, last, isList] = [0, 0, '', true]
  let item: LoneItem | undefined
  for (const { kind, start, end } of tokenize(text)) {
    if (kind === 'space' || kind === 'comment') continue
    const token = kind === 'word' || kind === 'symbol' ? text.slice(start, end).toLowerCase() : kind
    if (tokens === 0 && token !== 'select') return NONE
    const parameter = kind === 'parameter' ? Number(text.slice(start + 1, end)) : undefined
    if (parameter !== undefined) counts.set(parameter, (counts.get(parameter) ?? 0) + 1)
    if (token === ')' || token === ']') depth--
    else if (token === '(' || token === '[') depth++
    else if (depth === 0) {
      if (ELSEWHERE.has(token)) return NONE
      if (item !== undefined && CLOSES.has(token)) items.push(item)
      isList &&= !ENDS.has(token)
      if (!isList && items.length === 0) return NONE
    }
    const begins = last === ',' || tokens === 1 || (tokens === 2 && last === 'all')
    item = parameter !== undefined && begins && isList && depth === 0 ? { index: parameter - 1, end } : undefined
    last = token
    tokens++
  }
  if (item !== undefined) items.push(item)
  // Elsewhere in the statement, where the text of an `unsafe` may have it, something says what it is.
  return items.filter(({ index }) => counts.get(index + 1) === 1)
}
