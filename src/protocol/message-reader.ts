import { ProtocolError } from '../errors/errors.js'
import type { ServerErrorFields } from '../errors/error-response.js'

/** Is told of messages by their types, and by where they are: most are not worth a Buffer of their own. */
export interface MessageReceiver { received (type: number, bytes: Buffer, start: number, end: number): void }

/** Cuts what arrives into messages; `start` is that of the header of five bytes. */
export class MessageReader {
  /** The most bytes, without its type, that a message of each type may have; 0: there is no such message now. */
  limits: Uint32Array
  readonly #receiver: MessageReceiver
  #pieces: Buffer[] = []
  #length = 0
  #wanted = 5

  constructor (limits: Uint32Array, receiver: MessageReceiver) {
    this.limits = limits
    this.#receiver = receiver
  }

  /** Raises `ProtocolError` for what is no message, as soon as its header is there. The piece is others' when this returns. */
  read (piece: Buffer): void {
    this.#length += piece.length
    if (this.#length < this.#wanted) return this.#keep(piece)
    let bytes = piece
    if (this.#pieces.length > 0) {
      // A message of many pieces is put together once, and not again with each of them.
      this.#pieces.push(piece)
      bytes = Buffer.concat(this.#pieces, this.#length)
      this.#pieces = []
    }
    let at = 0
    this.#wanted = 5
    while (bytes.length - at >= 5) {
      const type = bytes[at] ?? 0
      const length = bytes.readUInt32BE(at + 1)
      const most = this.limits[type] ?? 0
      if (length < 4 || length > most) throw impossible(type, most)
      const end = at + 1 + length
      if (end > bytes.length) {
        this.#wanted = end - at
        break
      }
      this.#receiver.received(type, bytes, at, end)
      at = end
    }
    this.#length = bytes.length - at
    if (this.#length > 0) this.#keep(bytes.subarray(at))
  }

  #keep (piece: Buffer): void { this.#pieces.push(Buffer.from(piece)) }
}

function impossible (type: number, most: number): Error {
  const what = most === 0 ? `a message of the unknown type ${type}` : `a message of type ${nameOf(type)} with an impossible length`
  return new ProtocolError(what)
}

/** A type as the manual writes it. */
export function nameOf (type: number): string { return `'${String.fromCharCode(type)}'` }

const LARGEST = 0x7fffffff
const MEGABYTE = 1024 * 1024

function limits (most: number, types: string, others: Readonly<Record<string, number>> = {}): Uint32Array {
  const table = new Uint32Array(256)
  for (const type of types) table[type.charCodeAt(0)] = most
  for (const [type, bytes] of Object.entries(others)) table[type.charCodeAt(0)] = bytes
  return table
}

/** Until the first ReadyForQuery: authentication, the key, parameters, NegotiateProtocolVersion, errors and notices. */
export const STARTUP_LIMITS: Uint32Array = limits(MEGABYTE, 'RKSvENZ')
/**
 * Afterwards, all that a server sends to a client that is no replica. Rows may be as large as the server makes them; so
 * may errors and notices, which quote values, but of one that is larger than this nobody reads the words.
 */
export const SESSION_LIMITS: Uint32Array = limits(MEGABYTE, 'SZC123tTnsIAGHWc', {
  D: LARGEST, d: LARGEST, E: 64 * MEGABYTE, N: 64 * MEGABYTE,
})

/** A column of a RowDescription. `table` and `number` are 0 where it is no column of a table. */
export interface WireColumn { readonly name: string, readonly type: number, readonly table: number, readonly number: number }

/** Raises `ProtocolError` for a message that does not hold what it announces. */
export function readColumns (message: Buffer): WireColumn[] {
  const columns: WireColumn[] = []
  if (message.length < 7) throw new ProtocolError('a RowDescription that is too short')
  let at = 7
  for (let left = message.readUInt16BE(5); left > 0; left--) {
    const end = message.indexOf(0, at)
    // Behind the name: table, number, type, size, modifier, format.
    if (end === -1 || end + 19 > message.length) throw new ProtocolError('a RowDescription with fewer columns than it announces')
    if (message.readUInt16BE(end + 17) !== 0) throw new ProtocolError('a column in a format that was not asked for')
    const [table, number, type] = [message.readUInt32BE(end + 1), message.readInt16BE(end + 5), message.readUInt32BE(end + 7)]
    columns.push({ name: message.toString('utf8', at, end), type, table, number })
    at = end + 19
  }
  if (at !== message.length) throw new ProtocolError('a RowDescription with more than its columns')
  return columns
}

/** Raises `ProtocolError` for a message that does not hold what it announces. */
export function readParameterTypes (message: Buffer): number[] {
  const count = (message.length - 7) / 4
  // Of more than 65,535 the server still gives all types: only their number has no place.
  if (count < 0 || !Number.isInteger(count) || (count & 0xffff) !== message.readUInt16BE(5)) {
    throw new ProtocolError('a ParameterDescription with more or fewer types than it announces')
  }
  return Array.from({ length: count }, (_, index) => message.readUInt32BE(7 + index * 4))
}

/** The name of a command tag: `INSERT` of `INSERT 0 1`. `start` and `end` are those of the message. */
export function readCommand (bytes: Buffer, start: number, end: number): string {
  if (bytes[end - 1] !== 0) throw new ProtocolError('a command tag that does not end')
  // Most tags are of these, whose strings need not be created again.
  if (bytes[start + 11] === 0x20 && start + 11 < end) {
    const usual = USUAL[bytes.readUInt32BE(start + 5)]
    if (usual !== undefined) return usual
  }
  let to = end - 1
  while (to > start + 5 && isDigitOrSpace(bytes[to - 1] ?? 0)) to--
  return bytes.toString('latin1', start + 5, to)
}

/** By their first four letters: there are no others of six that begin like that. */
const USUAL: Readonly<Record<number, string>> = { 0x53454c45: 'SELECT', 0x494e5345: 'INSERT', 0x55504441: 'UPDATE', 0x44454c45: 'DELETE' }

function isDigitOrSpace (byte: number): boolean { return (byte >= 0x30 && byte <= 0x39) || byte === 0x20 }

/** The count of a command tag: 1 of `INSERT 0 1`, null where it has none. */
export function readCount (bytes: Buffer, end: number): number | null {
  let at = end - 1
  let count: number | null = null
  for (let unit = 1, digit = bytes[--at]; digit !== undefined && digit >= 0x30 && digit <= 0x39; digit = bytes[--at], unit *= 10) {
    count = (count ?? 0) + (digit - 0x30) * unit
  }
  return count
}

const ERROR_FIELDS: Readonly<Record<string, string>> = {
  S: 'severity_local',
  V: 'severity',
  C: 'code',
  M: 'message',
  D: 'detail',
  H: 'hint',
  P: 'position',
  p: 'internal_position',
  q: 'internal_query',
  W: 'where',
  s: 'schema_name',
  t: 'table_name',
  c: 'column_name',
  d: 'data type_name',
  n: 'constraint_name',
  F: 'file',
  L: 'line',
  R: 'routine',
}

/** The fields of an ErrorResponse or NoticeResponse. */
export function readFields (message: Buffer): ServerErrorFields {
  const fields: ServerErrorFields = { message: '', code: '' }
  for (const field of message.toString('utf8', 5).split('\0')) {
    const name = ERROR_FIELDS[field.slice(0, 1)]
    if (name !== undefined) Object.assign(fields, { [name]: field.slice(1) })
  }
  return fields
}

/** The fields of an ErrorResponse. Raises `ProtocolError` for one without a code or a message. */
export function readError (message: Buffer): ServerErrorFields {
  const fields = readFields(message)
  if (fields.code === '') throw new ProtocolError('an error without a code')
  return fields
}

/** Name and value of a ParameterStatus. */
export function readParameter (message: Buffer): [name: string, value: string] {
  const [name = '', value, end] = message.toString('utf8', 5).split('\0')
  if (value === undefined || end === undefined) throw new ProtocolError('a ParameterStatus that does not end')
  return [name, value]
}
