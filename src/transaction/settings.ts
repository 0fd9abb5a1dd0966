import { readGiven } from '../config/read-given.js'
import { type Meaning, type OwnStatement, Preamble } from '../driver/preamble.js'
import { OptionError } from '../errors/errors.js'
import { type Call, internalCall } from '../query/call.js'

/** What a transaction begins with, checked: each setting holds up to its end. */
export class Settings implements Meaning {
  /** By the names in lower case: the server knows no others. */
  readonly values: ReadonlyMap<string, string>
  readonly statement: OwnStatement
  /** The call that the statement is run for where it travels with no other one. */
  readonly call: Call
  readonly changesPath: boolean
  readonly role: string | undefined
  /** In front of a statement that is a transaction by itself. */
  readonly alone: Preamble

  constructor (values: ReadonlyMap<string, string>) {
    this.values = values
    this.call = callToSet(values.size)
    this.statement = { text: this.call.statement.text, parameters: [...values].flat() }
    this.changesPath = values.has('search_path') || values.has('session_authorization')
    this.role = this.changesPath ? undefined : values.get('role')
    this.alone = new Preamble([this.statement], this)
  }

  /** These and others, which go behind them. Raises `OptionError` for a name that both have. */
  with (others: Settings | undefined, what: string): Settings {
    if (others === undefined) return this
    for (const name of others.values.keys()) if (this.values.has(name)) throw refused(`${what}.${name}`, 'is set here already')
    return new Settings(new Map([...this.values, ...others.values]))
  }
}

const calls = new Map<number, Call>()

function callToSet (count: number): Call {
  const known = calls.get(count)
  if (known !== undefined) return known
  const each = Array.from({ length: count }, (_, index) => `pg_catalog.set_config($${2 * index + 1}, $${2 * index + 2}, true)`)
  const call = internalCall(`SELECT ${each.join(', ')}`)
  calls.set(count, call)
  return call
}

/** Each is a column of one SELECT. */
const MOST_SETTINGS = 100
const LONGEST_NAME = 127
/** A name as the server takes it; a setting of one's own has a dot. */
const NAME = /^[a-z_\u0080-\uffff][\w$\u0080-\uffff]*(\.[a-z_\u0080-\uffff][\w$\u0080-\uffff]*)*$/i

const OF_TRANSACTION = 'is an option of the transaction itself: isolation, readOnly, deferrable'
const OF_VALUES = 'decides how values are read and written, and stays as it is'
/** Those that have no place here, and why. */
const REFUSED: ReadonlyMap<string, string> = new Map([
  ...['transaction_isolation', 'transaction_read_only', 'transaction_deferrable'].map((name) => [name, OF_TRANSACTION] as const),
  ...['client_encoding', 'datestyle', 'intervalstyle', 'bytea_output', 'extra_float_digits', 'array_nulls', 'standard_conforming_strings',
    'xmlbinary', 'lc_monetary'].map((name) => [name, OF_VALUES] as const),
  ['statement_timeout', 'is for the options commandTimeout and timeout to say'],
])

/**
 * Reads and checks the settings of transactions, once: `undefined` and `{}` are none. `what`: how errors name them.
 * Raises `OptionError`, which never holds a value.
 *
 * @example
 * readSettings({ 'app.tenant': 't1' }, 'transaction.settings')
 */
export function readSettings (given: unknown, what: string): Settings | undefined {
  return readGiven(what, () => {
    if (given === undefined) return undefined
    checkShape(given, what)
    const names = Object.keys(given)
    if (names.length > MOST_SETTINGS) throw refused(what, `takes ${MOST_SETTINGS} settings at most`)
    const values = new Map<string, string>()
    for (const name of names) {
      const key = checkName(name, what)
      if (values.has(key)) throw refused(`${what}.${key}`, 'is given twice')
      values.set(key, readValue(given, name, `${what}.${name}`))
    }
    return values.size === 0 ? undefined : new Settings(values)
  })
}

/** Raises `OptionError` for what is no object of names and values, also for what would be read as an empty one, such as a Map. */
export function checkShape (given: unknown, what: string): asserts given is object {
  if (typeof given === 'object' && given !== null && !Array.isArray(given) && (isPlain(given) || Object.keys(given).length > 0)) return
  throw refused(what, "takes an object of names and values: { 'app.tenant': 't1' }")
}

function isPlain (given: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(given)
  return prototype === null || Object.getPrototypeOf(prototype) === null
}

function checkName (name: string, what: string): string {
  if (name.length > LONGEST_NAME || !NAME.test(name) || !name.isWellFormed()) {
    const shown = name.length > LONGEST_NAME ? `${name.slice(0, LONGEST_NAME)}…` : name
    const why = `is no name of a setting: app.tenant is one, and ${LONGEST_NAME} characters are the most`
    throw refused(`${what}.${JSON.stringify(shown.toWellFormed())}`, why)
  }
  const key = name.toLowerCase()
  const why = REFUSED.get(key)
  if (why !== undefined) throw refused(`${what}.${name}`, why)
  return key
}

function readValue (given: object, name: string, what: string): string {
  const value: unknown = readGiven(what, () => Reflect.get(given, name))
  if (typeof value !== 'string') throw refused(what, 'takes a string')
  if (value.includes('\0') || !value.isWellFormed()) throw refused(what, 'holds what is no text: a NUL, or one half of a surrogate pair')
  return value
}

const refused = (what: string, why: string): Error => new OptionError(`${what} ${why}`)
