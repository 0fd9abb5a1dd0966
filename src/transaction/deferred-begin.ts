import type { Connection } from '../connection/connection.js'
import { StatementExecution, wholeResult } from '../connection/execution.js'
import { codeOf } from '../errors/error-code.js'
import { TransactionAbortedError } from '../errors/errors.js'
import { type Call, internalCall } from '../query/call.js'

/** Fails inside of a failed transaction as well as outside of any, each in its own way. */
const PROBE = internalCall('SAVEPOINT fastify_postgres_js_probe')

/**
 * The BEGIN of a transaction, which travels with its first call: that saves a round trip. The server skips the call if it
 * refuses to begin; if the call fails, the server is asked which of the two it was.
 */
export class DeferredBegin {
  readonly #connection: Connection
  #call: Call | undefined
  /** Whether the call that is running carries the BEGIN. */
  #travels = false
  /** Whether a call that carried the BEGIN failed: by itself, or because the server refused to begin. */
  #isDoubtful = false

  constructor (connection: Connection) { this.#connection = connection }

  /** From now on the next call begins a transaction. */
  defer (call: Call): void {
    this.#call = call
    this.#isDoubtful = false
  }

  /** Whether nothing was run since, so that the server knows of no transaction. It is given up then. */
  takeBack (): boolean {
    const unused = this.#call !== undefined
    this.#call = undefined
    return unused
  }

  /** The server has said that the transaction is over. */
  transactionEnded (): void { this.#isDoubtful = false }

  /** Sends BEGIN together with a call, if there is one to send and both can be sent at once. */
  sendWith (execution: StatementExecution): boolean {
    const begin = this.#call
    if (begin === undefined) return false
    this.#call = undefined
    this.#travels = true
    if (this.#connection.startBehind(begin.statement.text, execution)) return true
    this.#call = begin
    this.#travels = false
    return false
  }

  /** The call that is running is over. */
  callEnded (error: unknown): void {
    if (error !== undefined && this.#travels) this.#isDoubtful = true
    this.#travels = false
  }

  /**
   * Sees to it that the transaction has begun, then proceeds. If it has not, the call is not run: it would be outside of
   * it. Its timeout and signal hold in the meantime too. `firstError`: what failed in the transaction before.
   */
  ensure ({ options }: Call, firstError: () => unknown, proceed: () => void, refuse: (error: unknown) => void): void {
    const first = this.#call ?? (this.#isDoubtful ? PROBE : undefined)
    this.#call = undefined
    if (first === undefined) return proceed()
    this.#isDoubtful = true
    const begun = (): void => {
      this.#isDoubtful = false
      proceed()
    }
    const reject = (error: unknown): void => {
      const code = first === PROBE ? codeOf(error) : undefined
      // The transaction is open, and the server will say itself that it has failed.
      if (code === '25P02') begun()
      else refuse(code === '25P01' ? new TransactionAbortedError({ cause: firstError() }) : error)
    }
    this.#connection.start(new StatementExecution({ ...first, options }, { read: wholeResult, resolve: begun, reject }))
  }
}
