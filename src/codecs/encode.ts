import type { ScalarFamily } from './built-in-types.js'
import { JsonText } from './json-text.js'

/** A value (never null or undefined) → the text form that the server takes. Throws a `Refusal` for what it cannot send. */
export type Encode = (value: unknown) => string

/** Why a value cannot be sent. It becomes a `ValueError` that names the parameter. */
export class Refusal extends Error {}

/** How each family is written. A string goes to the server as it is, except as JSON and as bytea. */
export const encoders: Readonly<Record<ScalarFamily, Encode>> = {
  bool: (value) => typeof value === 'boolean' ? (value ? 't' : 'f') : encodeNumber(value, 'a boolean'),
  integer: (value) => encodeNumber(value, 'an integer'),
  bigint: (value) => encodeNumber(value, 'an integer'),
  float: (value) => encodeNumber(value, 'a number'),
  numeric: (value) => encodeNumber(value, 'a number'),
  json: encodeJson,
  bytea: encodeBytea,
  date: (value) => encodeDate(value, 'a date', (iso) => iso.slice(0, iso.indexOf('T'))),
  timestamp: (value) => encodeDate(value, 'a timestamp'),
  timestamptz: (value) => encodeDate(value, 'a timestamp'),
  text: encodeText,
}

function encodeNumber (value: unknown, wanted: string): string {
  if (typeof value === 'string') return value
  // String(-0) is '0'; an integer takes '-0' too.
  if (typeof value === 'number' || typeof value === 'bigint') return Object.is(value, -0) ? '-0' : String(value)
  throw refusal(value, wanted)
}

/** Numbers, bigints and booleans are as good as their text; an object is not. */
function encodeText (value: unknown): string {
  if (typeof value === 'string') return value
  if (typeof value === 'number' || typeof value === 'bigint' || typeof value === 'boolean') return String(value)
  if (value instanceof JsonText) return value.text
  throw refusal(value, 'text')
}

function encodeJson (value: unknown): string {
  if (value instanceof JsonText) return value.text
  if (typeof value === 'number' && !Number.isFinite(value)) throw new Refusal(`${value} is not a JSON value`)
  let text: string | undefined
  try {
    text = JSON.stringify(value)
  } catch (error) {
    // A circular object, a bigint inside, or a toJSON that throws. The message may quote keys, so it is not repeated.
    const name = error instanceof Error ? error.name : 'error'
    throw new Refusal(`JSON.stringify refuses it (is it circular, or is there a bigint inside?): ${name}`)
  }
  if (text === undefined) throw refusal(value, 'JSON')
  return text
}

function encodeBytea (value: unknown): string {
  if (value instanceof Uint8Array) return '\\x' + Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('hex')
  if (typeof value === 'string' && /^\\x([0-9a-f]{2})*$/i.test(value)) return value
  // The server would store the characters of the text itself, or read backslashes in them.
  throw refusal(value, 'bytea (a Buffer, a Uint8Array; for text: Buffer.from(text))')
}

/** A Date counts as UTC where the type has no zone. */
function encodeDate (value: unknown, wanted: string, cut = (iso: string) => iso): string {
  if (typeof value === 'string') return value
  if (value === Infinity) return 'infinity'
  if (value === -Infinity) return '-infinity'
  if (!(value instanceof Date)) throw refusal(value, `${wanted} (a Date or a string)`)
  if (Number.isNaN(value.getTime())) throw new Refusal('it is an Invalid Date')
  const iso = value.toISOString()
  const year = value.getUTCFullYear()
  if (year > 0 && year <= 9999) return cut(iso)
  // Outside of these years ISO writes ±YYYYYY, which the server does not read, and it has no year 0 but a 1 BC.
  return cut(String(year > 0 ? year : 1 - year).padStart(4, '0') + iso.slice(iso.indexOf('-', 1))) + (year > 0 ? '' : ' BC')
}

/** What Postgres takes (MAXDIM). */
const MOST_DIMENSIONS = 6

/**
 * Writes arrays of an element type; `nests` says whether a list inside the list is a further dimension. `missing`: what is sent instead of
 * undefined, if anything is.
 */
export function arrayEncoder (element: Encode, delimiter: string, nests: boolean, missing?: unknown): Encode {
  const encodeItem = (given: unknown, index: number, depth: number): string => {
    const item = given === undefined ? missing : given
    if (item === null) return 'NULL'
    if (item === undefined) throw new Refusal(`element ${index} of the array is undefined (use null for NULL)`)
    if (nests && Array.isArray(item)) return encodeItems(item, depth + 1)
    return '"' + element(item).replace(/[\\"]/g, '\\$&') + '"'
  }
  // Array.from, because map would skip the holes of a sparse array.
  const encodeItems = (items: unknown[], depth: number): string => {
    if (depth > MOST_DIMENSIONS) throw new Refusal(`the array has more than ${MOST_DIMENSIONS} dimensions (is it circular?)`)
    return '{' + Array.from(items, (item, index) => encodeItem(item, index, depth)).join(delimiter) + '}'
  }
  return (value) => {
    if (typeof value === 'string') return value
    if (Array.isArray(value)) return encodeItems(value, 1)
    throw refusal(value, 'an array')
  }
}

/** Names the kind of what was given instead of what is wanted. */
export function refusal (value: unknown, wanted: string): Refusal {
  return new Refusal(`${kindOf(value)} is not ${wanted}`)
}

/** Names the kind of a value, never the value. */
function kindOf (value: unknown): string {
  if (Array.isArray(value)) return 'an array'
  if (value instanceof Date) return 'a Date'
  if (typeof value === 'object') return 'an object'
  return /^[aeiou]/.test(typeof value) ? `an ${typeof value}` : `a ${typeof value}`
}
