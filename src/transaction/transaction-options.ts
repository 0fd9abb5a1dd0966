import { OptionError } from '../errors/errors.js'
import { readGiven } from '../config/read-given.js'
import { rejectUnknown } from '../config/unknown-option.js'

export type Isolation = 'read uncommitted' | 'read committed' | 'repeatable read' | 'serializable'

export interface TransactionOptions {
  /** Default: the server's, which is `read committed`. */
  isolation?: Isolation | undefined
  readOnly?: boolean | undefined
  /** Waits for a snapshot that cannot fail; for `serializable` and `readOnly` together. */
  deferrable?: boolean | undefined
}

const ISOLATIONS: readonly string[] = ['read uncommitted', 'read committed', 'repeatable read', 'serializable'] satisfies Isolation[]

/** The BEGIN for some options. Raises `OptionError`. */
export function beginText (options: TransactionOptions): string {
  return readGiven('transaction', () => toBegin(options))
}

function toBegin (options: TransactionOptions): string {
  if (typeof options !== 'object' || options === null) {
    throw new OptionError('the options of transaction are an object: { isolation, readOnly, deferrable }')
  }
  rejectUnknown(options, ['isolation', 'readOnly', 'deferrable'], 'transaction.')
  const { isolation, readOnly, deferrable } = options
  let text = 'BEGIN'
  if (isolation !== undefined) {
    if (!ISOLATIONS.includes(isolation)) throw new OptionError(`transaction.isolation takes one of ${ISOLATIONS.join(', ')}`)
    text += ` ISOLATION LEVEL ${isolation.toUpperCase()}`
  }
  return text + flag('readOnly', readOnly, ' READ ONLY', ' READ WRITE') +
    flag('deferrable', deferrable, ' DEFERRABLE', ' NOT DEFERRABLE')
}

function flag (name: string, value: unknown, on: string, off: string): string {
  if (value === undefined) return ''
  if (typeof value !== 'boolean') throw new OptionError(`transaction.${name} takes true or false`)
  return value ? on : off
}
