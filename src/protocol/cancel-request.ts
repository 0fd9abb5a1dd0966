import { once } from 'node:events'
import type { ConnectedHost, Ssl } from '../config/target.js'
import { connectSocket } from './socket.js'

/** A backend, as BackendKeyData names it. The key has 4 bytes, from protocol 3.2 on up to 256. */
export interface Backend { readonly pid: number, readonly key: Buffer }

/** Where its server is, and how it is spoken to. */
export interface CancelTarget { readonly host: ConnectedHost, readonly ssl: Ssl }

const CANCEL_REQUEST_CODE = 80877102

/**
 * Asks the server, on a socket of its own, to cancel whatever the backend is running. Resolves when the server closed
 * that socket, which it does after it signalled the backend: no statement sent later can be hit any more.
 */
export async function cancelRequest (target: CancelTarget, backend: Backend, signal: AbortSignal, onSent = (): void => {}): Promise<void> {
  const { socket } = await connectSocket(target.host, target.ssl, signal)
  socket.on('error', () => {})
  const message = Buffer.alloc(12 + backend.key.length)
  message.writeUInt32BE(message.length, 0)
  message.writeUInt32BE(CANCEL_REQUEST_CODE, 4)
  message.writeUInt32BE(backend.pid, 8)
  message.set(backend.key, 12)
  try {
    onSent()
    socket.resume().write(message)
    await once(socket, 'close', { signal })
  } finally {
    socket.destroy()
  }
}
