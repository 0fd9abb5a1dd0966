import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { BoundDatabase } from '../../src/api/bound-database.js'
import { access, type Database } from '../../src/api/database.js'
import { errors } from '../../src/index.js'
import { RequestDatabase } from './request-database.js'
import { RequestScope } from './request-scope.js'
import { isObject, readDatabases, readRouteOptions, type RouteRule } from './route-options.js'
import { RouteTransaction } from './route-transaction.js'

/** What a registration decorates requests with. */
export interface RequestDecoration {
  /** The name of the decorator. */
  name: string
  database: Database
}

const SCOPE = Symbol('fastify-postgres-js.scope')
const REPLY = Symbol('fastify-postgres-js.reply')

/** A request where the hooks below run. */
type ScopedRequest = FastifyRequest & { [SCOPE]: RequestScope | null, [REPLY]: FastifyReply | null }

/** The names of the databases of each server: separate registrations know of one another through it. */
const registered = new WeakMap<object, Set<string>>()

/**
 * Decorates requests with the helpers of a database, bound to the request: its transaction, and the departure of its client. `ready()`
 * rejects with `OptionError` for what a route says of it in `config.db`; a route that was there before the plugin was loaded says so at
 * its first use of it.
 */
export function decorateRequests (fastify: FastifyInstance, { name, database }: RequestDecoration): void {
  if (fastify.hasRequestDecorator(name)) throw new errors.OptionError(`request.${name} exists already: give the database another name with { name: '…' }`)
  const names = registered.get(fastify.server) ?? new Set()
  registered.set(fastify.server, names.add(name))
  if (!fastify.hasRequestDecorator(SCOPE)) addHooks(fastify)
  const rules = new WeakMap<object, RouteRule>()

  const path = name === 'db' ? 'config.db' : `config.db.${name}`
  const ruleOf = (config: unknown): RouteRule => {
    const given: unknown = name === 'db' || !isObject(config) ? config : Reflect.get(config, name)
    const known = isObject(given) ? rules.get(given) : undefined
    if (known !== undefined) return known
    const rule = readRouteOptions(given, path, name === 'db' ? [...names].filter((other) => other !== name) : [])
    if (isObject(given)) rules.set(given, rule)
    return rule
  }

  const routes: Array<{ config: unknown, route: string }> = []
  fastify.addHook('onRoute', ({ method, url, config }) => {
    const given = configOf(config)
    if (given !== undefined) routes.push({ config: given, route: `${String(method)} ${url}` })
  })
  fastify.addHook('onReady', async () => {
    for (const { config, route } of routes) {
      try {
        if (!names.has('db')) readDatabases(config, [...names])
        ruleOf(config)
      } catch (error) {
        throw new errors.OptionError(`route ${route}: ${(error as Error).message}`)
      }
    }
  })

  fastify.decorateRequest(name, {
    getter (this: FastifyRequest) {
      const scope = scopeOf(this as ScopedRequest)
      return scope.get(name) ?? scope.set(name, bind(scope, ruleOf(configOf(this.routeOptions.config))))
    },
  })

  function bind (scope: RequestScope, rule: RouteRule): RequestDatabase {
    const route = rule.transaction && new RouteTransaction(rule, (options) => access.begin(database, options, scope.signal))
    if (route !== undefined) scope.add(route)
    return access.bind(database, RequestDatabase, {
      get signal () { return scope.signal },
      transaction () {
        scope.check(route !== undefined)
        return route?.current
      },
      detach: () => access.bind(database, BoundDatabase, { signal: undefined, transaction: () => undefined }),
    })
  }
}

function configOf (config: unknown): unknown { return isObject(config) ? Reflect.get(config, 'db') : undefined }

function scopeOf (request: ScopedRequest): RequestScope {
  if (request[SCOPE] !== null) return request[SCOPE]
  const scope = request[SCOPE] = new RequestScope(request.log)
  const reply = request[REPLY]
  if (reply !== null) scope.watch(reply)
  return scope
}

/** Functions with callbacks, and nothing done for a request that has not touched a database. */
function addHooks (fastify: FastifyInstance): void {
  fastify.decorateRequest(SCOPE, null)
  fastify.decorateRequest(REPLY, null)
  fastify.addHook('onRequest', (request, reply, done) => {
    const scoped = request as ScopedRequest
    scoped[REPLY] = reply
    scoped[SCOPE]?.watch(reply)
    done()
  })
  fastify.addHook('onError', (request, _reply, error, done) => {
    const scope = (request as ScopedRequest)[SCOPE]
    if (scope === null) return done()
    scope.threw(error).then(() => done(), () => done())
  })
  fastify.addHook('onSend', (request, reply, payload, done) => {
    const scope = (request as ScopedRequest)[SCOPE]
    if (scope === null || !scope.hasTransactions) return done(null, payload)
    scope.replies(reply, payload).then((payload) => done(null, payload), done)
  })
}
