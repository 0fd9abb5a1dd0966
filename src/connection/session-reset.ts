import type { ResetMode } from '../config/options.js'
import type { DriverResult } from '../driver/result.js'
import { type Call, internalCall } from '../query/call.js'
import type { PreparedStatements } from './prepared-statements.js'
import type { Session } from './session.js'

/**
 * Makes a session as new: DISCARD ALL in parts, because that would also drop the statements that are prepared on the wire, and
 * cannot run together with others. Plans are no state. Settings come before the query, so that its names are found.
 */
const RESET = `SET SESSION AUTHORIZATION DEFAULT; RESET ROLE; RESET ALL; CLOSE ALL; UNLISTEN *;
SELECT pg_catalog.pg_advisory_unlock_all(), pg_catalog.array_agg(name) FILTER (WHERE from_sql) AS names,
pg_catalog.count(name) FILTER (WHERE NOT from_sql) AS prepared FROM pg_catalog.pg_prepared_statement();
DISCARD TEMP; DISCARD SEQUENCES`

/** Runs a call of ours on the connection, behind all that is in flight. */
export type RunCall = (call: Call) => Promise<DriverResult>

interface SessionResetParts {
  readonly mode: ResetMode
  /** Seconds. */
  readonly timeout: number
  /** Whether something is set up in each session before its first user. */
  readonly hasOnConnect: boolean
  readonly session: Session
  readonly prepared: PreparedStatements
  readonly run: RunCall
}

/** Makes the session of one connection as new. */
export class SessionReset {
  readonly #parts: SessionResetParts
  /** Until a reset that follows something is over. Never rejects. Only this class writes it. */
  underWay: Promise<void> | undefined

  constructor (parts: SessionResetParts) { this.#parts = parts }

  /**
   * Sends a reset right behind what was just written, which is the last that its user runs: it travels in the same write, and nobody
   * waits for it. If that leaves a transaction open, or the reset fails, the session stays dirty.
   */
  follow (): void {
    if (this.#parts.session.isPooled) return
    const reset: Promise<void> = this.#reset('').catch(() => {}).finally(() => {
      if (this.underWay === reset) this.underWay = undefined
    })
    this.underWay = reset
  }

  /** Resets a session in which nothing is in flight. Rejects if that fails. */
  async run (): Promise<void> {
    const { mode, session } = this.#parts
    const rollback = session.transaction === 'none' ? '' : 'ROLLBACK; '
    if (mode !== 'never') await this.#reset(rollback)
    else if (rollback !== '') await this.#run(rollback)
  }

  async #reset (before: string): Promise<void> {
    const { session, prepared, hasOnConnect } = this.#parts
    const { changes } = session
    const { rows: [row] } = await this.#run(before + RESET)
    const { names, prepared: count } = row as { names: readonly string[] | null, prepared: number }
    prepared.counted(count)
    if (names !== null) await this.#run(names.map((name) => `DEALLOCATE "${name.replaceAll('"', '""')}"`).join('; '))
    if (session.transaction === 'none') session.wasReset(changes, hasOnConnect)
  }

  #run (text: string): Promise<DriverResult> {
    return this.#parts.run(internalCall(text, 'script', { timeout: this.#parts.timeout }))
  }
}
