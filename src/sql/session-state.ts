import { argumentsOf, functionCalls } from './function-calls.js'
import { STATELESS } from './known-functions.js'
import type { Lexeme } from './split-script.js'

/**
 * What a statement may leave behind in its session. `perhaps`: it runs what its text does not show (a function of the user's own, a
 * DO block). `something`: it is made for that (SET, LISTEN, a temporary table, an advisory lock).
 */
export type SessionState = 'nothing' | 'perhaps' | 'something'

const words = (text: string): ReadonlySet<string> => new Set(text.trim().split(/\s+/))

/** Statements that leave nothing by themselves. */
const PLAIN = words(`
  select insert update delete merge with values table show explain notify vacuum analyze truncate copy alter drop comment grant revoke
  reindex refresh cluster import security reassign lock checkpoint declare fetch move close
  begin start commit end abort rollback savepoint release
`)
const SETS = words('set reset discard deallocate prepare execute listen unlisten load')
/** A setting of the transaction, and not of the session. */
const OF_TRANSACTION = words('local transaction constraints')
const ASSIGNS = words('. = to')
const TEMPORARY = words('temp temporary')
const CREATES_TEMPORARY = /^create (or replace )?(global |local )?temp(orary)? /
/** Functions of the server's own, and of well-known extensions, that are made to leave something. */
const LEAVES_STATE = /^(set_config|setseed|set_limit|lo_open|pg_(try_)?advisory_lock(_shared)?|dblink_(connect(_u)?|open))$/

/** What a single statement may leave behind, as far as its text tells. */
export function sessionState (lexemes: readonly Lexeme[]): SessionState {
  const [first = '', second = '', third = ''] = lexemes.filter(({ text }) => text !== '(').map(({ text }) => text)
  if (first === 'set' && OF_TRANSACTION.has(second) && !ASSIGNS.has(third)) return 'nothing' // and not a setting of that name
  if (first === 'prepare' && second === 'transaction') return 'nothing'
  if (SETS.has(first)) return 'something'
  const has = (...names: string[]): boolean => lexemes.some(({ text }) => names.includes(text))
  if (first === 'declare' && has('hold')) return 'something'
  if (has('pg_temp', '"pg_temp"') || (has('update') && has('pg_settings', '"pg_settings"'))) return 'something'
  if (CREATES_TEMPORARY.test(lexemes.slice(0, 5).map(({ text }) => text).join(' '))) return 'something'
  const created = createdTable(lexemes)
  if (created !== 'nothing') return created
  const isOpaque = !PLAIN.has(first) || (first === 'explain' && has('create', 'execute')) || lexemes.some(isEscapedName)
  let state: SessionState = isOpaque ? 'perhaps' : 'nothing'
  for (const { at, name } of functionCalls(lexemes)) {
    if (name !== undefined && (STATELESS.has(name) || (name === 'set_config' && isLocal(lexemes, at)))) continue
    if (name !== undefined && LEAVES_STATE.test(name)) return 'something'
    state = 'perhaps'
  }
  return state
}

const PATH = words('search_path "search_path" set_config "set_config"')
const ROLES = words('schema role authorization')
const SET_OR_RESET = words('set reset')

/** Whether a statement may set the search_path, or a role whose schema is in it: names mean something else then. */
export function mayChangeNames (lexemes: readonly Lexeme[]): boolean {
  const sets = SET_OR_RESET.has(lexemes[0]?.text ?? '') && lexemes.slice(1, 4).some(({ text }) => ROLES.has(text))
  return sets || lexemes.some(({ text }) => PATH.has(text))
}

/** SELECT INTO makes a table, perhaps a temporary one. */
function createdTable (lexemes: readonly Lexeme[]): SessionState {
  const isWritten = (at: number): boolean => ['insert', 'merge'].includes(lexemes[at - 1]?.text ?? '')
  const at = lexemes.findIndex(({ text }, index) => text === 'into' && !isWritten(index))
  if (at === -1) return 'nothing'
  return lexemes.slice(at + 1, at + 3).some(({ text }) => TEMPORARY.has(text)) ? 'something' : 'perhaps'
}

/** U&"…" may be any name. */
function isEscapedName ({ kind, text }: Lexeme): boolean { return kind === 'name' && !text.startsWith('"') }

/** Whether a setting is for the transaction only. */
function isLocal (lexemes: readonly Lexeme[], at: number): boolean {
  const [, , local, ...others] = argumentsOf(lexemes, at)
  return others.length === 0 && local?.length === 1 && local[0]?.text === 'true'
}
