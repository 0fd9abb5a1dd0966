import type { SocketOwner } from '../driver/socket-owner.js'
import type { TransactionStatus } from '../driver/turn.js'
import type { ServerInfo } from './server-info.js'
import { StatementTimeout } from './statement-timeout.js'

/**
 * Makes a session as new, but for statements that a user prepared by PREPARE. DISCARD ALL in parts, because that would
 * also drop the statements that the driver has prepared, and cannot run together with others. ROLLBACK comes first: the
 * session may be in a transaction, even a failed one.
 */
export const RESET_SESSION = `ROLLBACK; SET SESSION AUTHORIZATION DEFAULT; RESET ALL; CLOSE ALL; UNLISTEN *;
SELECT pg_advisory_unlock_all(); DISCARD PLANS; DISCARD TEMP; DISCARD SEQUENCES`

/** What the server's session of one connection is like, as the server tells it, and as far as texts do. */
export class Session {
  readonly timeout: StatementTimeout
  // A field and not a getter, because each release of a connection looks at it; only this class writes it.
  /** Whether its server could be written to at first, and has refused to since: it may have been demoted. */
  isDoubtful = false
  readonly #owner: SocketOwner
  #server: ServerInfo | undefined
  #isPooled = false
  #hasState = false

  /** `commandTimeout`: the seconds that its statement_timeout was set to when connecting. */
  constructor (owner: SocketOwner, commandTimeout: number) {
    this.#owner = owner
    this.timeout = new StatementTimeout(commandTimeout)
  }

  /** What its server said about itself when it was opened, or looked at last. */
  get server (): ServerInfo | undefined { return this.#server }
  /** Whether a pooler is in between, which has sessions of its own: the process that answers is not the one that was announced. */
  get isPooled (): boolean { return this.#isPooled }
  /** Whether a transaction is open, as the last ReadyForQuery told it. */
  get transaction (): TransactionStatus { return this.#owner.transaction }
  /** Whether it may hold something that its next user must not meet. */
  get isDirty (): boolean { return this.#hasState || this.#owner.transaction !== 'none' }

  /** The first answer of a server, on the connection of the backend `pid`, if the server named one. */
  opened (server: ServerInfo, pid: number | undefined): void {
    this.#server = server
    this.#isPooled = pid !== undefined && server.pid !== pid
    // The session may be another one for each transaction: nothing is set in it.
    if (this.#isPooled) this.timeout.leaveToClock()
  }

  /** What the server says now is what later checks compare with. */
  looked (server: ServerInfo): void { this.#server = server }

  /** What was done to it so far belongs to it: it is how every new one begins. */
  begin (): void { this.#hasState = false }

  /** Something has run that may leave something behind. */
  ran (): void { this.#hasState = true }

  refusedToWrite (): void { this.isDoubtful = this.#server?.readOnly === false }

  /** It is being checked, which answers all doubts. */
  checked (): void { this.isDoubtful = false }

  /** It is what it was after connecting. */
  wasReset (): void {
    this.#hasState = false
    this.timeout.reset()
  }
}
