import { isSeconds, SECONDS } from './durations.js'
import type { PoolOptions } from './options.js'
import { DEBUG, readDebug } from './debug.js'
import { readRequireAuth, REQUIRE_AUTH } from './require-auth.js'

/** What an option takes, the variable that it comes from where it is left out, and how that is read. */
export interface Rule {
  readonly takes: string
  readonly valid: (value: unknown) => boolean
  readonly env?: string
  readonly read?: (text: string) => unknown
}

const isNumber = (value: unknown): value is number => typeof value === 'number' && Number.isFinite(value)
const isObject = (value: unknown): value is object => typeof value === 'object' && value !== null && !Array.isArray(value)
export const isText = (value: unknown): value is string => typeof value === 'string' && value !== '' && isClean(value)
/** A NUL would end the text in what is sent, and half of a surrogate pair would become another character. */
export const isClean = (value: string): boolean => !value.includes('\0') && value.isWellFormed()
const number = (text: string): number => text.trim() === '' ? NaN : Number(text)

const text = (takes: string, env?: string): Rule => ({ takes, valid: isText, ...(env !== undefined && { env }) })
const flag: Rule = { takes: 'true or false', valid: (value) => typeof value === 'boolean' }
const seconds = (env?: string): Rule => ({
  takes: SECONDS, valid: isSeconds, read: number, ...(env !== undefined && { env })
})
const count = (least: number, most: number, env?: string): Rule => ({
  takes: `a whole number from ${least} to ${most}`,
  valid: (value) => Number.isInteger(value) && isNumber(value) && value >= least && value <= most,
  read: number,
  ...(env !== undefined && { env })
})
const oneOf = (values: readonly string[]): Rule => ({
  takes: `one of ${values.join(', ')}`, valid: (value) => typeof value === 'string' && values.includes(value)
})

const SSL_MODES = ['disable', 'prefer', 'require', 'verify-full']
const isSsl = (value: unknown): boolean =>
  typeof value === 'boolean' || isObject(value) || (typeof value === 'string' && SSL_MODES.includes(value))
const isHost = (value: unknown): boolean => isText(value) || (Array.isArray(value) && value.length > 0 && value.every(isText))
const isSetting = (value: unknown): boolean => ['string', 'number', 'boolean'].includes(typeof value)
const isLog = (value: unknown): boolean =>
  isObject(value) && ['debug', 'info', 'warn', 'error'].every((level) => typeof Reflect.get(value, level) === 'function')

const callback: Rule = { takes: 'a function', valid: (value) => typeof value === 'function' }

/** The options that take a function of the user's: that is given a connection, or told what the server says. */
export type HookName = 'onConnect' | 'onAcquire' | 'onRelease' | 'onNotice' | 'onParameter'

/** The options that say how values and names are converted; `codecs/conversion.ts` reads what is in them. */
export type ConversionName = 'types' | 'json' | 'transform'

/** Every option: what it takes, and the variable that it comes from where it is left out. */
export const RULES: Readonly<Record<keyof PoolOptions | HookName | ConversionName, Rule>> = {
  url: text('a postgres:// URL', 'DATABASE_URL'),
  host: { takes: 'a host name or address, or a list of them', valid: isHost, env: 'DATABASE_HOST' },
  port: count(1, 65535, 'DATABASE_PORT'),
  database: text('the name of a database', 'DATABASE_NAME'),
  user: text('the name of a user', 'DATABASE_USER'),
  password: {
    takes: 'a string, or a function that returns one',
    valid: (value) => typeof value === 'string' || typeof value === 'function',
    env: 'DATABASE_PASSWORD'
  },
  ssl: { takes: "true, false, 'prefer', 'require', 'verify-full' or options of tls.connect", valid: isSsl },
  requireAuth: { takes: REQUIRE_AUTH, valid: (value) => typeof value === 'string' && readRequireAuth(value) !== undefined },
  applicationName: text('a name'),
  targetSessionAttrs: oneOf(['any', 'read-write', 'read-only', 'primary', 'standby', 'prefer-standby']),
  parameters: { takes: 'an object of session settings', valid: (value) => isObject(value) && Object.values(value).every(isSetting) },
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
  reset: oneOf(['auto', 'always', 'never']),
  debug: { takes: DEBUG, valid: (value) => readDebug(value) !== 'invalid' },
  types: { takes: "codecs by the names of types, as { int8: 'string', numeric: { decode, encode } }", valid: isObject },
  json: { takes: '{ parse, stringify }', valid: isObject },
  transform: {
    takes: '{ column, value, row, undefined }, or camel, pascal, kebab', valid: (value) => isObject(value) || typeof value === 'function'
  },
  onConnect: callback,
  onAcquire: callback,
  onRelease: callback,
  onNotice: callback,
  onParameter: callback,
  log: { takes: 'a pino-like logger with debug, info, warn and error', valid: isLog },
}

export const POOL_OPTION_NAMES = Object.keys(RULES)
