import type { FastifyInstance, FastifyPluginAsync, FastifyPostgresDatabases } from 'fastify'
import fp from 'fastify-plugin'
import { healthRoutes, type HealthRouteOptions } from '../routes/health.js'
import { POOL_OPTION_NAMES } from '../src/config/rules.js'
import { rejectUnknown } from '../src/config/unknown-option.js'
import type { BoundDatabase as RequestDatabase } from '../src/api/bound-database.js'
import { checkSettings, type RequestSettings, type RouteDatabases } from './request/route-options.js'
import { decorateRequests } from './request/request.js'
import { errors, type Database, type DatabaseOptions, type HealthOptions } from '../src/index.js'
import { closeAll, createAll, drainAll, type FurtherDatabaseOptions, openAll } from './databases.js'

declare module 'fastify' {
  /** The names of the option `databases`, for TypeScript: `interface FastifyPostgresDatabases { archive: true }`. */
  interface FastifyPostgresDatabases {}
  interface FastifyContextConfig {
    /** What a route asks of its databases, such as `{ transaction: true }`. */
    db?: RouteDatabases | undefined
  }
}

/** The declared names of further databases. */
type NamedDatabases = { readonly [Name in keyof FastifyPostgresDatabases]: Database }

/** What the plugin decorates with: a database, and further ones of its registration by their names. */
export type FastifyDatabase = Database & NamedDatabases & { readonly databases: NamedDatabases }

/** The same for one request. */
export type FastifyRequestDatabase = RequestDatabase & { readonly [Name in keyof FastifyPostgresDatabases]: RequestDatabase }

export interface FastifyPostgresJsOptions extends Omit<DatabaseOptions, 'health'> {
  /** The name of the decorator, and of the pool in log lines: for a second database. Default `db`. */
  name?: string | undefined
  /**
   * What each transaction and each call of `request.db` begins with, for row level security: settings of the server, or of your own.
   * @example { settings: (request) => ({ 'app.tenant': request.tenant, role: 'app_user' }) }
   */
  settings?: RequestSettings | undefined
  /** Further databases, each with the options of a pool: `{ archive: { url } }` is `fastify.db.archive`. */
  databases?: Readonly<Record<string, FurtherDatabaseOptions>> | undefined
  /** `false` turns the health routes off. */
  health?: false | (HealthOptions & HealthRouteOptions) | undefined
  /** In front of the health routes. */
  prefix?: string
}

const OPTION_NAMES = [...POOL_OPTION_NAMES, 'name', 'settings', 'databases', 'health', 'prefix', 'logLevel', 'logSerializers']

/**
 * Decorates the instance with `db` at once, opens the pool on `onReady` (or at the first call before that), closes it
 * on `onClose`, when the requests that are under way have been answered or `closeTimeout` is over, and serves
 * `GET /api/health`.
 *
 * Raises `FST_PG_OPTION` for a bad option or environment variable and `FST_PG_ALREADY_REGISTERED` for a second
 * registration under one name; `ready()` rejects with `FST_PG_STARTUP` or `FST_PG_CONNECT` without the database.
 *
 * @example
 * app.register(postgresJs, { url: 'postgres://localhost/app', min: 10, max: 50 })
 * app.get('/users/:id', (request) => app.db.fetchOne('SELECT * FROM users WHERE id = $1', request.params.id))
 */
const plugin: FastifyPluginAsync<FastifyPostgresJsOptions> = async (fastify, options) => {
  rejectUnknown(options, OPTION_NAMES)
  const { name = 'db', settings, databases, health = {}, prefix, log = fastify.log, ...rest } = withoutRegisterOptions(options)
  if (typeof name !== 'string' || name === '') throw new errors.OptionError('option name takes the name of a decorator')
  if (fastify.hasDecorator(name)) throw new errors.AlreadyRegisteredError(`fastify.${name}`)

  if (health === null || (health !== false && typeof health !== 'object')) {
    throw new errors.OptionError('option health takes false or an object')
  }
  if (health !== false) rejectUnknown(health, ['path', 'timeout', 'cache', 'routeOptions'], 'health.')
  const { path, routeOptions, ...check } = health === false ? {} : health
  for (const [option, value] of Object.entries({ prefix, 'health.path': path })) {
    if (value !== undefined && (typeof value !== 'string' || !value.startsWith('/'))) {
      throw new errors.OptionError(`option ${option} takes a path that starts with /`)
    }
  }
  if (routeOptions !== undefined && (typeof routeOptions !== 'object' || routeOptions === null)) {
    throw new errors.OptionError('option health.routeOptions takes an object')
  }
  checkSettings(settings, 'settings')
  const { db, settings: furtherSettings } = createAll(databases, { ...rest, name, log, health: check })
  fastify.decorate(name, db)
  decorateRequests(fastify, { name, database: db, log: options.log, settings, furtherSettings })

  if (health !== false) {
    // A second database must not claim the same route.
    const ownPath = path ?? (name === 'db' ? '/api/health' : `/api/health/${name}`)
    // In these, the app may set compilers later than now.
    const contexts = [fastify]
    fastify.addHook('onRegister', (context) => { contexts.push(context) })
    const routes = async (scope: FastifyInstance): Promise<void> => {
      healthRoutes(scope, db, contexts, { path: ownPath, routeOptions })
    }
    // Fastify ignores the prefix of a plugin that does not encapsulate, so the routes get a scope that does.
    await fastify.register(routes, prefix === undefined ? {} : { prefix })
  }

  fastify.addHook('onReady', () => openAll(db, name, log))
  // Fastify runs the first before it waits for the requests that are under way, and the second afterwards.
  fastify.addHook('preClose', async () => drainAll(db))
  fastify.addHook('onClose', () => closeAll(db))
}

/** What Fastify's register() takes itself comes along in a plugin's options. */
function withoutRegisterOptions (options: FastifyPostgresJsOptions): FastifyPostgresJsOptions {
  const { logLevel, logSerializers, ...rest } = options as FastifyPostgresJsOptions & { logLevel?: unknown, logSerializers?: unknown }
  return rest
}

export const fastifyPostgresJs = fp(plugin, { name: 'fastify-postgres-js', fastify: '5.x || 6.x' })
export default fastifyPostgresJs
export {
  createDatabase, Database, errors, errorSerializer, Lease, PostgresError, Queryable, ServerError, Transaction,
  isCheckViolation, isDeadlock, isExclusionViolation, isForeignKeyViolation, isLockNotAvailable, isNotNullViolation, isRetryable,
  isSerializationFailure, isUniqueViolation,
  camel, fromCamel, fromKebab, fromPascal, kebab, pascal, toCamel, toKebab, toPascal,
} from '../src/index.js'
export type * from '../src/index.js'
export type { RequestDatabase }
export type { RequestSettings, RouteDatabaseOptions, RouteDatabases } from './request/route-options.js'
export type { FurtherDatabaseOptions, HealthRouteOptions }
