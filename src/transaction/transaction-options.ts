import { OptionError } from '../errors/errors.js'
import { readGiven } from '../config/read-given.js'
import { rejectUnknown } from '../config/unknown-option.js'
import { type Beginning, beginningOf } from './beginning.js'
import { readSettings, type Settings } from './settings.js'

export type Isolation = 'read uncommitted' | 'read committed' | 'repeatable read' | 'serializable'

export interface TransactionOptions {
  /** Default: the server's, which is `read committed`. */
  isolation?: Isolation | undefined
  readOnly?: boolean | undefined
  /** Waits for a snapshot that cannot fail; for `serializable` and `readOnly` together. */
  deferrable?: boolean | undefined
  /**
   * Settings of the server, or of your own (with a dot), that hold up to the end of the transaction. They are sent as parameters.
   * @example { settings: { 'app.tenant': tenant } }
   */
  settings?: Readonly<Record<string, string>> | undefined
  /** How often the transaction runs again after a serialization failure or a deadlock, from 0 to 100. Default: 0. */
  retries?: number | undefined
}

/** The options of a transaction, checked. */
export interface TransactionPlan {
  readonly beginning: Beginning
  readonly retries: number
  /** Whether no option is given: in a transaction that has begun there can be none. */
  readonly isPlain: boolean
}

const ISOLATIONS: readonly string[] = ['read uncommitted', 'read committed', 'repeatable read', 'serializable'] satisfies Isolation[]
const NAMES = ['isolation', 'readOnly', 'deferrable', 'settings', 'retries'] as const satisfies ReadonlyArray<keyof TransactionOptions>
const MOST_RETRIES = 100

const PLAIN: TransactionPlan = { beginning: beginningOf('BEGIN'), retries: 0, isPlain: true }

/** Reads the options of a transaction, once. `bound`: settings that it has besides. Raises `OptionError`. */
export function readTransactionOptions (options?: TransactionOptions, bound?: Settings): TransactionPlan {
  if (options === undefined) return bound === undefined ? PLAIN : { beginning: beginningOf('BEGIN', bound), retries: 0, isPlain: false }
  return readGiven('transaction', () => {
    if (typeof options !== 'object' || options === null) {
      throw new OptionError(`the options of transaction are an object: { ${NAMES.join(', ')} }`)
    }
    rejectUnknown(options, NAMES, 'transaction.')
    const { isolation, readOnly, deferrable, settings, retries } = options
    const text = 'BEGIN' + level(isolation) + flag('readOnly', readOnly, ' READ ONLY', ' READ WRITE') +
      flag('deferrable', deferrable, ' DEFERRABLE', ' NOT DEFERRABLE')
    const own = readSettings(settings, 'transaction.settings')
    const all = bound === undefined ? own : bound.with(own, 'transaction.settings')
    const isPlain = text === 'BEGIN' && all === undefined && retries === undefined
    return { beginning: beginningOf(text, all), retries: readRetries(retries), isPlain }
  })
}

function level (isolation: unknown): string {
  if (isolation === undefined) return ''
  if (typeof isolation !== 'string' || !ISOLATIONS.includes(isolation)) {
    throw new OptionError(`transaction.isolation takes one of ${ISOLATIONS.join(', ')}`)
  }
  return ` ISOLATION LEVEL ${isolation.toUpperCase()}`
}

function flag (name: string, value: unknown, on: string, off: string): string {
  if (value === undefined) return ''
  if (typeof value !== 'boolean') throw new OptionError(`transaction.${name} takes true or false`)
  return value ? on : off
}

function readRetries (retries: unknown): number {
  if (retries === undefined) return 0
  if (typeof retries !== 'number' || !Number.isInteger(retries) || retries < 0 || retries > MOST_RETRIES) {
    throw new OptionError(`transaction.retries takes a whole number from 0 to ${MOST_RETRIES}`)
  }
  return retries
}
