import { type Token, tokenize } from './tokenizer.js'

/**
 * An INSERT of one row whose values are parameters, perhaps cast, or constants: what a batch may hand to the server as
 * arrays. What does not have exactly the shape below is not one, however harmless it may be: a statement is never
 * rewritten that is not fully understood.
 *
 *     INSERT INTO name [(column, …)] VALUES (value, …)
 *       [ON CONFLICT [(column, …) | ON CONSTRAINT name] DO NOTHING]
 *       [RETURNING * | column [AS name] | name.*, …] [;]
 */
export interface InsertValues {
  /** The target as it is written. */
  readonly table: string
  /** How many parameters there are, from $1. */
  readonly parameters: number
  /** The OIDs of the types that its constants may have. Strings and NULL have none before they meet their column. */
  readonly constants: readonly number[]
  /** The text up to VALUES, the values with `p.p1` for `$1`, and the text behind them. */
  readonly head: string
  readonly values: string
  readonly tail: string
}

/** The same INSERT over arrays: one for each parameter, `arrayTypes` are their types, and each is as long as the others. */
export function overArrays ({ head, values, tail }: InsertValues, arrayTypes: readonly string[]): string {
  // Side by side they are unnested in step, and the rows come in the order of the elements. ROWS FROM would store them before.
  const arrays = arrayTypes.map((type, index) => `pg_catalog.unnest($${index + 1}::${type})`).join(', ')
  const names = arrayTypes.map((_, index) => `p${index + 1}`).join(', ')
  return `${head}SELECT ${values} FROM (SELECT ${arrays}) AS p (${names})${tail}`
}

/** The INSERT that a text is, or `undefined` where it is anything else. */
export function readInsertValues (text: string): InsertValues | undefined {
  // With `standard_conforming_strings` off, a backslash would change where a string ends.
  if (text.includes('\\')) return undefined
  return new Reader(text).insert()
}

/** The types of numbers and of TRUE and FALSE: int4, int8, numeric; bool. */
const NUMBERS = [23, 20, 1700]
const BOOLEAN = 16

/** Words that are no column where a column may be named without brackets or quotes; others are, or fail. */
const SYSTEM_COLUMNS = new Set(['ctid', 'xmin', 'xmax', 'cmin', 'cmax'])

/** A recursive descent through the tokens. Each method moves on and says whether it found what it looks for. */
class Reader {
  readonly #text: string
  readonly #tokens: Token[]
  #at = 0
  #parameters = new Set<number>()
  #uses = 0
  #hasCasts = false
  #constants = new Set<number>()

  constructor (text: string) {
    this.#text = text
    this.#tokens = [...tokenize(text)].filter(({ kind }) => kind !== 'space' && kind !== 'comment')
  }

