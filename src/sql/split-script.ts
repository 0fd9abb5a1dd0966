import { tokenize, type TokenKind } from './tokenizer.js'

/** A token with its text: words in lower case, everything else as it is written. */
export interface Lexeme { readonly kind: TokenKind, readonly text: string }

/** One statement of a script. */
export interface ScriptPart {
  /** Its text, with comments, strings and quoted names blanked out, so that words can be looked for. */
  readonly text: string
  /** Its tokens without spaces and comments. */
  readonly lexemes: readonly Lexeme[]
}

/**
 * Finds the statements of a script: the semicolons that are in no string, quoted name, comment, dollar quote, bracket
 * or SQL-standard function body. The driver cannot be asked afterwards: it makes one result of several statements
 * without rows, so that their command tags are lost.
 */
export function splitScript (text: string, standardStrings = true): ScriptPart[] {
  const parts: ScriptPart[] = []
  let part = new Part()
  for (const { kind, start, end } of tokenize(text, standardStrings)) {
    const isEnd = kind === 'symbol' && text[start] === ';' && !part.isInside
    if (!isEnd) part.add(kind, text.slice(start, end))
    else {
      parts.push(part.end())
      part = new Part()
    }
  }
  parts.push(part.end())
  return parts.filter(({ lexemes }) => lexemes.length > 0)
}

/** A statement while it is read. */
class Part {
  readonly #lexemes: Lexeme[] = []
  #text = ''
  #brackets = 0
  /** How many `BEGIN ATOMIC` are open. */
  #bodies = 0

  /** Whether a semicolon does not end it. */
  get isInside (): boolean { return this.#brackets > 0 || this.#bodies > 0 }

  add (kind: TokenKind, text: string): void {
    this.#text += kind === 'comment' || kind === 'string' || kind === 'name' ? ' ' : text
    if (kind === 'space' || kind === 'comment') return
    const lexeme = { kind, text: kind === 'word' ? text.toLowerCase() : text }
    if (kind === 'symbol' || kind === 'word') this.#nest(lexeme.text)
    this.#lexemes.push(lexeme)
  }

  #nest (text: string): void {
    if (text === '(') this.#brackets++
    else if (text === ')') this.#brackets = Math.max(0, this.#brackets - 1)
    else if (this.#brackets > 0) return
    const before = this.#lexemes.at(-1)?.text
    if (text === 'atomic' && before === 'begin' && this.#createsRoutine) this.#bodies++
    // Each statement of a body ends with a semicolon, and a CASE never ends behind one.
    else if (text === 'end' && this.#bodies > 0 && (before === ';' || before === 'atomic')) this.#bodies--
  }

  /** Elsewhere `begin` and `atomic` may be names. */
  get #createsRoutine (): boolean {
    const [first, ...others] = this.#lexemes.slice(0, 4).map(({ text }) => text)
    const [kind] = others[0] === 'or' && others[1] === 'replace' ? others.slice(2) : others
    return first === 'create' && (kind === 'function' || kind === 'procedure')
  }

  end (): ScriptPart { return { text: this.#text.trim(), lexemes: this.#lexemes } }
}
