import type { LoneItem } from './lone-items.js'

const TEXTS = 'pg_catalog."text"[]'
/** The dimensions that an array may have. */
const MOST_DIMENSIONS = 6

/** A text in which the values that are items of the select list by themselves have the type that JavaScript knows of them. */
export function withCasts (text: string, items: readonly LoneItem[], args: readonly unknown[]): string {
  let written = ''
  let from = 0
  for (const { index, end } of items) {
    const cast = castOf(args[index])
    if (cast === undefined) continue
    written += `${text.slice(from, end)}::${cast}`
    from = end
  }
  return from === 0 ? text : written + text.slice(from)
}

/** What a value is written as where nobody else says it; undefined for what goes as text, as numbers do, and for what is none. */
export function castOf (value: unknown): string | undefined {
  if (Array.isArray(value)) return arrayCast(value)
  const name = typeOf(value)
  return name === undefined ? undefined : `pg_catalog."${name}"`
}

function typeOf (value: unknown): string | undefined {
  switch (typeof value) {
    case 'boolean': return 'bool'
    case 'bigint': return 'int8'
    case 'object': return value instanceof Date ? 'timestamptz' : value instanceof Uint8Array ? 'bytea' : undefined
    default: return undefined
  }
}

/** An array is of what its first element is that is not null. */
function arrayCast (list: readonly unknown[]): string | undefined {
  let first: unknown = list
  for (let depth = 0; Array.isArray(first) && depth < MOST_DIMENSIONS; depth++) first = first.find((item: unknown) => item !== null)
  const name = typeOf(first)
  if (name !== undefined) return `pg_catalog."${name}"[]`
  return ['string', 'number', 'undefined'].includes(typeof first) ? TEXTS : undefined
}
