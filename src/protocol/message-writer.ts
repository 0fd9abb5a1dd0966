import type { ServerErrorFields } from '../errors/server-error.js'

/** The few messages of the protocol that a pipeline of executions is made of. */

/** Bytes of a part of the messages: written to the socket as it is filled, so that no large buffer is ever copied. */
const PART = 64 * 1024

const EXECUTE = Buffer.from([0x45, 0, 0, 0, 9, 0, 0, 0, 0, 0]) // of the unnamed portal, all rows
const FLUSH = Buffer.from([0x48, 0, 0, 0, 4])
const SYNC = Buffer.from([0x53, 0, 0, 0, 4])
/** Of the unnamed statement. */
const DESCRIBE = Buffer.from([0x44, 0, 0, 0, 6, 0x53, 0])

/** Puts together messages for the unnamed statement and gives them to `write` in parts. */
export class MessageWriter {
  readonly #write: (part: Buffer) => void
  #part = Buffer.allocUnsafe(PART)
  #at = 0

  constructor (write: (part: Buffer) => void) { this.#write = write }

  /** Parse and Describe; the types of the parameters are left to the server. */
  parse (text: string): void {
    const bytes = Buffer.byteLength(text)
    this.#reserve(bytes + 16)
    this.#header(0x50, 4 + 1 + bytes + 1 + 2)
    this.#part[this.#at++] = 0 // the unnamed statement
    this.#text(text)
    this.#part[this.#at++] = 0
    this.#int16(0)
    this.#bytes(DESCRIBE)
  }

  /** Bind and Execute; a parameter is in its text form, or null. */
  execute (parameters: ReadonlyArray<string | null>): void {
    let room = 32 + EXECUTE.length
    for (const parameter of parameters) room += 4 + (parameter === null ? 0 : mostBytes(parameter))
    this.#reserve(room)
    const start = this.#at
    this.#header(0x42, 0)
    this.#int16(0) // the unnamed portal and statement
    this.#int16(0) // all parameters are text
    this.#int16(parameters.length)
    for (const parameter of parameters) {
      const size = this.#at
      this.#at += 4
      this.#part.writeInt32BE(parameter === null ? -1 : this.#text(parameter), size)
    }
    this.#int16(0) // all columns are text
    this.#part.writeUInt32BE(this.#at - start - 1, start + 1)
    this.#bytes(EXECUTE)
  }

  /** Asks for the answers so far. */
  flush (): void { this.#end(FLUSH) }

  sync (): void { this.#end(SYNC) }

  #end (message: Buffer): void {
    this.#reserve(message.length)
    this.#bytes(message)
    this.#give()
  }

  #header (type: number, length: number): void {
    this.#part[this.#at] = type
    this.#part.writeInt32BE(length, this.#at + 1)
    this.#at += 5
  }

  #int16 (value: number): void { this.#at = this.#part.writeUInt16BE(value, this.#at) }

  #text (text: string): number {
    const bytes = this.#part.write(text, this.#at)
    this.#at += bytes
    return bytes
  }

  #bytes (bytes: Buffer): void {
    this.#part.set(bytes, this.#at)
    this.#at += bytes.length
  }

  #reserve (bytes: number): void {
    if (this.#at + bytes <= this.#part.length) return
    this.#give()
    if (bytes > this.#part.length) this.#part = Buffer.allocUnsafe(bytes)
  }

  #give (): void {
    if (this.#at > 0) this.#write(this.#part.subarray(0, this.#at))
    this.#part = Buffer.allocUnsafe(PART)
    this.#at = 0
  }
}

/** How many bytes a text may take: for a short one it is not worth while to count them. */
function mostBytes (text: string): number {
  return text.length < 1000 ? text.length * 3 : Buffer.byteLength(text)
}

/** A message is told of by its type, and by where it is: most are not worth a Buffer of their own. */
export type OnMessage = (type: number, bytes: Buffer, start: number, end: number) => void

/** Cuts what arrives into messages; `start` is that of the header of five bytes. */
export class MessageReader {
  readonly #onMessage: OnMessage
  #pieces: Buffer[] = []
  #length = 0
  #wanted = 5

  constructor (onMessage: OnMessage) { this.#onMessage = onMessage }

  read (piece: Buffer): void {
    this.#length += piece.length
    // A message of many pieces is put together once, and not again with each of them.
    this.#pieces.push(piece)
    if (this.#length < this.#wanted) return
    const bytes = this.#pieces.length === 1 ? piece : Buffer.concat(this.#pieces, this.#length)
    let at = 0
    this.#wanted = 5
    while (bytes.length - at >= 5) {
      const length = bytes.readUInt32BE(at + 1)
      if (length < 4) throw new RangeError('the length of a message is impossible')
      const end = at + 1 + length
      if (end > bytes.length) {
        this.#wanted = end - at
        break
      }
      this.#onMessage(bytes[at] ?? 0, bytes, at, end)
      at = end
    }
    this.#length = bytes.length - at
    this.#pieces = this.#length === 0 ? [] : [bytes.subarray(at)]
  }
}

/** A column of a RowDescription. */
export interface WireColumn { name: string, type: number }

export function readColumns (message: Buffer): WireColumn[] {
  const columns: WireColumn[] = []
  let at = 7
  for (let left = message.readUInt16BE(5); left > 0; left--) {
    const end = message.indexOf(0, at)
    // Behind the name: table, number, type, size, modifier, format.
    columns.push({ name: message.toString('utf8', at, end), type: message.readUInt32BE(end + 7) })
    at = end + 19
  }
  return columns
}

export function readParameterTypes (message: Buffer): number[] {
  return Array.from({ length: message.readUInt16BE(5) }, (_, index) => message.readUInt32BE(7 + index * 4))
}

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
  W: 'where',
  s: 'schema_name',
  t: 'table_name',
  c: 'column_name',
  d: 'data type_name',
  n: 'constraint_name',
  R: 'routine',
}

export function readError (message: Buffer): ServerErrorFields {
  const fields: ServerErrorFields = { message: '', code: '' }
  for (const field of message.toString('utf8', 5).split('\0')) {
    const name = ERROR_FIELDS[field.slice(0, 1)]
    if (name !== undefined) Object.assign(fields, { [name]: field.slice(1) })
  }
  return fields
}
