import type { Sandboxing } from '../../src/api/sandboxing.js'
import type { Lease } from '../../src/api/lease.js'
import type { Acquiring } from '../../src/api/pool-place.js'
import type { Conversion } from '../../src/codecs/conversion.js'
import type { Config } from '../../src/config/config.js'
import { type Read, StatementExecution } from '../../src/connection/execution.js'
import { SandboxError } from '../../src/errors/errors.js'
import type { StatementCache } from '../../src/query/statement.js'
import type { Checkout } from '../../src/transaction/checkout.js'
import type { Place } from '../../src/transaction/transact.js'
import { SandboxCheckout } from './checkout.js'
import { SandboxLease } from './lease.js'
import { SandboxPlace } from './place.js'
import type { SandboxSession } from './session.js'

/** Runs what is asked of a database in its sandbox. */
export class SandboxTarget implements Sandboxing {
  readonly isSession = true
  readonly #session: SandboxSession
  readonly #statements: StatementCache

  constructor (session: SandboxSession, statements: StatementCache) {
    this.#session = session
    this.#statements = statements
  }

  get conversion (): Conversion | undefined { return this.#session.pool.conversion }
  get config (): Config { return this.#session.pool.config }
  get standardStrings (): boolean { return this.#session.connection.session.standardStrings }

  /** Runs a call when it is its turn, or in the transaction whose function it is made in. */
  run (execution: StatementExecution): void {
    const { inside, turns, pool } = this.#session
    if (inside !== undefined) return forward(execution, inside.checkout, () => {})
    turns.take({
      holder: 'statement',
      signal: execution.signal,
      group: execution.group,
      served: () => forward(execution, this.#session.calls, () => turns.over(), this.#session.objection),
      fail: (error) => {
        pool.dispatcher.settled(error)
        execution.fail(error)
      },
    })
  }

  // It is run as another one, whose checkout hears of its end.
  settled (): void {}
  isLast (): boolean { return false }
  objection (): undefined {}

  place (acquiring: Acquiring): Place { return new SandboxPlace(this.#session, acquiring) }

  async acquire (signal: AbortSignal | undefined): Promise<Lease> {
    const session = this.#session
    if (session.inside !== undefined) {
      throw new SandboxError('a sandbox has one connection, which the transaction has in whose function acquire() was called: use tx')
    }
    await session.turns.waitFor('lease', signal)
    const { objection } = session
    if (objection !== undefined) {
      session.turns.over()
      throw objection
    }
    return new SandboxLease(session, new SandboxCheckout(session, 'lease', () => session.turns.over()), this.#statements)
  }

  stop (): void { this.#session.stop() }
}

/** Runs a call on a checkout, and tells it how that ended. `over`: called before its caller is. */
function forward (execution: StatementExecution, checkout: Checkout, over: () => void, objection?: Error): void {
  const fail = (error: unknown): void => {
    over()
    execution.fail(error)
  }
  const succeed: Read<void> = (result) => {
    over()
    execution.succeed(result)
  }
  try {
    if (objection !== undefined) throw objection
    checkout.run(new StatementExecution(execution.call, { read: succeed, resolve () {}, reject: fail }, checkout))
  } catch (error) {
    fail(error)
  }
}
