import { QueryError } from './errors.js'

/** What is known of one statement text: kept per text, so that nothing of it is worked out per call. */
export interface Statement {
  readonly text: string
  /** The text as the driver takes it. */
  readonly strings: readonly [string]
  /** How often it was run through this pool. */
  uses: number
  /** Whether it may leave something behind in the session: a setting, a lock, a temporary table. */
  readonly mayLeaveState: boolean
  /** Whether it begins or ends a transaction. Going back to a savepoint does not. */
  readonly controlsTransaction: boolean
}

/** Functions and clauses that leave something in the session without a command of their own to show it. */
const LEAVES_STATE = /set_config|advisory_lock|\btemp(orary)?\b|pg_temp|dblink|lo_open/i
const COMMENTS = /^(\s+|--[^\n]*(\n|$)|\/\*[^]*?\*\/|;)*/
const CONTROL = /^(begin|start\s+transaction|commit|end|abort|prepare\s+transaction|rollback(?!\s+(work\s+|transaction\s+)?to\b))\b/i
/** The driver turns these into streams that nobody would read. */
const COPY_STREAM = /^copy\b[^]*\b(from\s+stdin|to\s+stdout)\b/i

function describe (text: string): Statement {
  if (text.includes('\0')) throw new QueryError('the text of the query holds a NUL character: remove it')
  const start = text.replace(COMMENTS, '')
  if (COPY_STREAM.test(start)) throw new QueryError('COPY FROM STDIN and TO STDOUT are not supported: use executeMany, or COPY on a connection of postgres.js of your own')
  return { text, strings: [text], uses: 0, mayLeaveState: LEAVES_STATE.test(text), controlsTransaction: CONTROL.test(start) }
}

/** Texts kept per generation: two generations of small objects, so that texts made up at run time do not pile up. */
const GENERATION = 2_000

/** The statements that a pool has seen of late. */
export class StatementCache {
  #young = new Map<string, Statement>()
  #old = new Map<string, Statement>()

  get (text: string): Statement {
    let statement = this.#young.get(text)
    if (statement !== undefined) return statement
    statement = this.#old.get(text) ?? describe(text)
    if (this.#young.size >= GENERATION) {
      this.#old = this.#young
      this.#young = new Map()
    }
    this.#young.set(text, statement)
    return statement
  }
}
