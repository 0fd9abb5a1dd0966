import type { Socket } from 'node:net'
import type { FastifyReply } from 'fastify'

/** What is to be done when a connection ends whose response has yet to get it: the one before it on the connection is not sent. */
const waiting = new WeakMap<Socket, Set<() => void>>()

/** Calls `left` when the client leaves before its reply has been written; at once, if it already has. */
export function onDeparture (reply: FastifyReply, left: () => void): void {
  const { raw, request: { raw: { socket } } } = reply
  if (raw.writableEnded) return
  if (socket?.destroyed === true) return left()
  raw.once('close', left)
  if (raw.socket !== null || reply.request.raw.httpVersionMajor !== 1) return
  // Of a pipelined request, the response says nothing before its turn. One listener for all that wait on the connection.
  let all = waiting.get(socket)
  if (all === undefined) {
    waiting.set(socket, all = new Set())
    socket.once('close', () => { for (const left of waiting.get(socket) ?? []) left() })
  }
  const set = all.add(left)
  raw.once('socket', () => { set.delete(left) })
}
