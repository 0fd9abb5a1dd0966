import os from 'node:os'
import { isSeconds, SECONDS } from './durations.js'
import { OptionError } from '../errors/errors.js'
import { isSettingName, parseConnectionUrl, parseHost } from './connection-url.js'
import { rejectUnknown } from './unknown-option.js'
import type { Host, Ssl } from './target.js'

/** The part of pino's logger that is used. */
export interface Log {
  debug (object: object, message: string): void
  info (object: object, message: string): void
  warn (object: object, message: string): void
  error (object: object, message: string): void
}

export type TargetSessionAttrs = 'any' | 'read-write' | 'read-only' | 'primary' | 'standby' | 'prefer-standby'

/** All durations are in seconds, fractions allowed; 0 means no limit. What is left out comes from the environment. */
export interface PoolOptions {
  /** `postgres://user:password@host:port/database`; environment: DATABASE_URL. */
  url?: string | undefined
  /** One host or several, tried in turn; environment: DATABASE_HOST. Default `localhost`. */
  host?: string | readonly string[] | undefined
  /** Environment: DATABASE_PORT. Default 5432. */
  port?: number | undefined
  /** Environment: DATABASE_NAME. Default: the user's name. */
  database?: string | undefined
  /** Environment: DATABASE_USER. Default: the operating system's user. */
  user?: string | undefined
  /** Or a function that is asked at each connect, for passwords that change; environment: DATABASE_PASSWORD. */
  password?: string | (() => string | Promise<string>) | undefined
  ssl?: Ssl | undefined
  applicationName?: string | undefined
  targetSessionAttrs?: TargetSessionAttrs | undefined
  /** Session settings that are sent when connecting, such as `{ search_path: 'app' }`. */
  parameters?: Readonly<Record<string, string | number | boolean>> | undefined
  /** Connections that are always open; environment: DB_MIN_POOL_SIZE. Default 10. */
  min?: number | undefined
  /** Connections at most; environment: DB_MAX_POOL_SIZE. Default 50. */
  max?: number | undefined
  /** How long a call waits for a connection. Default 30. */
  acquireTimeout?: number | undefined
  /** How long one statement may take; environment: DB_COMMAND_TIMEOUT. Default 60. */
  commandTimeout?: number | undefined
  /** How long one connect may take. Default 5. */
  connectTimeout?: number | undefined
  /** How long the whole start may take, with repeated attempts. Default 8, below Fastify's pluginTimeout of 10. */
  startupTimeout?: number | undefined
  /** Whether the start fails without the database. Default true. */
  required?: boolean | undefined
  /** Statements after which a connection is replaced; environment: DB_MAX_QUERIES. Default 50000. */
  maxQueries?: number | undefined
  /** Idle connections beyond `min` are closed after it; environment: DB_MAX_INACTIVE_CONNECTION_LIFETIME. Default 300. */
  idleTimeout?: number | undefined
  /** A connection that was idle for longer is asked whether it is alive before it is lent. Default 30. */
  checkIdle?: number | undefined
  /** Callers that may wait for a connection at once; more are refused. Default 0: no limit. */
  maxWaiting?: number | undefined
  /** A lease or transaction that holds a connection for longer is reported once. Default 30; given, the report says who took it. */
  leakWarning?: number | undefined
  /** How many processes have a pool like this one, for the warning that they need more connections than the server has. Default 1. */
  instances?: number | undefined
  /** Age at which a connection is replaced, less 10 to 25 %, so that they do not all expire at once. Default 1800. */
  maxLifetime?: number | undefined
  /** Grace for running work when the pool closes; 0 ends it at once. Default 10. */
  closeTimeout?: number | undefined
  /** Prepare statements that are used repeatedly. Turn off behind PgBouncer in transaction mode, unless it tracks them. Default true. */
  prepare?: boolean | undefined
  /** Send quick statements together: those of one turn of the event loop, and those that wait for a connection. Default true. */
  pipeline?: boolean | undefined
  /** Runs once on each new connection; if it fails, the connection is discarded. */
  onConnect?: ((connection: never) => unknown) | undefined
  /** A pino-like logger. */
  log?: Log | undefined
}

/** The checked options, with every default filled in. */
export interface Config {
  readonly hosts: readonly Host[]
  readonly database: string
  readonly user: string
  /** A function, so that printing a configuration prints no password. */
  readonly password: () => string | Promise<string>
  readonly ssl: Ssl
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
  readonly onConnect: ((connection: never) => unknown) | undefined
}

type Kind = (value: unknown) => boolean
interface Rule { readonly takes: string, readonly valid: Kind, readonly env?: string, readonly read?: (text: string) => unknown }

const isNumber = (value: unknown): value is number => typeof value === 'number' && Number.isFinite(value)
const isObject = (value: unknown): value is object => typeof value === 'object' && value !== null && !Array.isArray(value)
const isText = (value: unknown): value is string => typeof value === 'string' && value !== '' && isClean(value)
/** A NUL would end the text in what is sent, and half of a surrogate pair would become another character. */
const isClean = (value: string): boolean => !value.includes('\0') && value.isWellFormed()
const number = (text: string): number => text.trim() === '' ? NaN : Number(text)

const text = (takes: string, env?: string): Rule => ({ takes, valid: isText, ...(env !== undefined && { env }) })
const flag: Rule = { takes: 'true or false', valid: (value) => typeof value === 'boolean' }
const seconds = (env?: string): Rule => ({
  takes: SECONDS, valid: isSeconds, read: number, ...(env !== undefined && { env })
})
const count = (least: number, most: number, env?: string): Rule => ({
  takes: `a whole number from ${least} to ${most}`, valid: (value) => Number.isInteger(value) && isNumber(value) && value >= least && value <= most, read: number, ...(env !== undefined && { env })
})
const oneOf = (values: readonly string[]): Rule => ({ takes: `one of ${values.join(', ')}`, valid: (value) => typeof value === 'string' && values.includes(value) })

