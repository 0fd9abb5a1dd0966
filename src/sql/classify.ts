import { QueryError } from '../errors/errors.js'
import { isPlainRead } from './plain-read.js'
import { splitScript } from './split-script.js'

/** What a text says about a statement, by reading it. */
export interface Traits {
  /** How many parameters it has, where its text tells for sure: a wrong number must not reach a transaction. */
  readonly parameters: number | undefined
  /** Whether it is one statement of the server's planner, which has no effect if it fails. */
  readonly isPlanned: boolean
  /** Whether it may be sent together with others, and run again if a cancel hits it by accident: it only reads, and has no effect. */
  readonly mayBePipelined: boolean
  /** Whether it is more than one statement. */
  readonly isScript: boolean
  /** Whether it may leave something behind in the session: a setting, a lock, a temporary table. */
  readonly mayLeaveState: boolean
  /** How many of its statements go back to a savepoint. */
  readonly rollbacksTo: number
  /** Whether it begins or ends a transaction anywhere. Going back to a savepoint does not. */
  readonly controlsTransaction: boolean
  /** Whether a transaction that it begins is still open at its end. */
  readonly leavesTransactionOpen: boolean
}

/** Statements that leave nothing in the session. Others (SET, LISTEN, DO, PREPARE, …) may. */
const PLAIN = new RegExp(`^(${[
  'select', 'insert', 'update', 'delete', 'merge', 'with', 'values', 'table', 'show', 'explain', 'notify', 'vacuum', 'analyze',
  'truncate', 'copy', 'create', 'alter', 'drop', 'comment', 'grant', 'revoke', 'reindex', 'refresh', 'cluster', 'import',
  'security', 'reassign',
].join('|')})\\b`, 'i')
/** Functions and clauses that leave something in the session inside an otherwise plain statement. */
const LEAVES_STATE = /set_config|advisory_lock|\btemp(orary)?\b|pg_temp|dblink|lo_open/i
const BEGINS = /^(begin|start\s+transaction)\b/i
const ENDS = /^(commit|end|abort|prepare\s+transaction|rollback(?!\s+(work\s+|transaction\s+)?to\b))\b/i
const ROLLBACK_TO = /^rollback\s+(work\s+|transaction\s+)?to\b/i
/** The driver turns these into streams that nobody would read. */
const COPY_STREAM = /^copy\b[^]*\b(from\s+stdin|to\s+stdout)\b/i

/** Of the server's planner. Others may hold a `$1` that is not theirs (CREATE FUNCTION), or commit midway (CALL, VACUUM). */
const PLANNED = /^[\s(]*(with|select|insert|update|delete|merge|values|table)\b/i

/** The highest `$n` of a single statement. Whether a backslash escapes a quote is for the session to say. */
function countParameters (text: string, [statement = '', ...others]: readonly string[]): number | undefined {
  if (others.length > 0 || text.includes('\\') || !PLANNED.test(statement)) return undefined
  let most = 0
  for (const [, digits] of statement.matchAll(/(?<![\w$\u0080-\uffff])\$(\d+)/g)) most = Math.max(most, Number(digits))
  return most
}

/** Raises `QueryError` for a text that cannot be run. */
export function classify (text: string): Traits {
  if (text.includes('\0')) throw new QueryError('the text of the query holds a NUL character: remove it')
  if (!text.isWellFormed()) throw new QueryError('the text of the query holds one half of a surrogate pair without the other: remove it')
  const parts = splitScript(text)
  if (parts.some((part) => COPY_STREAM.test(part))) {
    throw new QueryError('COPY FROM STDIN and TO STDOUT are not supported: ' +
      'use executeMany, or COPY on a connection of postgres.js of your own')
  }
  const controls = parts.filter((part) => BEGINS.test(part) || ENDS.test(part))
  const isPlain = parts.every((part) => PLAIN.test(part.replace(/^[\s(]+/, '')))
  const mayLeaveState = controls.length > 0 || LEAVES_STATE.test(text) || !isPlain
  const isPlanned = parts.length === 1 && PLANNED.test(parts[0] ?? '')
  return {
    parameters: countParameters(text, parts),
    isPlanned,
    mayBePipelined: isPlanned && !mayLeaveState && isPlainRead(text),
    isScript: parts.length > 1,
    mayLeaveState,
    rollbacksTo: parts.filter((part) => ROLLBACK_TO.test(part)).length,
    controlsTransaction: controls.length > 0,
    leavesTransactionOpen: BEGINS.test(controls.at(-1) ?? '') || /\band\s+chain\b/i.test(controls.at(-1) ?? ''),
  }
}
