import { mostBytes, writeText } from '../codecs/text-bytes.js'

/** Bytes of a part of the messages: written to the socket as it is filled, so that no large buffer is ever copied. */
const PART = 64 * 1024

const EXECUTE = Buffer.from([0x45, 0, 0, 0, 9, 0, 0, 0, 0, 0]) // of the unnamed portal, all rows
/** Asks for the answers to what was sent. */
export const FLUSH: Buffer = Buffer.from([0x48, 0, 0, 0, 4])
const SYNC = Buffer.from([0x53, 0, 0, 0, 4])
export const SYNC_LENGTH: number = SYNC.length
/** Of the unnamed statement. */
const DESCRIBE = Buffer.from([0x44, 0, 0, 0, 6, 0x53, 0])

/** A parameter in its text form, in its binary form, or null. */
export type Parameter = string | Buffer | null

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

  /** Messages that are put together already. */
  put (bytes: Buffer): void {
    this.#reserve(bytes.length)
    this.#bytes(bytes)
  }

  /** Bind and Execute. */
  execute (parameters: readonly Parameter[]): void {
    let room = 32 + EXECUTE.length
    let isText = true
    for (const parameter of parameters) {
      room += 6
      if (typeof parameter === 'string') room += mostBytes(parameter)
      else if (parameter !== null) {
        room += parameter.length
        isText = false
      }
    }
    this.#reserve(room)
    const start = this.#at
    this.#header(0x42, 0)
    this.#int16(0) // the unnamed portal and statement
    if (isText) this.#int16(0) // all parameters are
    else {
      this.#int16(parameters.length)
      for (const parameter of parameters) this.#int16(parameter instanceof Buffer ? 1 : 0)
    }
    this.#int16(parameters.length)
    for (const parameter of parameters) {
      const size = this.#at
      this.#at += 4
      this.#int32At(parameter === null ? -1 : typeof parameter === 'string' ? this.#text(parameter) : this.#bytes(parameter), size)
    }
    this.#int16(0) // all columns are text
    this.#int32At(this.#at - start - 1, start + 1)
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
    this.#int32At(length, this.#at + 1)
    this.#at += 5
  }

  #int16 (value: number): void {
    this.#part[this.#at++] = value >>> 8
    this.#part[this.#at++] = value
  }

  #int32At (value: number, at: number): void {
    this.#part[at] = value >>> 24
    this.#part[at + 1] = value >>> 16
    this.#part[at + 2] = value >>> 8
    this.#part[at + 3] = value
  }

  #text (text: string): number {
    const bytes = writeText(text, this.#part, this.#at)
    this.#at += bytes
    return bytes
  }

  #bytes (bytes: Buffer): number {
    this.#part.set(bytes, this.#at)
    this.#at += bytes.length
    return bytes.length
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

/** Execute and Sync, behind the parameters of a Bind whose columns are all text. */
const RUN = Buffer.concat([Buffer.alloc(2), EXECUTE, SYNC])

/** What the Bind of a prepared statement begins with, behind its length: the unnamed portal, the name, all parameters are text. */
export function bindHead (name: string, parameters: number): Buffer {
  const head = Buffer.from(`\0${name}\0\0\0\0\0`)
  head.writeUInt16BE(parameters, head.length - 2)
  return head
}

/** How many bytes an execution takes at most. */
export function roomFor (head: Buffer, parameters: ReadonlyArray<string | null>, limit: number | undefined): number {
  let room = 5 + head.length + RUN.length + (limit === undefined ? 0 : CLOSE_PORTAL.length)
  for (let index = 0; index < parameters.length; index++) {
    room += 4 + mostBytes(parameters[index] ?? '')
  }
  return room
}

/** What is executed: what its Bind begins with, and how many rows are asked for; undefined: all. */
interface Executed { readonly head: Buffer, readonly limit: number | undefined }

/** Puts Bind, Execute and Sync at `start`, where there is room for them. Returns where they end. */
export function putExecution (bytes: Buffer, start: number, { head, limit }: Executed, parameters: ReadonlyArray<string | null>): number {
  let at = start + 5
  for (let index = 0; index < head.length; index++) bytes[at++] = head[index] ?? 0
  for (let index = 0; index < parameters.length; index++) {
    const text = parameters[index] ?? null
    const length = text === null ? -1 : writeText(text, bytes, at + 4)
    at = bytes.writeInt32BE(length, at) + (length === -1 ? 0 : length)
  }
  bytes[start] = 0x42
  bytes.writeInt32BE(at + 1 - start, start + 1) // with the formats of the columns, which are in RUN
  if (limit === undefined) {
    for (let index = 0; index < RUN.length; index++) bytes[at++] = RUN[index] ?? 0
    return at
  }
  bytes[at++] = 0
  bytes[at++] = 0
  for (const message of [limitedExecute(limit), SYNC]) at += message.copy(bytes, at)
  return at
}

/** Query: a text by the simple protocol. */
export function queryMessage (text: string): Buffer {
  const length = Buffer.byteLength(text)
  const bytes = Buffer.allocUnsafe(length + 6)
  bytes[0] = 0x51
  bytes.writeInt32BE(length + 5, 1)
  bytes.write(text, 5)
  bytes[length + 5] = 0
  return bytes
}

/** A message: its type, its length, its body. */
function message (type: string, ...body: Buffer[]): Buffer {
  const content = Buffer.concat(body)
  const head = Buffer.alloc(5)
  head.write(type)
  head.writeInt32BE(content.length + 4, 1)
  return Buffer.concat([head, content])
}

const zeroes = (bytes: number): Buffer => Buffer.alloc(bytes)

const int16 = (value: number): Buffer => Buffer.from([value >>> 8, value & 0xff])

/**
 * A statement as the extended protocol runs it, but without the Sync at its end: the server takes it and the next one as a group, and if
 * it fails, skips everything up to the next one's Sync.
 */
export function unsyncedStatement (text: string, parameters: readonly string[] = []): Buffer {
  const parse = message('P', zeroes(1), Buffer.from(text), zeroes(3)) // unnamed; text; no types
  const values = parameters.flatMap((parameter) => {
    const value = Buffer.from(parameter)
    const length = Buffer.alloc(4)
    length.writeInt32BE(value.length)
    return [length, value]
  })
  const bind = message('B', zeroes(4), int16(parameters.length), ...values, zeroes(2)) // unnamed; all parameters and columns are text
  return Buffer.concat([parse, bind, message('E', zeroes(5))]) // unnamed; all rows
}

/** Close: the server forgets a prepared statement. */
export function closeStatement (name: string): Buffer { return message('C', Buffer.from(`S${name}\0`)) }

const CLOSE_PORTAL = Buffer.from([0x43, 0, 0, 0, 6, 0x50, 0])

/**
 * Execute of the unnamed portal for so many rows, and Close: in a transaction the portal would stay open, with its locks on what it
 * reads, until the next one takes its place.
 */
export function limitedExecute (rows: number): Buffer {
  const bytes = Buffer.concat([EXECUTE, CLOSE_PORTAL])
  bytes.writeInt32BE(rows, 6)
  return bytes
}
