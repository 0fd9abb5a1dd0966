import { FAMILIES } from './built-in-types.js'
import { mostBytes, writeAscii } from './text-bytes.js'

/** A list of which one column is read, such as the arguments of an execution. */
type Rows = ReadonlyArray<readonly unknown[]>

/**
 * How the values of a type are written in binary. It takes those alone of which it is plain that the server would make the same of
 * their text form; of an array with any other value the whole is written as text.
 */
interface BinaryType {
  /** Bytes that a value takes at most; more than that for one that it does not take. */
  readonly most: (value: unknown) => number
  /** Writes a value at a place where there is room for it. Returns how many bytes it took, or `NOT_PLAIN`. */
  readonly write: (value: unknown, target: Target, at: number) => number
}

/** What is written to, in two views. */
interface Target { readonly bytes: Buffer, readonly view: DataView }

const NOT_PLAIN = -1

/** The header of an array of one dimension: dimensions, whether there are NULLs, the type of the elements, how many, from 1. */
const HEADER = 20
const LENGTH = 4
const NULL = -1

/**
 * The binary form of an array of one column of `rows`, whose elements have this type. `undefined` where there is none that is
 * surely the same as the text form. What it reads of the rows may be the caller's code, and throw.
 */
export function binaryArray (oid: number, rows: Rows, column: number): Buffer | undefined {
  const type = BINARY_TYPES.get(oid)
  if (type === undefined) return undefined
  const { most, write } = type
  let target = targetOf(Buffer.allocUnsafe(HEADER + rows.length * GUESSED))
  let at = HEADER
  let hasNull = 0
  for (const row of rows) {
    const value = row[column]
    const room = LENGTH + (value === null ? 0 : most(value))
    if (at + room > target.bytes.length) target = targetOf(Buffer.concat([target.bytes.subarray(0, at)], at + at + room))
    if (value === null) {
      hasNull = 1
      target.view.setInt32(at, NULL)
      at += LENGTH
      continue
    }
    const length = write(value, target, at + LENGTH)
    if (length === NOT_PLAIN) return undefined
    target.view.setInt32(at, length)
    at += LENGTH + length
  }
  const { bytes, view } = target
  view.setInt32(0, 1)
  view.setInt32(4, hasNull)
  view.setInt32(8, oid)
  view.setInt32(12, rows.length)
  view.setInt32(16, 1)
  return bytes.subarray(0, at)
}

/** Bytes of an element that there is room for from the start. */
const GUESSED = 24

function targetOf (bytes: Buffer): Target {
  return { bytes, view: new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength) }
}

/** A number that is a whole one has the same digits in both forms; -0 is 0. Other values the type's input function reads, or refuses. */
function integer (size: 2 | 4): BinaryType {
  const greatest = 2 ** (8 * size - 1) - 1
  return {
    most: () => size,
    write: (value, { view }, at) => {
      if (typeof value !== 'number' || Math.trunc(value) !== value || value > greatest || value < -greatest - 1) return NOT_PLAIN
      if (size === 2) view.setInt16(at, value)
      else view.setInt32(at, value)
      return size
    },
  }
}

/** Beyond 2^53 the digits of a number are rounded. */
const bigint: BinaryType = {
  most: () => 8,
  write: (value, { view }, at) => {
    if (typeof value === 'bigint') {
      if (BigInt.asIntN(64, value) !== value) return NOT_PLAIN
      view.setBigInt64(at, value)
      return 8
    }
    if (typeof value !== 'number' || !Number.isSafeInteger(value)) return NOT_PLAIN
    const high = Math.floor(value / 2 ** 32)
    view.setInt32(at, high)
    view.setUint32(at + 4, value - high * 2 ** 32)
    return 8
  },
}

/** Greatest and least of what float4 and float8 hold without a loss of precision. */
const LEAST_DOUBLE = 2 ** -1022
const LEAST_SINGLE = 2 ** -126
const GREATEST_SINGLE = (2 - 2 ** -23) * 2 ** 127

/** The digits of a number are read back as the same one. Where there is less precision near 0, that is left to the server; so is NaN. */
const double: BinaryType = {
  most: () => 8,
  write: (value, { view }, at) => {
    if (typeof value !== 'number' || !(Math.abs(value) >= LEAST_DOUBLE || value === 0)) return NOT_PLAIN
    view.setFloat64(at, value)
    return 8
  },
}

/** Right between two of float4, the digits of a number, and not the number, say which is nearer. */
const single: BinaryType = {
  most: () => 8,
  write: (value, { view }, at) => {
    if (typeof value !== 'number') return NOT_PLAIN
    const size = Math.abs(value)
    if (!((size >= LEAST_SINGLE && size <= GREATEST_SINGLE) || value === 0)) return NOT_PLAIN
    view.setFloat64(at, value)
    if ((view.getUint32(at + 4) & 0x1fff_ffff) === 0x1000_0000) return NOT_PLAIN
    view.setFloat32(at, value)
    return 4
  },
}

