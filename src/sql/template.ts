import { QueryError, ValueError } from '../errors/errors.js'
import { type LoneItem, loneItems } from './lone-items.js'
import { castOf, withCasts } from './lone-values.js'
import { type Naming, SqlPart, type TemplateWriter, WRITE } from './sql-part.js'
import { tokenize } from './tokenizer.js'

/** A statement as the server takes it. */
export interface Compiled { readonly text: string, readonly args: readonly unknown[] }

/** A template that was read. */
interface Template {
  /** With `$1, $2, …` for what stands between. */
  readonly text: string
  /** What is an item of its select list by itself; undefined where nothing is. */
  readonly items: readonly LoneItem[] | undefined
}

/** The templates of the program: each is read once. */
const templates = new WeakMap<TemplateStringsArray, Template>()

/** Those without values that number parameters themselves: they can be described, and are no fragments. */
const numbered = new WeakSet<TemplateStringsArray>()

/** Whether a function was called as a tag. */
export function isTemplate (given: unknown): given is TemplateStringsArray {
  return Array.isArray(given) && 'raw' in given && Array.isArray(given.raw)
}

/**
 * A template → the text and the arguments of a statement. Raises `QueryError` for what cannot be part of one.
 * `naming`: how names and missing values are written, where that is not as usual.
 * @example compile(strings, [7]) // of `SELECT * FROM users WHERE id = ${id}`: { text: 'SELECT * FROM users WHERE id = $1', args: [7] }
 */
export function compile (strings: TemplateStringsArray, values: readonly unknown[], naming?: Naming): Compiled {
  const { text, items } = templates.get(strings) ?? read(strings)
  if (strings.length !== values.length + 1) throw new QueryError('a template has one value between two texts: use it as a tag')
  try {
    for (const value of values) {
      if (typeof value === 'object' && value !== null && holdsParts(value)) return written(strings, values, naming)
    }
    const args = naming?.missing === undefined ? values : values.map((value) => value === undefined ? naming.missing : value)
    return { text: items === undefined ? text : withCasts(text, items, args), args }
  } catch (error) {
    if (error instanceof QueryError || error instanceof ValueError) throw error
    throw new QueryError('a value of the template cannot be read: see the cause', { cause: error })
  }
}

/** Whether it is, or is a list of, what is no value. */
function holdsParts (value: object): boolean { return SqlPart.is(value) || (Array.isArray(value) && SqlPart.is(value[0])) }

function written (strings: TemplateStringsArray, values: readonly unknown[], naming: Naming | undefined): Compiled {
  const writer = new Writer(naming)
  writeTemplate(writer, strings, values)
  return { text: writer.textWithCasts, args: writer.args }
}

/** Writes a template into another one. */
export function writeTemplate (writer: TemplateWriter, strings: TemplateStringsArray, values: readonly unknown[]): void {
  if (!templates.has(strings)) read(strings)
  if (numbered.has(strings)) throw numbersItself()
  strings.forEach((string, index) => {
    writer.append(string)
    if (index < strings.length - 1) writer.add(values[index])
  })
}

class Writer implements TemplateWriter {
  text = ''
  readonly args: unknown[] = []
  readonly naming: Naming | undefined
  /** The places of values with a type of their own. */
  readonly #typed = new Set<number>()
  #endsWithNumber = false

  constructor (naming: Naming | undefined) { this.naming = naming }

  append (text: string): void {
    if (text === '') return
    this.text += this.#endsWithNumber ? apart(text) : text
    this.#endsWithNumber = false
  }

  add (value: unknown): void {
    if (SqlPart.is(value)) value[WRITE](this)
    else if (Array.isArray(value) && SqlPart.is(value[0])) this.#addAll(value)
    else this.addValue(value)
  }

  addValue (value: unknown, hasType = false): void {
    if (hasType) this.#typed.add(this.args.length)
    this.append(`$${this.args.push(value === undefined ? this.naming?.missing : value)}`)
    this.#endsWithNumber = true
  }

  /** What fragments have made of a list is known when all is written. */
  get textWithCasts (): string {
    if (!this.args.some(castOf)) return this.text
    return withCasts(this.text, loneItems(this.text).filter(({ index }) => !this.#typed.has(index)), this.args)
  }

  #addAll (fragments: readonly unknown[]): void {
    for (const fragment of fragments) {
      if (!SqlPart.is(fragment) || !fragment.isFragment) throw new QueryError('a list with a fragment in it takes nothing but fragments')
      this.append(' ')
      fragment[WRITE](this)
    }
  }
}

/** A digit behind a value would be one of its number. */
function apart (text: string): string { return /^\d/.test(text) ? ` ${text}` : text }

/** Reads a template for the first time: what stands for its values, if they are values. */
function read (strings: TemplateStringsArray): Template {
  let text = ''
  for (const [index, string] of strings.entries()) {
    // Undefined is what holds a backslash that JavaScript cannot read.
    if (typeof string !== 'string') throw new QueryError('a text of the template cannot be read: write two backslashes for one')
    text += index === 0 ? string : `$${index}${apart(string)}`
  }
  if (strings.some((string) => /\$\d/.test(string))) {
    const parameters = [...tokenize(text)].filter(({ kind }) => kind === 'parameter').length
    if (parameters > 0 && strings.length === 1) numbered.add(strings)
    else if (parameters >= strings.length) throw numbersItself()
  }
  const items = strings.length === 1 ? [] : loneItems(text)
  const template = { text, items: items.length === 0 ? undefined : items }
  templates.set(strings, template)
  return template
}

function numbersItself (): Error {
  // eslint-disable-next-line no-template-curly-in-string
  return new QueryError('a template numbers its values itself: write ${value}, and not $1, in it')
}
