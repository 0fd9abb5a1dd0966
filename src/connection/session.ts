import type { ResetMode } from '../config/options.js'
import type { Meaning } from '../driver/preamble.js'
import type { SocketOwner } from '../driver/socket-owner.js'
import type { TransactionStatus } from '../driver/turn.js'
import type { SessionState } from '../sql/session-state.js'
import type { ServerInfo } from './server-info.js'
import { RoleScopes } from './role-scopes.js'
import { StatementTimeout } from './statement-timeout.js'

/** Who hears what the server says of the session. */
type SessionOwner = Pick<SocketOwner, 'transaction' | 'reported' | 'isFreeFor'>

/** What the server's session of one connection is like, as the server tells it, and as far as texts do. */
export class Session {
  readonly timeout: StatementTimeout
  // Fields and not getters, because each call or release looks at them; only this class writes them.
  /** Whether its server could be written to at first, and has refused to since: it may have been demoted. */
  isDoubtful = false
  /**
   * Which prepared statements may be run: those of its own user (`''`) while names mean what they did when it began, or those of a
   * role, of which this is the mark behind their texts. Undefined: none.
   */
  scope: string | undefined = ''
  /** Whether calls may have left something behind. */
  hasState = false
  readonly #owner: SessionOwner
  readonly #mode: ResetMode
  #server: ServerInfo | undefined
  #isPooled = false
  /** Whether it is known that no pooler is in between. */
  #hasServer = false
  /** How many calls may have left something behind. */
  #changes = 0
  /** Whether it is as the server makes it: what is to be set up on each connection is not. */
  #isBare = false
  /** Whether what may have changed the search_path holds for the transaction only. */
  #pathIsLocal = false
  /** Whether the role may be another one, for which `"$user"` in the search_path is another schema. */
  #isOtherRole = false
  #usualPath: string | undefined
  /** What `scope` is under the usual path. */
  #roleScope = ''
  readonly #roleScopes = new RoleScopes()

  /** `commandTimeout`: the seconds that its statement_timeout was set to when connecting. */
  constructor (owner: SessionOwner, commandTimeout: number, mode: ResetMode) {
    this.#owner = owner
    this.#mode = mode
    this.timeout = new StatementTimeout(commandTimeout)
  }

  /** What its server said about itself when it was opened, or looked at last. */
  get server (): ServerInfo | undefined { return this.#server }
  /** Whether a pooler is in between, which has sessions of its own: the process that answers is not the one that was announced. */
  get isPooled (): boolean { return this.#isPooled }
  /** Whether what is sent now leaves before what is sent after it: the driver is not describing or closing a statement. */
  get keepsOrder (): boolean { return this.#owner.isFreeFor(this) }
  /** Whether a transaction is open, as the last ReadyForQuery told it. */
  get transaction (): TransactionStatus { return this.#owner.transaction }
  /** Its `standard_conforming_strings`. */
  get standardStrings (): boolean { return this.#owner.reported.get('standard_conforming_strings') !== 'off' }
  /** What its server reports of it now. */
  get parameters (): Readonly<Record<string, string>> { return Object.freeze(Object.fromEntries(this.#owner.reported)) }
  /** Whether it may hold something that its next user must not meet, or lacks what it has to have. */
  get isDirty (): boolean { return this.hasState || this.#isBare || this.#owner.transaction !== 'none' }
  get isBare (): boolean { return this.#isBare }
  /** How many calls may have left something behind, up to now. */
  get changes (): number { return this.#changes }

  /** The first answer of a server, on the connection of the backend `pid`, if the server named one. */
  opened (server: ServerInfo, pid: number | undefined): void {
    this.#server = server
    this.#hasServer = server.pid === pid
    this.#isPooled = pid !== undefined && !this.#hasServer
    this.#usualPath = this.#reportedPath
    // The session may be another one for each transaction: nothing is set in it.
    if (this.#isPooled) this.timeout.leaveToClock()
  }

  /** What the server says now is what later checks compare with. */
  looked (server: ServerInfo): void { this.#server = server }

  /** What was done to it so far belongs to it: it is how it begins. */
  begin (): void {
    this.hasState = false
    this.#isBare = false
    this.#usualPath = this.#reportedPath
    this.#roleScope = ''
    this.#isOtherRole = false
    this.#compare()
  }

  /** Something is about to run that may leave this behind. */
  mayChange (leaves: SessionState): void {
    if (this.#mode === 'never' || (this.#isPooled && leaves !== 'something')) return
    if (leaves === 'nothing' && this.#mode !== 'always') return
    this.#changes++
    this.hasState = true
  }

  /** A transaction is about to begin, with settings that do this. */
  begins ({ changesPath, role }: Meaning): void {
    if (changesPath) return this.mayChangePath(true, true)
    if (role === undefined) return
    // Behind a pooler others may have prepared the same text as another role.
    const scope = this.scope === undefined || !this.#hasServer ? undefined : this.#roleScopes.of(role)
    if (scope === undefined) return this.mayChangePath(true, true)
    this.scope = this.#roleScope = scope
    this.#pathIsLocal = true
  }

  /** What is about to run may change what names mean. `isLocal`: until the transaction ends. `byRole`: by a role too. */
  mayChangePath (isLocal: boolean, byRole = false): void {
    if (this.#reportedPath !== undefined && !byRole) return // the server will say so
    const isFirst = this.#reportedPath === undefined ? this.scope !== undefined : !this.#isOtherRole
    this.#isOtherRole ||= byRole
    this.#pathIsLocal = isLocal && (isFirst || this.#pathIsLocal)
    this.scope = undefined
  }

  /** A call is over, or was not sent, while not the usual statements are meant. */
  answered (): void {
    if (this.transaction !== 'none') return
    this.#roleScope = ''
    if (!this.#pathIsLocal) return
    this.#isOtherRole = false
    this.#compare()
  }

  /** The server has reported a setting. */
  reported (): void {
    if (this.#reportedPath !== undefined) this.#compare()
  }

  #compare (): void {
    this.scope = this.#reportedPath === this.#usualPath && !this.#isOtherRole ? this.#roleScope : undefined
  }

  /** From PostgreSQL 18 on. */
  get #reportedPath (): string | undefined { return this.#owner.reported.get('search_path') }

  refusedToWrite (): void { this.isDoubtful = this.#server?.readOnly === false }

  /** It is being checked, which answers all doubts. */
  checked (): void { this.isDoubtful = false }

  /** What the first `changes` calls left behind is undone. `isBare`: something is to be set up in it. */
  wasReset (changes: number, isBare: boolean): void {
    this.hasState = this.#changes > changes
    this.#isBare = isBare
    this.timeout.reset()
    this.#roleScope = ''
    this.#isOtherRole = false
    this.#compare()
  }
}
