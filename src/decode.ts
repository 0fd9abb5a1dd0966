import { parse as parseArray } from 'postgres-array'
import type { ScalarFamily } from './family.js'

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
  const match = TIMESTAMP.exec(text)
  if (match === null) return infinities.get(text) ?? text
  const [, year, month, day, hours, minutes, seconds, fraction = '', sign, zoneHours, zoneMinutes, zoneSeconds, bc] = match
  const date = new Date(0)
  // setUTCFullYear, because Date.UTC takes the years 0 to 99 for 1900 to 1999.
  date.setUTCFullYear(bc === undefined ? Number(year) : 1 - Number(year), Number(month) - 1, Number(day))
  date.setUTCHours(Number(hours), Number(minutes), Number(seconds), Number(fraction.slice(0, 3).padEnd(3, '0')))
  // Postgres goes to the year 294276, a Date to 275760.
  if (Number.isNaN(date.getTime())) return text
  if (sign === undefined) return date
  const offset = Number(zoneHours) * 3600 + Number(zoneMinutes ?? 0) * 60 + Number(zoneSeconds ?? 0)
  return new Date(date.getTime() - (sign === '-' ? -offset : offset) * 1000)
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
