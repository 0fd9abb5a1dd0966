import { OptionError } from '../errors/errors.js'
import { FAMILIES, type ScalarFamily } from './built-in-types.js'
import { decoders } from './decode.js'

/** How values of one type are read and written. What is left out is as usual. */
export interface TypeCodec {
  /** The text form that the server sends (never NULL) → the value. */
  decode? (text: string): unknown
  /** A value (never null or undefined) → the text form that the server takes. */
  encode? (value: unknown): string
}

/** The same as an option `types` of postgres.js has it. */
export interface PostgresJsType {
  /** The OID of the type that is written. */
  to?: number | undefined
  /** The OIDs of the types that are read. */
  from?: number | readonly number[] | undefined
  serialize? (value: unknown): unknown
  parse? (text: string): unknown
}

/**
 * A ready-made codec. `'string'`: the text that the server sends, for any type. `'number'` and `'bigint'`: for integers and numeric.
 * `'date'`: a Date, for date also, at midnight UTC. `'range'`: `{ lower, upper, bounds }`, for ranges and multiranges.
 */
export type TypeWord = 'string' | 'number' | 'bigint' | 'date' | 'range'

/** How types are read and written, by name or OID; or by any name as postgres.js has it. */
export type TypeOptions = Readonly<Record<string, TypeCodec | PostgresJsType | TypeWord>>

/** How a type is read and written where that is not as usual. */
export interface OwnCodec {
  /** What `types` calls it. */
  readonly key: string
  readonly decode: ((text: string) => unknown) | undefined
  readonly encode: ((value: unknown) => unknown) | undefined
  /** The OID that it is written as, where that was given. */
  readonly to?: number | undefined
  /** Whether `decode` may throw: it is called where that harms no other. */
  readonly mayThrow: boolean
  /** `full`: ranges over the type are read and written by it too; `plain`: they stay text; `range`: it is a range that does not. */
  readonly kind: 'full' | 'plain' | 'range'
  /** Whether a string is its text form, of JSON too. */
  readonly isText?: boolean
}

/** What SQL calls the built-in types, beside the names that the catalog has. */
const SQL_NAMES: ReadonlyMap<string, string> = new Map(Object.entries({
  boolean: 'bool',
  smallint: 'int2',
  integer: 'int4',
  int: 'int4',
  bigint: 'int8',
  real: 'float4',
  'double precision': 'float8',
  decimal: 'numeric',
  'character varying': 'varchar',
  character: 'bpchar',
  'timestamp without time zone': 'timestamp',
  'timestamp with time zone': 'timestamptz',
  'time without time zone': 'time',
  'time with time zone': 'timetz',
  'bit varying': 'varbit',
}))

const families = new Map<string, ScalarFamily>()
for (const [family, members] of FAMILIES) {
  for (const [name, oid, arrayOid] of members) {
    for (const key of [name, String(oid)]) families.set(key, family)
    for (const key of [`${name}[]`, `_${name}`, String(arrayOid)]) families.set(key, 'text') // of which there is only the text
  }
}

/** Whether a type is built in and known without asking the server. */
export function isBuiltIn (key: string): boolean { return families.has(key) }

const integers: ReadonlySet<ScalarFamily | undefined> = new Set<ScalarFamily>(['integer', 'bigint', 'numeric'])
const numbers: ReadonlySet<ScalarFamily | undefined> = new Set<ScalarFamily>([...integers, 'float'] as ScalarFamily[])
const dates: ReadonlySet<ScalarFamily | undefined> = new Set<ScalarFamily>(['date', 'timestamp', 'timestamptz'])

/** The option `types` → codecs by the name or the OID of the type. Raises `OptionError`. */
export function readTypes (types: unknown): Map<string, OwnCodec> {
  if (!isObject(types)) {
    throw new OptionError("option types takes an object: { numeric: { decode, encode }, int8: 'string' }")
  }
  const codecs = new Map<string, OwnCodec>()
  for (const [given, codec] of Object.entries(types)) {
    if (codec === undefined) continue
    if (isObject(codec) && ('to' in codec || 'from' in codec || 'parse' in codec || 'serialize' in codec)) {
      for (const [oid, own] of readPostgresJs(given, codec)) codecs.set(oid, completed(own, codecs.get(oid)))
    } else {
      const key = readKey(given)
      codecs.set(key, typeof codec === 'string' ? ofWord(key, codec) : ofFunctions(key, codec))
    }
  }
  return codecs
}

/** The name of a type as the catalog has it. */
function readKey (given: string): string {
  const isArray = given.endsWith('[]')
  const name = (isArray ? given.slice(0, -2) : given).replace(/^pg_catalog\./, '').trim()
  if (name === '' || name.includes('\0')) throw new OptionError('option types takes the names or OIDs of types')
  if (!isArray && name.startsWith('_') && isBuiltIn(name)) return `${name.slice(1)}[]`
  return (SQL_NAMES.get(name.toLowerCase()) ?? name) + (isArray ? '[]' : '')
}

