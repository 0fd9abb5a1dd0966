import type { Lexeme } from './split-script.js'

const words = (text: string): ReadonlySet<string> => new Set(text.trim().split(/\s+/))

/** Keywords and types that a bracket may follow, and that can be no names of functions. */
const NO_CALL = words(`
  select from where and or not in any some all as on using lateral group having limit offset order union except intersect distinct
  case when then else between values with window returning to for both leading trailing symmetric only default check
  varchar character char numeric decimal dec float bit time timestamp interval
`)
/** Others, behind these words only. */
const NO_CALL_BEHIND: Readonly<Record<string, ReadonlySet<string>>> = {
  bernoulli: words('tablesample'),
  by: words('group order partition'),
  materialized: words('as'),
  set: words('update'),
  sets: words('grouping'),
  system: words('tablesample'),
  varying: words('character bit'),
}

/** A call: where its name is, and the name; undefined where that is not to be known. */
interface FunctionCall { readonly at: number, readonly name: string | undefined }

/**
 * The functions that a statement calls, as far as its text shows that: not those of operators, casts, views, policies, triggers
 * and defaults, nor `row.function`. A name that is no function's may be among them.
 */
export function * functionCalls (lexemes: readonly Lexeme[]): Generator<FunctionCall, void, undefined> {
  /** What stands before the brackets that are open, and before the one that was closed last. */
  const open: string[] = []
  let closed = ''
  for (const [at, { kind, text }] of lexemes.entries()) {
    const before = lexemes[at - 1]?.text ?? ''
    if (text === '(') open.push(before)
    else if (text === ')') closed = open.pop() ?? ''
    if ((kind !== 'word' && kind !== 'name') || lexemes[at + 1]?.text !== '(' || at === 0) continue
    // An alias with its columns, or a type; a common table expression; the table of an INSERT.
    if (before === 'as' || before === '::' || before === 'with' || before === 'recursive' || before === 'ordinality' ||
      isTarget(lexemes, at)) continue
    if (before === ')' && closed !== 'on') continue // an alias too: only DISTINCT ON (…) has a call behind its bracket
    if (text === 'conflict' && before === 'on' && isUpsert(lexemes, at)) continue
    if (kind === 'name') yield { at, name: undefined }
    else if (before === '.') yield { at, name: lexemes[at - 2]?.text === 'pg_catalog' ? text : undefined }
    else if (!NO_CALL.has(text) && NO_CALL_BEHIND[text]?.has(before) !== true) yield { at, name: text }
  }
}

/** Whether the name that ends at `at` is what an INSERT writes to. */
function isTarget (lexemes: readonly Lexeme[], at: number): boolean {
  let first = at
  while (lexemes[first - 1]?.text === '.') first -= 2
  return lexemes[first - 1]?.text === 'into' && lexemes[first - 2]?.text === 'insert'
}

/** Whether the CONFLICT at `at` is an INSERT's, and not a function in the ON of a JOIN. */
function isUpsert (lexemes: readonly Lexeme[], at: number): boolean {
  const after = lexemes.slice(at)
  const isLast = !after.some(({ text }, index) => text === 'on' && after[index + 1]?.text === 'conflict')
  return isLast && after.some(({ text }) => text === 'do') && lexemes.some(({ text }) => text === 'insert')
}

/** The lexemes of each argument of a call whose name is at `at`. */
export function argumentsOf (lexemes: readonly Lexeme[], at: number): Lexeme[][] {
  const list: Lexeme[][] = [[]]
  let depth = 1
  for (let index = at + 2; index < lexemes.length; index++) {
    const lexeme = lexemes[index]
    if (lexeme === undefined) break
    if (lexeme.text === '(' || lexeme.text === '[') depth++
    else if (lexeme.text === ')' || lexeme.text === ']') depth--
    if (depth === 0) return list
    if (depth === 1 && lexeme.text === ',') list.push([])
    else list.at(-1)?.push(lexeme)
  }
  return list
}
