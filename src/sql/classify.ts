import { QueryError } from '../errors/errors.js'
import { isPlainRead } from './plain-read.js'
import { mayChangeNames, type SessionState, sessionState } from './session-state.js'
import { type ScriptPart, splitScript } from './split-script.js'

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
  /** What it may leave behind in the session. */
  readonly leaves: SessionState
  /** Whether it may set the search_path, or a role whose schema is in it. */
  readonly setsPath: boolean
  /** One of both. */
  readonly changesSession: boolean
  /** How many of its statements set something for the transaction only. */
  readonly localSettings: number
  /** How many of its statements go back to a savepoint. */
  readonly rollbacksTo: number
  /** Whether it begins or ends a transaction anywhere. Going back to a savepoint does not. */
  readonly controlsTransaction: boolean
  /** Whether some of it may be committed although it fails. */
  readonly mayCommit: boolean
  /** Whether a transaction that it begins is still open at its end. */
  readonly leavesTransactionOpen: boolean
}

const BEGINS = /^(begin|start\s+transaction)\b/i
const ENDS = /^(commit|end|abort|prepare\s+transaction|rollback(?!\s+(work\s+|transaction\s+)?to\b))\b/i
const COMMITS = /^(commit|end|prepare\s+transaction)\b/i
/** What has a body that may commit. */
const RUNS_BODY = /^(call|do)\b/i
const LOCAL_SETTING = /^set\s+(local|transaction)\b(?!\s*(\.|=|to\b))/i
const ROLLBACK_TO = /^rollback\s+(work\s+|transaction\s+)?to\b/i
/** The driver turns these into streams that nobody would read. */
const COPY_STREAM = /^copy\b[^]*\b(from\s+stdin|to\s+stdout)\b/i

/** Of the server's planner. Others may hold a `$1` that is not theirs (CREATE FUNCTION), or commit midway (CALL, VACUUM). */
const PLANNED = /^[\s(]*(with|select|insert|update|delete|merge|values|table)\b/i

/** The highest `$n` of a single statement. Whether a backslash escapes a quote is for the session to say. */
function countParameters (text: string, [statement, ...others]: readonly ScriptPart[]): number | undefined {
  if (statement === undefined || others.length > 0 || text.includes('\\') || !PLANNED.test(statement.text)) return undefined
  let most = 0
  for (const [, digits] of statement.text.matchAll(/(?<![\w$\u0080-\uffff])\$(\d+)/g)) most = Math.max(most, Number(digits))
  return most
}

/** Whether a text is one statement that asks for a commit. */
export function asksToCommit (text: string): boolean {
  const [statement, ...others] = splitScript(text)
  return statement !== undefined && others.length === 0 && COMMITS.test(statement.text)
}

/** `standardStrings`: the session's `standard_conforming_strings`. Raises `QueryError` for a text that cannot be run. */
export function classify (text: string, standardStrings = true): Traits {
  if (text.includes('\0')) throw new QueryError('the text of the query holds a NUL character: remove it')
  if (!text.isWellFormed()) throw new QueryError('the text of the query holds one half of a surrogate pair without the other: remove it')
  const parts = splitScript(text, standardStrings)
  if (parts.some((part) => COPY_STREAM.test(part.text))) {
    throw new QueryError('COPY FROM STDIN and TO STDOUT are not supported: ' +
      'use executeMany, or COPY on a connection of postgres.js of your own')
  }
  const [first] = parts
  const last = parts.findLast((part) => BEGINS.test(part.text) || ENDS.test(part.text))?.text
  const isPlanned = parts.length === 1 && PLANNED.test(first?.text ?? '')
  const states = parts.map(({ lexemes }) => sessionState(lexemes))
  const leaves = states.find((state) => state === 'something') ?? states.find((state) => state === 'perhaps') ?? 'nothing'
  const setsPath = parts.some(({ lexemes }) => mayChangeNames(lexemes))
  return {
    parameters: countParameters(text, parts),
    isPlanned,
    // Where a string with a backslash ends is for each session to say.
    mayBePipelined: isPlanned && leaves === 'nothing' && !text.includes('\\') && isPlainRead(first?.lexemes ?? []),
    isScript: parts.length > 1,
    leaves,
    setsPath,
    changesSession: setsPath || leaves !== 'nothing',
    localSettings: parts.filter((part) => LOCAL_SETTING.test(part.text)).length,
    rollbacksTo: parts.filter((part) => ROLLBACK_TO.test(part.text)).length,
    controlsTransaction: last !== undefined,
    mayCommit: (parts.length > 1 && last !== undefined) || parts.some((part) => RUNS_BODY.test(part.text)),
    leavesTransactionOpen: last !== undefined && (BEGINS.test(last) || /\band\s+chain\b/i.test(last)),
  }
}
