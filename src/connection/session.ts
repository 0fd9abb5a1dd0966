import type { Call } from '../query/call.js'
import type { ServerInfo } from './server-info.js'
import { StatementTimeout } from './statement-timeout.js'

/**
 * Makes a session as new, but for statements that a user prepared by PREPARE. DISCARD ALL in parts, because that would
 * also drop the statements that the driver has prepared, and cannot run together with others. ROLLBACK comes first: the
 * session may be in a transaction, even a failed one.
 */
export const RESET_SESSION = `ROLLBACK; SET SESSION AUTHORIZATION DEFAULT; RESET ALL; CLOSE ALL; UNLISTEN *;
SELECT pg_advisory_unlock_all(); DISCARD PLANS; DISCARD TEMP; DISCARD SEQUENCES`

/** What the server's session of one connection is like, as far as is known here. */
export class Session {
  readonly timeout: StatementTimeout
  // Fields and not getters, because each release of a connection looks at them; only this class writes them.
  /** Whether it may hold something that its next user must not meet. */
  isDirty = false
  /** Whether its server could be written to at first, and has refused to since: it may have been demoted. */
  isDoubtful = false
  #server: ServerInfo | undefined
  #isPooled = false
  #hasState = false
  #inTransaction = false

  /** `commandTimeout`: the seconds that its statement_timeout was set to when connecting. */
  constructor (commandTimeout: number) { this.timeout = new StatementTimeout(commandTimeout) }

  /** What its server said about itself when it was opened, or looked at last. */
  get server (): ServerInfo | undefined { return this.#server }
  /** Whether a pooler is in between, which has sessions of its own: the process that answers is not the one that was announced. */
  get isPooled (): boolean { return this.#isPooled }
  /** Whether a transaction of ours may be open. */
  get inTransaction (): boolean { return this.#inTransaction }

  /** The first answer of a server, on the connection of the backend `pid`. */
  opened (server: ServerInfo, pid: number): void {
    this.#server = server
    this.#isPooled = server.pid !== pid
    // The session may be another one for each transaction: nothing is set in it.
    if (this.#isPooled) this.timeout.leaveToClock()
  }

  /** What the server says now is what later checks compare with. */
  looked (server: ServerInfo): void { this.#server = server }

  /** What was done to it so far belongs to it: it is how every new one begins. */
  begin (): void {
    this.#hasState = false
    this.isDirty = this.#inTransaction
  }

  /** A statement has run, or failed: if it is a script, possibly inside a transaction that it began itself. */
  ran ({ internal, statement }: Call): void {
    if (internal !== true && statement.mayLeaveState) {
      this.#hasState = true
      this.isDirty = true
    }
  }

  /** From before BEGIN, which may work without an answer reaching us, until the server has said that it is over. */
  transactionBegins (): void {
    this.#inTransaction = true
    this.isDirty = true
  }

  transactionEnded (): void {
    this.#inTransaction = false
    this.isDirty = this.#hasState
  }

  refusedToWrite (): void { this.isDoubtful = this.#server?.readOnly === false }

  /** It is being checked, which answers all doubts. */
  checked (): void { this.isDoubtful = false }

  /** It is what it was after connecting. */
  wasReset (): void {
    this.#hasState = false
    this.#inTransaction = false
    this.isDirty = false
    this.timeout.reset()
  }
}
