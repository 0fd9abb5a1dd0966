import type { Conversion, ConversionOptions } from '../codecs/conversion.js'
import { type Read, StatementExecution, type StatementTarget } from '../connection/execution.js'
import { type ArgumentLists, checkArgumentLists } from '../batch/argument-lists.js'
import type { Batch } from '../batch/batch.js'
import {
  type ArrayQuery, type BatchQuery, type Query, type RowQuery, toBatchCall, toCall, type ValueQuery
} from '../query/query.js'
import { type Call, type Mode, NO_OPTIONS } from '../query/call.js'
import { type Debug, type Shown, withStatement } from '../errors/debug-details.js'
import { type Calls, callersOf, callsTo, withCallers } from '../errors/callers-stack.js'
import type { StatementCache, StatementSource } from '../query/statement.js'
import { type AbortGroup, JoinedGroups } from '../timing/abort-group.js'
import type { TransactionOptions } from '../transaction/transaction-options.js'
import { forCaller, type PromisedCaller, rejectCaller, rejection } from './caller.js'
import { converting, withConversion } from './converting.js'
import {
  allRows, allValues, type ExecuteResult, firstRow, firstValue, onlyRow, type QueryResult, type Row, toDescription, toExecuteResult,
  toQueryResult, toSqlResult
} from './results.js'
import type { AnySql } from './own-sql.js'
import type { SqlCall } from './sql-query.js'
import { highestParameter } from '../sql/parameters.js'
import type { SqlTag, TagHost } from './sql-tag.js'
import { OwnConversion, sharedConversion, type TagConversion } from './tag-conversion.js'

/** Has the calls of an object run elsewhere from now on. */
export let retarget: (queryable: Queryable, target: StatementTarget) => void

/** What runs the queries of a tag of its own over an object. */
export let hostOf: (queryable: Queryable) => TagHost

/**
 * The query helpers: what `fastify.db`, a lease and a transaction have in common.
 *
 * Every helper takes the statement with `$1, $2, …` and one argument for each, or `{ text, values, timeout, signal, prepare }`; but for
 * batches also a template, in which each value stands at its place.
 * Those that give rows also take `limit`, for which the server stops after so many, and `rows: 'array'`.
 * All reject with `ServerError` (SQLSTATE in `code`) for what the server refuses, and with coded errors (`FST_PG_…`)
 * for values that cannot be sent, timeouts, lost connections and so on; docs/quick-reference.md lists them.
 */
export abstract class Queryable<Tag extends SqlTag = SqlTag> {
  protected readonly statements: StatementCache

  /** Whether the calls that lead to a helper are noted, for the stack of its error. */
  protected readonly notesCallers: boolean

  #target: StatementTarget
  readonly #debug: Debug
  /** How values are converted; undefined: as usual. */
  readonly #conversion: Conversion | undefined
  #sql: Tag | undefined

  /** `target`: where calls are run. */
  constructor (statements: StatementCache, target: StatementTarget, notesCallers: boolean) {
    this.statements = statements
    this.notesCallers = notesCallers
    this.#target = target
    this.#debug = target.config.debug
    this.#conversion = target.conversion
  }

