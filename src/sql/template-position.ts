import { tokenize } from './tokenizer.js'

/**
 * Where in a statement something stands. `insert`: behind the table of an INSERT; `set`: behind UPDATE … SET; `select`: in the list of a
 * SELECT or RETURNING; `inBrackets`, `valuesBrackets`: right behind `IN (` and `VALUES (`; `names`: anywhere else.
 */
export type TemplatePosition = 'insert' | 'set' | 'values' | 'in' | 'notIn' | 'select' | 'inBrackets' | 'valuesBrackets' | 'names'

const ENDS_LISTS = ['from', 'where', 'join', 'on', 'using', 'by', 'having', 'limit', 'offset', 'delete']

/** Words behind which a list of a certain kind begins. Not AS: what stands behind it is still in the list. */
const BEGINS: ReadonlyMap<string, TemplatePosition | 'update'> = new Map([
  ['insert', 'insert'],
  ['update', 'update'],
  ['values', 'values'],
  ...['select', 'returning'].map((word) => [word, 'select'] as const),
  ...ENDS_LISTS.map((word) => [word, 'names'] as const),
])

/** Where the end of a text is. Each bracket has a position of its own, and what is in a string or a comment says nothing. */
export function positionAt (text: string): TemplatePosition {
  const brackets: Array<TemplatePosition | 'update'> = []
  let position: TemplatePosition | 'update' = 'names'
  /** The last three tokens. */
  let [third, second, last] = ['', '', '']
  for (const { kind, start, end } of tokenize(text)) {
    if (kind === 'space' || kind === 'comment') continue
    // IS DISTINCT FROM and DISTINCT ON are in the list.
    const saysNothing = last === '.' || last === 'distinct'
    const token = kind === 'word' || kind === 'symbol' ? text.slice(start, end).toLowerCase() : kind
    ;[third, second, last] = [second, last, token]
    if (last === '(') {
      brackets.push(position)
      position = 'names'
    } else if (last === ')') position = brackets.pop() ?? 'names'
    else if (last === ';') position = 'names'
    else if (kind === 'word' && !saysNothing) {
      if (last === 'set' && position === 'update') position = 'set'
      else position = BEGINS.get(last) ?? position
    }
  }
  if (last === 'in') return second === 'not' ? 'notIn' : 'in'
  if (last === '(' && second === 'in' && third !== '.') return 'inBrackets'
  if (last === '(' && second === 'values' && third !== '.') return 'valuesBrackets'
  return position === 'update' || last === 'into' ? 'names' : position
}