  insert (): InsertValues | undefined {
    if (!this.#words('insert', 'into')) return undefined
    const first = this.#at
    if (!this.#identifier() || (this.#symbol('.') && !this.#identifier())) return undefined
    const table = this.#tokens.slice(first, this.#at).map((token) => this.#textOf(token)).join('')
    if (this.#symbol('(') && !(this.#list(() => this.#identifier()) && this.#symbol(')'))) return undefined
    const head = this.#text.slice(0, this.#tokens[this.#at]?.start)
    if (!this.#words('values') || !this.#symbol('(')) return undefined
    const values: string[] = []
    if (!this.#list(() => this.#value(values)) || !this.#symbol(')')) return undefined
    const tail = this.#text.slice(this.#tokens[this.#at - 1]?.end)
    if (this.#words('on', 'conflict') && !this.#doNothing()) return undefined
    if (this.#words('returning') && !this.#list(() => this.#returned())) return undefined
    this.#symbol(';')
    if (this.#at < this.#tokens.length) return undefined
    const parameters = this.#parameters.size
    // Without a gap, so that each of them has a type.
    if (parameters === 0 || [...this.#parameters].some((number) => number < 1 || number > parameters)) return undefined
    // What is cast has the type that it is cast to, but only where it comes first.
    if (this.#hasCasts && this.#uses > parameters) return undefined
    return { table, parameters, constants: [...this.#constants], head, values: values.join(', '), tail }
  }

  /** `$1`, `$1::type`, `CAST($1 AS type)`, a number, a string, TRUE, FALSE, NULL. */
  #value (values: string[]): boolean {
    const first = this.#at
    const { kind } = this.#tokens[first] ?? {}
    if (this.#words('cast')) {
      if (!(this.#symbol('(') && this.#parameter() && this.#words('as') && this.#type() && this.#symbol(')'))) return false
    } else if (this.#parameter()) {
      if (this.#symbol('::') && !this.#type()) return false
    } else if (kind === 'number' || kind === 'string') {
      this.#at++
      if (kind === 'number') for (const type of NUMBERS) this.#constants.add(type)
      // Of U&'…' only the server knows the end: UESCAPE may follow.
      if (!/^(\d+|\d+\.\d+|'[^]*'|\$[^]*)$/.test(this.#textOf(this.#tokens[first]))) return false
    } else if (this.#words('true') || this.#words('false')) this.#constants.add(BOOLEAN)
    else if (!this.#words('null')) return false
    values.push(this.#tokens.slice(first, this.#at).map((token) => {
      const text = this.#textOf(token)
      return token.kind === 'parameter' ? `p.p${text.slice(1)}` : text
    }).join(' '))
    return true
  }

  #parameter (): boolean {
    const token = this.#tokens[this.#at]
    if (token?.kind !== 'parameter') return false
    this.#parameters.add(Number(this.#textOf(token).slice(1)))
    this.#uses++
    this.#at++
    return true
  }

  /** A name, perhaps in a schema, or one of the types of several words; perhaps with a length or a precision. No arrays. */
  #type (): boolean {
    this.#hasCasts = true
    if (this.#words('double', 'precision')) return true
    if (this.#words('character', 'varying') || this.#words('bit', 'varying')) return this.#modifier()
    if (this.#words('timestamp') || this.#words('time')) {
      return this.#modifier() && (this.#words('with', 'time', 'zone') || this.#words('without', 'time', 'zone') || true)
    }
    return this.#identifier() && (!this.#symbol('.') || this.#identifier()) && this.#modifier()
  }

  #modifier (): boolean {
    return !this.#symbol('(') || (this.#list(() => this.#number()) && this.#symbol(')'))
  }

  #number (): boolean {
    const token = this.#tokens[this.#at]
    if (token?.kind !== 'number' || !/^\d+$/.test(this.#textOf(token))) return false
    this.#at++
    return true
  }

  #doNothing (): boolean {
    if (this.#symbol('(')) {
      if (!this.#list(() => this.#identifier()) || !this.#symbol(')')) return false
    } else if (this.#words('on', 'constraint') && !this.#identifier()) return false
    return this.#words('do', 'nothing')
  }

  /** `t.column` is not among them: where there is no such column, it calls a function with the row. */
  #returned (): boolean {
    if (this.#symbol('*')) return true
    const name = this.#textOf(this.#tokens[this.#at]).replaceAll('"', '').toLowerCase()
    if (!this.#identifier()) return false
    if (this.#symbol('.')) return this.#symbol('*')
    // These tell of the way in which a row was written.
    if (SYSTEM_COLUMNS.has(name)) return false
    return !this.#words('as') || this.#identifier()
  }

  #list (item: () => boolean): boolean {
    do {
      if (!item()) return false
    } while (this.#symbol(','))
    return true
  }

  #identifier (): boolean {
    const token = this.#tokens[this.#at]
    if (token === undefined) return false
    // U&"…" may be followed by UESCAPE.
    if (token.kind !== 'word' && !(token.kind === 'name' && this.#text[token.start] === '"')) return false
    this.#at++
    return true
  }

  #symbol (symbol: string): boolean {
    const token = this.#tokens[this.#at]
    if (token?.kind !== 'symbol' || this.#textOf(token) !== symbol) return false
    this.#at++
    return true
  }

  /** All of these words in a row, or none. */
  #words (...words: string[]): boolean {
    const found = words.every((word, index) => {
      const token = this.#tokens[this.#at + index]
      return token?.kind === 'word' && this.#textOf(token).toLowerCase() === word
    })
    if (found) this.#at += words.length
    return found
  }

  #textOf (token: Token | undefined): string {
    return token === undefined ? '' : this.#text.slice(token.start, token.end)
  }
}
