import { Refusal } from '../codecs/encode.js'
import { BindAborted, writeArguments } from '../driver/argument.js'
import type { Driver } from '../driver/postgres-js.js'
import { type Preamble, PreambleRefusal } from '../driver/preamble.js'
import { CopyStarted, type Request } from '../driver/request.js'
import { ServerRefusal } from '../driver/server-refusal.js'
import { QueryError } from '../errors/errors.js'
import { ServerError } from '../errors/server-error.js'
import { NotAloneError } from './connection-errors.js'
import type { Execution, StatementExecution } from './execution.js'
import { type InFlight, MOST_SENDS, wasHitByAccident } from './in-flight.js'
import { isStale, type PreparedStatements } from './prepared-statements.js'
import type { Session } from './session.js'
import { type Answer, errorOf, noteChanges } from './session-changes.js'
import { StaleStatements } from './stale-statements.js'

/** What sends statements, as far as one that failed needs it. */
export interface StatementSender {
  send (execution: StatementExecution): void
  /** The server has not run it: it is sent again, alone. */
  skipped (execution: StatementExecution): void
  end (execution: Execution, error?: unknown): void
  /** Ends a call that may not leave the session as it has. */
  endWith (execution: StatementExecution, error: Error): void
  after (execution: Execution, work: Promise<unknown>, proceed: () => void): void
  learn (execution: Execution, oids: number[]): Promise<void>
  ask (execution: Execution, text: string): Promise<unknown>
  translate (execution: Execution, error: unknown, types?: readonly number[]): unknown
  broken (reason: 'copy'): void
}

export interface FailedStatementsParts {
  driver: Driver
  session: Session
  inFlight: InFlight
  prepared: PreparedStatements
  sender: StatementSender
}

/** How a statement that failed left its session, and the types of its parameters where they are known. */
export interface FailedOutcome extends Answer { readonly types: readonly number[] | undefined }

/** What becomes of a call whose statement failed: it is sent again where that helps and does no harm, or its caller gets the error. */
export class FailedStatements {
  readonly #driver: Driver
  readonly #session: Session
  readonly #inFlight: InFlight
  readonly #prepared: PreparedStatements
  readonly #sender: StatementSender
  readonly #stale: StaleStatements

  constructor ({ driver, session, inFlight, prepared, sender }: FailedStatementsParts) {
    this.#driver = driver
    this.#session = session
    this.#inFlight = inFlight
    this.#prepared = prepared
    this.#sender = sender
    this.#stale = new StaleStatements(driver, prepared)
  }

  /** It failed on the driver's way. */
  failed (execution: StatementExecution, error: unknown, request: Request): void {
    if (error instanceof CopyStarted) return this.#refuseCopy(execution)
    const types = request.named ?? request.statement?.types
    // Of one without parameters only the server's answer tells whether it got as far as that.
    if (types !== undefined && (types.length > 0 || request.named !== undefined)) this.#prepared.remember(execution.call.statement, request)
    if ((error instanceof BindAborted || error instanceof Refusal) && !execution.settled) {
      this.#inFlight.measure(execution)
      return this.#sendAgainAfterBind(execution, types ?? [])
    }
    this.refused(execution, error, { types, tags: request.tags, status: request.status })
  }

  /** It was sent, and failed. */
  refused (execution: StatementExecution, error: unknown, { types, tags = [], status }: FailedOutcome): void {
    this.#inFlight.measure(execution)
    const translated = this.#sender.translate(execution, error, types)
    if (!(error instanceof ServerRefusal) || !(translated instanceof Error)) return this.#sender.end(execution, translated)
    if (execution.call.statement.mayBePipelined && wasHitByAccident(execution, translated)) return this.#sender.skipped(execution)
    noteChanges(execution, tags, this.#session, this.#prepared)
    const seen = errorOf(execution, { status, tags }, translated)
    if (seen !== translated || (status !== 'none' && !execution.isInSession)) return this.#sender.endWith(execution, seen)
    if (!(translated instanceof ServerError) || error instanceof PreambleRefusal) return this.#sender.end(execution, translated)
    const [stale, { before, undo, call: { statement } }] = [isStale(error), execution]
    // Outside of a transaction it cannot be described as another role.
    const isAsRole = before?.meaning.role !== undefined
    const wasPrepared = (isAsRole || status === 'failed') && this.#prepared.failed(statement, translated.code)
    const mayBeginAgain = wasPrepared && (stale || statement.leaves === 'nothing')
    if (mayBeginAgain && isAsRole && status === 'none') this.#sender.end(execution, new NotAloneError())
    else if (mayBeginAgain && before !== undefined) this.#beginAgain(execution, 'ROLLBACK', before)
    else if (mayBeginAgain && undo !== undefined) this.#beginAgain(execution, undo)
    else if (isAsRole) this.#sender.end(execution, translated)
    else if (stale || /^(0A|22|42|XX000)/.test(translated.code)) this.sendAgainIfStale(execution, types, translated, stale)
    else this.#sender.end(execution, translated)
  }

  /** A call failed with a prepared statement: it runs again if that was stale, and the call had no effect. */
  sendAgainIfStale (execution: StatementExecution, types: readonly number[] | undefined, error: unknown, isStale = false): void {
    const remedy = this.#stale.remedyFor(execution, types, isStale)
    if (remedy === undefined) return this.#sender.end(execution, error)
    remedy.then((mayRunAgain) => mayRunAgain && !execution.settled ? this.#sender.send(execution) : this.#sender.end(execution, error))
  }

  /** The first statement of a transaction may have been stale: both begin again, and it runs as what it means now. */
  #beginAgain (execution: StatementExecution, undo: string, begin?: Preamble): void {
    execution.before = execution.undo = undefined
    execution.rewrite()
    this.#sender.ask(execution, undo).then(() => begin === undefined ? undefined : this.#beginBy(execution, begin)).then(
      () => execution.settled ? this.#sender.end(execution) : this.#sender.send(execution),
      (error) => this.#sender.end(execution, execution.objection({ status: this.#session.transaction, tags: [], error }) ?? error))
  }

  async #beginBy (execution: StatementExecution, begin: Preamble): Promise<void> {
    await this.#driver.runOwn(begin, execution).catch((error) => { throw this.#sender.translate(execution, error) })
  }

  #refuseCopy (execution: StatementExecution): void {
    execution.fail(new QueryError('COPY FROM STDIN and TO STDOUT are not supported')) // the others learn that the connection is lost
    this.#sender.broken('copy')
    this.#sender.end(execution)
  }

  /** Nothing was executed. Either an argument cannot be sent, or a type is unknown, or the statement was stale. */
  #sendAgainAfterBind (execution: StatementExecution, types: readonly number[]): void {
    try {
      const unknown = writeArguments(execution.args ?? [], types, this.#driver.types.registry, execution.call.row)
      if (execution.sends >= MOST_SENDS) throw new QueryError('the types of the statement change all the time')
      if (unknown.length > 0) this.#sender.after(execution, this.#sender.learn(execution, unknown), () => this.#sender.send(execution))
      else this.#sender.send(execution)
    } catch (refusal) {
      this.#sender.end(execution, refusal)
    }
  }
}
