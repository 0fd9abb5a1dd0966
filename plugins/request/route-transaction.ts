import { types } from 'node:util'
import type { OpenTransaction } from '../../src/api/open-transaction.js'
import { errors, type TransactionOptions } from '../../src/index.js'
import type { RouteRule } from './route-options.js'

/** What begins a transaction on one database. */
export type Begin = (options: TransactionOptions) => OpenTransaction

/** The transaction that a route asks for on one database, for one request: begun at its first call. */
export class RouteTransaction {
  readonly #rule: RouteRule
  readonly #begin: Begin
  #open: OpenTransaction | undefined
  /** One has been: what comes after an error may read, and nothing else. */
  #isOver = false

  constructor (rule: RouteRule, begin: Begin) {
    this.#rule = rule
    this.#begin = begin
  }

  /** The transaction that a call made now belongs to. */
  get current (): OpenTransaction {
    const { transaction } = this.#rule
    this.#open ??= this.#begin(this.#isOver ? { ...transaction, readOnly: true } : { ...transaction })
    return this.#open
  }

  /** That which is open, if one is. */
  get begun (): OpenTransaction | undefined { return this.#open }

  /** Something was thrown. Whether to commit is to be asked with the reply, if `commitOn` has a say; otherwise it is over. */
  threw (error: unknown): Promise<void> | undefined {
    return this.#rule.commitOn === undefined || this.#open?.hasFailed === true ? this.rollback(error) : undefined
  }

  /** Whether there is something to commit with a reply of this status. Raises what `commitOn` raises. */
  wantsCommit (statusCode: number, error: unknown): boolean {
    if (this.#open === undefined || this.#isOver || !this.#open.isBegun) return false
    const { commitOn = isSuccess } = this.#rule
    const given: unknown = commitOn(statusCode, error)
    if (!types.isPromise(given)) return Boolean(given)
    given.catch(() => {})
    // It would be read as a yes.
    throw new errors.OptionError('commitOn takes no promise: look things up in the handler, and return true or false here')
  }

  /** Rejects with why it could not be committed. */
  commit (): Promise<void> | undefined { return this.#leave()?.commit() }

  /** Never rejects. */
  rollback (error: unknown): Promise<void> | undefined { return this.#leave()?.rollback(error) }

  #leave (): OpenTransaction | undefined {
    const open = this.#open
    this.#open = undefined
    this.#isOver ||= open?.isBegun === true
    return open
  }
}

function isSuccess (statusCode: number, error: unknown): boolean { return statusCode < 400 && error === undefined }
