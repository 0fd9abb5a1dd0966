import net from 'node:net'
import tls from 'node:tls'
import { once } from 'node:events'
import type { ConnectedHost, Ssl } from '../config/target.js'

const SSL_REQUEST = Buffer.from([0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f])

/** Bytes that are read at a time. */
const PIECE = 64 * 1024

/** Passes on what arrives on a socket. The buffer is reused once `receive` has returned: what is needed longer is copied. */
export class Incoming {
  receive: (bytes: Buffer) => void = () => {}
}

export interface ConnectedSocket { readonly socket: net.Socket, readonly incoming: Incoming }

/** The server does not encrypt, although it was asked to. */
export class TlsRefusedError extends Error {
  readonly code = 'TLS_REFUSED'
  constructor () { super('the server does not support TLS: set ssl to false, or turn it on there') }
}

/**
 * A connected socket, encrypted where asked for. TLS is done here and not by the driver, because the driver strips the
 * listeners off the raw socket and hangs when that is destroyed (docs/internals/driver-traps.md).
 * Rejects with the system's or OpenSSL's error, or with the reason of `signal`.
 */
export async function connectSocket (target: ConnectedHost, ssl: Ssl, signal: AbortSignal): Promise<ConnectedSocket> {
  signal.throwIfAborted()
  const incoming = new Incoming()
  // Into one buffer: a stream allocates a new buffer of that size for each read.
  const onread = {
    buffer: Buffer.allocUnsafeSlow(PIECE),
    callback: (length: number, bytes: Uint8Array): true => {
      incoming.receive(Buffer.from(bytes.buffer, bytes.byteOffset, length))
      return true
    },
  }
  const raw = target.host.startsWith('/')
    ? net.connect({ path: `${target.host}/.s.PGSQL.${target.port}`, onread })
    : net.connect({ host: target.address ?? target.host, port: target.port, noDelay: true, onread })
  let socket = raw
  try {
    await once(raw, 'connect', { signal })
    const plain = { socket: raw, incoming }
    if (ssl === false || ssl === 'disable' || target.host.startsWith('/')) return plain
    if (!await serverSpeaksTls(plain, signal)) {
      if (ssl === 'prefer') return plain
      throw new TlsRefusedError()
    }
    const encrypted = tls.connect({ socket: raw, ...tlsOptions(target.host, ssl) })
    socket = encrypted
    await once(encrypted, 'secureConnect', { signal })
    const decrypted = new Incoming()
    encrypted.on('data', (bytes: Buffer) => decrypted.receive(bytes))
    return { socket: encrypted, incoming: decrypted }
  } catch (error) {
    socket.on('error', () => {})
    socket.destroy()
    raw.destroy()
    throw signal.aborted ? signal.reason : error
  }
}

async function serverSpeaksTls ({ socket, incoming }: ConnectedSocket, signal: AbortSignal): Promise<boolean> {
  const answered = new Promise<Buffer>((resolve) => { incoming.receive = (bytes) => resolve(Buffer.from(bytes)) })
  socket.write(SSL_REQUEST)
  const closed = once(socket, 'close', { signal }).then(() => { throw new Error('the server closed the connection') })
  const answer = await Promise.race([answered, closed])
  // Anything behind the one byte was put there by somebody between us and the server (CVE-2021-23222).
  if (answer.length !== 1) throw new Error('unexpected answer to the request for TLS')
  return answer[0] === 0x53 // S
}

function tlsOptions (host: string, ssl: Exclude<Ssl, false>): tls.ConnectionOptions {
  const servername = net.isIP(host) === 0 ? { servername: host } : {}
  if (typeof ssl === 'object') return { host, ...servername, ...ssl, ...checking(ssl) }
  return { host, ...servername, rejectUnauthorized: ssl !== 'require' && ssl !== 'prefer' }
}

/** A check of the user's that throws, as one that refuses: out of a listener of the socket's it would end the process. */
function checking ({ checkServerIdentity: check }: tls.ConnectionOptions): tls.ConnectionOptions {
  if (check === undefined) return {}
  return {
    checkServerIdentity: (host, certificate) => {
      try {
        return check(host, certificate)
      } catch (error) {
        return error instanceof Error ? error : new Error('checkServerIdentity failed')
      }
    }
  }
}

/** Whether a server answers there at all. Takes no session: the server does not authenticate anyone for this. */
export async function pingServer (target: ConnectedHost, signal: AbortSignal): Promise<void> {
  const connected = await connectSocket(target, false, signal)
  const { socket } = connected
  try {
    await serverSpeaksTls(connected, signal)
  } finally {
    socket.on('error', () => {})
    socket.destroy()
  }
}
