import type { Read } from '../connection/execution.js'
import type { DriverResult } from '../driver/result.js'
import { ReleasedError, TransactionAbortedError } from '../errors/errors.js'
import { ServerError } from '../errors/server-error.js'
import { internalCall } from '../query/call.js'
import type { Beginning } from './beginning.js'
import { type Checkout, COMMIT, ROLLBACK } from './checkout.js'
import type { Control } from './transact.js'

/** BEGIN, COMMIT and ROLLBACK. */
export class TransactionControl implements Control {
  readonly checkout: Checkout
  readonly #begin: Beginning
  /** COMMIT of a transaction that has failed is no error for the server: it rolls back. */
  readonly #committed: Read<DriverResult> = (result) => {
    if (result.command === 'ROLLBACK') throw swallowed(this.checkout)
    return result
  }

  constructor (checkout: Checkout, begin: Beginning) {
    this.checkout = checkout
    this.#begin = begin
  }

  begin (): undefined {
    this.checkout.throwIfReleased()
    this.checkout.begin.defer(this.#begin)
    this.checkout.firstError = undefined
    this.checkout.wasCommitted = false
  }

  commit (): Promise<unknown> | undefined {
    const { connection, begin } = this.checkout
    return connection.isOpen && begin.takeBack() ? undefined : this.checkout.perform(COMMIT, this.#committed)
  }

  mayBeCommitted (error: unknown): boolean {
    if (error instanceof ServerError) return error.fatal
    return !(error instanceof TransactionAbortedError || error instanceof ReleasedError)
  }

  undo (): Promise<unknown> | undefined {
    const { checkout } = this
    checkout.begin.takeBack()
    return checkout.begin.mayBeOpen ? checkout.perform(ROLLBACK).catch(() => checkout.destroy()) : undefined
  }
}

/** A commit that would be a rollback. */
export function swallowed ({ firstError }: Checkout): Error {
  return new TransactionAbortedError('a statement failed inside the transaction and its error was swallowed: everything was rolled back. ' +
    'Let the error out, or run the statement that may fail in tx.transaction(…)', { cause: firstError })
}

/** SAVEPOINT, RELEASE and ROLLBACK TO. */
export class SavepointControl implements Control {
  readonly checkout: Checkout
  readonly #name: string
  #firstError: unknown

  constructor (checkout: Checkout, depth: number) {
    this.checkout = checkout
    this.#name = `fastify_postgres_js_${depth}`
  }

  async begin (): Promise<void> {
    await this.checkout.perform(internalCall(`SAVEPOINT ${this.#name}`))
    this.#firstError = this.checkout.firstError
  }

  async commit (): Promise<void> {
    await this.checkout.perform(internalCall(`RELEASE ${this.#name}`)).catch((error) => {
      throw error.code === '25P02' ? swallowed(this.checkout) : error
    })
  }

  /** What it is a part of has yet to end. */
  mayBeCommitted (): boolean { return false }

  /** What is undone is not the cause of a later rollback. */
  async undo (): Promise<void> {
    const undo = internalCall(`ROLLBACK TO ${this.#name}; RELEASE ${this.#name}`)
    await this.checkout.perform(undo).then(() => { this.checkout.firstError = this.#firstError }, () => {})
  }
}
