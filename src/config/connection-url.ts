import { OptionError } from '../errors/errors.js'
import { foreignOption, isServerSetting } from './foreign-options.js'
import { splitHost } from './host-list.js'
import { KEYWORDS } from './libpq-keywords.js'
import type { Setting } from './libpq-settings.js'

/** What a `postgres://` URL says: libpq's parameters, and session settings. What it does not say is left out. */
export interface UrlParts {
  settings: Map<string, Setting>
  parameters: Record<string, string>
}

/** How postgres.js and JDBC call parameters of libpq. */
const ALIASES: Readonly<Record<string, string>> = { database: 'dbname', ssl: 'sslmode' }

/** Startup parameters that are no settings: the options name the first two, and the third makes another kind of session. */
const NO_SETTINGS = new Set(['user', 'database', 'replication', '__proto__'])

/** Whether it may be the name of a session setting. */
export function isSettingName (name: string): boolean {
  return /^[a-z_][\w.$]*$/i.test(name) && !NO_SETTINGS.has(name)
}

const keywordOf = (name: string): string | undefined => {
  const keyword = Object.hasOwn(ALIASES, name) ? ALIASES[name] : name
  return keyword !== undefined && Object.hasOwn(KEYWORDS, keyword) ? keyword : undefined
}

/**
 * Reads `postgres://user:password@host1:5432,host2/database?sslmode=require`. What in the query is no parameter of libpq's is a
 * session setting, as in postgres.js. The URL is never quoted in an error: it holds the password.
 */
export function parseConnectionUrl (url: string, source: string): UrlParts {
  // Unescaped, a / ? or @ of the password would make hosts, settings or a database of the rest of it.
  const match = /^postgres(?:ql)?:\/\/(?:([^@/?#]*)@)?([^@/?#]*)(?:\/([^@/?#]*))?(?:\?([^#]*))?$/.exec(url)
  const query = [...new URLSearchParams(match?.[4])]
  if (match === null || !query.every(([name]) => keywordOf(name) !== undefined || isSettingName(name))) {
    throw new OptionError(`${source} is not a Postgres URL: it takes postgres://user:password@host:5432/database ` +
      '(with / ? # @ in the password written as %2F %3F %23 %40)')
  }
  const [, credentials, hosts = '', database] = match
  const parts: UrlParts = { settings: new Map(), parameters: {} }
  const set = (name: string, value: string): void => { if (value !== '') parts.settings.set(name, { value, label: source }) }
  const decode = (text: string): string => {
    try {
      return decodeURIComponent(text)
    } catch {
      throw new OptionError(`${source} holds a % that is not followed by two hexadecimal digits: write %25 for a % itself`)
    }
  }
  if (credentials !== undefined) {
    const colon = credentials.indexOf(':')
    set('user', decode(colon === -1 ? credentials : credentials.slice(0, colon)))
    if (colon !== -1) set('password', decode(credentials.slice(colon + 1)))
  }
  if (hosts !== '') {
    const list = hosts.split(',').map((host) => splitHost(decode(host), source))
    set('host', list.map(({ host }) => host).join(','))
    // Of several hosts, one without a port has the default one, as in libpq: a variable is for a single host only.
    set('port', list.map(({ port }) => port ?? '').join(','))
  }
  if (database !== undefined) set('dbname', decode(database))
  for (const [name, value] of query) readSetting(parts, name, value, source)
  return parts
}

function readSetting ({ settings, parameters }: UrlParts, name: string, value: string, source: string): void {
  const keyword = keywordOf(name)
  if (keyword !== undefined) {
    // An empty one stands for libpq's default.
    if (value !== '' || keyword === 'sslmode') settings.set(keyword, { value, label: `${source}: ${name}` })
    return
  }
  const foreign = isServerSetting(name) ? undefined : foreignOption(name)
  if (foreign !== undefined) {
    throw new OptionError(`${source}: ${name} is neither one of libpq's parameters nor a session setting: ${foreign}`)
  }
  parameters[name] = value
}
