import type { Connection } from '../connection/connection.js'
import { StatementExecution, wholeResult } from '../connection/execution.js'
import type { Preamble } from '../driver/preamble.js'
import type { Call } from '../query/call.js'
import type { Beginning } from './beginning.js'

/**
 * The BEGIN of a transaction with its settings, which travels with its first call: that saves a round trip. The server skips the call if it
 * refuses to begin, and says with its answer whether a transaction is open.
 */
export class DeferredBegin {
  readonly #connection: Connection
  #begin: Beginning | undefined
  /** The call that carries the BEGIN. */
  #carrier: StatementExecution | undefined
  #wasSent = false

  constructor (connection: Connection) { this.#connection = connection }

  /** From now on the next call begins a transaction. */
  defer (begin: Beginning): void {
    this.#begin = begin
    this.#carrier = undefined
    this.#wasSent = false
  }

  /** Whether nothing was run since, so that the server knows of no transaction. It is given up then. */
  takeBack (): boolean {
    const unused = this.#begin !== undefined
    this.#begin = undefined
    return unused
  }

  /** Whether calls need not wait for it: it was sent and answered, or there is none. */
  get isDone (): boolean { return this.#begin === undefined && this.#carrier?.isFinished !== false }

  /** Whether the server may have a transaction open: it says so, or it has yet to say. */
  get mayBeOpen (): boolean {
    const { session, cancelling } = this.#connection
    return this.#wasSent && (session.transaction !== 'none' || this.underWay !== undefined || cancelling !== undefined)
  }

  /** While it is not known whether the transaction has begun: its first call was given up, and has not ended. */
  get underWay (): Promise<void> | undefined {
    return this.#carrier?.isFinished === false ? this.#carrier.whenFinished() : undefined
  }

  /** The BEGIN, if there is one to send: the caller sends it in front of something, and waits for the answers to both. */
  take (): Preamble | undefined {
    const begin = this.#begin
    if (begin !== undefined) this.#sendingAlone(begin)
    return begin?.preamble
  }

  #sendingAlone ({ preamble }: Beginning): void {
    this.#sending()
    this.#connection.session.begins(preamble.meaning)
  }

  #sending (): void {
    this.#begin = undefined
    this.#wasSent = true
  }

  /** Sends BEGIN together with a call, if there is one to send and both can be sent at once. */
  sendWith (execution: StatementExecution): boolean {
    const begin = this.#begin
    if (begin === undefined || !this.#connection.startBehind(begin.preamble, execution)) return false
    this.#sending()
    this.#carrier = execution
    return true
  }

  /**
   * Sees to it that BEGIN was sent, then proceeds. If the server refuses it, the call is not run: it would be outside of a
   * transaction. Its timeout and signal hold in the meantime too.
   */
  ensure ({ options }: Call, proceed: () => void, refuse: (error: unknown) => void): void {
    const begin = this.#begin
    if (begin === undefined) return proceed()
    this.#sendingAlone(begin)
    const { settings } = begin
    if (settings === undefined) {
      const caller = { read: wholeResult, resolve: proceed, reject: refuse }
      return this.#connection.start(new StatementExecution({ ...begin.call, options }, caller))
    }
    const { call, statement: { parameters } } = settings
    this.#connection.executeParts({ call: { ...call, options }, parts: 1, parametersOf: () => parameters, before: begin.begin })
      .then(() => proceed(), refuse)
  }
}
