import { BoundDatabase } from '../src/api/bound-database.js'
import { createWith } from '../src/api/create-database.js'
import { eventLog } from '../src/config/event-log.js'
import { readGiven } from '../src/config/read-given.js'
import { POOL_OPTION_NAMES } from '../src/config/rules.js'
import { rejectUnknown } from '../src/config/unknown-option.js'
import { checkSettings, type RequestSettings } from './request/route-options.js'
import { createDatabase, Lease, Transaction, errors, type Database, type DatabaseOptions, type Log } from '../src/index.js'

/** What a further database takes: all that the first one does, but its name is the key, and the health routes are the first one's. */
export interface FurtherDatabaseOptions extends Omit<DatabaseOptions, 'name'> {
  /** What each transaction and each call of a request on it begins with. */
  settings?: RequestSettings | undefined
}

/** A registration's databases. */
export interface AllDatabases {
  db: Database
  /** What requests begin with on the further ones. */
  settings: Readonly<Record<string, RequestSettings | undefined>>
}

/** Names that mean something on `fastify.db` or to a route, beside the members of all that has helpers. */
const RESERVED = ['then', 'toJSON', 'commitOn', 'settings']

/**
 * The database of `options`, with those of the option `databases` beside it: `db.archive`, and all in `db.databases`. Nothing is opened.
 * Raises `OptionError`, which names the database.
 */
export function createAll (databases: unknown, options: DatabaseOptions & { log: Log }): AllDatabases {
  const further = readGiven('option databases', () => entriesOf(databases))
    .map(([name, given]) => [name, createFurther(name, given, options.log)] as const)
  const db = createWith(Object.fromEntries(further.map(([name, { database }]) => [name, database])), options, process.env)
  for (const [name, { database: value }] of further) {
    if ([db, BoundDatabase.prototype, Lease.prototype, Transaction.prototype].some((place) => name in place) || RESERVED.includes(name)) {
      throw new errors.OptionError(`option databases.${name}: the name has another meaning on a database, give it another one`)
    }
    Object.defineProperty(db, name, { value, enumerable: true })
  }
  return { db, settings: Object.fromEntries(further.map(([name, { settings }]) => [name, settings])) }
}

function entriesOf (databases: unknown = {}): Array<[name: string, given: unknown]> {
  if (!isObject(databases)) throw new errors.OptionError('option databases takes an object: { archive: { url }, replica: { url } }')
  const entries = Object.entries(databases)
  const unfit = entries.find(([name]) => !/^[a-z_$][\w$]*$/i.test(name))
  if (unfit !== undefined) throw new errors.OptionError(`option databases takes identifiers as names, not ${JSON.stringify(unfit[0])}`)
  return entries
}

function createFurther (name: string, given: unknown, log: Log): { database: Database, settings: RequestSettings | undefined } {
  const place = `databases.${name}`
  if (!isObject(given)) throw new errors.OptionError(`option ${place} takes an object of options: { url, min, max }`)
  const { settings, ...options }: FurtherDatabaseOptions = readGiven(`option ${place}`, () => ({ ...given }))
  rejectUnknown(options, [...POOL_OPTION_NAMES, 'health', 'settings'], `${place}.`)
  checkSettings(settings, `${place}.settings`)
  if (options.url === undefined && options.host === undefined && options.database === undefined) {
    throw new errors.OptionError(`option ${place} takes url, host or database: without one it would be the default database once more`)
  }
  try {
    return { database: createDatabase({ ...options, name, log: options.log ?? log }), settings }
  } catch (error) {
    if (!(error instanceof errors.OptionError)) throw error
    throw new errors.OptionError(placed(error.message, place), { cause: error.cause })
  }
}

/** What is wrong with an option, as what is wrong with one of this place. A variable is everybody's. */
function placed (message: string, place: string): string {
  if (message.startsWith('environment variable')) return message
  const [prefix] = /^(?:unknown )?option /.exec(message) ?? []
  return prefix === undefined ? `option ${place}: ${message}` : `${prefix}${place}.${message.slice(prefix.length)}`
}

function isObject (value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof URL) && !(value instanceof Map)
}

const allOf = (db: Database): Database[] => [db, ...Object.values(db.databases)]

/** Opens all at once. If one fails, all are closed, and it rejects with the error of that one. */
export async function openAll (db: Database, name: string, log: Log): Promise<void> {
  let failed: string | undefined
  const open = async (name: string, database: Database): Promise<void> => {
    try {
      await database.open()
    } catch (error) {
      failed ??= name
      throw error
    }
  }
  try {
    await Promise.all([open(name, db), ...Object.entries(db.databases).map(([name, database]) => open(name, database))])
  } catch (error) {
    await closeAll(db).catch(() => {}) // the first error counts
    if (allOf(db).length > 1 && failed !== undefined) {
      eventLog(log, failed).error({ event: 'startup.failed', err: error }, 'the database did not open: all of its registration are closed')
    }
    throw error
  }
}

/** Begins the grace of all. */
export function drainAll (db: Database): void { for (const database of allOf(db)) database.drain() }

/** Closes all at once. One that fails does not keep the others. */
export async function closeAll (db: Database): Promise<void> {
  const outcomes = await Promise.allSettled(allOf(db).map(async (database) => database.close()))
  for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason
}
