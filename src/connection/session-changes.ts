import { REDEFINES, SETS } from '../driver/command-tags.js'
import type { TransactionStatus } from '../driver/turn.js'
import type { Call } from '../query/call.js'
import type { Execution } from './execution.js'
import type { PreparedStatements } from './prepared-statements.js'
import type { Session } from './session.js'

/** The server reports a search_path that is set, and no role. */
const MAY_SET_ROLE = /\brole\b|\bauthorization\b/i

/** Notes what a call may do to its session, before it is sent. */
export function noteSending ({ internal, statement: { text, leaves, setsPath } }: Call, session: Session): void {
  if (internal === true) return
  session.mayChange(leaves)
  if (setsPath) session.mayChangePath(leaves === 'nothing', MAY_SET_ROLE.test(text))
}

/** Notes what a call has done to its session, as its command tags tell: if its text has hidden it, it is seen here. */
export function noteChanges ({ call }: Execution, tags: readonly string[], session: Session, prepared: PreparedStatements): void {
  if (call.internal === true) return
  const { leaves, localSettings } = call.statement
  if (leaves === 'nothing' && tags.filter((tag) => SETS.has(tag)).length > localSettings) session.mayChange('something')
  // They take prepared statements away, or give them other columns: in a transaction the next execution of one would fail.
  const isInTransaction = session.transaction !== 'none'
  const areGone = tags.some((tag) => tag === 'DEALLOCATE ALL' || tag === 'DISCARD ALL' || (isInTransaction && REDEFINES.test(tag)))
  if (areGone) prepared.forgetAll()
}

const NO_TAGS: readonly string[] = []

/** What the server said of the session when it had answered a call. */
export interface Answer { readonly status: TransactionStatus, readonly tags: readonly string[] | undefined }

/** What its caller gets instead of a result, if a call may not leave its session as it has. */
export function objectionTo (execution: Execution, { status, tags }: Answer): Error | undefined {
  return execution.objection({ status, tags: tags ?? NO_TAGS })
}

/** The same for a call that failed. */
export function errorOf (execution: Execution, { status, tags }: Answer, error: Error): Error {
  const objection = execution.objection({ status, tags: tags ?? NO_TAGS, error })
  // A script that shows that it would have ended its transaction just failed.
  const { controlsTransaction, leavesTransactionOpen } = execution.call.statement
  if (objection === undefined || execution.isInSession || (controlsTransaction && !leavesTransactionOpen)) return error
  objection.cause ??= error
  return objection
}
