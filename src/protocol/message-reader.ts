import type { ServerErrorFields } from '../errors/server-error.js'

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
