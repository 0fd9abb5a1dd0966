import type { Config } from '../config/config.js'
import { OptionError, QueryError } from '../errors/errors.js'
import { ServerError } from '../errors/server-error.js'
import { isTemplate } from '../sql/template.js'
import type { Isolation, TransactionOptions } from '../transaction/transaction-options.js'
import { hostOf, type Queryable } from './queryable.js'
import type { Settled } from './results.js'
import { createTag, type SqlTag, type TagHost } from './sql-tag.js'
import type { TagConversion, TypeFunctions } from './tag-conversion.js'
import type { TagEnd } from './tag-end.js'

type SqlWork<T> = (sql: TransactionSql) => Promise<T> | T

/** The tag of a transaction. */
export interface TransactionSql extends SqlTag {
  /** Functions by the OIDs of types: of a tag of `createSql` they can be changed. */
  readonly options: Pick<SqlOptions, 'parsers' | 'serializers'>
  /** Runs a function in a savepoint. Its name is not needed: savepoints have names of their own.
   * @example await sql.savepoint(async (sql) => { await sql`INSERT INTO logs ${sql(log)}` }) */
  savepoint<T> (work: SqlWork<T>): Promise<Settled<T>>
  savepoint<T> (name: string, work: SqlWork<T>): Promise<Settled<T>>
  /** Not there, as two-phase commit: raises `QueryError`. */
  prepare (name: string): never
}

/** The tag of a database. */
export interface Sql extends SqlTag {
  /**
   * Runs a function in a transaction, as `transaction` does: returning commits, throwing rolls back. Queries that it returns in an array
   * are run. Options are those of `transaction`, or the words of BEGIN.
   * @example const [user] = await sql.begin('isolation level serializable', (sql) => [sql`UPDATE …`, sql`SELECT …`])
   */
  begin<T> (work: SqlWork<T>): Promise<Settled<T>>
  begin<T> (options: string | TransactionOptions, work: SqlWork<T>): Promise<Settled<T>>
  /** A connection for the caller alone, until `release()`. */
  reserve (): Promise<ReservedSql>
  /** Ends a tag of `createSql` when what it has begun is done; the pool goes on. A tag that all share rejects with `QueryError`. */
  end (options?: { timeout?: number | undefined }): Promise<void>
  /** How it is connected. Nothing in it can be changed. */
  readonly options: SqlOptions
  /**
   * What the server reports of a session by itself: `server_version`, `TimeZone`, `search_path` from PostgreSQL 18 on, and others. On a
   * pool as the session that was opened last began; of a reserved connection as it is now. Empty before the first connection.
   * @example db.sql.parameters['server_version'] // → '18.3'
   */
  readonly parameters: Readonly<Record<string, string>>
  /** The class of what the server reports. */
  readonly PostgresError: typeof ServerError
  /** Not there: rejects with `QueryError`. */
  largeObject (...args: readonly unknown[]): Promise<never>
  /** What the function of a cursor returns to end it, in postgres.js. */
  readonly CLOSE: object
  /** The same. */
  readonly END: object
}

/** The tag of a connection that is the caller's alone. */
export interface ReservedSql extends Sql {
  release (): Promise<void>
}

export interface SqlOptions {
  readonly host: readonly string[]
  readonly port: readonly number[]
  readonly database: string
  readonly user: string
  readonly max: number
  readonly prepare: boolean
  /** Functions by the OIDs of types: of a tag of `createSql` they can be changed. */
  readonly parsers: TypeFunctions
  readonly serializers: TypeFunctions
}

const END = Object.freeze({})

/** What transactions are made on. */
interface Transactional {
  transaction<T> (work: (tx: Queryable) => Promise<T> | T, options?: TransactionOptions): Promise<T>
}

interface ScopeParts {
  readonly host: TagHost
  readonly conversion: TagConversion
  readonly within: Transactional
  /** How it is connected, and what the session reports. */
  readonly session: { readonly config: Config, readonly parameters: Readonly<Record<string, string>> }
  readonly reserve: () => Promise<ReservedSql>
}

