import { decoders, type Decode } from './decode.js'
import { readDecimal } from './read-decimal.js'
import type { ScalarFamily } from './built-in-types.js'

/**
 * The bytes of a field → its value: the same as the decoder of its text gives. What nearly all values look like is read without
 * making a string of it; whatever looks otherwise goes to that decoder.
 */
export type Read = (bytes: Buffer, at: number, end: number) => unknown

const [ZERO, DOT, DASH, COLON, PLUS, SPACE] = [48, 46, 45, 58, 43, 32]

/** Longer texts are made by Node: that is as quick then. */
const LONGEST = 24

const make = String.fromCharCode

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
  json: readJson,
  bytea: readerOf(decoders.bytea),
  date: readDate,
  timestamp: readTimestamp,
  timestamptz: readTimestamp,
  text: readText,
}

function readJson (bytes: Buffer, at: number, end: number): unknown { return JSON.parse(readText(bytes, at, end)) }

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

function readFloat (bytes: Buffer, at: number, end: number): unknown {
  const value = readDecimal(bytes, at, end)
  return Number.isNaN(value) ? otherFloat(bytes, at, end) : value
}

function readDate (bytes: Buffer, at: number, end: number): unknown {
  const first = bytes[at] ?? 0
  return first >= ZERO && first <= ZERO + 9 ? readText(bytes, at, end) : otherDate(bytes, at, end)
}

/** `2026-11-24 12:42:16.833142`, perhaps with `+00`. */
function readTimestamp (bytes: Buffer, at: number, end: number): unknown {
  const to = bytes[end - 3] === PLUS && bytes[end - 2] === ZERO && bytes[end - 1] === ZERO ? end - 3 : end
  const isUsual = to - at >= 19 && bytes[at + 4] === DASH && bytes[at + 7] === DASH && bytes[at + 10] === SPACE &&
    bytes[at + 13] === COLON && bytes[at + 16] === COLON
  if (!isUsual) return otherTimestamp(bytes, at, end)
  const year = twoDigits(bytes, at) * 100 + twoDigits(bytes, at + 2)
  const month = twoDigits(bytes, at + 5)
  const day = twoDigits(bytes, at + 8)
  const hours = twoDigits(bytes, at + 11)
  const minutes = twoDigits(bytes, at + 14)
  const seconds = twoDigits(bytes, at + 17)
  const fraction = to - at === 19 ? 0 : milliseconds(bytes, at + 19, to)
  if (year < 0 || month < 1 || month > 12 || (day | hours | minutes | seconds | fraction) < 0) return otherTimestamp(bytes, at, end)
  return new Date((daysBefore(year, month) + day) * 86_400_000 + ((hours * 60 + minutes) * 60 + seconds) * 1000 + fraction)
}

/** So far below 0 that nothing makes up for it, where there are none. */
function twoDigits (bytes: Buffer, at: number): number {
  const tens = (bytes[at] ?? 0) - ZERO
  const ones = (bytes[at + 1] ?? 0) - ZERO
  return tens < 0 || tens > 9 || ones < 0 || ones > 9 ? -1_000_000 : tens * 10 + ones
}

/** A point and one to six digits → their first three. Less than 0 for anything else. */
function milliseconds (bytes: Buffer, at: number, end: number): number {
  const digits = end - at - 1
  if (bytes[at] !== DOT || digits < 1 || digits > 6) return -1
  let number = 0
  for (let from = at + 1; from < end; from++) {
    const digit = (bytes[from] ?? 0) - ZERO
    if (digit < 0 || digit > 9) return -1
    if (from < at + 4) number = number * 10 + digit
  }
  return digits === 1 ? number * 100 : digits === 2 ? number * 10 : number
}

/** Days from 1970-01-01 to the day before a month begins. Years are counted from March on, so that a leap day is the last. */
function daysBefore (year: number, month: number): number {
  const from = month > 2 ? year : year - 1
  const century = from / 100 | 0
  return from * 365 + (from >> 2) - century + (century >> 2) + (((month + 9) % 12 * 306 + 5) / 10 | 0) - 719_469
}

/**
 * UTF-8 → text. A short text of ASCII is made here, in a third of the time that a call into Node takes.
 * Each length is written out, because a loop over an array of codes takes twice as long.
 */