/** Every option: what it takes, and the variable that it comes from where it is left out. */
const RULES: Readonly<Record<keyof PoolOptions, Rule>> = {
  url: text('a postgres:// URL', 'DATABASE_URL'),
  host: { takes: 'a host name or address, or a list of them', valid: (value) => isText(value) || (Array.isArray(value) && value.length > 0 && value.every(isText)), env: 'DATABASE_HOST' },
  port: count(1, 65535, 'DATABASE_PORT'),
  database: text('the name of a database', 'DATABASE_NAME'),
  user: text('the name of a user', 'DATABASE_USER'),
  password: { takes: 'a string, or a function that returns one', valid: (value) => typeof value === 'string' || typeof value === 'function', env: 'DATABASE_PASSWORD' },
  ssl: { takes: "true, false, 'prefer', 'require', 'verify-full' or options of tls.connect", valid: (value) => typeof value === 'boolean' || isObject(value) || (typeof value === 'string' && ['disable', 'prefer', 'require', 'verify-full'].includes(value)) },
  applicationName: text('a name'),
  targetSessionAttrs: oneOf(['any', 'read-write', 'read-only', 'primary', 'standby', 'prefer-standby']),
  parameters: { takes: 'an object of session settings', valid: (value) => isObject(value) && Object.values(value).every((item) => ['string', 'number', 'boolean'].includes(typeof item)) },
  min: count(0, 10_000, 'DB_MIN_POOL_SIZE'),
  max: count(1, 10_000, 'DB_MAX_POOL_SIZE'),
  acquireTimeout: seconds(),
  commandTimeout: seconds('DB_COMMAND_TIMEOUT'),
  connectTimeout: seconds(),
  startupTimeout: seconds(),
  required: flag,
  maxQueries: count(0, Number.MAX_SAFE_INTEGER, 'DB_MAX_QUERIES'),
  idleTimeout: seconds('DB_MAX_INACTIVE_CONNECTION_LIFETIME'),
  checkIdle: seconds(),
  maxWaiting: count(0, Number.MAX_SAFE_INTEGER),
  leakWarning: seconds(),
  instances: count(1, 10_000),
  maxLifetime: seconds(),
  closeTimeout: seconds(),
  prepare: flag,
  pipeline: flag,
  onConnect: { takes: 'a function', valid: (value) => typeof value === 'function' },
  log: { takes: 'a pino-like logger with debug, info, warn and error', valid: (value) => typeof value === 'object' && value !== null && ['debug', 'info', 'warn', 'error'].every((level) => typeof Reflect.get(value, level) === 'function') },
}

export const POOL_OPTION_NAMES = Object.keys(RULES)

/**
 * Options, then the environment, then the defaults → a checked, frozen configuration.
 * Raises `OptionError`, which names the option or variable and what it takes, and never shows a value.
 */
export function readConfig (options: PoolOptions = {}, env: NodeJS.ProcessEnv = process.env): Config {
  rejectUnknown(options, POOL_OPTION_NAMES)
  const checked: PoolOptions = {}
  for (const [name, rule] of Object.entries(RULES)) Object.assign(checked, readOption(name, rule, Reflect.get(options, name), env))
  const { min = Math.min(10, checked.max ?? 10), max = Math.max(50, min) } = checked
  if (min > max) throw new OptionError(`min (${min}) is greater than max (${max}): DB_MIN_POOL_SIZE must not exceed DB_MAX_POOL_SIZE`)
  const { parameters, ...target } = readTarget(checked, options)
  for (const [name, value] of Object.entries(parameters)) {
    if (!isSettingName(name)) throw new OptionError(`option parameters: ${name.replaceAll('\0', '')} is not the name of a session setting`)
    // The driver leaves out what is empty.
    if (!isText(value)) throw new OptionError(`option parameters: ${name} takes a value that is not empty and holds no NUL`)
    if (/^client_encoding$/i.test(name) && !/^utf-?8$/i.test(value)) throw new OptionError('option parameters: client_encoding is always UTF8')
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
      statement_timeout: String(Math.min(Math.ceil(commandTimeout * 1000), 0x7fffffff)),
      ...parameters,
      application_name: applicationName,
    }),
    dispensable: Object.freeze(Object.hasOwn(parameters, 'statement_timeout') ? [] : ['statement_timeout']),
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
    pipeline: checked.pipeline ?? true,
    onConnect: checked.onConnect,
  }
  return Object.freeze(config)
}

function readOption (name: string, rule: Rule, given: unknown, env: NodeJS.ProcessEnv): object {
  if (given !== undefined) {
    if (!rule.valid(given)) throw new OptionError(`option ${name} takes ${rule.takes}`)
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
  if (!RULES.targetSessionAttrs.valid(attributes)) throw new OptionError(`${source}: target_session_attrs takes ${RULES.targetSessionAttrs.takes}`)
  return {
    hosts: Object.freeze(hosts),
    database: own.database ?? url.database ?? user,
    user,
    password: typeof password === 'function' ? password : () => password,
    ssl: own.ssl ?? url.ssl ?? false,
    applicationName: url.applicationName,
    targetSessionAttrs: attributes as TargetSessionAttrs,
    parameters: { ...url.parameters, ...Object.fromEntries(Object.entries(checked.parameters ?? {}).map(([name, value]) => [name, String(value)])) },
  }
}
