/** What a piece of SQL is. `name`: a quoted identifier; `word`: a keyword or an identifier; `symbol`: one character, or `::`. */
export type TokenKind = 'space' | 'comment' | 'string' | 'name' | 'word' | 'number' | 'parameter' | 'symbol'

export interface Token {
  readonly kind: TokenKind
  readonly start: number
  readonly end: number
}

const SPACE = /[ \t\n\r\f\v]+/y
// A word may hold dollars.
const WORD = /[a-z_\u0080-\uffff][\w$\u0080-\uffff]*/iy
const PREFIX = /(?:[ebxn]|u&)(?=')|u&(?=")/iy
/** A carriage return ends it too. */
const LINE = /[^\n\r]*[\n\r]?/y
/** Each comment with the line break at its end, so that there is one way only to read a text. */
const CONTINUATION = /(?:[ \t\f\v]|--[^\n\r]*(?=[\n\r]))*[\n\r](?:[ \t\n\r\f\v]|--[^\n\r]*[\n\r])*'/y
/** Without letters behind it: up to PostgreSQL 14 a word or a string may begin there, as in `1E'…'`; later ones refuse that. */
const NUMBER = /(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?/iy
const PARAMETER = /\$\d+/y
const DOLLAR_TAG = /\$(?:[a-z_\u0080-\uffff][\w\u0080-\uffff]*)?\$/iy

/**
 * Cuts a text into tokens as the server does, with nothing left out. What is not closed goes to the end. A backslash
 * escapes in E'…'; in '…' only where the session's `standard_conforming_strings` is off.
 */
export function * tokenize (text: string, standardStrings = true): Generator<Token, void, undefined> {
  for (let start = 0; start < text.length;) {
    const token = tokenAt(text, start, standardStrings)
    yield token
    start = token.end
  }
}

function tokenAt (text: string, start: number, standardStrings: boolean): Token {
  const first = text.charAt(start)
  switch (first) {
    case ' ': case '\n': case '\t': case '\r': case '\f': case '\v':
      return { kind: 'space', start, end: match(SPACE, text, start) }
    case "'":
      return { kind: 'string', start, end: quotedEnd(text, start, first, !standardStrings) }
    case '"':
      return { kind: 'name', start, end: quotedEnd(text, start, first, false) }
    case '-':
      if (text[start + 1] === '-') return { kind: 'comment', start, end: match(LINE, text, start) }
      break
    case '/':
      if (text[start + 1] === '*') return { kind: 'comment', start, end: commentEnd(text, start) }
      break
    case ':':
      return { kind: 'symbol', start, end: text[start + 1] === ':' ? start + 2 : start + 1 }
    case '$':
      return dollarAt(text, start)
    case 'e': case 'E': case 'b': case 'B': case 'x': case 'X': case 'n': case 'N': case 'u': case 'U': {
      const quote = match(PREFIX, text, start)
      if (quote === -1) break
      // N'…' is read as '…' is.
      const escapes = /e/i.test(first) || (/n/i.test(first) && !standardStrings)
      const end = quotedEnd(text, quote, text[quote] ?? '', escapes)
      return { kind: text[quote] === '"' ? 'name' : 'string', start, end }
    }
  }
  if (isWordStart(first)) return { kind: 'word', start, end: match(WORD, text, start) }
  const number = match(NUMBER, text, start)
  return number === -1 ? { kind: 'symbol', start, end: start + 1 } : { kind: 'number', start, end: number }
}

function dollarAt (text: string, start: number): Token {
  const parameter = match(PARAMETER, text, start)
  if (parameter !== -1) return { kind: 'parameter', start, end: parameter }
  const tag = match(DOLLAR_TAG, text, start)
  if (tag !== -1) return { kind: 'string', start, end: after(text, text.slice(start, tag), tag) }
  return { kind: 'symbol', start, end: start + 1 }
}

function isWordStart (character: string): boolean {
  return (character >= 'a' && character <= 'z') || (character >= 'A' && character <= 'Z') || character === '_' || character >= '\u0080'
}

/** Where a match that begins at `start` ends, or -1. */
function match (pattern: RegExp, text: string, start: number): number {
  pattern.lastIndex = start
  return pattern.test(text) ? pattern.lastIndex : -1
}

function after (text: string, end: string, start: number): number {
  const at = text.indexOf(end, start)
  return at === -1 ? text.length : at + end.length
}

/** Comments nest in Postgres. */
function commentEnd (text: string, start: number): number {
  const ends = /\/\*|\*\//g
  ends.lastIndex = start
  let depth = 0
  for (let found = ends.exec(text); found !== null; found = ends.exec(text)) {
    depth += found[0] === '/*' ? 1 : -1
    if (depth === 0) return ends.lastIndex
  }
  return text.length
}

/** A quote is doubled inside quotes. */
function quotedEnd (text: string, start: number, quote: string, escapes: boolean): number {
  for (let position = start + 1; position < text.length; position++) {
    if (escapes && text[position] === '\\') position++
    else if (text[position] === quote && text[++position] !== quote) {
      // A string goes on behind a line break, and its escapes with it.
      const more = escapes ? match(CONTINUATION, text, position) : -1
      if (more === -1) return position
      position = more - 1
    }
  }
  return text.length
}
