import { QueryError } from '../errors/errors.js'
import type { SqlPart } from '../sql/sql-part.js'
import { TypedValue } from '../sql/template-helpers.js'
import type { TagConversion } from './tag-conversion.js'
import { arrayCast, namedCast, typeCast } from './type-casts.js'

/**
 * A value as a built-in type, by its OID; and by the names of the tag's own `types`. What these mean of types that are not built in is
 * for the place to say where the value stands.
 */
export type TypedHelper = ((value: unknown, type: number) => SqlPart) & Readonly<Record<string, (value: unknown) => SqlPart>>

/** One for all tags that convert alike: each transaction has a tag of its own. */
const helpers = new WeakMap<TagConversion, TypedHelper>()

export function typedHelper (conversion: TagConversion): TypedHelper {
  const known = helpers.get(conversion)
  if (known !== undefined) return known
  const helper = (value: unknown, type: number): SqlPart => new TypedValue(value, typeCast(type))
  for (const [name, to] of conversion.names) {
    const value = (value: unknown): SqlPart => new TypedValue(value, namedCast(name, to))
    // Defined, because a function has a `name` and a `length` that cannot be assigned.
    Object.defineProperty(helper, name, { value, enumerable: true, configurable: true })
  }
  helpers.set(conversion, helper as TypedHelper)
  return helper as TypedHelper
}

/** A list as an array. Raises `QueryError`. */
export function arrayOf (list: readonly unknown[], element: number | undefined): SqlPart {
  if (!Array.isArray(list)) throw new QueryError('array takes a list: sql.array([…])')
  return new TypedValue(valuesIn(list), arrayCast(element), true)
}

/** Values with a type stand for themselves in a list. */
function valuesIn (list: readonly unknown[]): readonly unknown[] {
  const isOther = (item: unknown): boolean => item instanceof TypedValue || Array.isArray(item)
  if (!list.some(isOther)) return list
  return list.map((item: unknown) => item instanceof TypedValue ? item.value : Array.isArray(item) ? valuesIn(item) : item)
}
