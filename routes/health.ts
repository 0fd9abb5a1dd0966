import type { FastifyContextConfig, FastifyInstance, RouteShorthandOptions } from 'fastify'
import type { Database } from '../src/index.js'
import { takeJsonSchemas } from './schema-compilers.js'

export interface HealthRouteOptions {
  /** Default `/api/health`, or `/api/health/<name>` for a database of another name; the liveness route is `/live` below it. */
  path?: string | undefined
  /** Passed on to Fastify: `onRequest` hooks, `config`, `logLevel` and so on. */
  routeOptions?: Omit<RouteShorthandOptions, 'config'> & {
    // Open, because a plugin that declares some of its own (as @fastify/swagger does) would have TypeScript refuse all others.
    config?: FastifyContextConfig | (FastifyContextConfig & Record<string, unknown>)
  } | undefined
}

const status = { type: 'string', enum: ['healthy', 'degraded', 'unavailable'] } as const
const count = { type: 'integer' } as const

const database = {
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
} as const

/** The schema of the health route. `names`: of further databases. */
function readiness (names: readonly string[]): object {
  const databases = { type: 'object', required: names, properties: Object.fromEntries(names.map((name) => [name, database])) }
  const report = {
    type: 'object',
    required: ['status', 'database'],
    properties: { status, database, ...(names.length > 0 && { databases }) },
  }
  return {
    summary: 'Whether the database answers, and the state of its connection pool',
    tags: ['health'],
    response: { 200: { description: 'healthy or degraded', ...report }, 503: { description: 'unavailable', ...report } },
  }
}

const liveness = {
  summary: 'Whether the process answers; never asks the database, because an orchestrator restarts on it',
  tags: ['health'],
  response: { 200: { type: 'object', properties: { status: { type: 'string', const: 'alive' } } } },
}

/**
 * `GET` and `HEAD` of the health route and the liveness route. They work under any compilers that the app sets; `contexts` are
 * those whose compilers its OpenAPI transform may be made for.
 */
export function healthRoutes (
  fastify: FastifyInstance, db: Database, contexts: readonly FastifyInstance[], options: HealthRouteOptions
): void {
  const { path = '/api/health', routeOptions } = options
  const config: object = {
    // @fastify/swagger asks when it makes the document: a transform made for other schemas would throw at these.
    get swaggerTransform () { return takeJsonSchemas(contexts) ? undefined : false },
    ...routeOptions?.config,
  }
  const defaults: RouteShorthandOptions = {
    // A probe every second must not fill the log; problems are logged by the check itself.
    logLevel: 'warn',
    exposeHeadRoute: true,
    // The app's own compiler may take no JSON schema. The other way round, the user's schema is for the user's compiler.
    ...(routeOptions?.schema?.response === undefined && { serializerCompiler: () => JSON.stringify }),
    ...routeOptions,
    config,
  }

  const schema = { ...readiness(Object.keys(db.databases)), ...routeOptions?.schema }
  fastify.get(path, { ...defaults, schema }, async (_request, reply) => {
    const report = await db.health()
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
