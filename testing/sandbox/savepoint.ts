import type { StatementExecution } from '../../src/connection/execution.js'
import { type Call, internalCall } from '../../src/query/call.js'
import { DeferredBegin } from '../../src/transaction/deferred-begin.js'
import type { SandboxState } from './state.js'

const NOTHING = internalCall('', 'script')

/**
 * The savepoint of a sandbox, in front of the next call: it leaves in the same write. It is a request of its own and not one with the call,
 * because a cancel of the call must not hit it: with it all would be undone that was done before. Behind plain reads none is needed.
 */
export class Savepoint extends DeferredBegin {
  /** Whether each call has its own, or only the first one in a transaction. */
  #isForEach = true
  #isDue = true
  /** Until the driver has closed a statement: a savepoint that is sent meanwhile would leave behind the call. */
  #closing: Promise<void> | undefined
  readonly #session: SandboxState

  constructor (session: SandboxState) {
    super(session.connection)
    this.#session = session
  }

  /** A transaction begins: with its first call. */
  begin (): void {
    this.#isForEach = false
    this.#isDue = true
  }

  /** A transaction is over. */
  end (): void {
    this.#isForEach = true
    this.#isDue = true
  }

  override get isDone (): boolean { return !this.#isDue }

  override get underWay (): Promise<void> | undefined {
    const { connection } = this.#session
    if (!this.#isDue || connection.cancelling !== undefined || !connection.isOpen || connection.session.keepsOrder) return undefined
    const over = (): void => { this.#closing = undefined }
    this.#closing ??= connection.run(NOTHING).then(over, over)
    return this.#closing
  }

  override take (): undefined {
    this.#save()
  }

  override sendWith (execution: StatementExecution): boolean {
    const { connection } = this.#session
    if (connection.cancelling !== undefined) return false
    execution.undo = this.#save(execution.call)
    connection.start(execution)
    return true
  }

  override ensure (call: Call, proceed: () => void, refuse: (error: unknown) => void): void {
    const { cancelling } = this.#session.connection
    // Only afterwards it is known how the call before has left the transaction.
    if (this.#isDue && cancelling !== undefined) cancelling.then(() => this.ensure(call, proceed, refuse))
    else {
      this.#save(call)
      proceed()
    }
  }

  /** Sends it, if it is due and needed. Returns what undoes the call. */
  #save (call?: Call): string | undefined {
    if (!this.#isDue) return undefined
    this.#isDue = this.#isForEach
    return this.#session.save(!this.#isForEach || call?.statement.mayBePipelined !== true)
  }
}