export function transactionTag (host: TagHost, within: Transactional, conversion: TagConversion): TransactionSql {
  function savepoint (...given: readonly unknown[]): Promise<unknown> {
    const [template, ...values] = given
    if (isTemplate(template)) return within.transaction((tx) => tagOf(tx, conversion)(template, ...values))
    return runIn(within, conversion, { name: 'savepoint', work: given.length > 1 ? given[1] : template })
  }
  const { parsers, serializers } = conversion
  return Object.assign(createTag(host, conversion), {
    options: Object.freeze({ parsers, serializers }),
    savepoint: savepoint as TransactionSql['savepoint'],
    // At once: who does not await it must not have a commit.
    prepare: (): never => {
      throw new QueryError('a transaction is not prepared for a second phase here: write PREPARE TRANSACTION on a lease, begun by hand')
    },
  })
}

/** The tag of a transaction, as the one that began it converts. */
function tagOf (tx: Queryable, conversion: TagConversion): TransactionSql { return transactionTag(hostOf(tx), tx, conversion) }

export function databaseTag ({ host, within, conversion, session, reserve }: ScopeParts): Sql {
  const { end } = conversion
  const unlessEnded = <T>(work: () => Promise<T>): Promise<T> => end === undefined ? work() : end.before(work)
  const begin = (...given: readonly unknown[]): Promise<unknown> => unlessEnded(async () => {
    const [options, work] = given.length > 1 ? [readOptions(given[0]), given[1]] : [undefined, given[0]]
    return await runIn(within, conversion, { name: 'begin', work, options })
  })
  const bare = createTag(end === undefined ? host : hostUntil(end, host), conversion)
  const tag = Object.defineProperty(bare, 'parameters', { get: () => session.parameters, enumerable: true })
  return Object.assign(tag as SqlTag & Pick<Sql, 'parameters'>, {
    begin: begin as Sql['begin'],
    reserve: () => unlessEnded(reserve),
    end: async (): Promise<void> => {
      if (end === undefined) throw new QueryError('the pool is shared: close it by app.close(), or db.close()')
      await end.end()
    },
    largeObject: async (): Promise<never> => {
      throw new QueryError('large objects are not there: call lo_from_bytea, lo_get and lo_put, or have a column of type bytea')
    },
    options: optionsOf(session.config, conversion),
    PostgresError: ServerError,
    CLOSE: END,
    END,
  })
}

/** The same host, up to the end of a tag. */
function hostUntil (end: TagEnd, { notesCallers, run, describe }: TagHost): TagHost {
  return { notesCallers, run: (call) => end.before(() => run(call)), describe: (call) => end.before(() => describe(call)) }
}

export function reservedTag (parts: ScopeParts, release: () => Promise<void>): ReservedSql {
  return Object.assign(databaseTag(parts), { release })
}

interface Begun { readonly name: string, readonly work: unknown, readonly options?: TransactionOptions | undefined }

async function runIn (within: Transactional, conversion: TagConversion, { name, work, options }: Begun): Promise<unknown> {
  if (typeof work !== 'function') throw new QueryError(`${name} takes a function: sql.${name}(async (sql) => …)`)
  return await within.transaction((tx): unknown => {
    const made: unknown = work(tagOf(tx, conversion))
    return Array.isArray(made) ? Promise.all(made) : made
  }, options)
}

const ISOLATION = /^isolation level (serializable|repeatable read|read committed|read uncommitted)\b/
const ACCESS = /^read (only|write)\b/
const DEFERRABLE = /^(not )?deferrable\b/

/** The words of BEGIN, or the options of `transaction`, which checks them. */
function readOptions (given: unknown): TransactionOptions | undefined {
  if (typeof given !== 'string') return given as TransactionOptions | undefined
  const options: { isolation?: Isolation, readOnly?: boolean, deferrable?: boolean } = {}
  let rest = given.toLowerCase().replace(/[\s,]+/g, ' ').trim()
  while (rest !== '') {
    const [words = '', value = ''] = ISOLATION.exec(rest) ?? ACCESS.exec(rest) ?? DEFERRABLE.exec(rest) ?? []
    if (words.startsWith('isolation')) options.isolation = value as Isolation
    else if (words.startsWith('read')) options.readOnly = value === 'only'
    else if (words !== '') options.deferrable = value === ''
    else throw new OptionError("begin takes the words of BEGIN, as 'isolation level serializable read only', or { isolation, readOnly }")
    rest = rest.slice(words.length).trim()
  }
  return options
}

function optionsOf ({ hosts, database, user, max, prepare }: Config, { parsers, serializers }: TagConversion): SqlOptions {
  return Object.freeze({
    host: hosts.map(({ host }) => host),
    port: hosts.map(({ port }) => port),
    database,
    user,
    max,
    prepare,
    parsers,
    serializers,
  })
}
