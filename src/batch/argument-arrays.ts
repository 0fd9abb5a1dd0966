import { binaryArray } from '../codecs/binary-arrays.js'
import type { TypeView } from '../codecs/pg-type.js'
import { Refusal } from '../codecs/encode.js'
import { textOrRefusal } from '../driver/argument.js'
import type { Parameter } from '../protocol/message-writer.js'
import type { Lists } from './argument-lists.js'

/** Lists in the first part of a chunk, which is soon written, and in each further one, so that the server works in the meantime. */
const FIRST_PART = 1_000
const PART = 4_500

/** The lists of a chunk as arrays, one for each parameter, in parts. The first part is written at once, the others when they are sent. */
export class ArgumentArrays {
  readonly #lists: Lists
  readonly #types: readonly number[]
  readonly #known: TypeView
  readonly #first: readonly Parameter[]

  /** Throws where there is a value that cannot be sent, as `parametersOf` does. */
  constructor (lists: Lists, types: readonly number[], known: TypeView) {
    this.#lists = lists
    this.#types = types
    this.#known = known
    this.#first = this.#write(0)
  }

  get parts (): number { return 1 + Math.max(0, Math.ceil((this.#lists.length - FIRST_PART) / PART)) }

  /** The arrays of a part. */
  parametersOf (part: number): readonly Parameter[] { return part === 0 ? this.#first : this.#write(part) }

  #write (part: number): readonly Parameter[] {
    const start = part === 0 ? 0 : FIRST_PART + (part - 1) * PART
    const lists = this.#lists.slice(start, part === 0 ? FIRST_PART : start + PART)
    if (lists.some((list) => list.length !== this.#types.length)) throw new Refusal('there are more or fewer arguments than parameters')
    return this.#types.map((oid, column) => this.#binary(oid, lists, column) ?? this.#text(oid, lists, column))
  }

  #binary (oid: number, lists: Lists, column: number): Buffer | undefined {
    return this.#known.get(oid)?.family === 'own' ? undefined : binaryArray(oid, lists, column)
  }

  #text (oid: number, lists: Lists, column: number): string {
    const type = this.#known.get(oid)
    if (type === undefined) throw new Error(`type ${oid} should have been learned`)
    const elements = lists.map((list) => {
      const value = list[column]
      if (value === null) return 'NULL'
      if (value === undefined) throw new Refusal('it is undefined')
      const text = textOrRefusal(type, value)
      if (text instanceof Refusal) throw text
      return quoteElement(text)
    })
    return `{${elements.join(',')}}`
  }
}

/** Between quotes, the text reaches the type's input function as it is. */
function quoteElement (text: string): string {
  if (/^-?[0-9.]+$/.test(text)) return text
  return /["\\]/.test(text) ? `"${text.replace(/["\\]/g, '\\$&')}"` : `"${text}"`
}
