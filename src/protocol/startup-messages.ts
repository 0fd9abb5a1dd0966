import { createHash } from 'node:crypto'
import { ProtocolError } from '../errors/errors.js'
import type { Backend } from './cancel-request.js'

const PROTOCOL_3_0 = 196608

/** The StartupMessage, which alone has no type. */
export function startupMessage (parameters: Readonly<Record<string, string>>): Buffer {
  const text = Object.entries(parameters).map(([name, value]) => `${name}\0${value}\0`).join('')
  const body = Buffer.from(`${text}\0`)
  const head = Buffer.alloc(8)
  head.writeInt32BE(8 + body.length, 0)
  head.writeInt32BE(PROTOCOL_3_0, 4)
  return Buffer.concat([head, body])
}

function passwordMessage (body: Buffer): Buffer {
  const head = Buffer.from('p\0\0\0\0', 'latin1')
  head.writeInt32BE(4 + body.length, 1)
  return Buffer.concat([head, body])
}

/** PasswordMessage. */
export function passwordAnswer (password: string): Buffer { return passwordMessage(Buffer.from(`${password}\0`)) }

/** PasswordMessage for a salt of MD5: the password as it is, without SASLprep. */
export function md5Answer (user: string, password: string, salt: Buffer): Buffer {
  const md5 = (...parts: Array<string | Buffer>): string => {
    const hash = createHash('md5')
    for (const part of parts) hash.update(part)
    return hash.digest('hex')
  }
  return passwordAnswer(`md5${md5(md5(password, user), salt)}`)
}

/** SASLInitialResponse. */
export function saslFirst (mechanism: string, response: string): Buffer {
  const body = Buffer.from(response)
  const length = Buffer.alloc(4)
  length.writeInt32BE(body.length)
  return passwordMessage(Buffer.concat([Buffer.from(`${mechanism}\0`), length, body]))
}

/** SASLResponse. */
export function saslNext (response: string): Buffer { return passwordMessage(Buffer.from(response)) }

/** BackendKeyData. Raises `ProtocolError`. */
export function readBackend (message: Buffer): Backend {
  const key = Buffer.from(message.subarray(9))
  if (key.length < 4 || key.length > 256) throw new ProtocolError('a key of an impossible length')
  return { pid: message.readUInt32BE(5), key: Buffer.from(key) }
}

/** The kind of an Authentication message, and what comes with it. Raises `ProtocolError`. */
export function readAuthentication (message: Buffer): { kind: number, data: Buffer } {
  if (message.length < 9) throw new ProtocolError('an authentication message without a kind')
  return { kind: message.readUInt32BE(5), data: message.subarray(9) }
}

/** NegotiateProtocolVersion: the newest version that the server speaks, and the options that it does not know. Raises `ProtocolError`. */
export function readNegotiation (message: Buffer): { minor: number, unknown: string[] } {
  if (message.length < 13) throw new ProtocolError('a NegotiateProtocolVersion that is too short')
  const unknown = message.toString('utf8', 13).split('\0').slice(0, -1)
  if (unknown.length !== message.readUInt32BE(9)) throw new ProtocolError('a NegotiateProtocolVersion with fewer options than it announces')
  return { minor: message.readUInt32BE(5), unknown }
}