const boolean: BinaryType = {
  most: () => 1,
  write: (value, { view }, at) => {
    if (typeof value !== 'boolean') return NOT_PLAIN
    view.setUint8(at, value ? 1 : 0)
    return 1
  },
}

const MILLISECONDS_A_DAY = 86_400_000
/** In the milliseconds of a Date. */
const YEAR_1 = Date.parse('0001-01-01T00:00:00Z')
const YEAR_2000 = Date.parse('2000-01-01T00:00:00Z')
const YEAR_10000 = Date.parse('+010000-01-01T00:00:00Z')

/** A Date without methods of its own, of the years 1 to 9999: milliseconds since 2000. */
function millisecondsOf (value: unknown): number {
  if (!(value instanceof Date) || Object.getPrototypeOf(value) !== Date.prototype || Reflect.ownKeys(value).length > 0) return NaN
  const time = value.getTime()
  return time >= YEAR_1 && time < YEAR_10000 ? time - YEAR_2000 : NaN
}

/** With and without a zone: a Date counts as UTC. */
const timestamp: BinaryType = {
  most: () => 8,
  write: (value, { view }, at) => {
    const milliseconds = millisecondsOf(value)
    if (Number.isNaN(milliseconds)) return NOT_PLAIN
    // More than 2^53 microseconds, in two halves: the lower is exact, and so are the steps between them.
    const high = Math.floor(milliseconds / 2 ** 32)
    const low = (milliseconds - high * 2 ** 32) * 1000
    const carry = Math.floor(low / 2 ** 32)
    view.setInt32(at, high * 1000 + carry)
    view.setUint32(at + 4, low - carry * 2 ** 32)
    return 8
  },
}

const date: BinaryType = {
  most: () => 4,
  write: (value, { view }, at) => {
    const milliseconds = millisecondsOf(value)
    if (Number.isNaN(milliseconds)) return NOT_PLAIN
    view.setInt32(at, Math.floor(milliseconds / MILLISECONDS_A_DAY))
    return 4
  },
}

/** As the server writes it, in small or capital letters. */
const uuid: BinaryType = {
  most: () => 16,
  write: (value, { bytes }, at) => {
    if (typeof value !== 'string' || value.length !== 36) return NOT_PLAIN
    let to = at
    for (let index = 0; index < 36; index += 2) {
      if (index === 8 || index === 13 || index === 18 || index === 23) {
        if (value.charCodeAt(index) !== HYPHEN) return NOT_PLAIN
        index++
      }
      const high = DIGITS[value.charCodeAt(index)] ?? NO_DIGIT
      const low = DIGITS[value.charCodeAt(index + 1)] ?? NO_DIGIT
      if (high === NO_DIGIT || low === NO_DIGIT) return NOT_PLAIN
      bytes[to++] = high * 16 + low
    }
    return 16
  },
}

const HYPHEN = 0x2d
const NO_DIGIT = 255
/** By the code of the character. */
const DIGITS = new Uint8Array(128).fill(NO_DIGIT)
for (const [digit, letters] of ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'aA', 'bB', 'cC', 'dD', 'eE', 'fF'].entries()) {
  for (const letter of letters) DIGITS[letter.charCodeAt(0)] = digit
}

function writePlainText (value: string, { bytes }: Target, at: number): number {
  if (writeAscii(value, bytes, at)) return value.length
  // Half a surrogate pair is refused where it is written as text, and so is what would end a text, by the server.
  if (!value.isWellFormed() || value.includes('\0')) return NOT_PLAIN
  return bytes.write(value, at)
}

/** Characters are the same bytes in both forms. */
const text: BinaryType = {
  most: (value) => typeof value === 'string' ? mostBytes(value) : 0,
  write: (value, target, at) => typeof value === 'string' ? writePlainText(value, target, at) : NOT_PLAIN,
}

const bytea: BinaryType = {
  most: (value) => value instanceof Uint8Array ? value.byteLength : 0,
  write: (value, { bytes }, at) => {
    if (!(value instanceof Uint8Array)) return NOT_PLAIN
    const { buffer, byteOffset, byteLength } = value
    bytes.set(new Uint8Array(buffer, byteOffset, byteLength), at)
    return byteLength
  },
}

const BINARY_TYPES = new Map<number, BinaryType>()
for (const [name, type] of Object.entries({
  bool: boolean,
  int2: integer(2),
  int4: integer(4),
  int8: bigint,
  float4: single,
  float8: double,
  date,
  timestamp,
  timestamptz: timestamp,
  uuid,
  text,
  varchar: text,
  bpchar: text,
  bytea,
})) {
  for (const [, members] of FAMILIES) for (const [member, oid] of members) if (member === name) BINARY_TYPES.set(oid, type)
}
