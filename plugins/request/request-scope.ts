import type { FastifyReply } from 'fastify'
import type { EventLog } from '../../src/config/event-log.js'
import { codeOf } from '../../src/errors/error-code.js'
import { errors } from '../../src/index.js'
import { type AbortGroup, abortGroup } from '../../src/timing/abort-group.js'
import { afterLastByte, discard, isResponse, isStream, isUnread, type Stream } from './after-last-byte.js'
import { onDeparture } from './departure.js'
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
  /** What was thrown is rolled back. Never rejects. */
  #undone: Promise<unknown> | undefined
  /** Whether the reply was sent, as far as Node knows. */
  #isSent = false
  #reply: FastifyReply | undefined
  readonly #byTarget = new Map<object, RouteTransaction>()
  /** Whether it is being found out if the reply may leave: one that is sent meanwhile comes too late. */
  #isReplying = false
  /** A reply that is a stream. */
  #stream: Stream | undefined
  /** What the transactions that begin now read ends with it. */
  group: AbortGroup = { members: new Set(), reason: undefined }
  #log: EventLog | undefined

  /** `target`: what its database is asked through. `log`: for what is said about it. */
  add (target: object, transaction: RouteTransaction, log: EventLog): void {
    this.#byTarget.set(target, transaction)
    this.#log ??= log
  }

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
    if (reply.raw.writableEnded) this.#phase = 'ended'
    // Before the onResponse hooks, some of which would be early enough otherwise.
    reply.raw.prependListener('finish', () => { this.#finished(reply) })
    onDeparture(reply, () => { if (!this.#isSent) this.#leave() })
  }

  /**
   * Something was thrown: what the handler did is undone before the reply leaves. Then calls `proceed`, for the error handler; at once,
   * because Fastify raises for what is sent while an onError hook runs, where nobody catches it.
   */
  threw (error: unknown, proceed: () => void): void {
    if (this.#isReplying) return this.#dropped(error)
    if (this.#phase !== 'ended' && this.#phase !== 'left') {
      this.#phase = 'failed'
      this.#thrown = error ?? new Error('something undefined was thrown')
      const undone = Promise.all([this.#undone, ...this.#transactions.map((transaction) => transaction.threw(error))])
      // A rollback waits for what is running, and the reply of Fastify's handlerTimeout must not.
      if (!isHandlerTimeout(error)) this.#undone = undone
    }
    proceed()
  }

  /**
   * Ends the transactions before the reply leaves; those of a stream, after its last byte. Then calls `proceed`: with an error, if one
   * could not be committed. A second reply does not get there, as Fastify drops one where the first has left.
   */
  replies (reply: FastifyReply, payload: unknown, proceed: (error: Error | null, payload?: unknown) => void): void {
    if (this.#isReplying) {
      if (payload !== undefined) this.#dropped() // an async handler that does not return its reply sends nothing more than that
      return
    }
    if (this.#phase !== 'handling' && this.#phase !== 'failed') return proceed(null, payload)
    this.#isReplying = true
    const replied = (error: Error | null, payload?: unknown): void => {
      this.#isReplying = false
      proceed(error, payload)
    }
    this.#end(reply, payload).then((payload) => replied(null, payload), replied)
  }

  #dropped (error?: unknown): void {
    this.#log?.warn({ event: 'request.reply_dropped', ...error === undefined ? {} : { err: error } },
      'a route has sent a reply, and then another one or an error: the first counts')
  }

  async #end (reply: FastifyReply, payload: unknown): Promise<unknown> {
    if (this.#undone !== undefined) await this.#undone
    const status = isResponse(payload) ? payload.status : reply.statusCode
    const toCommit = await this.#rollbackUnless(status)
    if (isStream(payload) && this.#phase !== 'left') {
      this.#phase = 'streaming'
      const end = async (): Promise<void> => { await this.#commit(await this.#rollbackUnless(status, toCommit)) } // it may have begun some
      this.#stream = afterLastByte(payload, end, async (error) => { await this.#rollback(this.#transactions, error) })
      return this.#stream
    }
    await this.#commit(toCommit)
    return payload
  }

  /** Rolls back what is not to be committed; returns the rest. `decided`: what has been found out already. */
  async #rollbackUnless (statusCode: number, decided: readonly RouteTransaction[] = []): Promise<RouteTransaction[]> {
    const error = this.#thrown
    const toCommit: RouteTransaction[] = []
    const others: RouteTransaction[] = []
    try {
      for (const transaction of this.#transactions) {
        const commits = decided.includes(transaction) || transaction.wantsCommit(statusCode, error)
        ;(commits ? toCommit : others).push(transaction)
      }
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
    if (this.#phase === 'left') return
    const stream = this.#phase === 'streaming' ? this.#stream : undefined
    // One that nobody reads was replaced by a hook, or the status allows no body.
    if (stream !== undefined && !isUnread(stream)) return
    this.#phase = 'ended'
    this.#abort(new Error('the request has been answered')) // where its handler goes on all the same
    if (this.#transactions.length > 0) this.#endLate(reply.raw.statusCode).then(() => { if (stream !== undefined) discard(stream) })
  }

  async #endLate (statusCode: number): Promise<void> {
    try {
      await this.#commit(await this.#rollbackUnless(statusCode))
    } catch (error) {
      this.#log?.error({ event: 'request.commit_failed', err: error }, 'a transaction was not committed, although its reply had left')
    }
  }

  #abort (reason: Error): void {
    const { group } = this
    this.group = { members: new Set(), reason: undefined }
    abortGroup(group, reason)
  }

  #leave (): void {
    if (this.#phase === 'ended' || this.#phase === 'left') return
    if (this.#phase === 'replied') { // not some of several databases without the others
      this.#phase = 'ended'
      return
    }
    this.#phase = 'left'
    const reason = new ClientLeftError()
    this.#abort(reason)
    this.#rollback(this.#transactions, new errors.AbortedError({ cause: reason })).catch(() => {})
  }
}

function isHandlerTimeout (error: unknown): boolean {
  try {
    return codeOf(error) === 'FST_ERR_HANDLER_TIMEOUT'
  } catch {
    return false // an error of the user's that cannot be read
  }
}

/** Why a call was aborted. */
export class ClientLeftError extends Error {
  override readonly name = 'ClientLeftError'
  constructor () { super('the client has left before it had its reply') }
}
