import { type Decode } from './decode.js'
import { type Encode, Refusal, refusal } from './encode.js'

/** A range with bounds of a type of its own. A bound is null where there is none. An empty range is the string `'empty'`. */
export interface Range<T = unknown> {
  readonly lower: T | null
  readonly upper: T | null
  /** Which bounds belong to it: `[` and `]` do. */
  readonly bounds: '[)' | '[]' | '(]' | '()'
}

const BOUNDS: ReadonlySet<unknown> = new Set(['[)', '[]', '(]', '()'])

/** A bound: quoted with doubled quotes and backslashes, bare, or nothing at all. */
const BOUND = '("(?:[^"\\\\]|""|\\\\.)*"|[^",()[\\]]*)'
const RANGE = new RegExp(`([[(])${BOUND},${BOUND}([\\])])`, 'gs')

/** Reads ranges over a type; text that is none stays as it is, `empty` too. */
export function rangeDecoder (bound: Decode | undefined): Decode {
  const value = (text: string): unknown => {
    if (text === '') return null
    const bare = text.startsWith('"') ? unquoted(text) : text
    return bound === undefined ? bare : bound(bare)
  }
  return (text) => {
    const [[, open = '', lower = '', upper = '', close = ''] = []] = text.matchAll(RANGE)
    return open === '' ? text : { lower: value(lower), upper: value(upper), bounds: `${open}${close}` }
  }
}

/** Reads multiranges: lists of ranges. */
export function multirangeDecoder (range: Decode | undefined): Decode {
  return (text) => Array.from(text.matchAll(RANGE), ([one]) => range === undefined ? one : range(one))
}

function unquoted (text: string): string {
  return text.slice(1, -1).replace(/""|\\(.)/gs, (_, escaped: string | undefined) => escaped ?? '"')
}

/** Writes ranges over a type. A string goes to the server as it is. */
export function rangeEncoder (bound: Encode): Encode {
  const write = (value: unknown): string => {
    if (value === undefined) throw new Refusal('a bound of the range is undefined (use null for none)')
    return value === null ? '' : `"${bound(value).replace(/[\\"]/g, '\\$&')}"`
  }
  return (value) => {
    if (typeof value === 'string') return value
    if (!isRange(value)) throw refusal(value, 'a range: { lower, upper, bounds: \'[)\' }, or \'empty\'')
    return `${value.bounds.charAt(0)}${write(value.lower)},${write(value.upper)}${value.bounds.charAt(1)}`
  }
}

/** Writes multiranges: lists of ranges. */
export function multirangeEncoder (range: Encode): Encode {
  return (value) => {
    if (typeof value === 'string') return value
    if (!Array.isArray(value)) throw refusal(value, 'a list of ranges')
    return `{${Array.from(value, (one: unknown) => {
      if (one === null || one === undefined) throw new Refusal('a multirange takes no null')
      return range(one)
    }).filter((text) => text !== 'empty').join(',')}}`
  }
}

function isRange (value: unknown): value is Range {
  if (typeof value !== 'object' || value === null) return false
  return 'lower' in value && 'upper' in value && 'bounds' in value && BOUNDS.has(value.bounds)
}