  static {
    retarget = (queryable, target) => { queryable.#target = target }
    hostOf = (queryable) => queryable.#host
  }

  /** The tag for templates: its queries run here when they are awaited.
   * @example const users = await db.sql<User[]>`SELECT * FROM users WHERE id = ${id}` */
  get sql (): Tag {
    this.#sql ??= this.makeTag(sharedConversion(this.#conversion))
    return this.#sql
  }

  /**
   * A tag of its own on the same connections: for Drizzle, Kysely, and types that are to be read and written in another way. Its
   * `options.parsers` and `options.serializers` can be set, by OID, and concern it alone. Raises `OptionError`.
   * @example const orm = drizzle(db.createSql()) */
  abstract createSql (options?: ConversionOptions): AnySql

  /** How a tag of its own converts. Raises `OptionError`. */
  protected ownConversion (options: ConversionOptions): TagConversion { return new OwnConversion(options, this.#conversion) }

  protected abstract makeTag (conversion: TagConversion): Tag

  /** Runs the queries of a tag. */
  get #host (): TagHost {
    return {
      notesCallers: this.notesCallers,
      run: (call) => this.#runSql(call, call.simple ? 'statements' : 'result', toSqlResult<never>),
      describe: (call) => this.#runSql({ ...call, args: nullsFor(call) }, 'description', toDescription),
    }
  }

  /** The first row, or `null`. The others are counted and not kept; `{ text, limit: 1 }` has the server stop after the first.
   * @example const user = await db.fetchOne<User>('SELECT * FROM users WHERE id = $1', 7) */
  fetchOne<T extends readonly unknown[] = unknown[]> (query: ArrayQuery, ...args: readonly unknown[]): Promise<T | null>
  fetchOne<T extends object = Row> (query: RowQuery, ...args: readonly unknown[]): Promise<T | null>
  fetchOne<T> (query: RowQuery, ...args: readonly unknown[]): Promise<T | null> {
    return this.#run(query, args, 'row', firstRow<T>)
  }

  /** The only row. Rejects with `FST_PG_NO_ROW` (404) or `FST_PG_TOO_MANY_ROWS`; the statement has had its effect then.
   * @example const user = await db.fetchExactlyOne<User>('SELECT * FROM users WHERE id = $1', 7) */
  fetchExactlyOne<T extends readonly unknown[] = unknown[]> (query: ArrayQuery, ...args: readonly unknown[]): Promise<T>
  fetchExactlyOne<T extends object = Row> (query: RowQuery, ...args: readonly unknown[]): Promise<T>
  fetchExactlyOne<T> (query: RowQuery, ...args: readonly unknown[]): Promise<T> {
    return this.#run(query, args, 'onlyRow', onlyRow<T>)
  }

  /** All rows, in a plain array.
   * @example const users = await db.fetchAll<User>('SELECT * FROM users WHERE city = $1 ORDER BY name', 'Oslo') */
  fetchAll<T extends readonly unknown[] = unknown[]> (query: ArrayQuery, ...args: readonly unknown[]): Promise<T[]>
  fetchAll<T extends object = Row> (query: RowQuery, ...args: readonly unknown[]): Promise<T[]>
  fetchAll<T> (query: RowQuery, ...args: readonly unknown[]): Promise<T[]> {
    return this.#run(query, args, 'rows', allRows<T>)
  }

  /** The first column of the first row, or `null`. Nothing else is read.
   * @example const count = await db.fetchVal<number>('SELECT count(*) FROM users') */
  fetchVal<T = unknown> (query: ValueQuery, ...args: readonly unknown[]): Promise<T | null> {
    return this.#run(query, args, 'value', firstValue<T>)
  }

  /** The first column of all rows, in a plain array. Other columns are not read.
   * @example const ids = await db.fetchColumn<number>('SELECT id FROM users WHERE city = $1', 'Oslo') */
  fetchColumn<T = unknown> (query: ValueQuery, ...args: readonly unknown[]): Promise<T[]> {
    return this.#run(query, args, 'column', allValues<T>)
  }

  /** All rows with what the server said of them. With `rows: 'array'` columns of one name are all there.
   * @example const { rows, columns } = await db.query({ text: 'SELECT * FROM a JOIN b USING (id)', rows: 'array' }) */
  query<T extends readonly unknown[] = unknown[]> (query: ArrayQuery, ...args: readonly unknown[]): Promise<QueryResult<T>>
  query<T extends object = Row> (query: RowQuery, ...args: readonly unknown[]): Promise<QueryResult<T>>
  query<T> (query: RowQuery, ...args: readonly unknown[]): Promise<QueryResult<T>> {
    return this.#run(query, args, 'result', toQueryResult<T>)
  }

  /** Runs a statement for its effect. Without arguments it may be a script of several statements, which run in one
   * transaction unless they say otherwise; of a script only the last command is told, and `count` is 0.
   * @example const { count } = await db.execute('DELETE FROM users WHERE id = $1', 7) */
  execute (query: Query, ...args: readonly unknown[]): Promise<ExecuteResult> {
    return this.#run(query, args, 'script', toExecuteResult)
  }

  /** The row that a statement with RETURNING gives, or `null`.
   * @example const user = await db.executeWithReturning<User>('INSERT INTO users (name) VALUES ($1) RETURNING *', 'Ada') */
  executeWithReturning<T extends readonly unknown[] = unknown[]> (query: ArrayQuery, ...args: readonly unknown[]): Promise<T | null>
  executeWithReturning<T extends object = Row> (query: RowQuery, ...args: readonly unknown[]): Promise<T | null>
  executeWithReturning<T> (query: RowQuery, ...args: readonly unknown[]): Promise<T | null> {
    return this.#run(query, args, 'row', firstRow<T>)
  }

  /**
   * Runs one statement for each list of arguments, in one transaction (inside a transaction: a savepoint): all or none.
   * The lists may come from any iterable or async iterable, which is read while the statements run, in bounded memory.
   * Beside the other options `{ text, … }` takes `onProgress`, and `batch: 'pipeline'` for one execution for each list
   * where an INSERT could travel as arrays. `timeout` seconds are for one execution.
   *
   * Rejects with the error of the first list that fails: a `ServerError` has its number in `row`, from 0; others name it.
   * @example await db.executeMany('INSERT INTO logs (level, message) VALUES ($1, $2)', [['info', 'one'], ['warn', 'two']])
   */
  async executeMany (query: BatchQuery, argsList: ArgumentLists): Promise<{ count: number }> {
    let count = 0
    await this.#batch(query, argsList, (result) => { count += result.count ?? 0 })
    return { count }
  }

  /** Runs a statement with RETURNING for each list, as `executeMany` does, and resolves with the rows in the order of the lists.
   * @example const ids = await db.executeManyWithReturning('INSERT INTO users (name) VALUES ($1) RETURNING id', [['Ada'], ['Grace']]) */
  async executeManyWithReturning<T extends object = Row> (query: BatchQuery, argsList: ArgumentLists): Promise<T[]> {
    const rows: unknown[] = []
    const take = (some: readonly unknown[]): void => { for (const row of some) rows.push(row) }
    // The user's functions are called when all is committed: what they throw does not undo it.
    const later: Array<() => unknown[]> = []
    const converts = this.#conversion !== undefined
    await this.#batch(query, argsList, ({ rows, reader }) => {
      if (converts && reader !== undefined) later.push(() => reader.converted(rows, false))
      else take(rows)
    })
    for (const converted of later) take(converted())
    return rows as T[]
  }

