import { functionCalls } from './function-calls.js'
import { HARMLESS } from './known-functions.js'
import type { Lexeme } from './split-script.js'

/** Words that no plain read has: it writes, locks rows, or makes a table. */
const FORBIDDEN = new Set(['insert', 'update', 'delete', 'merge', 'into', 'for', 'call', 'do', 'execute'])

/**
 * Whether a single statement of the planner only reads, and calls nothing but functions that are known to have no effect. It
 * cannot see what operators, casts, views, policies and `row.function` call, nor a function of the user's own that takes the place
 * of one of the server's.
 */
export function isPlainRead (lexemes: readonly Lexeme[]): boolean {
  const first = lexemes.find(({ text }) => text !== '(')?.text ?? ''
  if (!['select', 'with', 'values', 'table'].includes(first)) return false
  if (lexemes.some(({ kind, text }) => kind === 'word' && FORBIDDEN.has(text))) return false
  for (const { name } of functionCalls(lexemes)) if (name === undefined || !HARMLESS.has(name)) return false
  return true
}
