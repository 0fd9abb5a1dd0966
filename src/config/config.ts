import os from 'node:os'
import { OptionError } from '../errors/errors.js'
import { isSettingName, parseConnectionUrl, parseHost } from './connection-url.js'
import type { PoolOptions, ResetMode, TargetSessionAttrs } from './options.js'
import { type AuthMethod, readRequireAuth } from './require-auth.js'
import { isClean, isText, POOL_OPTION_NAMES, type Rule, RULES } from './rules.js'
import { readGiven } from './read-given.js'
import type { Host, Ssl } from './target.js'
import { rejectUnknown } from './unknown-option.js'

/** The checked options, with every default filled in. */
export interface Config {
  readonly hosts: readonly Host[]
  readonly database: string
  readonly user: string
  /** A function, so that printing a configuration prints no password. */
  readonly password: () => string | Promise<string>
  readonly ssl: Ssl
  /** The methods of authentication that are accepted; undefined: any. */
  readonly requireAuth: ReadonlySet<AuthMethod> | undefined
  readonly applicationName: string
  readonly targetSessionAttrs: TargetSessionAttrs
  readonly parameters: Readonly<Record<string, string>>
  /** Those of the parameters that a pooler may refuse: nobody asked for them, and there is a substitute. */
  readonly dispensable: readonly string[]
  readonly min: number
  readonly max: number
  readonly acquireTimeout: number
  readonly commandTimeout: number
  readonly connectTimeout: number
  readonly startupTimeout: number
  readonly required: boolean
  readonly maxQueries: number
  readonly idleTimeout: number
  readonly checkIdle: number
  readonly maxWaiting: number
  readonly leakWarning: number
  /** Whether to note who takes a connection, for the report. */
  readonly notesTakers: boolean
  readonly instances: number
  readonly maxLifetime: number
  readonly closeTimeout: number
  readonly prepare: boolean
  readonly pipeline: boolean
  readonly reset: ResetMode
  /** Whether errors tell more than production should. */
  readonly debug: boolean
  /** Whether something runs on each new connection before its first user. */
  readonly hasOnConnect: boolean
}

/**
 * Options, then the environment, then the defaults → a checked, frozen configuration.
 * Raises `OptionError`, which names the option or variable and what it takes, and never shows a value.
 */
export function readConfig (options: PoolOptions & { onConnect?: unknown } = {}, env: NodeJS.ProcessEnv = process.env): Config {
  rejectUnknown(options, POOL_OPTION_NAMES)
  const checked: PoolOptions & { onConnect?: unknown } = {}
  for (const [name, rule] of Object.entries(RULES)) Object.assign(checked, readOption(name, rule, Reflect.get(options, name), env))
  const { min = Math.min(10, checked.max ?? 10), max = Math.max(50, min) } = checked
  if (min > max) throw new OptionError(`min (${min}) is greater than max (${max}): DB_MIN_POOL_SIZE must not exceed DB_MAX_POOL_SIZE`)
  const { parameters, ...target } = readTarget(checked, options)
  for (const [name, value] of Object.entries(parameters)) {
    if (!isSettingName(name)) throw new OptionError(`option parameters: ${name.replaceAll('\0', '')} is not the name of a session setting`)
    // The driver leaves out what is empty.
    if (!isText(value)) throw new OptionError(`option parameters: ${name} takes a value that is not empty and holds no NUL`)
    if (/^client_encoding$/i.test(name) && !/^utf-?8$/i.test(value)) {
      throw new OptionError('option parameters: client_encoding is always UTF8')
    }
    if (/^array_nulls$/i.test(name)) throw new OptionError('option parameters: array_nulls is always on')
  }
  const applicationName = checked.applicationName ?? target.applicationName ?? 'fastify-postgres-js'
  for (const [name, value] of Object.entries({ user: target.user, database: target.database, applicationName })) {
    if (!isClean(value)) throw new OptionError(`${name} takes a text that holds no NUL`)
  }
  const commandTimeout = checked.commandTimeout ?? 60
  const config: Config = {
    ...target,
    applicationName,
    parameters: Object.freeze({
      DateStyle: 'ISO', // what the decoder of timestamps reads
      array_nulls: 'on', // what the encoder of arrays writes
      statement_timeout: String(Math.ceil(commandTimeout * 1000)),
      ...parameters,
      application_name: applicationName,
    }),
    dispensable: Object.freeze(Object.hasOwn(parameters, 'statement_timeout') ? ['array_nulls'] : ['array_nulls', 'statement_timeout']),
    min,
    max,
    acquireTimeout: checked.acquireTimeout ?? 30,
    commandTimeout,
    connectTimeout: checked.connectTimeout ?? 5,
    startupTimeout: checked.startupTimeout ?? 8,
    required: checked.required ?? true,
    maxQueries: checked.maxQueries ?? 50_000,
    idleTimeout: checked.idleTimeout ?? 300,
    checkIdle: checked.checkIdle ?? 30,
    maxWaiting: checked.maxWaiting ?? 0,
    leakWarning: checked.leakWarning ?? 30,
    notesTakers: checked.leakWarning !== undefined && checked.leakWarning > 0,
    instances: checked.instances ?? 1,
    maxLifetime: checked.maxLifetime ?? 1800,
    closeTimeout: checked.closeTimeout ?? 10,
    prepare: checked.prepare ?? true,
    // With a reset behind each, statements of different callers cannot travel together.
    pipeline: checked.pipeline !== false && checked.reset !== 'always',
    reset: checked.reset ?? 'auto',
    debug: checked.debug ?? false,
    hasOnConnect: checked.onConnect !== undefined,
  }
  return Object.freeze(config)
}

