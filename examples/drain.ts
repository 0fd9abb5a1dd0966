import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'

/**
 * Closing waits for every connection. Those that are idle are closed at once; one whose answer is still to come would
 * then be kept alive for the client's next request, for over a minute.
 */
export default fp(async (app: FastifyInstance) => {
  app.addHook('preClose', async () => { app.server.keepAliveTimeout = 1 })
}, { name: 'drain' })
