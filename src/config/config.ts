import os from 'node:os'
import type { Debug } from '../errors/debug-details.js'
import { OptionError } from '../errors/errors.js'
import { debugOf } from './debug.js'
import { isSettingName, parseConnectionUrl, type UrlParts } from './connection-url.js'
import { isSeconds, SECONDS } from './durations.js'
import { readHosts } from './host-list.js'
import { completeSettings, type Setting, type Settings } from './libpq-settings.js'
import type { PoolOptions, ResetMode, TargetSessionAttrs } from './options.js'
import { type AuthMethod, readRequireAuth } from './require-auth.js'
import { type ConversionName, type HookName, isClean, isText, POOL_OPTION_NAMES, type Rule, RULES } from './rules.js'
import { readGiven } from './read-given.js'
import type { Host, Ssl } from './target.js'
import { readTls } from './tls-settings.js'
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
  /** What errors show besides, if anything. */
  readonly debug: Debug
  /** Whether something runs on each new connection before its first user. */
  readonly hasOnConnect: boolean
}

type GivenOptions = PoolOptions & { readonly [name in HookName | ConversionName]?: unknown }

/**
 * Options, then the environment, then the defaults → a checked, frozen configuration.
 * Raises `OptionError`, which names the option or variable and what it takes, and never shows a value.
 */
export function readConfig (options: GivenOptions = {}, env: NodeJS.ProcessEnv = process.env): Config {
  rejectUnknown(options, POOL_OPTION_NAMES)
  const checked: GivenOptions = {}
  for (const [name, rule] of Object.entries(RULES)) Object.assign(checked, readOption(name, rule, Reflect.get(options, name), env))
  const { min = Math.min(10, checked.max ?? 10), max = Math.max(50, min) } = checked
  if (min > max) throw new OptionError(`min (${min}) is greater than max (${max}): DB_MIN_POOL_SIZE must not exceed DB_MAX_POOL_SIZE`)
  const { parameters, ...target } = readTarget(checked, options, env)
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
    connectTimeout: checked.connectTimeout ?? target.connectTimeout ?? 5,
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
    debug: readGiven('option debug', () => debugOf(checked.debug)),
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

/**
 * Who and where, each part by itself: an option beats the URL, the URL beats libpq's variables, and those beat the default.
 * Without a URL, the variables `DATABASE_HOST` to `DATABASE_PASSWORD` stand in its place.
 */
function readTarget (checked: PoolOptions, given: PoolOptions, env: NodeJS.ProcessEnv) {
  const url: UrlParts = checked.url === undefined
    ? { settings: new Map(), parameters: {} }
    : parseConnectionUrl(checked.url, given.url === undefined ? 'DATABASE_URL' : 'option url')
  const own = checked.url === undefined ? checked : given
  const settings = completeSettings(url.settings, own, env)
  const text = (keyword: string): string | undefined => settings.get(keyword)?.value
  const user = own.user ?? text('user') ?? os.userInfo().username
  const password = own.password ?? text('password') ?? ''
  const requireAuth = own.requireAuth ?? readBy('requireAuth', settings.get('require_auth'))
  const attributes = readBy('targetSessionAttrs', settings.get('target_session_attrs'))
  const options = text('options')
  const parameters = Object.entries(checked.parameters ?? {}).map(([name, value]) => [name, String(value)])
  return {
    hosts: Object.freeze(readPlaces(own, given, settings, url)),
    database: own.database ?? text('dbname') ?? user,
    user,
    password: typeof password === 'function' ? password : () => password,
    ssl: own.ssl ?? readTls(settings) ?? false,
    requireAuth: requireAuth === undefined ? undefined : readRequireAuth(requireAuth),
    applicationName: text('application_name') ?? text('fallback_application_name'),
    targetSessionAttrs: (own.targetSessionAttrs ?? attributes ?? 'any') as TargetSessionAttrs,
    connectTimeout: readConnectTimeout(settings.get('connect_timeout')),
    parameters: { ...(options !== undefined && { options }), ...url.parameters, ...Object.fromEntries(parameters) },
  }
}

/** The hosts of the option or variable, otherwise those of the URL. A port of the option is for all that name none, in a URL for all. */
function readPlaces (own: PoolOptions, given: PoolOptions, settings: Settings, url: UrlParts): Host[] {
  const port = own.port === undefined ? settings.get('port') : { value: String(own.port), label: 'option port' }
  if (own.host === undefined) return readHosts({ host: settings.get('host'), hostaddr: settings.get('hostaddr'), port })
  const host = { value: [own.host].flat().join(','), label: given.host === undefined ? 'DATABASE_HOST' : 'option host' }
  // The URL's ports are those of its hosts.
  return readHosts({ host, port: url.settings.has('port') && own.port === undefined ? undefined : port })
}

/** A setting of libpq's that takes what an option takes. */
function readBy (option: 'requireAuth' | 'targetSessionAttrs', setting: Setting | undefined): string | undefined {
  if (setting !== undefined && !RULES[option].valid(setting.value)) throw new OptionError(`${setting.label} takes ${RULES[option].takes}`)
  return setting?.value
}

/** What is negative is no limit, as in libpq. */
function readConnectTimeout (setting: Setting | undefined): number | undefined {
  if (setting === undefined) return undefined
  const seconds = setting.value.trim() === '' ? NaN : Math.max(0, Number(setting.value))
  if (!isSeconds(seconds)) throw new OptionError(`${setting.label} takes ${SECONDS}`)
  return seconds
}
