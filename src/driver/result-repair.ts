import { type DriverResult, Unread } from './postgres-js.js'
import type { TypeRegistry } from '../codecs/type-registry.js'

/**
 * Takes out the holes that the driver leaves at the start of a result when the statement before it failed midway
 * through its rows: the driver forgets to reset its row index (postgres.js #1119, #1181).
 */
export function repairRows (result: DriverResult): void {
  if (result.length === 0 || 0 in result) return
  result.splice(0, result.findIndex((_, index) => index in result))
}

/** The types of columns that the pool has yet to learn. */
export function unknownColumns (result: DriverResult, registry: TypeRegistry): number[] {
  const unknown: number[] = []
  for (const { type } of result.columns ?? []) {
    if (registry.get(type) === undefined) unknown.push(type)
  }
  return unknown
}

/** Whether the result holds what its rows' parsers could not read: for most results this is all that is asked. */
export function needsReading ({ columns }: DriverResult, registry: TypeRegistry): boolean {
  if (columns == null) return false
  for (const { type, parser } of columns) {
    if ((parser !== undefined && 'late' in parser) || registry.get(type) === undefined) return true
  }
  return false
}

/** Reads the values that arrived before their types were known. */
export function readUnread (result: DriverResult, registry: TypeRegistry): void {
  for (const [index, { name, type, parser }] of (result.columns ?? []).entries()) {
    if (parser === undefined || !('late' in parser)) continue
    for (const row of result) {
      if (typeof row !== 'object' || row === null) continue
      const key = Array.isArray(row) ? index : name
      const value: unknown = Reflect.get(row, key)
      if (!(value instanceof Unread)) continue
      const decode = registry.get(type)?.decode
      Reflect.set(row, key, decode === undefined ? value.text : decode(value.text))
    }
  }
}
