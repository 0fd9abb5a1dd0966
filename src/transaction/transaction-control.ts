import { TransactionAbortedError } from '../errors/errors.js'
import { type Call, internalCall } from '../query/call.js'
import { type Checkout, COMMIT, ROLLBACK } from './checkout.js'
import { beginText, type TransactionOptions } from './transaction-options.js'

/** BEGIN, the work, COMMIT or ROLLBACK. The work has waited for the calls that it made. */
export async function inTransaction<T> (checkout: Checkout, options: TransactionOptions, work: () => Promise<T>): Promise<T> {
  checkout.throwIfReleased()
  const { connection, begin } = checkout
  begin.defer(beginCall(options))
  checkout.firstError = undefined
  try {
    return await checkout.inTransaction(async () => {
      const result = await work()
      checkout.throwIfOver()
      if (connection.isOpen && begin.takeBack()) return result
      const { command } = await checkout.perform(COMMIT)
      if (command === 'ROLLBACK') throw swallowed(checkout)
      return result
    })
  } catch (error) {
    begin.takeBack()
    if (begin.mayBeOpen) await checkout.perform(ROLLBACK).catch(() => checkout.destroy())
    throw error
  }
}

function swallowed ({ firstError }: Checkout): Error {
  return new TransactionAbortedError('a statement failed inside the transaction and its error was swallowed: everything was rolled back. ' +
    'Let the error out, or run the statement that may fail in tx.transaction(…)', { cause: firstError })
}

const begins = new Map<string, Call>()

function beginCall (options: TransactionOptions): Call {
  const text = beginText(options)
  let call = begins.get(text)
  if (call === undefined) {
    call = internalCall(text)
    begins.set(text, call)
  }
  return call
}

/** SAVEPOINT, the work, RELEASE or ROLLBACK TO. The work has waited for the calls that it made. */
export async function inSavepoint<T> (checkout: Checkout, depth: number, work: () => Promise<T>): Promise<T> {
  const name = `fastify_postgres_js_${depth}`
  await checkout.perform(internalCall(`SAVEPOINT ${name}`))
  const { firstError } = checkout
  try {
    const result = await checkout.inTransaction(work)
    checkout.throwIfOver()
    await checkout.perform(internalCall(`RELEASE ${name}`)).catch((error) => {
      throw error.code === '25P02' ? swallowed(checkout) : error
    })
    return result
  } catch (error) {
    // What is undone is not the cause of a later rollback.
    await checkout.perform(internalCall(`ROLLBACK TO ${name}; RELEASE ${name}`)).then(() => { checkout.firstError = firstError }, () => {})
    throw error
  }
}
