import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'

interface ListedRoute { method: string, path: string, summary: string }

const list = {
  type: 'object',
  required: ['routes'],
  properties: {
    routes: {
      type: 'array',
      items: { type: 'object', properties: { method: { type: 'string' }, path: { type: 'string' }, summary: { type: 'string' } } },
    },
  },
} as const

/** `GET /` lists the routes that are registered after this, and itself. */
export default fp(async (app: FastifyInstance) => {
  const routes: ListedRoute[] = []
  app.addHook('onRoute', ({ method, url, schema }) => {
    const { summary } = { summary: '', ...schema }
    // HEAD comes with each GET, and a path with a slash at its end is the one without.
    if (method !== 'HEAD' && (url === '/' || !url.endsWith('/'))) routes.push({ method: [method].flat().join(), path: url, summary })
  })
  app.get('/', { schema: { summary: 'This list', response: { 200: list } } }, async () => ({ routes }))
}, { name: 'route-list' })
