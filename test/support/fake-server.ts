import { once } from 'node:events'
import net, { type AddressInfo, type Socket } from 'node:net'
import type { Test } from 'tap'

/** A message as a server sends it. */
export function message (type: string, ...body: Array<Buffer | string>): Buffer {
  const content = Buffer.concat(body.map((part) => Buffer.from(part)))
  const head = Buffer.alloc(5, type, 'latin1')
  head.writeInt32BE(content.length + 4, 1)
  return Buffer.concat([head, content])
}

export function int16 (value: number): Buffer {
  const bytes = Buffer.alloc(2)
  bytes.writeInt16BE(value)
  return bytes
}

export function int32 (value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeInt32BE(value)
  return bytes
}

/** A header alone: a message of any announced length. */
export const header = (type: string, length: number): Buffer => Buffer.concat([Buffer.from(type, 'latin1'), int32(length)])

export const column = (name: string, type: number): Buffer => Buffer.concat([Buffer.from(`${name}\0`), int32(0), int16(0), int32(type), int16(4), int32(-1), int16(0)])
export const field = (text: string | null): Buffer => text === null ? int32(-1) : Buffer.concat([int32(Buffer.byteLength(text)), Buffer.from(text)])
export const rowDescription = (...columns: Buffer[]): Buffer => message('T', int16(columns.length), ...columns)
export const dataRow = (...texts: Array<string | null>): Buffer => message('D', int16(texts.length), ...texts.map(field))
export const complete = (tag: string): Buffer => message('C', `${tag}\0`)
export const ready = (status = 'I'): Buffer => message('Z', status)
export const errorResponse = (severity: string, code: string): Buffer => message('E', `S${severity}\0V${severity}\0C${code}\0Mmade up\0\0`)
export const authentication = (kind: number, ...data: Array<Buffer | string>): Buffer => message('R', int32(kind), ...data)
export const parameter = (name: string, value: string): Buffer => message('S', `${name}\0${value}\0`)

/** Instead of a part of an answer: what comes behind it is sent when the client has had time to read what came before. */
export const LATER = Buffer.alloc(0)

/** What a session begins with: no authentication, a setting, a key. */
export const LET_IN = [authentication(0), parameter('client_encoding', 'UTF8'), message('K', int32(4711), int32(4712)), ready()]

/** The answer to what is asked of each new session. */
export const SERVER_INFO = [
  rowDescription(column('standby', 16), column('read_only', 16), column('pid', 23), column('places', 23), column('reserved', 23)),
  dataRow('f', 'f', '4711', '100', '3'), complete('SELECT 1'), ready(),
]

/** What a client has sent: `startup`, or the type of a message. */
export type Sent = 'startup' | string

/** Answers what a client sends on one connection; undefined: as a server would. */
export type Script = (sent: Sent, body: Buffer, socket: Socket) => Buffer[] | undefined

/** Speaks as much of the protocol as the pool needs for `SELECT $1::int`, and otherwise what a test has it say. */
export class FakeServer {
  /** How many connections were accepted. */
  accepted = 0
  readonly url: string
  readonly #server: net.Server

  private constructor (server: net.Server) {
    this.#server = server
    this.url = `postgres://user:password@127.0.0.1:${(server.address() as AddressInfo).port}/db`
  }

  /** `scriptOf`: what the connection of a number, from 0, does. */
  static async start (t: Test, scriptOf: (connection: number) => Script): Promise<FakeServer> {
    const sockets = new Set<Socket>()
    const server = net.createServer({ noDelay: true }, (socket) => {
      sockets.add(socket)
      socket.on('error', () => {})
      serve(socket, scriptOf(fake.accepted++))
    }).listen(0, '127.0.0.1')
    await once(server, 'listening')
    const fake = new FakeServer(server)
    t.teardown(async () => {
      for (const socket of sockets) socket.destroy()
      fake.#server.close()
      await once(server, 'close')
    })
    return fake
  }
}

function serve (socket: Socket, script: Script): void {
  let bytes = Buffer.alloc(0)
  let isStarted = false
  const say = async (sent: Sent, body: Buffer): Promise<void> => {
    for (const part of script(sent, body, socket) ?? usual(sent, body)) {
      if (part === LATER) for (let turns = 0; turns < 50; turns++) await new Promise(setImmediate)
      if (!socket.destroyed) socket.write(part)
    }
  }
  socket.on('data', (piece) => {
    bytes = Buffer.concat([bytes, piece])
    for (;;) {
      const head = isStarted ? 1 : 0
      if (bytes.length < head + 4) return
      const end = head + bytes.readInt32BE(head)
      if (bytes.length < end) return
      const whole = bytes.subarray(0, end)
      bytes = bytes.subarray(end)
      if (isStarted) say(whole.toString('latin1', 0, 1), whole.subarray(5))
      else if (whole.readInt32BE(4) === 80877103) socket.write('N') // SSLRequest
      else {
        isStarted = true
        say('startup', whole.subarray(8))
      }
    }
  })
}

/** As a server would: the number that is bound comes back. */
function usual (sent: Sent, body: Buffer): Buffer[] {
  switch (sent) {
    case 'startup': return LET_IN
    case 'Q': return SERVER_INFO
    case 'P': return [message('1')]
    case 'C': return [message('3')]
    case 'D': return [message('t', int16(1), int32(23)), rowDescription(column('int4', 23))]
    case 'B': return [message('2'), message('D', int16(1), body.subarray(body.indexOf(0, body.indexOf(0) + 1) + 5, -2)), complete('SELECT 1')]
    case 'S': return [ready()]
    default: return []
  }
}
