import { OptionError } from '../errors/errors.js'
import { completed, isObject, methodOf, type OwnCodec, readTypes, type TypeOptions } from './own-types.js'

/** How JSON is read and written. */
export interface JsonOptions {
  /** Instead of `JSON.parse`. */
  parse? (text: string): unknown
  /** Instead of `JSON.stringify`. */
  stringify? (value: unknown): string
}

/** A column, as a function that transforms its values sees it. */
export interface TransformedColumn {
  readonly name: string
  /** The OID of its type. */
  readonly type: number
}

/** What becomes of names, values and rows, as in postgres.js: `camel`, `pascal` and `kebab` are such. */
export interface TransformOptions {
  /** Names of columns: `from` the server, and `to` it, where a helper of a template writes them. A function alone is `from`. */
  column?: ((name: string) => string) | {
    from?: ((name: string) => string) | undefined
    to?: ((name: string) => string) | undefined
  } | undefined
  /** Each value of a row, NULL too, when it is decoded. */
  value?: TransformValue | { from?: TransformValue | undefined } | undefined
  /** Each row. */
  row?: TransformRow | { from?: TransformRow | undefined } | undefined
  /** What is sent instead of undefined: null. */
  undefined?: unknown
}

// As methods, so that a function for one kind of values is one.
type TransformValue = { call (value: unknown, column: TransformedColumn): unknown }['call']
type TransformRow = { call (row: Record<string, unknown>): unknown }['call']

/** How values and names are converted: of a database, or of one tag. */
export interface ConversionOptions {
  /** How types are read and written, by name or OID, with their arrays, domains and the bounds of their ranges.
   * A column of a domain comes as its base type: name that. The names of a tag's own are not looked for on the server.
   * @example { int8: 'string', numeric: { decode: (text) => new Decimal(text), encode: String } } */
  types?: TypeOptions | undefined
  /** How json and jsonb are read and written. */
  json?: JsonOptions | undefined
  /** What becomes of names, values and rows. */
  transform?: TransformOptions | undefined
}

interface Transform {
  readonly columnFrom: ((name: string) => string) | undefined
  readonly columnTo: ((name: string) => string) | undefined
  readonly value: TransformValue | undefined
  readonly row: TransformRow | undefined
  /** Instead of undefined. */
  readonly missing: unknown
}

/** How values and names are converted. It never changes: what is known of its types is kept by it. */
export class Conversion {
  readonly codecs: ReadonlyMap<string, OwnCodec>
  readonly json: Readonly<JsonOptions>
  readonly transform: Transform
  /** Has the codecs of types for which there is none here. */
  readonly #base: Conversion | undefined

  constructor (codecs: ReadonlyMap<string, OwnCodec>, json: Readonly<JsonOptions>, transform: Transform, base?: Conversion) {
    this.codecs = codecs
    this.json = json
    this.transform = transform
    this.#base = base
  }

