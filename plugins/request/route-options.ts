import type { FastifyRequest } from 'fastify'
import { errors, type TransactionOptions } from '../../src/index.js'
import { readGiven } from '../../src/config/read-given.js'
import { rejectUnknown } from '../../src/config/unknown-option.js'
import { readTransactionOptions } from '../../src/transaction/transaction-options.js'

/** The settings that what a request does in a database begins with, such as its tenant. Asked for each transaction and each single call. */
export type RequestSettings = (request: FastifyRequest) => Readonly<Record<string, string>> | undefined

/** Raises `OptionError`. */
export function checkSettings (settings: unknown, name: string): void {
  if (settings === undefined || typeof settings === 'function') return
  throw new errors.OptionError(`option ${name} takes a function: (request) => ({ 'app.tenant': request.tenant })`)
}

/** What `config.db` of a route says about one database. */
export interface RouteDatabaseOptions {
  /** Makes `request.db` one transaction: begun at its first call, committed before the reply leaves, rolled back with an error. */
  transaction?: boolean | Pick<TransactionOptions, 'isolation' | 'readOnly' | 'deferrable'> | undefined
  /** Whether to commit, by the status code of the reply and the error that was thrown, if one was. Default: below 400, without an error. */
  commitOn?: ((statusCode: number, error: unknown) => boolean) | undefined
  /** Besides those of the plugin's option, in whose place they come; `false` for none at all. */
  settings?: RequestSettings | false | undefined
}

/** A route's `config.db`: for the database called `db`, and by their names for others. */
export type RouteDatabases = RouteDatabaseOptions & {
  readonly [database: string]: RouteDatabaseOptions | RouteDatabaseOptions[keyof RouteDatabaseOptions]
}

/** The same, checked. */
export interface RouteRule {
  /** Undefined where `request.db` is no transaction. */
  readonly transaction: TransactionOptions | undefined
  readonly commitOn: RouteDatabaseOptions['commitOn']
  readonly settings: RequestSettings | false | undefined
}

export const OPTIONS: readonly string[] = ['transaction', 'commitOn', 'settings'] satisfies Array<keyof RouteDatabaseOptions>

const NOTHING: RouteRule = { transaction: undefined, commitOn: undefined, settings: undefined }

/** What a route says about one database. `databases`: the names that are no options but other databases. Raises `OptionError`. */
export function readRouteOptions (given: unknown, name: string, databases: readonly string[]): RouteRule {
  if (given === undefined) return NOTHING
  return readGiven(name, () => {
    if (typeof given !== 'object' || given === null || Array.isArray(given)) {
      throw new errors.OptionError(`${name} of a route takes an object: { transaction: true }`)
    }
    for (const key of Object.keys(given)) {
      if (!isObject(Reflect.get(given, key)) || OPTIONS.includes(key) || databases.includes(key)) continue
      throw new errors.OptionError(`${name}.${key} of a route is for a database that is not registered: register it with ` +
        `{ name: '${key}' } or databases, or correct its name`)
    }
    rejectUnknown(given, [...OPTIONS, ...databases], `${name}.`)
    const { transaction, commitOn, settings }: Record<string, unknown> = { ...given }
    return {
      transaction: readTransaction(transaction, name),
      commitOn: commitOn === undefined ? undefined : readFunction<NonNullable<RouteRule['commitOn']>>(commitOn, `${name}.commitOn`),
      settings: settings === undefined || settings === false ? settings : readFunction<RequestSettings>(settings, `${name}.settings`),
    }
  })
}

/** Where no database is called `db`: `config.db` holds nothing but the options of others. Raises `OptionError`. */
export function readDatabases (given: unknown, names: readonly string[]): void {
  if (isObject(given)) readGiven('config.db', () => rejectUnknown(given, names, 'config.db.'))
}

function readTransaction (transaction: unknown, name: string): TransactionOptions | undefined {
  if (transaction === undefined || transaction === false) return undefined
  if (transaction === true) return {}
  if (!isObject(transaction)) {
    throw new errors.OptionError(`${name}.transaction of a route takes true, false or { isolation, readOnly, deferrable }`)
  }
  for (const key of ['retries', 'settings']) {
    if (!(key in transaction)) continue
    throw new errors.OptionError(`${name}.transaction.${key} is no option of a route: ` +
      (key === 'retries' ? 'a handler runs once. Use request.db.transaction in it' : `it stands beside it, as ${name}.settings`))
  }
  const { isolation, readOnly, deferrable }: TransactionOptions = transaction
  readTransactionOptions(transaction)
  return { isolation, readOnly, deferrable }
}

function readFunction<F> (value: unknown, name: string): F {
  if (typeof value !== 'function') throw new errors.OptionError(`${name} of a route takes a function`)
  return value as F
}

export function isObject (value: unknown): value is object { return typeof value === 'object' && value !== null }
