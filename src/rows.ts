import type { DriverResult } from './driver.js'
import type { TypeRegistry } from './types.js'

/**
 * Takes out the holes that the driver leaves at the start of a result when the statement before it failed midway
 * through its rows: the driver forgets to reset its row index (postgres.js #1119, #1181).
 */
export function repairRows (result: DriverResult): void {
  if (result.length === 0 || 0 in result) return
  result.splice(0, result.findIndex((_, index) => index in result))
}

/** The types of columns that the pool has yet to learn. The driver handed their text through. */
export function unknownColumns (result: DriverResult, registry: TypeRegistry): number[] {
  const unknown: number[] = []
  for (const { type } of result.columns ?? []) {
    if (registry.get(type) === undefined) unknown.push(type)
  }
  return unknown
}

/** Reads the columns of types that were unknown when the rows arrived, in this result and in later ones. */
export function decodeColumns (result: DriverResult, types: readonly number[], registry: TypeRegistry): void {
  for (const [index, column] of (result.columns ?? []).entries()) {
    const decode = types.includes(column.type) ? registry.get(column.type)?.decode : undefined
    if (decode === undefined) continue
    column.parser = decode
    for (const row of result) {
      if (typeof row !== 'object' || row === null) continue
      const key = Array.isArray(row) ? index : column.name
      const text: unknown = Reflect.get(row, key)
      if (typeof text === 'string') Reflect.set(row, key, decode(text))
    }
  }
}
