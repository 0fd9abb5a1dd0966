import type { FastifyInstance, RouteShorthandOptions } from 'fastify'
import type { HealthReport } from '../src/index.js'

export interface HealthRouteOptions {
  /** Default `/api/health`, or `/api/health/<name>` for a database of another name; the liveness route is `/live` below it. */
  path?: string | undefined
  /** Passed on to Fastify: `onRequest` hooks, `config`, `logLevel` and so on. */
  routeOptions?: RouteShorthandOptions | undefined
}

const status = { type: 'string', enum: ['healthy', 'degraded', 'unavailable'] } as const
const count = { type: 'integer' } as const

const report = {
  type: 'object',
  required: ['status', 'database'],
  properties: {
    status,
    database: {
      type: 'object',
      required: ['status', 'pool_size', 'free_connections', 'min_size', 'max_size'],
      properties: {
        status,
        pool_size: count,
        free_connections: count,
        min_size: count,
        max_size: count,
        waiting: count,
        latency_ms: { type: ['number', 'null'] },
      },
    },
  },
} as const

const readiness = {
  summary: 'Whether the database answers, and the state of its connection pool',
  tags: ['health'],
  response: { 200: { description: 'healthy or degraded', ...report }, 503: { description: 'unavailable', ...report } },
}

const liveness = {
  summary: 'Whether the process answers; never asks the database, because an orchestrator restarts on it',
  tags: ['health'],
  response: { 200: { type: 'object', properties: { status: { type: 'string', const: 'alive' } } } },
}

/** `GET` and `HEAD` of the health route and the liveness route. */
export function healthRoutes (fastify: FastifyInstance, check: () => Promise<HealthReport>, options: HealthRouteOptions): void {
  const { path = '/api/health', routeOptions } = options
  // A probe every second must not fill the log; problems are logged by the check itself.
  const defaults: RouteShorthandOptions = { logLevel: 'warn', exposeHeadRoute: true, ...routeOptions }

  fastify.get(path, { ...defaults, schema: { ...readiness, ...routeOptions?.schema } }, async (_request, reply) => {
    const report = await check()
    if (report.status === 'unavailable') reply.code(503)
    reply.header('cache-control', 'no-store')
    return report
  })

  const livePath = `${path.replace(/\/$/, '')}/live`
  fastify.get(livePath, { ...defaults, schema: { ...liveness, ...routeOptions?.schema } }, async (_request, reply) => {
    reply.header('cache-control', 'no-store')
    return { status: 'alive' }
  })
}
