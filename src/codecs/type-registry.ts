import { arrayDecoder, decoders, type Decode } from './decode.js'
import { arrayEncoder, encoders, type Encode } from './encode.js'
import type { ScalarFamily } from './built-in-types.js'

/**
 * How the text form of a Postgres type is read and written. The server names the type of each parameter and column
 * by its OID (we always send type 0, "you decide"), so that a value's JavaScript type is never a guess.
 */
export interface PgType {
  readonly oid: number
  readonly family: ScalarFamily | 'array'
  readonly decode: Decode | undefined
  readonly encode: Encode
}

const FAMILIES: ReadonlyArray<readonly [ScalarFamily, ReadonlyArray<readonly [oid: number, arrayOid: number]>]> = [
  ['bool', [[16, 1000]]],
  ['integer', [[21, 1005], [23, 1007], [26, 1028]]],
  ['bigint', [[20, 1016]]],
  ['float', [[700, 1021], [701, 1022]]],
  ['numeric', [[1700, 1231]]],
  ['json', [[114, 199], [3802, 3807]]],
  ['bytea', [[17, 1001]]],
  ['date', [[1082, 1182]]],
  ['timestamp', [[1114, 1115]]],
  ['timestamptz', [[1184, 1185]]],
  // text, varchar, bpchar, name, "char", uuid, time, timetz, interval, inet, cidr, xml, bit, varbit, money
  ['text', [[25, 1009], [1043, 1015], [1042, 1014], [19, 1003], [18, 1002], [2950, 2951], [1083, 1183], [1266, 1270],
    [1186, 1187], [869, 1041], [650, 651], [142, 143], [1560, 1561], [1562, 1563], [790, 791]]],
]

/** A row of the catalog query. */
export interface CatalogRow {
  oid: number
  kind: string
  base: number
  element: number
  delimiter: string
  is_array: boolean
}

/**
 * The query that describes types which are not built in (enums, domains, composites, those of extensions) and what
 * they are made of. Only numbers that came from the server go into its text.
 */
export function catalogQuery (oids: Iterable<number>): string {
  return `with recursive wanted as (
    select t.* from pg_catalog.pg_type t where t.oid in (${[...oids].map(Number).join(', ')})
    union
    select t.* from pg_catalog.pg_type t join wanted w
      on t.oid = case when w.typtype = 'd' then w.typbasetype
                      when w.typinput = 'pg_catalog.array_in'::regproc then w.typelem end)
  select w.oid, w.typtype as kind, w.typbasetype as base, w.typelem as element,
         w.typinput = 'pg_catalog.array_in'::regproc as is_array,
         coalesce((select e.typdelim from pg_catalog.pg_type e where e.oid = w.typelem), ',') as delimiter
    from wanted w`
}

/** The types that a pool knows: the built-in ones from the start, any other when a statement first meets it. */
export class TypeRegistry {
  readonly #types = new Map<number, PgType>()
  /** The known types by OID. */
  readonly types: ReadonlyMap<number, PgType> = this.#types
  readonly #onAdd: (type: PgType) => void

  /** `onAdd` is told of each type, these and later ones: the driver keeps tables of its own. */
  constructor (onAdd: (type: PgType) => void) {
    this.#onAdd = onAdd
    for (const [family, members] of FAMILIES) {
      for (const [oid, arrayOid] of members) this.#addArray(arrayOid, this.#addScalar(oid, family), ',')
    }
  }

  get (oid: number): PgType | undefined { return this.#types.get(oid) }

  /** Learns what the catalog query answered. What it did not mention stays unknown. */
  learn (rows: readonly CatalogRow[], asked: Iterable<number>): void {
    const byOid = new Map(rows.map((row) => [row.oid, row]))
    for (const oid of asked) {
      if (byOid.has(oid)) this.#learn(oid, byOid)
    }
  }

  #learn (oid: number, rows: ReadonlyMap<number, CatalogRow>): PgType {
    const known = this.#types.get(oid)
    if (known !== undefined) return known
    const row = rows.get(oid)
    if (row?.kind === 'd') return this.#add({ ...this.#learn(row.base, rows), oid })
    if (row?.is_array === true) return this.#addArray(oid, this.#learn(row.element, rows), row.delimiter)
    return this.#addScalar(oid, 'text')
  }

  #addScalar (oid: number, family: ScalarFamily): PgType {
    return this.#add({ oid, family, decode: decoders[family], encode: encoders[family] })
  }

  #addArray (oid: number, element: PgType, delimiter: string): PgType {
    return this.#add({
      oid,
      family: 'array',
      decode: arrayDecoder(element.decode, delimiter),
      // A list inside the list is one value, and not a second dimension, in a jsonb[] and in an array of a domain over arrays.
      encode: arrayEncoder(element.encode, delimiter, element.family !== 'json' && element.family !== 'array'),
    })
  }

  #add (type: PgType): PgType {
    this.#types.set(type.oid, type)
    this.#onAdd(type)
    return type
  }
}
