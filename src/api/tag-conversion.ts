import { type Conversion, type ConversionOptions, NO_CONVERSION, readConversion } from '../codecs/conversion.js'
import { isObject, type OwnCodec } from '../codecs/own-types.js'
import { readGiven } from '../config/read-given.js'
import { rejectUnknown } from '../config/unknown-option.js'
import { OptionError, QueryError } from '../errors/errors.js'
import { TagEnd } from './tag-end.js'

/** Functions by the OIDs of types. */
export type TypeFunctions = Record<number, (value: never) => unknown>

/** How the queries of a tag convert. */
export interface TagConversion {
  /** As it is now; undefined: as usual. */
  readonly current: Conversion | undefined
  /** What its own types are called → the OID that they are written as, where that was given. */
  readonly names: ReadonlyMap<string, number | undefined>
  readonly parsers: TypeFunctions
  readonly serializers: TypeFunctions
  /** Undefined where the tag is everybody's, and does not end by itself. */
  readonly end: TagEnd | undefined
  /** Whether a text is prepared, by what its call says of that; undefined: from its second use on. */
  prepares (asked: boolean | undefined): boolean | undefined
}

const UNCHANGEABLE = new Proxy<TypeFunctions>({}, {
  defineProperty () {
    throw new QueryError('how db.sql reads and writes types cannot be changed: make a tag of your own, by db.createSql()')
  },
})

/** What all share does not change. */
export function sharedConversion (current: Conversion | undefined): TagConversion {
  const names = current?.names ?? new Map<string, undefined>()
  return { current, names, parsers: UNCHANGEABLE, serializers: UNCHANGEABLE, end: undefined, prepares: (asked) => asked }
}

/** That of a tag of its own, whose functions can be changed by OID, as Drizzle does. */
export class OwnConversion implements TagConversion {
  readonly parsers = this.#functions('parsers')
  readonly serializers = this.#functions('serializers')
  readonly end = new TagEnd()
  readonly names: ReadonlyMap<string, number | undefined>
  readonly #base: Conversion | undefined
  #current: Conversion | undefined
  #isCurrent = false

  /** Raises `OptionError`. */
  constructor (options: ConversionOptions, usual: Conversion | undefined) {
    if (!isObject(options)) throw new OptionError('createSql takes { types, json, transform }')
    this.#base = readGiven('createSql', () => {
      rejectUnknown(options, ['types', 'json', 'transform'], 'createSql.')
      return readConversion(options, usual)
    })
    // Also as SQL calls them: the codecs have the names of the catalog.
    const given = Object.keys(options.types ?? {}).filter((name) => !/^\d+$/.test(name))
    this.names = new Map([...given.map((name) => [name, undefined] as const), ...this.#base?.names ?? []])
  }

  get current (): Conversion | undefined {
    if (!this.#isCurrent) this.#current = this.#read()
    this.#isCurrent = true
    return this.#current
  }

  /** Drizzle says `false` of all that has no name, and means none: what is prepared without one is for the pool to say. */
  prepares (asked: boolean | undefined): true | undefined { return asked === true ? true : undefined }

  #read (): Conversion | undefined {
    const codecs = new Map<string, OwnCodec>()
    for (const key of new Set([...Object.keys(this.parsers), ...Object.keys(this.serializers)])) {
      codecs.set(key, {
        key,
        decode: this.parsers[Number(key)] as OwnCodec['decode'],
        encode: this.serializers[Number(key)] as OwnCodec['encode'],
        mayThrow: true,
        kind: 'plain',
      })
    }
    return codecs.size === 0 ? this.#base : (this.#base ?? NO_CONVERSION).with(codecs)
  }

  #functions (name: string): TypeFunctions {
    return new Proxy<TypeFunctions>(Object.create(null), {
      defineProperty: (functions, oid, property) => {
        if (typeof property.value !== 'function' || !/^\d+$/.test(String(oid))) {
          throw new OptionError(`options.${name} takes functions by the OIDs of types`)
        }
        this.#isCurrent = false
        return Reflect.defineProperty(functions, oid, property)
      },
      deleteProperty: (functions, oid) => {
        this.#isCurrent = false
        return Reflect.deleteProperty(functions, oid)
      },
    })
  }
}
