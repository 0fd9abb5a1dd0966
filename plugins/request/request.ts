import { types } from 'node:util'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { BoundDatabase } from '../../src/api/bound-database.js'
import { access, type Database } from '../../src/api/database.js'
import { type EventLog, eventLog } from '../../src/config/event-log.js'
import { errors, type Log } from '../../src/index.js'
import { abortGroup } from '../../src/timing/abort-group.js'
import { readSettings, type Settings } from '../../src/transaction/settings.js'
import { ClientLeftError, RequestScope } from './request-scope.js'
import { isObject, readDatabases, readRouteOptions, type RequestSettings, type RouteRule } from './route-options.js'
import { RouteTransaction } from './route-transaction.js'

/** What a registration decorates requests with. */
export interface RequestDecoration {
  /** The name of the decorator. */
  name: string
  database: Database
  /** The option of that name. */
  log: Log | undefined
  /** What every request's transactions begin with. */
  settings: RequestSettings | undefined
}

/** The transactions of a request, if its route asks for any. */
const SCOPE = Symbol('fastify-postgres-js.scope')
/** Its reply, from our first hook on. */
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
export function decorateRequests (fastify: FastifyInstance, { name, database, log, settings }: RequestDecoration): void {
  if (fastify.hasRequestDecorator(name)) throw new errors.AlreadyRegisteredError(`request.${name}`)
  const names = registered.get(fastify.server) ?? new Set()
  registered.set(fastify.server, names.add(name))
  if (!fastify.hasRequestDecorator(SCOPE)) addHooks(fastify)

  const path = name === 'db' ? 'config.db' : `config.db.${name}`
  const rules = new WeakMap<object, RouteRule>()
  const ruleOf = (config: unknown): RouteRule => {
    const given: unknown = name === 'db' || !isObject(config) ? config : Reflect.get(config, name)
    const known = isObject(given) ? rules.get(given) : undefined
    if (known !== undefined) return known
    const rule = readRouteOptions(given, path, name === 'db' ? [...names].filter((other) => other !== name) : [])
    if (isObject(given)) rules.set(given, rule)
    return rule
  }

  /** Each line tells of which request it is. */
  const logOf = (request: FastifyRequest): EventLog => {
    const route = request.routeOptions.url
    return log === undefined ? eventLog(request.log, name, { route }) : eventLog(log, name, { reqId: request.id, route })
  }

  const routes: Array<{ config: unknown, route: string }> = []
  fastify.addHook('onRoute', ({ method, url, config }) => {
    if (config?.db !== undefined) routes.push({ config: config.db, route: `${String(method)} ${url}` })
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

  const slot = Symbol(`fastify-postgres-js.${name}`)
  fastify.decorateRequest(slot, null)
  fastify.decorateRequest(name, {
    getter (this: FastifyRequest): BoundDatabase {
      const request = this as ScopedRequest & { [slot: symbol]: BoundDatabase | null }
      const held = request[slot]
      if (held != null) return held
      const reply = request[REPLY]
      const config: unknown = this.routeOptions.config.db
      const rule = config === undefined ? undefined : ruleOf(config)
      if (rule?.transaction !== undefined) return (request[slot] = bindToTransaction(request, rule))
      const asked = settingsOf(request, settings, rule?.settings)
      if (reply === null) return access.bind(database, { settings: asked }) // too early to know the end of it
      const { raw } = reply
      const group = { members: new Set<never>(), reason: undefined }
      raw.once('close', () => { if (!raw.writableEnded) abortGroup(group, new ClientLeftError()) })
      return (request[slot] = access.bind(database, { response: raw, group, settings: asked, get log () { return logOf(request) } }))
    },
  })

  function bindToTransaction (request: ScopedRequest, rule: RouteRule): BoundDatabase {
    const ownLog = logOf(request)
    const scope = request[SCOPE] ??= new RequestScope(ownLog)
    if (request[REPLY] !== null) scope.watch(request[REPLY])
    const asked = settingsOf(request, settings, rule.settings)
    const route = new RouteTransaction(rule, (options) =>
      access.begin(database, { options, settings: asked?.(), group: scope.group, log: ownLog }))
    scope.add(route)
    return access.bind(database, {
      log: ownLog,
      settings: asked,
      transaction: () => {
        scope.check()
        return route.current
      },
    })
  }
}

/** What asks for the settings of a request; nothing where there are none to ask for. */
function settingsOf (
  request: FastifyRequest, ofAll: RequestSettings | undefined, ofRoute: RouteRule['settings']
): (() => Settings | undefined) | undefined {
  if (ofRoute === false || (ofAll === undefined && ofRoute === undefined)) return undefined
  return () => {
    const [all, own] = [ofAll, ofRoute].map((ask) => {
      const given = ask?.(request)
      // It would be read as no settings at all.
      if (!types.isPromise(given)) return given
      throw new errors.OptionError('settings takes no promise: look them up in a hook, and return them here from the request')
    })
    return readSettings(all === undefined ? own : own === undefined ? all : { ...all, ...own }, 'settings')
  }
}

/** Functions with callbacks, and nothing done for a request without a transaction. */
function addHooks (fastify: FastifyInstance): void {
  fastify.decorateRequest(SCOPE, null)
  fastify.decorateRequest(REPLY, null)
  fastify.addHook('onRequest', (request, reply, done) => {
    const scoped = request as ScopedRequest
    scoped[REPLY] = reply
    if (scoped[SCOPE] !== null) scoped[SCOPE].watch(reply)
    done()
  })
  fastify.addHook('onError', (request, _reply, error, done) => {
    const scope = (request as ScopedRequest)[SCOPE]
    if (scope === null) return done()
    scope.threw(error).then(() => done(), () => done())
  })
  fastify.addHook('onSend', (request, reply, payload, done) => {
    const scope = (request as ScopedRequest)[SCOPE]
    if (scope === null) return done(null, payload)
    scope.replies(reply, payload).then((payload) => done(null, payload), done)
  })
}