  /**
   * Runs `work` in a transaction: returning commits, throwing rolls back. Inside a transaction it is a savepoint.
   * Rejects with the error of `work`; with `TransactionAbortedError` if a statement failed and `work` swallowed that. With `retries` it
   * runs again after a serialization failure or a deadlock; `attempt` is 1, and then 2, …
   * @example
   * await db.transaction(async (tx) => {
   *   await tx.execute('UPDATE accounts SET balance = balance - $1 WHERE id = $2', 10, from)
   *   await tx.execute('UPDATE accounts SET balance = balance + $1 WHERE id = $2', 10, to)
   * }, { isolation: 'serializable' })
   */
  abstract transaction<T> (work: (tx: Queryable, attempt: number) => Promise<T> | T, options?: TransactionOptions): Promise<T>

  /** Refuses a statement that begins or ends a transaction where that has no place. */
  protected abstract checkTransactionControl (call: Call): void

  /** `calls`: those that led to the helper, where they are noted. */
  protected run<T> (call: Call, read: Read<T>, calls: Calls | undefined): Promise<T> {
    return new Promise((resolve) => {
      const caller: PromisedCaller<T> = { read, resolve, reject: rejectCaller, calls }
      const execution = new StatementExecution(call, caller, this.#target)
      try {
        this.#target.run(execution)
        if (execution.settled) caller.calls ??= callersOf(this.#run) // it failed at once
      } catch (error) {
        resolve(Promise.reject(withCallers(error, calls, callersOf(this.#run))))
      }
    })
  }

  protected abstract batch (batch: Batch): Promise<void>

  /** Resolves when the target has its first session. */
  protected opened (): Promise<void> { return Promise.resolve() }

  /** Texts as they are read where they are run. */
  get #source (): StatementSource { return { get: (text) => this.statements.get(text, this.#target.standardStrings) } }

  #batch (query: BatchQuery, argsList: ArgumentLists, onResult: Batch['onResult']): Promise<void> {
    const { statements } = this
    return forCaller(this.notesCallers, () => {
      const conversion = this.#conversion
      const call = { ...toBatchCall(query, this.#source), conversion }
      checkArgumentLists(argsList)
      return this.#read(call, (call) => this.batch({ call, argsList, statements, onResult }))
    })
  }

  #run<T> (query: RowQuery, args: readonly unknown[], mode: Mode, read: Read<T>): Promise<T> {
    try {
      const calls = this.notesCallers ? callsTo(this.#run) : undefined
      const conversion = this.#conversion
      if (conversion !== undefined) {
        const call = withConversion(toCall(query, args, mode, this.#source, conversion.transform), conversion)
        return this.#read(call, (call) => this.run(call, converting(read), calls))
      }
      const call: Call = typeof query === 'string'
        ? { statement: this.statements.get(query, this.#target.standardStrings), args, mode, options: NO_OPTIONS }
        : toCall(query, args, mode, this.#source)
      // Without a closure: this is the way of nearly every call.
      if (this.#debug === false && this.#target.standardStrings !== undefined) {
        if (call.statement.controlsTransaction) this.checkTransactionControl(call)
        return this.run(call, read, calls)
      }
      return this.#read(call, (call) => this.run(call, read, calls))
    } catch (error) {
      return Promise.reject(withCallers(error, callersOf(this.#run)))
    }
  }

  #runSql<T> ({ text, args, options, conversion, group, origin }: SqlCall, mode: Mode, read: Read<T>): Promise<T> {
    try {
      const statement = this.#source.get(text)
      // What is one statement is told with its columns.
      const call: Call = { statement, args, mode: mode === 'statements' && !statement.isScript ? 'result' : mode, options, group }
      const [asked, take] = conversion === undefined ? [call, read] : [withConversion(call, conversion), converting(read)]
      return this.#read(asked, (call) => this.run(call, take, this.notesCallers ? origin : undefined))
    } catch (error) {
      return rejection({ calls: origin ?? callersOf(this.#runSql) }, error)
    }
  }

  /** Goes on with a call once it is known how its text is to be read: what a backslash is, only a session tells. */
  #read<C extends Call, T> (call: C, run: (call: C) => Promise<T>): Promise<T> {
    if (this.#target.standardStrings === undefined && call.statement.text.includes('\\')) {
      return forCaller(this.notesCallers, async () => {
        await this.opened()
        return await this.#checked({ ...call, statement: this.#source.get(call.statement.text) }, run)
      })
    }
    return this.#checked(call, run)
  }

  #checked<C extends Call, T> (call: C, run: (call: C) => Promise<T>): Promise<T> {
    if (this.#debug !== false) return this.#explained(call, run, this.#debug)
    if (call.statement.controlsTransaction) this.checkTransactionControl(call)
    return run(call)
  }

  /** With the option `debug`: an error of ours shows the statement too, as those of the server do. */
  async #explained<C extends Call, T> (call: C, run: (call: C) => Promise<T>, debug: Shown): Promise<T> {
    try {
      if (call.statement.controlsTransaction) this.checkTransactionControl(call)
      return await run(call)
    } catch (error) {
      throw withStatement(error, { query: call.statement.text, args: call.args }, debug)
    }
  }
}

/** As many arguments as a statement has parameters that is only described. A text may number them without any argument. */
function nullsFor ({ text, args }: SqlCall): null[] { return new Array<null>(Math.max(args.length, highestParameter(text))).fill(null) }

/** The same call, which ends with a group if it only reads. */
export function inGroup (call: Call, group: AbortGroup | undefined): Call {
  if (group === undefined || !call.statement.mayBePipelined) return call
  return { ...call, group: call.group === undefined ? group : new JoinedGroups(group, call.group) }
}
