import type { FastifyReply } from 'fastify'
import type { EventLog } from '../../src/config/event-log.js'
import { errors } from '../../src/index.js'
import { type AbortGroup, abortGroup } from '../../src/timing/abort-group.js'
import { afterLastByte, isResponse, isStream } from './after-last-byte.js'
import type { RouteTransaction } from './route-transaction.js'

/**
 * handling → (streaming →) replied → ended, or left: the client has, before it had its reply. Once something is thrown: failed, until
 * the reply to that.
 */
type Phase = 'handling' | 'failed' | 'streaming' | 'replied' | 'ended' | 'left'

/** One request whose route asks for transactions. */
export class RequestScope {
  #phase: Phase = 'handling'
  #thrown: unknown
  /** Whether the reply was sent, as far as Node knows. */
  #isSent = false
  #reply: FastifyReply | undefined
  readonly #byTarget = new Map<object, RouteTransaction>()
  readonly group: AbortGroup = { members: new Set(), reason: undefined }
  readonly #log: EventLog

  constructor (log: EventLog) { this.#log = log }

  /** `target`: what its database is asked through. */
  add (target: object, transaction: RouteTransaction): void { this.#byTarget.set(target, transaction) }
  transactionOf (target: object): RouteTransaction | undefined { return this.#byTarget.get(target) }

  get #transactions (): RouteTransaction[] { return [...this.#byTarget.values()] }

  /** Raises where nothing may be called in a transaction any more. */
  check (): void {
    if (this.#phase === 'ended') throw new errors.ReleasedError('request')
    if (this.#phase === 'replied') throw new errors.ReleasedError('transaction of the request')
    if (this.#phase === 'left') throw new errors.AbortedError({ cause: new ClientLeftError() })
  }

  /** From now on it is known when the client has its reply, and when it leaves before that. */
  watch (reply: FastifyReply): void {
    if (this.#reply !== undefined) return
    this.#reply = reply
    // Before the onResponse hooks, some of which would be early enough otherwise.
    reply.raw.prependListener('finish', () => { this.#finished(reply) })
    reply.raw.once('close', () => { if (!this.#isSent) this.#leave() })
  }

  /** Something was thrown: before the error handler has its turn, what the handler did is undone. */
  async threw (error: unknown): Promise<void> {
    if (this.#phase === 'ended' || this.#phase === 'left') return
    this.#phase = 'failed'
    this.#thrown = error ?? new Error('something undefined was thrown')
    await Promise.all(this.#transactions.map((transaction) => transaction.threw(error)))
  }

  /** Ends the transactions before the reply leaves; those of a stream, after its last byte. Rejects if one could not be committed. */
  async replies (reply: FastifyReply, payload: unknown): Promise<unknown> {
    if (this.#phase !== 'handling' && this.#phase !== 'failed') return payload
    const toCommit = await this.#rollbackUnless(isResponse(payload) ? payload.status : reply.statusCode)
    if (toCommit.length > 0 && isStream(payload)) {
      this.#phase = 'streaming'
      return afterLastByte(payload, () => this.#commit(toCommit), async (error) => { await this.#rollback(toCommit, error) })
    }
    await this.#commit(toCommit)
    return payload
  }

  /** Rolls back what is not to be committed; returns the rest. */
  async #rollbackUnless (statusCode: number): Promise<RouteTransaction[]> {
    const error = this.#thrown
    const toCommit: RouteTransaction[] = []
    const others: RouteTransaction[] = []
    try {
      for (const transaction of this.#transactions) (transaction.wantsCommit(statusCode, error) ? toCommit : others).push(transaction)
    } catch (error) {
      await this.#rollback(this.#transactions, error)
      throw error
    }
    await this.#rollback(others, error ?? new errors.TransactionAbortedError(`the reply has the status ${statusCode}`))
    return toCommit
  }

  async #commit (transactions: readonly RouteTransaction[]): Promise<void> {
    this.#phase = this.#isSent ? 'ended' : 'replied'
    for (const [n, transaction] of transactions.entries()) {
      try {
        await transaction.commit()
      } catch (error) {
        await this.#rollback(transactions.slice(n + 1), error)
        throw error
      }
    }
  }

  async #rollback (transactions: readonly RouteTransaction[], error: unknown): Promise<void> {
    await Promise.all(transactions.map((transaction) => transaction.rollback(error)))
  }

  /** The reply is on its way. Transactions are left only where it was not sent by Fastify; of a HEAD request, the stream is still read. */
  #finished (reply: FastifyReply): void {
    if (!reply.raw.writableEnded) return this.#leave() // HTTP/2 says so too when the client has left
    this.#isSent = true
    if (this.#phase === 'left' || this.#phase === 'streaming') return
    this.#phase = 'ended'
    if (this.#transactions.length > 0) this.#endLate(reply.raw.statusCode).catch(() => {})
  }

  async #endLate (statusCode: number): Promise<void> {
    try {
      await this.#commit(await this.#rollbackUnless(statusCode))
    } catch (error) {
      this.#log.error({ event: 'request.commit_failed', err: error }, 'a transaction was not committed, although its reply had left')
    }
  }

  #leave (): void {
    if (this.#phase === 'ended' || this.#phase === 'left') return
    this.#phase = 'left'
    const reason = new ClientLeftError()
    abortGroup(this.group, reason)
    this.#rollback(this.#transactions, new errors.AbortedError({ cause: reason })).catch(() => {})
  }
}

/** Why a call was aborted. */
export class ClientLeftError extends Error {
  override readonly name = 'ClientLeftError'
  constructor () { super('the client has left before it had its reply') }
}