  /** What types are called here → the OID that they are written as, where that was given. */
  get names (): Map<string, number | undefined> {
    const own = [...this.codecs.values()].filter(({ key }) => !/^\d+$/.test(key))
    return new Map([...this.#base?.names ?? [], ...own.map(({ key, to }) => [key, to] as const)])
  }

  /** The codec of a type; undefined where it is read and written as usual. */
  codecOf (type: Named): OwnCodec | undefined { return this.#ownOf(type) ?? this.#base?.codecOf(type) }

  #ownOf ({ oid, name, schema }: Named): OwnCodec | undefined {
    const names = [name, ...name.endsWith('[]') ? [`_${name.slice(0, -2)}`] : []]
    for (const key of [String(oid), ...names.map((name) => `${schema}.${name}`), ...names]) {
      const codec = this.codecs.get(key)
      if (codec !== undefined) return codec
    }
    return undefined
  }

  /** The same with further functions by OID, each instead of the one that is here. */
  with (functions: ReadonlyMap<string, OwnCodec>): Conversion { return new Completed(functions, this) }
}

type Named = Readonly<Record<'name' | 'schema', string> & { oid: number }>

/** One with further functions. */
class Completed extends Conversion {
  readonly #usual: Conversion

  constructor (functions: ReadonlyMap<string, OwnCodec>, usual: Conversion) {
    super(functions, usual.json, usual.transform)
    this.#usual = usual
  }

  override codecOf (type: Named): OwnCodec | undefined {
    const own = this.codecs.get(String(type.oid))
    const usual = this.#usual.codecOf(type)
    return own === undefined ? usual : completed({ ...own, kind: usual?.kind ?? own.kind }, usual)
  }
}

/** A conversion that does nothing, for what may be changed later. */
export const NO_CONVERSION: Conversion = new Conversion(new Map(), {}, {
  columnFrom: undefined, columnTo: undefined, value: undefined, row: undefined, missing: undefined,
})

/**
 * The options of a database, or of a tag over it, → how it converts; undefined where there is nothing to convert. What a tag leaves out
 * is as of its database. Raises `OptionError`.
 */
export function readConversion ({ types, json, transform }: ConversionOptions, base?: Conversion): Conversion | undefined {
  if (types === undefined && json === undefined && transform === undefined) return base
  const from = base ?? NO_CONVERSION
  return new Conversion(
    types === undefined ? new Map() : readTypes(types),
    json === undefined ? from.json : readJson(json),
    transform === undefined ? from.transform : readTransform(transform),
    base)
}

function readJson (json: unknown): JsonOptions {
  if (!isObject(json)) throw new OptionError('option json takes { parse, stringify }')
  const { parse, stringify, ...rest } = json
  for (const given of [parse, stringify]) {
    if (given !== undefined && typeof given !== 'function') throw new OptionError('option json takes functions: { parse, stringify }')
  }
  const [other] = Object.keys(rest)
  if (other !== undefined) throw new OptionError(`option json has an unknown ${other}: it takes { parse, stringify }`)
  return { parse: methodOf(json, parse), stringify: methodOf(json, stringify) } as JsonOptions
}

const PARTS = ['column', 'value', 'row', 'undefined']

function readTransform (transform: unknown): Transform {
  if (!isObject(transform) && typeof transform !== 'function') {
    throw new OptionError('option transform takes { column, value, row, undefined }, or camel, pascal, kebab')
  }
  // Of postgres.js's own some are functions for one name, with these parts.
  if (typeof transform === 'function' && !PARTS.some((part) => Object.hasOwn(transform, part))) {
    throw new OptionError('option transform takes { column, value, row, undefined }: a function for names is its column')
  }
  const other = Object.keys(transform).find((name) => !PARTS.includes(name))
  if (other !== undefined) throw new OptionError(`option transform has an unknown ${other}: it takes ${PARTS.join(', ')}`)
  const { column: columns, value, row, undefined: missing } = transform as { [Name in keyof TransformOptions]?: unknown }
  const column = readPart('column', columns)
  return {
    columnFrom: column.from as Transform['columnFrom'],
    columnTo: column.to as Transform['columnTo'],
    value: readPart('value', value).from as Transform['value'],
    row: readPart('row', row).from as Transform['row'],
    missing,
  }
}

type Any = (...args: readonly unknown[]) => unknown

/** A function, or one for each way. Of postgres.js's own there may be more in it than those. */
function readPart (name: string, given: unknown): { from?: Any, to?: Any } {
  if (given === undefined) return {}
  if (typeof given === 'function' && !('from' in given) && !('to' in given)) return { from: given as Any }
  if ((isObject(given) || typeof given === 'function') && ('from' in given || 'to' in given)) {
    const { from, to }: { from?: unknown, to?: unknown } = given
    if ([from, to].every((one) => one === undefined || typeof one === 'function')) {
      return { ...typeof from === 'function' && { from: from as Any }, ...typeof to === 'function' && { to: to as Any } }
    }
  }
  throw new OptionError(`option transform.${name} takes a function, or { from, to }`)
}