export function readText (bytes: Buffer, at: number, end: number): string {
  const length = end - at
  if (length > LONGEST) return byNode(bytes, at, end)
  if (length === 0) return ''
  const a = bytes[at] ?? 0
  let all = a
  if (length === 1) return all < 128 ? make(a) : byNode(bytes, at, end)
  const b = bytes[at + 1] ?? 0
  all |= b
  if (length === 2) return all < 128 ? make(a, b) : byNode(bytes, at, end)
  const c = bytes[at + 2] ?? 0
  all |= c
  if (length === 3) return all < 128 ? make(a, b, c) : byNode(bytes, at, end)
  const d = bytes[at + 3] ?? 0
  all |= d
  if (length === 4) return all < 128 ? make(a, b, c, d) : byNode(bytes, at, end)
  const e = bytes[at + 4] ?? 0
  all |= e
  if (length === 5) return all < 128 ? make(a, b, c, d, e) : byNode(bytes, at, end)
  const f = bytes[at + 5] ?? 0
  all |= f
  if (length === 6) return all < 128 ? make(a, b, c, d, e, f) : byNode(bytes, at, end)
  const g = bytes[at + 6] ?? 0
  all |= g
  if (length === 7) return all < 128 ? make(a, b, c, d, e, f, g) : byNode(bytes, at, end)
  const h = bytes[at + 7] ?? 0
  all |= h
  if (length === 8) return all < 128 ? make(a, b, c, d, e, f, g, h) : byNode(bytes, at, end)
  const i = bytes[at + 8] ?? 0
  all |= i
  if (length === 9) return all < 128 ? make(a, b, c, d, e, f, g, h, i) : byNode(bytes, at, end)
  const j = bytes[at + 9] ?? 0
  all |= j
  if (length === 10) return all < 128 ? make(a, b, c, d, e, f, g, h, i, j) : byNode(bytes, at, end)
  const k = bytes[at + 10] ?? 0
  all |= k
  if (length === 11) return all < 128 ? make(a, b, c, d, e, f, g, h, i, j, k) : byNode(bytes, at, end)
  const l = bytes[at + 11] ?? 0
  all |= l
  if (length === 12) return all < 128 ? make(a, b, c, d, e, f, g, h, i, j, k, l) : byNode(bytes, at, end)
  const m = bytes[at + 12] ?? 0
  all |= m
  if (length === 13) return all < 128 ? make(a, b, c, d, e, f, g, h, i, j, k, l, m) : byNode(bytes, at, end)
  const n = bytes[at + 13] ?? 0
  all |= n
  if (length === 14) return all < 128 ? make(a, b, c, d, e, f, g, h, i, j, k, l, m, n) : byNode(bytes, at, end)
  const o = bytes[at + 14] ?? 0
  all |= o
  if (length === 15) return all < 128 ? make(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o) : byNode(bytes, at, end)
  const p = bytes[at + 15] ?? 0
  all |= p
  if (length === 16) return all < 128 ? make(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p) : byNode(bytes, at, end)
  const q = bytes[at + 16] ?? 0
  all |= q
  if (length === 17) return all < 128 ? make(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q) : byNode(bytes, at, end)
  const r = bytes[at + 17] ?? 0
  all |= r
  if (length === 18) return all < 128 ? make(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r) : byNode(bytes, at, end)
  const s = bytes[at + 18] ?? 0
  all |= s
  if (length === 19) return all < 128 ? make(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s) : byNode(bytes, at, end)
  const t = bytes[at + 19] ?? 0
  all |= t
  if (length === 20) return all < 128 ? make(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t) : byNode(bytes, at, end)
  const u = bytes[at + 20] ?? 0
  all |= u
  if (length === 21) return all < 128 ? make(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u) : byNode(bytes, at, end)
  const v = bytes[at + 21] ?? 0
  all |= v
  if (length === 22) return all < 128 ? make(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v) : byNode(bytes, at, end)
  const w = bytes[at + 22] ?? 0
  all |= w
  if (length === 23) return all < 128 ? make(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w) : byNode(bytes, at, end)
  const x = bytes[at + 23] ?? 0
  all |= x
  return all < 128 ? make(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w, x) : byNode(bytes, at, end)
}

function byNode (bytes: Buffer, at: number, end: number): string { return bytes.toString('utf8', at, end) }
