import { once } from 'node:events'
import type { Host, Ssl } from '../config/target.js'
import { connectSocket } from './socket.js'

const CANCEL_REQUEST_CODE = 80877102

/**
 * Asks the server, on a socket of its own, to cancel whatever the backend is running. Resolves when the server closed
 * that socket, which it does after it signalled the backend: no statement sent later can be hit any more.
 */
export async function cancelRequest (target: Host, ssl: Ssl, backend: { pid: number, secret: number }, signal: AbortSignal): Promise<void> {
  const socket = await connectSocket(target, ssl, signal)
  socket.on('error', () => {})
  const message = Buffer.alloc(16)
  message.writeUInt32BE(16, 0)
  message.writeUInt32BE(CANCEL_REQUEST_CODE, 4)
  message.writeUInt32BE(backend.pid, 8)
  message.writeUInt32BE(backend.secret, 12)
  try {
    socket.resume().write(message)
    await once(socket, 'close', { signal })
  } finally {
    socket.destroy()
  }
}
