import { AsyncResource } from 'node:async_hooks'
import type { EventLog } from '../config/event-log.js'
import { thrownBy } from '../errors/error-code.js'
import { type Notice, noticeOf } from '../errors/notice.js'
import { readFields } from '../protocol/message-reader.js'

/** Functions of the user's that hear what the server says beside its answers. */
export interface SessionListeners {
  /**
   * Hears each notice and warning of the server, on any connection: it names no caller. What it throws or rejects with is logged.
   * @example createDatabase({ onNotice: ({ severity, message }) => { if (severity === 'WARNING') console.warn(message) } })
   */
  onNotice?: ((notice: Notice) => unknown) | undefined
  /**
   * Hears each setting that the server reports by itself: about fifteen of each new connection, and again when one changes. What it throws
   * or rejects with is logged.
   * @example createDatabase({ onParameter: (name, value) => { if (name === 'in_hot_standby') standby.set(value === 'on') } })
   */
  onParameter?: ((name: string, value: string) => unknown) | undefined
}

/** Milliseconds in which one line tells of all failures of a function: the server may say anything in a loop. */
const QUIET = 10_000

/** How a function of the user's has failed. */
interface Failures {
  count: number
  /** When that was told last, in the clock of `performance.now()`. */
  toldAt: number
}

/** Tells the user's functions, when what has arrived is read: whatever they do, no answer is lost, or read as another one. */
export class SessionReports {
  readonly #listeners: SessionListeners
  readonly #log: EventLog
  readonly #quiet: number
  /** Not in the context of the caller for whom a connection was opened. */
  readonly #context = new AsyncResource('fastify-postgres-js.reports')
  readonly #failures = { onNotice: { count: 0, toldAt: -Infinity }, onParameter: { count: 0, toldAt: -Infinity } }

  constructor (listeners: SessionListeners, log: EventLog, quiet = QUIET) {
    this.#listeners = listeners
    this.#log = log
    this.#quiet = quiet
  }

  /** A NoticeResponse, whose bytes are others' afterwards. */
  notice (message: Buffer): void {
    const { onNotice } = this.#listeners
    if (onNotice === undefined) return
    const notice = noticeOf(readFields(message))
    this.#tell('onNotice', () => onNotice(notice))
  }

  /** A ParameterStatus. */
  parameter (name: string, value: string): void {
    const { onParameter } = this.#listeners
    if (onParameter !== undefined) this.#tell('onParameter', () => onParameter(name, value))
  }

  #tell (hook: keyof SessionListeners, work: () => unknown): void {
    queueMicrotask(async () => {
      try {
        await this.#context.runInAsyncScope(work)
      } catch (error) {
        this.#failed(hook, this.#failures[hook], error)
      }
    })
  }

  #failed (hook: keyof SessionListeners, failures: Failures, error: unknown): void {
    failures.count++
    const now = performance.now()
    if (now - failures.toldAt < this.#quiet) return
    const { count } = failures
    failures.count = 0
    failures.toldAt = now
    this.#log.error({ event: 'hook.failed', err: thrownBy(hook, error), hook, count }, `${hook} has failed: nothing else is concerned`)
  }
}

/** Undefined where nobody listens: then nothing is read. */
export function sessionReports (listeners: SessionListeners, log: EventLog): SessionReports | undefined {
  const { onNotice, onParameter } = listeners
  return onNotice === undefined && onParameter === undefined ? undefined : new SessionReports({ onNotice, onParameter }, log)
}
