import type { Request } from '../driver/request.js'
import type { Execution } from './execution.js'
import type { PreparedStatements } from './prepared-statements.js'
import type { Session } from './session.js'

/** What sets something in the session, as the server calls it. */
const SETS = new Set(['SET', 'RESET', 'LISTEN', 'PREPARE', 'LOAD', 'DO', 'CALL', 'DISCARD ALL', 'DEALLOCATE ALL'])

/** Notes what a call has done to its session, as its command tags tell: if its text has hidden it, it is seen here. */
export function noteChanges ({ call }: Execution, tags: readonly string[], session: Session, prepared: PreparedStatements): void {
  if (call.internal === true) return
  const { leaves, localSettings } = call.statement
  if (leaves === 'nothing' && tags.filter((tag) => SETS.has(tag)).length > localSettings) session.mayChange('something')
  // They take prepared statements away, without which the next execution of one would fail.
  if (tags.some((tag) => tag === 'DEALLOCATE ALL' || tag === 'DISCARD ALL')) prepared.forgetAll()
}

const NO_TAGS: readonly string[] = []

/** What its caller gets instead of a result, if a call may not leave its session as it has. */
export function objectionTo (execution: Execution, { status, tags }: Request): Error | undefined {
  return execution.objection({ status, tags: tags ?? NO_TAGS })
}

/** The same for a call that failed. */
export function errorOf (execution: Execution, { status, tags }: Request, error: Error): Error {
  const objection = execution.objection({ status, tags: tags ?? NO_TAGS, error })
  // A script that shows that it would have ended its transaction just failed.
  const { controlsTransaction, leavesTransactionOpen } = execution.call.statement
  if (objection === undefined || execution.isInSession || (controlsTransaction && !leavesTransactionOpen)) return error
  objection.cause ??= error
  return objection
}
