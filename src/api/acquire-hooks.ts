import type { EventLog } from '../config/event-log.js'
import type { Connection } from '../connection/connection.js'
import { thrownBy } from '../errors/error-code.js'
import { AbortedError, AcquireTimeoutError } from '../errors/errors.js'
import type { Pool, Use, UseHooks } from '../pool/pool.js'
import { internalCall } from '../query/call.js'
import type { StatementCache } from '../query/statement.js'
import { listen, stopListening } from '../timing/abort-listeners.js'
import { reasonOf } from '../timing/abort-signal.js'
import { orAborted } from '../timing/abortable.js'
import { FairTimer } from '../timing/fair-timer.js'
import type { Queryable } from './queryable.js'
import { runHook } from './session-hook.js'

/** What a connection is acquired for; a batch holds one as a transaction does. */
export interface HookContext { readonly holder: 'lease' | 'transaction' }

export type AcquireHook = (connection: Queryable, context: HookContext) => unknown

export interface AcquireHookOptions {
  /**
   * Runs before a lease or a transaction gets its connection, and before BEGIN, for `acquireTimeout` seconds at most. If it fails, so does
   * the caller, with that error, and the connection is discarded. Single statements share connections, and have none.
   */
  onAcquire?: AcquireHook | undefined
  /**
   * Runs when a lease or a transaction is done with its connection, for `commandTimeout` seconds at most; not where the connection is
   * lost. If it fails, that is logged, and the connection is discarded.
   */
  onRelease?: AcquireHook | undefined
}

interface AcquireHooksParts extends AcquireHookOptions {
  /** The pool that they belong to, which has them. */
  readonly pool: () => Pool
  readonly statements: StatementCache
  readonly log: EventLog
}

interface Limits {
  /** 0 is no limit. */
  readonly seconds: number
  readonly expired: () => Error
  readonly signal?: AbortSignal | undefined
}

/** Runs `onAcquire` and `onRelease`. */
export class AcquireHooks implements UseHooks {
  readonly #parts: AcquireHooksParts

  constructor (parts: AcquireHooksParts) { this.#parts = parts }

  /** Runs `onAcquire`, and sees to it that `onRelease` runs at the end. Rejects with what `onAcquire` throws. */
  async acquired (use: Use, holder: HookContext['holder'], signal: AbortSignal | undefined): Promise<void> {
    const context = Object.freeze({ holder })
    const { onAcquire, onRelease } = this.#parts
    if (onAcquire !== undefined) await this.#runOnAcquire(onAcquire, use.connection, context, signal)
    if (onRelease !== undefined) use.beforeRelease = () => this.#runOnRelease(onRelease, use.connection, context)
  }

  async #runOnAcquire (hook: AcquireHook, connection: Connection, context: HookContext, signal: AbortSignal | undefined): Promise<void> {
    const pool = this.#parts.pool()
    const { acquireTimeout } = pool.config
    const expired = (): Error => new AcquireTimeoutError(acquireTimeout, 'onAcquire has not settled')
    try {
      await within(connection, { seconds: acquireTimeout, expired, signal }, () => this.#run('onAcquire', hook, connection, context))
      if (!connection.isOpen) throw connection.lostError
    } catch (error) {
      const thrown = thrownBy('onAcquire', error)
      pool.giveUp(connection, thrown)
      throw thrown
    }
  }

  /** Never rejects. */
  async #runOnRelease (hook: AcquireHook, connection: Connection, context: HookContext): Promise<void> {
    const { log, pool } = this.#parts
    const { commandTimeout } = pool().config
    const expired = (): Error => new Error(`onRelease has not settled within commandTimeout (${commandTimeout} s)`)
    try {
      if (!connection.isOpen) return
      await within(connection, { seconds: commandTimeout, expired }, async () => {
        await endTransaction(connection)
        await this.#run('onRelease', hook, connection, context)
      })
    } catch (error) {
      if (!connection.isOpen) return // which is told of already
      const err = thrownBy('onRelease', error)
      connection.destroy('hook')
      const { holder } = context
      log.warn({ event: 'release.failed', err, holder, backendPid: connection.pid }, 'onRelease failed: its connection is discarded')
    }
  }

  #run (name: string, hook: AcquireHook, connection: Connection, context: HookContext): Promise<void> {
    const { pool, statements } = this.#parts
    return runHook({ pool: pool(), statements }, connection, name, (session) => hook(session, context))
  }
}

/** What a lease left open: the hook must not run in it. */
async function endTransaction (connection: Connection): Promise<void> {
  while (connection.cancelling !== undefined) await connection.cancelling
  if (connection.session.transaction !== 'none') await connection.run(internalCall('ROLLBACK'))
}

/** Runs `work` until it settles, its time is over, the signal fires, or the connection ends: then it rejects with why. */
async function within (connection: Connection, { seconds, expired, signal }: Limits, work: () => Promise<void>): Promise<void> {
  const controller = new AbortController()
  const timer = seconds === 0 ? undefined : new FairTimer(seconds * 1000, () => controller.abort(expired()))
  const stopWatching = connection.onDown(() => controller.abort(connection.lostError))
  const abortable = { aborted: (): void => controller.abort(new AbortedError({ cause: reasonOf(signal) })) }
  if (signal !== undefined) listen(signal, abortable)
  try {
    await orAborted(controller.signal, work)
  } finally {
    timer?.clear()
    stopWatching()
    if (signal !== undefined) stopListening(signal, abortable)
  }
}
