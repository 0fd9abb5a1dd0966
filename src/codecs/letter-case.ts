import type { TransformedColumn } from './conversion.js'

/** A function for the names of columns that is an option `transform` as well. */
export interface FromServer {
  (name: string): string
  readonly column: { from (name: string): string }
  readonly value: { from (value: unknown, column: TransformedColumn): unknown }
}

export interface ToServer {
  (name: string): string
  readonly column: { to (name: string): string }
}

/** An option `transform` for both ways. */
export interface BothWays {
  readonly column: { from (name: string): string, to (name: string): string }
  readonly value: { from (value: unknown, column: TransformedColumn): unknown }
}

const JSON_TYPES: ReadonlySet<number> = new Set([114, 3802])

/** Keys inside json and jsonb are names too. */
function fromServer (rename: (name: string) => string): FromServer {
  const renamed = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(renamed)
    // A parser of one's own may make what has no keys.
    if (typeof value !== 'object' || value === null || ![Object.prototype, null].includes(Object.getPrototypeOf(value))) return value
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [rename(key), renamed(inner)]))
  }
  return Object.assign((name: string) => rename(name), {
    column: { from: rename },
    value: { from: (value: unknown, { type }: TransformedColumn) => JSON_TYPES.has(type) ? renamed(value) : value },
  })
}

function toServer (rename: (name: string) => string): ToServer {
  return Object.assign((name: string) => rename(name), { column: { to: rename } })
}

function both ({ column: { from }, value }: FromServer, { column: { to } }: ToServer): BothWays { return { column: { from, to }, value } }

/** An underscore at the end, or with no letter behind it, stays. */
const withCapitals = (name: string): string =>
  name.slice(0, 1) + name.slice(1).replace(/_([^_])/g, (_, letter: string) => letter.toUpperCase())
const withUnderscores = (name: string): string => name.replace(/[A-Z]/g, '_$&').toLowerCase()

/** `user_name` → `userName`, also inside json and jsonb. */
export const toCamel = fromServer(withCapitals)
/** `user_name` → `UserName`, also inside json and jsonb. */
export const toPascal = fromServer((name) => name.slice(0, 1).toUpperCase() + withCapitals(name).slice(1))
/** `user_name` → `user-name`, also inside json and jsonb. */
export const toKebab = fromServer((name) => name.replaceAll('_', '-'))
/** `userName` → `user_name` */
export const fromCamel = toServer(withUnderscores)
/** `UserName` → `user_name` */
export const fromPascal = toServer((name) => name.slice(0, 1).toLowerCase() + withUnderscores(name.slice(1)))
/** `user-name` → `user_name` */
export const fromKebab = toServer((name) => name.replaceAll('-', '_'))

/** `user_name` on the server is `userName` here: names of columns in rows and in helpers of templates, and keys in JSON that is read.
 * @example createDatabase({ transform: camel }) */
export const camel = both(toCamel, fromCamel)
/** `user_name` on the server is `UserName` here. */
export const pascal = both(toPascal, fromPascal)
/** `user_name` on the server is `user-name` here. */
export const kebab = both(toKebab, fromKebab)
