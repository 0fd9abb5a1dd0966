import { types } from 'node:util'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { type BoundDatabase, boundKind } from '../../src/api/bound-database.js'
import { access, type Database } from '../../src/api/database.js'
import { type EventLog, eventLog } from '../../src/config/event-log.js'
import { readGiven } from '../../src/config/read-given.js'
import { errors, type Log } from '../../src/index.js'
import { abortGroup } from '../../src/timing/abort-group.js'
import { checkShape, readSettings, type Settings } from '../../src/transaction/settings.js'
import { onDeparture } from './departure.js'
import { ClientLeftError, RequestScope } from './request-scope.js'
import { isObject, readRouteOptions, type RequestSettings, type RouteRule } from './route-options.js'
import { RouteTransaction } from './route-transaction.js'

/** The transactions of a request, if its route asks for any. */
export const SCOPE = Symbol('fastify-postgres-js.scope')
/** Its reply, from our first hook on. */
export const REPLY = Symbol('fastify-postgres-js.reply')

/** A request where the hooks of the plugin run. In a child that was there before the plugin, it has no such fields until they are set. */
export type ScopedRequest = FastifyRequest & { [SCOPE]?: RequestScope | null, [REPLY]?: FastifyReply | null }

/** The same with what each target has given it. */
type BoundRequest = ScopedRequest & { [slot: symbol]: BoundDatabase | null }

/** One database of a registration, as requests have it. */
export interface TargetParts {
  /** What log lines call it. */
  name: string
  database: Database
  /** The option of that name, if it was given. */
  log: Log | undefined
  /** What every request's transactions begin with. */
  settings: RequestSettings | undefined
  /** Where a route says something about it: `config.db` or below. */
  path: string
  /** What a route's `config.db` holds for it. */
  pick: (config: unknown) => unknown
  /** The names beside the options in there, which are those of other databases. */
  others: () => readonly string[]
  /** Those of them that this one has on itself. */
  further?: ReadonlyMap<string, RequestTarget>
}

/** Gives each request the helpers of one database. */
export class RequestTarget {
  /** Where a request keeps them. */
  readonly slot: symbol
  readonly #parts: TargetParts
  readonly #Kind: typeof BoundDatabase
  readonly #rules = new WeakMap<object, RouteRule>()

  constructor (parts: TargetParts) {
    this.slot = Symbol(parts.path)
    this.#parts = parts
    this.#Kind = boundKind([...parts.further?.keys() ?? []])
  }

  /** What a route's `config.db` says about it. Raises `OptionError`. */
  ruleOf (config: unknown): RouteRule {
    const { path, pick, others } = this.#parts
    const given = pick(config)
    const known = isObject(given) ? this.#rules.get(given) : undefined
    if (known !== undefined) return known
    const rule = readRouteOptions(given, path, others())
    if (isObject(given)) this.#rules.set(given, rule)
    return rule
  }

  asksForTransaction (config: unknown): boolean { return this.ruleOf(config).transaction !== undefined }

  /** Goes on with a request whose route asks for a transaction: what it asks of the database itself is known to be in that. */
  frame (request: ScopedRequest, work: () => void): void {
    access.frame(this.#parts.database, request[SCOPE]?.transactionOf(this)?.begun, work)
  }

  /** The helpers of a request. Raises `OptionError` for what its route says about the database. */
  of (request: BoundRequest): BoundDatabase {
    const held = request[this.slot]
    if (held != null) return held
    const config: unknown = request.routeOptions.config.db
    const rule = config === undefined ? undefined : this.ruleOf(config)
    if (rule?.transaction !== undefined) return (request[this.slot] = this.#bindToTransaction(request, rule))
    // Written out, because each request comes here.
    const { database, settings, further } = this.#parts
    const logOf = this.#logOf
    const reply = request[REPLY]
    const raw = reply?.raw
    const group = { members: new Set<never>(), reason: undefined }
    const bound = access.bind(database, {
      response: raw,
      group,
      settings: settings === undefined && rule?.settings === undefined ? undefined : settingsOf(request, settings, rule?.settings),
      further: further && ((name) => further.get(name)?.of(request)),
      get log () { return logOf(request) },
    }, this.#Kind)
    if (reply == null) return bound // too early to know the end of the request: the next access will
    onDeparture(reply, () => { if (!reply.raw.writableEnded) abortGroup(group, new ClientLeftError()) })
    return (request[this.slot] = bound)
  }

  #bindToTransaction (request: BoundRequest, rule: RouteRule): BoundDatabase {
    const { database, settings, further } = this.#parts
    const log = this.#logOf(request)
    const scope = request[SCOPE] ??= new RequestScope()
    if (request[REPLY] != null) scope.watch(request[REPLY])
    const asked = settingsOf(request, settings, rule.settings)
    const route = new RouteTransaction(rule, (options) => access.begin(database, { options, settings: asked?.(), group: scope.group, log }))
    scope.add(this, route, log)
    const transaction = (): RouteTransaction['current'] => {
      scope.check()
      return route.current
    }
    const bindFurther = further && ((name: string) => further.get(name)?.of(request))
    return access.bind(database, { log, settings: asked, transaction, further: bindFurther }, this.#Kind)
  }

  /** Each line tells of which request it is. */
  readonly #logOf = (request: FastifyRequest): EventLog => {
    const { log, name } = this.#parts
    const route = request.routeOptions.url
    return log === undefined ? eventLog(request.log, name, { route }) : eventLog(log, name, { reqId: request.id, route })
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
    if (all === undefined || own === undefined) return readSettings(own === undefined ? all : own, 'settings')
    for (const given of [all, own]) readGiven('settings', () => checkShape(given, 'settings'))
    return readSettings({ ...all, ...own }, 'settings')
  }
}
