import '../../src/api/async-dispose.js'
import { SandboxError } from '../../src/errors/errors.js'
import type { SandboxSession } from './session.js'

/** A transaction around all that a database is asked for, which is never committed. */
export class Sandbox {
  readonly #session: SandboxSession
  readonly #restore: () => void
  #isClosed = false
  #end: Promise<void> | undefined

  /** `restore`: has the database work as usual again. */
  constructor (session: SandboxSession, restore: () => void) {
    this.#session = session
    this.#restore = restore
  }

  /**
   * Undoes everything since `useSandbox` or the last reset, when the calls made before are done; settings of the session too. A connection
   * that was lost is replaced. Rejects with `FST_PG_SANDBOX` after `close()` and in the function of a transaction, and with
   * `FST_PG_ACQUIRE_TIMEOUT` if the calls before take longer than `acquireTimeout`, as a lease does that nobody releases.
   * @example afterEach(() => sandbox.reset())
   */
  async reset (): Promise<void> {
    this.#check('reset')
    if (this.#isClosed) throw new SandboxError('the sandbox is closed: open another one by useSandbox(app)')
    const { turns } = this.#session
    await turns.waitFor('sandbox')
    try {
      await this.#session.renew()
    } finally {
      turns.over()
    }
  }

  /**
   * Undoes everything, when the calls made before are done, and has the database work as usual again. What is still running after
   * `acquireTimeout` is ended with its connection. Again, it does nothing. Closing the app does it too.
   * @example after(() => sandbox.close())
   */
  async close (): Promise<void> {
    this.#check('close')
    this.#end ??= this.#close()
    await this.#end
  }

  [Symbol.asyncDispose] (): Promise<void> { return this.close() }

  async #close (): Promise<void> {
    this.#isClosed = true
    this.#restore()
    const session = this.#session
    await session.end(await session.turns.waitFor('sandbox').then(() => true, () => false))
  }

  #check (method: string): void {
    if (this.#session.inside !== undefined) {
      throw new SandboxError(`${method}() of a sandbox waits for the transactions in it: call it outside of their functions`)
    }
  }
}
