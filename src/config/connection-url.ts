import { OptionError } from '../errors/errors.js'
import type { Host, Ssl } from './target.js'

/** What a `postgres://` URL says. What it does not say is left out. */
export interface UrlParts {
  hosts?: Host[]
  database?: string
  user?: string
  password?: string
  ssl?: Ssl
  applicationName?: string
  targetSessionAttrs?: string
  requireAuth?: string
  parameters: Record<string, string>
}

const SSL_MODES: Readonly<Record<string, Ssl>> = {
  disable: false, prefer: 'prefer', allow: 'prefer', require: 'require', 'verify-ca': true, 'verify-full': true, true: true, false: false
}

/** libpq's settings that name files. As session settings the server would refuse them, and get to know a password. */
const FILES = /^ssl(?:rootcert|cert|key|password|crl|crldir)$/

/** libpq's settings that a URL may carry and that mean nothing here. */
const IGNORED = new Set(['channel_binding', 'connect_timeout', 'client_encoding', 'sslnegotiation', 'gssencmode'])

/** Startup parameters that are no settings: the options name the first two, and the third makes another kind of session. */
const NO_SETTINGS = new Set(['user', 'database', 'replication', '__proto__'])

/** Whether it may be the name of a session setting. */
export function isSettingName (name: string): boolean {
  return /^[a-z_][\w.$]*$/i.test(name) && !NO_SETTINGS.has(name)
}

/**
 * Reads `postgres://user:password@host1:5432,host2/database?sslmode=require`. Other settings of the query are session
 * settings, as in postgres.js. The URL is never quoted in an error: it holds the password.
 */
export function parseConnectionUrl (url: string, source: string): UrlParts {
  // Unescaped, a / ? or @ of the password would make hosts, settings or a database of the rest of it.
  const match = /^postgres(?:ql)?:\/\/(?:([^@/?#]*)@)?([^@/?#]*)(?:\/([^@/?#]*))?(?:\?([^#]*))?$/.exec(url)
  const settings = [...new URLSearchParams(match?.[4])]
  if (match === null || !settings.every(([name]) => ['user', 'database'].includes(name) || isSettingName(name))) {
    throw new OptionError(`${source} is not a Postgres URL: it takes postgres://user:password@host:5432/database ` +
      '(with / ? # @ in the password written as %2F %3F %23 %40)')
  }
  const [, credentials, hosts = '', database] = match
  const parts: UrlParts = { parameters: {} }
  const decode = (text: string): string => {
    try {
      return decodeURIComponent(text)
    } catch {
      throw new OptionError(`${source} holds a % that is not followed by two hexadecimal digits: write %25 for a % itself`)
    }
  }
  if (credentials !== undefined) {
    const colon = credentials.indexOf(':')
    const user = decode(colon === -1 ? credentials : credentials.slice(0, colon))
    if (user !== '') parts.user = user
    if (colon !== -1) parts.password = decode(credentials.slice(colon + 1))
  }
  if (hosts !== '') parts.hosts = hosts.split(',').map((host) => parseHost(decode(host), 5432, source))
  if (database !== undefined && database !== '') parts.database = decode(database)
  for (const [name, value] of settings) readSetting(parts, name, value, source)
  return parts
}

function readSetting (parts: UrlParts, name: string, value: string, source: string): void {
  if (name === 'sslmode' || name === 'ssl') {
    const ssl = Object.hasOwn(SSL_MODES, value) ? SSL_MODES[value] : undefined
    if (ssl === undefined) throw new OptionError(`${source}: ${name} takes one of ${Object.keys(SSL_MODES).join(', ')}`)
    parts.ssl = ssl
  } else if (FILES.test(name)) {
    throw new OptionError(`${source}: ${name} is not read from a URL: pass the option ssl, as in { ca: readFileSync('root.crt') }`)
  } else if (name === 'application_name') parts.applicationName = value
  else if (name === 'target_session_attrs') parts.targetSessionAttrs = value
  else if (name === 'require_auth') parts.requireAuth = value
  else if (name === 'host') parts.hosts = value.split(',').map((host) => parseHost(host, 5432, source))
  else if (name === 'user' || name === 'password') parts[name] = value
  else if (name === 'dbname' || name === 'database') parts.database = value
  else if (!IGNORED.has(name)) parts.parameters[name] = value
}

/** `host`, `host:port`, `[::1]:port` or a folder of Unix sockets. */
export function parseHost (text: string, defaultPort: number, source: string): Host {
  const match = text.startsWith('/')
    ? /^(\/.*?)(?::(\d+))?$/.exec(text)
    : /^(?:\[([0-9a-f:.%]+)\]|([^:[\]\s/?#@]+))(?::(\d+))?$/i.exec(text)
  const groups = match === null ? [] : match.slice(1)
  const port = Number(groups.at(-1) ?? defaultPort)
  const host = groups.slice(0, -1).find((group) => group !== undefined)
  if (host === undefined || port < 1 || port > 65535) {
    throw new OptionError(`${source} has no valid host: it takes a name or address, with :port if need be, several with commas`)
  }
  return Object.freeze({ host, port })
}
