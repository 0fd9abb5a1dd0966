import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'

/** Ends each answer with a newline, so that in a terminal the prompt stands on a line of its own. */
export default fp(async (app: FastifyInstance) => {
  app.addHook<string>('onSend', async (_request, _reply, payload: unknown) => {
    return typeof payload === 'string' && payload !== '' && !payload.endsWith('\n') ? `${payload}\n` : payload
  })
}, { name: 'newline' })
