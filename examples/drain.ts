import { setImmediate as turn, setTimeout as sleep } from 'node:timers/promises'
import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'

/** Milliseconds in which clients that are busy learn that their connections are about to go. */
export const NOTICE = 100

/**
 * Closing without a request lost. An idle connection is closed at once, and a client that sends its next request on it
 * at that very moment gets no answer. So every answer from here on says `connection: close`, and only after a moment,
 * when those who send one request after the other have left their connections, nothing new is accepted. It also ends
 * each connection with its answer; otherwise closing would wait until it was no longer kept alive, for over a minute.
 *
 * Requests that come in the meantime are to be served: that needs `return503OnClosing: false`.
 */
export default fp(async (app: FastifyInstance) => {
  let closing = false
  app.addHook('onSend', async (_request, reply) => { if (closing) reply.header('connection', 'close') })
  app.addHook('preClose', async () => {
    closing = true
    if (app.server.listening) {
      await sleep(NOTICE)
      await turn() // what has arrived in the meantime is read before idle connections are closed, also by a busy process
    }
    app.server.keepAliveTimeout = 1 // for an answer whose head was sent before
  })
}, { name: 'drain' })
