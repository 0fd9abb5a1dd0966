import { type ArgumentLists, completed, inChunks, Interruption, isReadable, type Lists } from './argument-lists.js'
import type { ArgumentArrays } from './argument-arrays.js'
import { ArrayInsert } from './array-insert.js'
import { checkCount } from '../driver/argument.js'
import type { ExecutionsResult } from '../driver/execute-many.js'
import type { Checkout } from '../transaction/checkout.js'
import { AbortedError } from '../errors/errors.js'
import { listen, stopListening } from '../timing/abort-listeners.js'
import { readInsertValues, type InsertValues } from '../sql/insert-statement.js'
import { isAborted, reasonOf } from '../timing/abort-signal.js'
import type { BatchCall } from '../query/query.js'
import type { Statement, StatementCache } from '../query/statement.js'

/** One statement for many lists of arguments. */
export interface Batch {
  readonly call: BatchCall
  readonly argsList: ArgumentLists
  readonly statements: StatementCache
  /** Told of the rows and the count of the executions, in order. */
  readonly onResult: (result: Pick<ExecutionsResult, 'rows' | 'count' | 'reader'>) => void
}

/**
 * Runs a batch on a connection that is in a transaction, whose end undoes all of it after an error. The error is that of
 * the first list that fails. The lists are taken in chunks; each is one INSERT over arrays where that is the same, and
 * otherwise a pipeline of executions.
 *
 * A loop on the server was tried for the latter: PL/pgSQL over typed arrays, in a function of pg_temp or in a DO block. An
 * UPDATE by key takes some 15 % less time than in the pipeline, but it is not the same: triggers and defaults see another
 * current_query() and one statement_timestamp() for all; CREATE FUNCTION needs a privilege, sets off event triggers,
 * leaves dead rows in the catalog and forbids PREPARE TRANSACTION; monitoring shows the loop instead of the statement.
 */
export async function runBatch (checkout: Checkout, { call, argsList, statements, onResult }: Batch): Promise<void> {
  const { signal, batch, onProgress } = call.batchOptions
  const missing = call.conversion?.transform.missing
  const insert = batch === 'pipeline' ? undefined : insertOf(call.statement)
  const interruption = new Interruption()
  /** The same for `onProgress`, which may hang too. */
  const endOfProgress = new Interruption()
  const stop = (error: unknown): void => {
    interruption.raise(error)
    endOfProgress.raise(error)
  }
  const abortable = { aborted: (): void => stop(new AbortedError({ cause: reasonOf(signal) })) }
  const forget = checkout.connection.onDown(() => stop(checkout.connection.lostError))
  if (signal !== undefined) listen(signal, abortable)
  if (isAborted(signal)) abortable.aborted()
  let row = 0
  let types: readonly number[] = []
  let isSaved = false
  let arrays: ArrayInsert | undefined
  /** The chunk that the server is at, while the next one is read and written. */
  let underWay: Promise<void> | undefined
  const send = async (lists: Lists, written: ArgumentArrays | undefined, firstRow: number): Promise<void> => {
    const inserted = written === undefined ? undefined : await arrays?.run(written)
    if (inserted !== undefined) {
      onResult(inserted)
    } else {
      onResult(await checkout.executeMany({ call, types, lists, firstRow }))
    }
    if (onProgress !== undefined) await endOfProgress.wait(onProgress(firstRow + lists.length))
  }
  const describe = (first: readonly unknown[], count: number): Promise<readonly number[]> => {
    checkCount(first, call.statement, 0)
    const after = insert === undefined ? undefined : ArrayInsert.behindDescription(count)
    isSaved = after !== undefined
    return checkout.describe({ ...call, row: 0 }, after).catch((error) => { throw interruption.raise(error) })
  }
  /** Of lists that are all there the first and their number are known: the server describes the statement while they are read. */
  const known = firstOf(argsList)
  const described = known === undefined ? undefined : attemptNow(() => describe(known.first, known.count))
  try {
    for await (const given of inChunks(argsList, interruption)) {
      const lists = missing === undefined ? given : completed(given, missing)
      if (row === 0) {
        types = await (described ?? describe(lists[0] ?? [], lists.length))
        if (insert !== undefined) arrays = new ArrayInsert(checkout, statements, { call, insert, types, isSaved })
      }
      const written = arrays?.write(lists)
      await underWay
      underWay = send(lists, written, row)
      underWay.catch((error) => interruption.raise(error)) // the source may hang
      row += lists.length
    }
    await underWay
  } catch (error) {
    // What failed first counts, and nothing may follow while something is under way.
    await underWay
    await described?.catch(() => {})
    throw error
  } finally {
    forget()
    if (signal !== undefined) stopListening(signal, abortable)
  }
}

/** The first of lists that are all there, and how many they are. */
function firstOf (argsList: ArgumentLists): { first: readonly unknown[], count: number } | undefined {
  try {
    const first: unknown = Array.isArray(argsList) ? argsList[0] : undefined
    return Array.isArray(argsList) && isReadable(first) ? { first, count: argsList.length } : undefined
  } catch {
    return undefined // a getter or a Proxy that throws: that is said where the lists are read
  }
}

/** The outcome of `work`, a refusal too. Nobody need wait for it. */
function attemptNow<T> (work: () => Promise<T>): Promise<T> {
  const outcome = new Promise<T>((resolve) => { resolve(work()) })
  outcome.catch(() => {})
  return outcome
}

const inserts = new WeakMap<Statement, InsertValues | 'none'>()

/** What is read of a text is kept as long as the text is known. */
function insertOf (statement: Statement): InsertValues | undefined {
  let insert = inserts.get(statement)
  if (insert === undefined) {
    insert = readInsertValues(statement.text) ?? 'none'
    inserts.set(statement, insert)
  }
  return insert === 'none' ? undefined : insert
}
