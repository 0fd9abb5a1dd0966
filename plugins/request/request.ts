import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { Database } from '../../src/api/database.js'
import { errors, type Log } from '../../src/index.js'
import { REPLY, RequestTarget, SCOPE, type ScopedRequest } from './request-target.js'
import { isObject, readDatabases, type RequestSettings } from './route-options.js'

/** What a registration decorates requests with. */
export interface RequestDecoration {
  /** The name of the decorator. */
  name: string
  /** Further ones of the same registration are on it. */
  database: Database
  /** The option of that name. */
  log: Log | undefined
  settings: RequestSettings | undefined
  /** The same of further databases. */
  furtherSettings: Readonly<Record<string, RequestSettings | undefined>>
}

/** The databases of a server: separate registrations know of one another through it. */
interface Registry {
  readonly names: Set<string>
  readonly targets: RequestTarget[]
  /** Whether a route is known to ask for a transaction. */
  hasTransactions: boolean
}

/** By the server, and by each of its databases. */
const registries = new WeakMap<object, Registry>()

/**
 * From now on each route of the server of a database is expected to ask for a transaction: otherwise that is known from the first request
 * on that does.
 */
export function expectTransactions (database: object): void {
  const registry = registries.get(database)
  if (registry !== undefined) registry.hasTransactions = true
}

/**
 * Decorates requests with the helpers of a database, bound to the request: its transaction, its settings, and the departure of its client.
 * `ready()` rejects with `OptionError` for what a route says of it in `config.db`; a route that was there before the plugin was loaded says
 * so at its first use of it.
 */
export function decorateRequests (fastify: FastifyInstance, { name, database, log, settings, furtherSettings }: RequestDecoration): void {
  if (fastify.hasRequestDecorator(name)) throw new errors.AlreadyRegisteredError(`request.${name}`)
  const registry: Registry = registries.get(fastify.server) ?? { names: new Set(), targets: [], hasTransactions: false }
  for (const key of [fastify.server, database, ...Object.values(database.databases)]) registries.set(key, registry)
  const { names } = registry
  names.add(name)
  const onTransaction = (): void => { registry.hasTransactions = true }
  if (!fastify.hasRequestDecorator(SCOPE)) addHooks(fastify, registry)

  const isDefault = name === 'db'
  const path = isDefault ? 'config.db' : `config.db.${name}`
  const pick = (config: unknown): unknown => isDefault ? config : at(config, name)
  const further = new Map(Object.entries(database.databases).map(([key, database]) => [key, new RequestTarget({
    name: key,
    database,
    log,
    settings: furtherSettings[key],
    path: `${path}.${key}`,
    pick: (config) => at(pick(config), key),
    others: () => [],
    onTransaction,
  })]))
  const others = (): string[] => [...further.keys(), ...(isDefault ? [...names].filter((other) => other !== name) : [])]
  const target = new RequestTarget({ name, database, log, settings, path, pick, others, onTransaction, further })
  const targets = [target, ...further.values()]
  registry.targets.push(...targets)

  const routes: Array<{ config: unknown, route: string }> = []
  fastify.addHook('onRoute', ({ method, url, config }) => {
    if (config?.db !== undefined) routes.push({ config: config.db, route: `${String(method)} ${url}` })
  })
  fastify.addHook('onReady', async () => {
    for (const { config, route } of routes) {
      try {
        if (!names.has('db')) readDatabases(config, [...names])
        for (const each of targets) if (each.ruleOf(config).transaction !== undefined) onTransaction()
      } catch (error) {
        throw new errors.OptionError(`route ${route}: ${(error as Error).message}`)
      }
    }
  })

  for (const { slot } of targets) fastify.decorateRequest(slot, null)
  fastify.decorateRequest(name, { getter (this: FastifyRequest) { return target.of(this as ScopedRequest & Record<symbol, null>) } })
}

function at (value: unknown, key: string): unknown { return isObject(value) ? Reflect.get(value, key) : undefined }

/** Goes on with a request whose route says something of databases. */
function frame (targets: readonly RequestTarget[], request: ScopedRequest, config: unknown, done: () => void): void {
  let work = done
  try {
    for (const target of targets) {
      const next = work
      if (target.asksForTransaction(config)) work = () => target.frame(request, next)
    }
  } catch {} // what is wrong with it is told at the first use
  work()
}

/** Functions with callbacks, and nothing done for a request without a transaction. */
function addHooks (fastify: FastifyInstance, registry: Registry): void {
  fastify.decorateRequest(SCOPE, null)
  fastify.decorateRequest(REPLY, null)
  fastify.addHook('onRequest', (request, reply, done) => {
    const scoped = request as ScopedRequest
    scoped[REPLY] = reply
    if (scoped[SCOPE] !== null) scoped[SCOPE].watch(reply)
    done()
  })
  // Not earlier: who reads a body does so in the context of its connection.
  fastify.addHook('preValidation', (request, _reply, done) => {
    const config: unknown = registry.hasTransactions ? request.routeOptions.config.db : undefined
    if (config === undefined) done()
    else frame(registry.targets, request as ScopedRequest, config, done)
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
