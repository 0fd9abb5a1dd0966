import { decoders, type Decode } from './decode.js'
import { readText } from './read-text.js'
import type { ScalarFamily } from './built-in-types.js'

/**
 * The bytes of a field → its value: the same as the decoder of its text gives. What nearly all values look like is read without
 * making a string of it; whatever looks otherwise goes to that decoder.
 */
export type Read = (bytes: Buffer, at: number, end: number) => unknown

const [ZERO, DOT, DASH, COLON, PLUS, SPACE] = [48, 46, 45, 58, 43, 32]

/** A reader of what is always read as text. */
export function readerOf (decode: Decode | undefined): Read {
  return decode === undefined ? readText : (bytes, at, end) => decode(readText(bytes, at, end))
}

const otherBool = readerOf(decoders.bool)
const otherInteger = readerOf(decoders.integer)
const otherBigint = readerOf(decoders.bigint)
const otherFloat = readerOf(decoders.float)
const otherDate = readerOf(decoders.date)
const otherTimestamp = readerOf(decoders.timestamp)

/** How each family is read. */
export const readers: Readonly<Record<ScalarFamily, Read>> = {
  bool: readBool,
  integer: readInteger,
  bigint: readBigint,
  float: readFloat,
  numeric: readText,
  json: readerOf(decoders.json),
  bytea: readerOf(decoders.bytea),
  date: readDate,
  timestamp: readTimestamp,
  timestamptz: readTimestamp,
  text: readText,
}

function readBool (bytes: Buffer, at: number, end: number): unknown {
  if (end - at !== 1) return otherBool(bytes, at, end)
  return bytes[at] === 0x74
}

/** Of up to nine digits each step is one of 32-bit integers. */
function readInteger (bytes: Buffer, at: number, end: number): unknown {
  const isNegative = bytes[at] === DASH
  let from = isNegative ? at + 1 : at
  if (from >= end || end - from > 9) return otherInteger(bytes, at, end)
  let number = 0
  do {
    const digit = (bytes[from] ?? 0) - ZERO
    if (digit < 0 || digit > 9) return otherInteger(bytes, at, end)
    number = (number * 10 + digit) | 0
  } while (++from < end)
  return isNegative ? -number : number
}

/** Of sixteen digits the last step may be rounded, but then the number is not a safe one. */
function readBigint (bytes: Buffer, at: number, end: number): unknown {
  const isNegative = bytes[at] === DASH
  let from = isNegative ? at + 1 : at
  if (from >= end || end - from > 16) return otherBigint(bytes, at, end)
  let number = 0
  do {
    const digit = (bytes[from] ?? 0) - ZERO
    if (digit < 0 || digit > 9) return otherBigint(bytes, at, end)
    number = number * 10 + digit
  } while (++from < end)
  if (number > Number.MAX_SAFE_INTEGER) return otherBigint(bytes, at, end)
  return isNegative ? -number : number
}

/** A quotient of two numbers that are exact is the number that is nearest to the text. All powers up to 10^22 are exact. */
const POWERS = Float64Array.from({ length: 16 }, (_, power) => 10 ** power)

function readFloat (bytes: Buffer, at: number, end: number): unknown {
  const isNegative = bytes[at] === DASH
  let from = isNegative ? at + 1 : at
  // Fifteen digits and the point.
  if (from >= end || end - from > 16) return otherFloat(bytes, at, end)
  let number = 0
  let point = end - 1
  const first = from
  do {
    const digit = (bytes[from] ?? 0) - ZERO
    if (digit >= 0 && digit <= 9) number = number * 10 + digit
    else if (digit === DOT - ZERO && point === end - 1 && from > first && from < end - 1) point = from
    else return otherFloat(bytes, at, end)
  } while (++from < end)
  const power = end - 1 - point
  if (power === 0 && number > Number.MAX_SAFE_INTEGER) return otherFloat(bytes, at, end)
  const value = number / (POWERS[power] ?? 1)
  return isNegative ? -value : value
}

function readDate (bytes: Buffer, at: number, end: number): unknown {
  const first = bytes[at] ?? 0
  return first >= ZERO && first <= ZERO + 9 ? readText(bytes, at, end) : otherDate(bytes, at, end)
}

/** `2026-11-24 12:42:16.833142`, perhaps with `+00`. */
function readTimestamp (bytes: Buffer, at: number, end: number): unknown {
  const length = end - at
  if (length < 19 || length > 29) return otherTimestamp(bytes, at, end)
  const year = twoDigits(bytes, at) * 100 + twoDigits(bytes, at + 2)
  const month = twoDigits(bytes, at + 5)
  const day = twoDigits(bytes, at + 8)
  const hours = twoDigits(bytes, at + 11)
  const minutes = twoDigits(bytes, at + 14)
  const seconds = twoDigits(bytes, at + 17)
  const isUsual = year >= 100 && month >= 1 && month <= 12 && (day | hours | minutes | seconds) >= 0 &&
    bytes[at + 4] === DASH && bytes[at + 7] === DASH && bytes[at + 10] === SPACE && bytes[at + 13] === COLON && bytes[at + 16] === COLON
  const to = length > 20 && bytes[end - 3] === PLUS && bytes[end - 2] === ZERO && bytes[end - 1] === ZERO ? end - 3 : end
  const fraction = to - at === 19 ? 0 : milliseconds(bytes, at + 19, to)
  if (!isUsual || fraction < 0) return otherTimestamp(bytes, at, end)
  const time = ((days(year, month) + day) * 24 + hours) * 3600 + minutes * 60 + seconds
  return new Date(time * 1000 + fraction)
}

/** Less than -10,000 where there are none. */
function twoDigits (bytes: Buffer, at: number): number {
  const tens = (bytes[at] ?? 0) - ZERO
  const ones = (bytes[at + 1] ?? 0) - ZERO
  return tens >= 0 && tens <= 9 && ones >= 0 && ones <= 9 ? tens * 10 + ones : -20_000
}

/** A point and one to six digits → their first three. Less than 0 for anything else. */
function milliseconds (bytes: Buffer, at: number, end: number): number {
  if (bytes[at] !== DOT || end - at < 2 || end - at > 7) return -1
  let number = 0
  let unit = 100
  for (let from = at + 1; from < end; from++) {
    const digit = (bytes[from] ?? 0) - ZERO
    if (digit < 0 || digit > 9) return -1
    if (unit >= 1) number += digit * unit
    unit /= 10
  }
  return number
}

/** Days from 1970-01-01 to the day before the first of a month. The year is taken to begin in March, so that leap days end it. */
function days (year: number, month: number): number {
  const from = month > 2 ? year : year - 1
  const leaps = Math.floor(from / 4) - Math.floor(from / 100) + Math.floor(from / 400)
  return from * 365 + leaps + Math.floor(((month + 9) % 12 * 306 + 5) / 10) - 719_469
}