function readOption (name: string, rule: Rule, given: unknown, env: NodeJS.ProcessEnv): object {
  if (given !== undefined) {
    if (!readGiven(`option ${name}`, () => rule.valid(given))) throw new OptionError(`option ${name} takes ${rule.takes}`)
    return { [name]: given }
  }
  const variable = rule.env === undefined ? undefined : env[rule.env]
  if (variable === undefined || variable === '') return {}
  const value = rule.read === undefined ? variable : rule.read(variable)
  if (!rule.valid(value)) throw new OptionError(`environment variable ${rule.env} takes ${rule.takes}`)
  return { [name]: value }
}

/** Who and where: an option beats the URL, and the URL beats the environment's single parts. */
function readTarget (checked: PoolOptions, given: PoolOptions) {
  const source = given.url === undefined ? 'DATABASE_URL' : 'option url'
  const url = checked.url === undefined ? { parameters: {} } : parseConnectionUrl(checked.url, source)
  const own = checked.url === undefined ? checked : given
  const port = own.port ?? 5432
  const list = own.host === undefined ? undefined : [own.host].flat().flatMap((host) => host.split(','))
  const hosts = list?.map((host) => parseHost(host, port, given.host === undefined ? 'DATABASE_HOST' : 'option host')) ??
    url.hosts?.map((host) => Object.freeze({ ...host, port: own.port ?? host.port })) ?? [Object.freeze({ host: 'localhost', port })]
  const user = own.user ?? url.user ?? os.userInfo().username
  const password = own.password ?? url.password ?? ''
  const attributes = checked.targetSessionAttrs ?? url.targetSessionAttrs ?? 'any'
  if (!RULES.targetSessionAttrs.valid(attributes)) {
    throw new OptionError(`${source}: target_session_attrs takes ${RULES.targetSessionAttrs.takes}`)
  }
  const requireAuth = checked.requireAuth ?? url.requireAuth
  if (requireAuth !== undefined && !RULES.requireAuth.valid(requireAuth)) {
    throw new OptionError(`${source}: require_auth takes ${RULES.requireAuth.takes}`)
  }
  const parameters = Object.entries(checked.parameters ?? {}).map(([name, value]) => [name, String(value)])
  return {
    hosts: Object.freeze(hosts),
    database: own.database ?? url.database ?? user,
    user,
    password: typeof password === 'function' ? password : () => password,
    ssl: own.ssl ?? url.ssl ?? false,
    requireAuth: requireAuth === undefined ? undefined : readRequireAuth(requireAuth),
    applicationName: url.applicationName,
    targetSessionAttrs: attributes as TargetSessionAttrs,
    parameters: { ...url.parameters, ...Object.fromEntries(parameters) },
  }
}
