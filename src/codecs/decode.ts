import { parse as parseArray } from 'postgres-array'
import type { ScalarFamily } from './built-in-types.js'

/** The text form of a value, as the server sends it → the value. Never throws: the driver is in the middle of a row. */
export type Decode = (text: string) => unknown

/** How each family is read; `undefined` where the text is the value. */
export const decoders: Readonly<Record<ScalarFamily, Decode | undefined>> = {
  bool: (text) => text === 't',
  integer: Number,
  bigint: decodeBigint,
  float: Number,
  numeric: undefined,
  json: (text) => JSON.parse(text),
  bytea: decodeBytea,
  date: (text) => infinities.get(text) ?? text,
  timestamp: decodeTimestamp,
  timestamptz: decodeTimestamp,
  text: undefined,
}

const infinities: ReadonlyMap<string, number> = new Map([['infinity', Infinity], ['-infinity', -Infinity]])

/** int8 (so `count(*)`): a number while that is exact, a bigint beyond 2^53. */
function decodeBigint (text: string): number | bigint {
  const number = Number(text)
  return Number.isSafeInteger(number) ? number : BigInt(text)
}

function decodeBytea (text: string): Buffer {
  if (text.startsWith('\\x')) return Buffer.from(text.slice(2), 'hex')
  // bytea_output = 'escape': a backslash doubles itself or starts three octal digits.
  return Buffer.from(text.replace(/\\(\\|\d{3})/g, (_, code: string) =>
    code === '\\' ? '\\' : String.fromCharCode(Number.parseInt(code, 8))), 'latin1')
}

const TIMESTAMP = /^(\d+)-(\d\d)-(\d\d) (\d\d):(\d\d):(\d\d)(?:\.(\d+))?(?:([+-])(\d\d)(?::(\d\d))?(?::(\d\d))?)?( BC)?$/

/** Without a zone it is read as UTC, whatever the process's zone. postgres.js writes UTC but reads local time. */
function decodeTimestamp (text: string): Date | number | string {
  return decodeUtc(text) ?? decodeAnyTimestamp(text)
}

const [ZERO, DOT, DASH] = [48, 46, 45]

/**
 * What nearly all timestamps look like: `2026-11-24 12:42:16.833142`, perhaps with `+00`. By the regular expression alone,
 * one such column was an eighth of the processor time of reading rows of ten columns.
 */
function decodeUtc (text: string): Date | undefined {
  const end = text.endsWith('+00') ? text.length - 3 : text.length
  const two = (at: number): number => (text.charCodeAt(at) - ZERO) * 10 + text.charCodeAt(at + 1) - ZERO
  const year = two(0) * 100 + two(2)
  if (end < 19 || end > 26 || text.charCodeAt(4) !== DASH || text.charCodeAt(16) !== 58 || !(year >= 100 && year <= 9999)) return undefined
  let milliseconds = 0
  if (end > 19) {
    if (text.charCodeAt(19) !== DOT) return undefined
    for (let at = 20, unit = 100; at < 23 && at < end; at++, unit /= 10) milliseconds += (text.charCodeAt(at) - ZERO) * unit
    for (let at = 20; at < end; at++) if (!(text.charCodeAt(at) >= ZERO && text.charCodeAt(at) <= 57)) return undefined
  }
  return new Date(Date.UTC(year, two(5) - 1, two(8), two(11), two(14), two(17), milliseconds))
}

function decodeAnyTimestamp (text: string): Date | number | string {
  const match = TIMESTAMP.exec(text)
  if (match === null) return infinities.get(text) ?? text
  const [, year, month, day, hours, minutes, seconds, fraction = '', sign, zoneHours, zoneMinutes, zoneSeconds, bc] = match
  const date = new Date(0)
  // setUTCFullYear, because Date.UTC takes the years 0 to 99 for 1900 to 1999.
  date.setUTCFullYear(bc === undefined ? Number(year) : 1 - Number(year), Number(month) - 1, Number(day))
  date.setUTCHours(Number(hours), Number(minutes), Number(seconds), Number(fraction.slice(0, 3).padEnd(3, '0')))
  const offset = sign === undefined ? 0 : Number(zoneHours) * 3600 + Number(zoneMinutes ?? 0) * 60 + Number(zoneSeconds ?? 0)
  date.setTime(date.getTime() - (sign === '-' ? -offset : offset) * 1000)
  // Postgres goes to the year 294276, a Date to 275760.
  return Number.isNaN(date.getTime()) ? text : date
}

/** Reads arrays of an element type: NULL elements, nesting, and bounds such as `[0:1]={…}`. */
export function arrayDecoder (element: Decode | undefined, delimiter: string): Decode {
  const decode = element ?? ((text: string) => text)
  if (delimiter === ',') return (text) => parseArray(text, decode)
  // box[] has ';', PostGIS ':'. Their commas are part of the elements, so each bare element gets quotes.
  const token = new RegExp(`"(?:[^"\\\\]|\\\\.)*"|${delimiter.replace(/\W/, '\\$&')}|[^{}"${delimiter.replace(/\W/, '\\$&')}]+`, 'g')
  const withCommas = (part: string): string => part === delimiter ? ',' : part === 'NULL' || part.startsWith('"') ? part : `"${part}"`
  return (text) => parseArray(text.slice(text.indexOf('{')).replace(token, withCommas), decode)
}
