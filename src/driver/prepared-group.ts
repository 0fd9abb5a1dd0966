import type { ServerErrorFields } from '../errors/error-response.js'
import type { PreparedRequest, PreparedSubject } from './prepared-request.js'
import type { PreparedStatement } from './prepared-statement.js'
import { type TransactionStatus, type Turn, unexpected } from './turn.js'

/** Deadlocks and serialization failures. */
const OF_TRANSACTIONS: ReadonlySet<string> = new Set(['40P01', '40001'])

/**
 * Executions of one plain read that travel together, with one Sync at the end of all. For a Sync the server ends a transaction
 * and writes to its socket: that is nearly half of what it does for a row by its key (docs/internals/measurements.md).
 *
 * After an error the server skips all up to the Sync, and what it did before was in the same transaction: so if one fails, the
 * others are sent again, each with a Sync of its own. They have no effect, and nobody has seen a row of them. It is one statement,
 * so that the transaction locks no more than one execution does, but for the partitions of a table: with others, a migration that
 * locks two tables could be in a deadlock. One that takes long is broken up: connection/cancellation.ts.
 */
export class PreparedGroup<S extends PreparedSubject> implements Turn {
  readonly isClosed = true
  readonly #requests: Array<PreparedRequest<S>>
  /** Which of them the server is at. */
  #at = 0
  #hasFailed = false
  /** Told when it is answered. */
  onAnswered: (() => void) | undefined

  readonly statement: PreparedStatement

  constructor (first: PreparedRequest<S>, second: PreparedRequest<S>) {
    this.#requests = [first, second]
    this.statement = first.statement
  }

  add (request: PreparedRequest<S>): void { this.#requests.push(request) }

  includes (subject: object): boolean { return this.#requests.some((request) => request.subject === subject) }

  /** The one that the server is running. */
  get subject (): S | undefined { return this.#requests[this.#at]?.subject }

  take (type: number, bytes: Buffer, start: number, end: number): void {
    const request = this.#requests[this.#at]
    if (request === undefined || this.#hasFailed) throw unexpected(type)
    request.take(type, bytes, start, end)
    if (request.isComplete) this.#at++
  }

  refused (fields: ServerErrorFields): void {
    this.#hasFailed = true
    // Alone, none of them might meet this.
    if (!OF_TRANSACTIONS.has(fields.code)) this.#requests[this.#at]?.refused(fields)
  }

  ready (status: TransactionStatus): void {
    if (!this.#hasFailed && this.#at < this.#requests.length) throw unexpected(0x5a)
    this.onAnswered?.()
    for (const request of this.#requests) {
      if (this.#hasFailed && request.error === undefined) request.skipped()
      else {
        request.together = this.#hasFailed ? 1 : this.#requests.length
        request.ready(status)
      }
    }
  }
}
