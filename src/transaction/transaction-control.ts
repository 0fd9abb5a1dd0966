import { TransactionAbortedError } from '../errors/errors.js'
import { type Call, internalCall } from '../query/call.js'
import { type Checkout, ROLLBACK } from './checkout.js'
import { beginText, type TransactionOptions } from './transaction-options.js'

const COMMIT = internalCall('COMMIT')

/** BEGIN, the work, COMMIT or ROLLBACK. The work has waited for the calls that it made. */
export async function inTransaction<T> (checkout: Checkout, options: TransactionOptions, work: () => Promise<T>): Promise<T> {
  checkout.throwIfReleased()
  const { connection, begin } = checkout
  const { session } = connection
  begin.defer(beginCall(options))
  checkout.firstError = undefined
  // From before BEGIN, which may work without an answer reaching us, until the server has said that it is over: a
  // connection that is released in between is reset.
  session.transactionBegins()
  try {
    const result = await checkout.within(work)
    if (connection.isOpen && begin.takeBack()) {
      session.transactionEnded()
      return result
    }
    const { command } = await checkout.perform(COMMIT)
    ended(checkout)
    if (command === 'ROLLBACK') throw new TransactionAbortedError({ cause: checkout.firstError })
    return result
  } catch (error) {
    if (begin.takeBack()) session.transactionEnded()
    if (session.inTransaction) await checkout.perform(ROLLBACK).then(() => ended(checkout), () => checkout.destroy())
    throw error
  }
}

function ended ({ connection, begin }: Checkout): void {
  connection.session.transactionEnded()
  begin.transactionEnded()
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
    const result = await work()
    await checkout.perform(internalCall(`RELEASE ${name}`)).catch((error) => {
      throw error.code === '25P02' ? new TransactionAbortedError({ cause: checkout.firstError }) : error
    })
    return result
  } catch (error) {
    // What is undone is not the cause of a later rollback.
    await checkout.perform(internalCall(`ROLLBACK TO ${name}; RELEASE ${name}`)).then(() => { checkout.firstError = firstError }, () => {})
    throw error
  }
}