/** A codec, with the functions of another one where it has none. */
export function completed (own: OwnCodec, other: OwnCodec | undefined): OwnCodec {
  return other === undefined ? own : { ...own, decode: own.decode ?? other.decode, encode: own.encode ?? other.encode }
}

function ofFunctions (key: string, codec: unknown): OwnCodec {
  if (!isObject(codec)) throw unknownCodec(key)
  const { decode, encode, ...rest }: Record<string, unknown> = codec
  const [other] = Object.keys(rest)
  if (other !== undefined) throw new OptionError(`option types: ${key} has an unknown ${other}: a codec is { decode, encode }`)
  for (const given of [decode, encode]) if (given !== undefined && typeof given !== 'function') throw unknownCodec(key)
  if (decode === undefined && encode === undefined) throw unknownCodec(key)
  return {
    key,
    decode: methodOf(codec, decode) as OwnCodec['decode'],
    encode: methodOf(codec, encode) as OwnCodec['encode'],
    mayThrow: decode !== undefined,
    kind: 'full',
  }
}

function unknownCodec (key: string): Error {
  return new OptionError(`option types: ${key} takes { decode, encode }, with a function for one of them or both, ` +
    "or 'string', 'number', 'bigint', 'date', 'range'")
}

function ofWord (key: string, word: string): OwnCodec {
  const family = families.get(key)
  const plain = { key, encode: undefined, mayThrow: false, kind: 'plain' } as const
  switch (word) {
    case 'string': return { ...plain, decode: (text) => text, isText: true }
    case 'number':
      if (numbers.has(family)) return { ...plain, decode: exactNumber, mayThrow: true }
      break
    case 'bigint':
      if (integers.has(family)) return { ...plain, decode: exactBigint, mayThrow: true }
      break
    case 'date':
      if (family === 'date') return { ...plain, decode: dateAtMidnight }
      if (dates.has(family)) return { ...plain, decode: decoders.timestamptz }
      break
    case 'range':
      if (family === undefined) return { ...plain, decode: undefined, kind: 'range' }
      break
    default: throw unknownCodec(key)
  }
  throw new OptionError(`option types: '${word}' is not for ${key}: 'number' and 'bigint' are for integers and numeric, ` +
    "'date' is for dates and timestamps, 'range' for ranges; any other type takes 'string' or { decode, encode }")
}

/** Raises `RangeError` for an integer that a number does not hold. */
function exactNumber (text: string): number {
  const number = Number(text)
  if (/^-?\d+$/.test(text) && !Number.isSafeInteger(number)) throw new RangeError('the integer is too large for a number')
  return number
}

/** Raises `RangeError` for what is no integer; the error of `BigInt` would quote the value. */
function exactBigint (text: string): bigint {
  if (!/^-?\d+$/.test(text)) throw new RangeError('it is no integer')
  return BigInt(text)
}

/** What a Date has no room for stays text. */
function dateAtMidnight (text: string): unknown {
  const date = decoders.timestamptz?.(text.replace(/^(\d+-\d\d-\d\d)/, '$1 00:00:00'))
  return typeof date === 'string' ? text : date
}

function readPostgresJs (name: string, { to, from, serialize, parse }: Record<string, unknown>): Array<[string, OwnCodec]> {
  const isOid = (oid: unknown): oid is number => Number.isInteger(oid) && Number(oid) > 0
  const oids: unknown[] = [from ?? []].flat()
  if (!oids.every(isOid) || (to !== undefined && !isOid(to)) ||
    (parse !== undefined && typeof parse !== 'function') || (serialize !== undefined && typeof serialize !== 'function')) {
    throw new OptionError(`option types: ${name} takes { to, from, serialize, parse } as postgres.js does, or { decode, encode }`)
  }
  const all = new Set<number>([...oids, ...to === undefined ? [] : [to]])
  if (all.size === 0) {
    throw new OptionError(`option types: ${name} takes { to, from, serialize, parse } with the OID of a type in to or from`)
  }
  return Array.from(all, (oid) => [String(oid), {
    key: name,
    decode: oids.includes(oid) ? parse as OwnCodec['decode'] : undefined,
    encode: serialize as OwnCodec['encode'],
    to,
    mayThrow: true,
    kind: 'plain',
  }])
}

/** A function that an object was given with, which may be a method of its class. */
export function methodOf (object: object, given: unknown): unknown {
  return typeof given === 'function' ? given.bind(object) : given
}

export function isObject (value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
