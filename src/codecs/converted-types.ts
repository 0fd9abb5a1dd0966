import { readText, readerOf } from './decode-bytes.js'
import { OptionError } from '../errors/errors.js'
import type { Conversion } from './conversion.js'
import { arrayDecoder } from './decode.js'
import { arrayEncoder, type Encode, Refusal } from './encode.js'
import { JsonText } from './json-text.js'
import type { OwnCodec } from './own-types.js'
import { multirangeDecoder, multirangeEncoder, rangeDecoder, rangeEncoder } from './range.js'
import type { PgType, TypeView } from './pg-type.js'

/** The types of a server as one conversion has them: its own, those that are made of them, and all others as usual. */
export class ConvertedTypes implements TypeView {
  readonly #usual: TypeView
  readonly #conversion: Conversion
  readonly #types = new Map<number, PgType>()

  constructor (usual: TypeView, conversion: Conversion) {
    this.#usual = usual
    this.#conversion = conversion
  }

  get (oid: number): PgType | undefined {
    const known = this.#types.get(oid)
    if (known !== undefined) return known
    const usual = this.#usual.get(oid)
    if (usual === undefined) return undefined
    const type = this.#convert(usual)
    this.#types.set(oid, type)
    return type
  }

  #convert (usual: PgType): PgType {
    const own = this.#conversion.codecOf(usual)
    const composed = this.#compose(usual, own?.kind === 'range')
    if (own === undefined) return composed
    if (own.kind === 'range') return composed === usual ? withCodec(usual, { ...own, ...NO_RANGE, kind: 'plain' }) : composed
    const codec = withCodec(composed, own)
    // What was read as text is written as text.
    return own.isText === true && usual.family === 'json' ? { ...codec, family: 'own', encode: textOr(codec.encode) } : codec
  }

  /** What a type becomes by those that it is made of. */
  #compose (usual: PgType, isRange: boolean): PgType {
    const { madeOf } = usual
    switch (madeOf?.kind) {
      case undefined: return usual.family === 'json' ? this.#json(usual) : usual
      case 'base': {
        const base = this.get(madeOf.oid)
        if (base === undefined || base === this.#usual.get(madeOf.oid)) return usual
        return { ...base, oid: usual.oid, name: usual.name, schema: usual.schema, madeOf }
      }
      case 'elements': {
        const element = this.get(madeOf.oid)
        if (element === undefined) return usual
        const { missing } = this.#conversion.transform
        const writes = { encode: arrayEncoder(element.encode, madeOf.delimiter, element.nests, missing) }
        if (element === this.#usual.get(madeOf.oid)) return missing === undefined ? usual : { ...usual, ...writes }
        const decode = arrayDecoder(element.decode, madeOf.delimiter)
        return { ...usual, ...writes, decode, ...reading(decode, element) }
      }
      case 'bounds': {
        const bound = this.get(madeOf.oid)
        if (bound === undefined || !(bound.convertsBounds || isRange)) return usual
        const decode = rangeDecoder(bound.decode)
        return { ...usual, decode, encode: rangeEncoder(bound.encode), family: 'own', convertsBounds: true, ...reading(decode, bound) }
      }
      case 'ranges': {
        const usualRange = this.#usual.get(madeOf.oid)
        const range = isRange && usualRange !== undefined ? this.#compose(usualRange, true) : this.get(madeOf.oid)
        if (range?.convertsBounds !== true) return usual
        const decode = multirangeDecoder(range.decode)
        // In an array a list of ranges is one value.
        return { ...usual, decode, encode: multirangeEncoder(range.encode), family: 'own', nests: false, ...reading(decode, range) }
      }
    }
  }

  #json (usual: PgType): PgType {
    const { parse, stringify } = this.#conversion.json
    if (parse === undefined && stringify === undefined) return usual
    return withCodec(usual, { key: usual.name, decode: parse, encode: stringify, mayThrow: true, kind: 'full' })
  }
}

/** What is made of types whose decoders may throw may throw as well. */
function reading (decode: NonNullable<PgType['decode']>, { mayThrow, key }: PgType): Pick<PgType, 'read' | 'mayThrow' | 'key'> {
  return mayThrow ? { read: readText, mayThrow, key } : { read: readerOf(decode), mayThrow, key }
}

function withCodec (usual: PgType, { key, decode, encode, mayThrow, kind }: OwnCodec): PgType {
  const reads = decode === undefined
    ? {}
    : { decode, mayThrow, key, read: mayThrow ? readText : readerOf(decode) }
  const writes = encode === undefined
    ? {}
    : { encode: encoderOf(encode, key), family: 'own' as const, nests: usual.nests && !usual.isOpaque }
  return { ...usual, ...reads, ...writes, convertsBounds: kind === 'full' }
}

/** Of a type that a name calls a range and the server does not. */
const NO_RANGE = { decode: notARange, encode: notARange, mayThrow: true }

function notARange (): never { throw new OptionError("option types: 'range' is for ranges and multiranges, and this type is none") }

function textOr (encode: Encode): Encode { return (value) => typeof value === 'string' ? value : encode(value) }

/** What an encoder of the user's gives, or why there is nothing. */
function encoderOf (encode: (value: unknown) => unknown, key: string): Encode {
  return (value) => {
    if (value instanceof JsonText) return value.text
    let text: unknown
    try {
      text = encode(value)
    } catch (cause) {
      throw new Refusal(`the encoder of ${key} threw: see the cause`, { cause })
    }
    if (typeof text !== 'string') throw new Refusal(`the encoder of ${key} gave no string`)
    return text
  }
}
