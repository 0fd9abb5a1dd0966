import { arrayDecoder, decoders, type Decode } from './decode.js'
import { type Read, readerOf, readers } from './decode-bytes.js'
import { arrayEncoder, encoders, type Encode } from './encode.js'
import { FAMILIES, type ScalarFamily } from './built-in-types.js'

/**
 * How the text form of a Postgres type is read and written. The server names the type of each parameter and column
 * by its OID (we always send type 0, "you decide"), so that a value's JavaScript type is never a guess.
 */
export interface PgType {
  readonly oid: number
  /** As in `pg_type`; of an array the element's with `[]`. */
  readonly name: string
  readonly family: ScalarFamily | 'array'
  readonly decode: Decode | undefined
  /** Gives what `decode` gives. */
  readonly read: Read
  readonly encode: Encode
}

/** A row of the catalog query. */
export interface CatalogRow {
  oid: number
  name: string
  kind: string
  base: number
  element: number
  delimiter: string
  is_array: boolean
}

/**
 * The query that describes types which are not built in (enums, domains, composites, those of extensions) and what
 * they are made of. Only numbers that came from the server go into its text. UNION compares by the operator class of
 * each column's type, which no search_path can change.
 */
export function catalogQuery (oids: Iterable<number>): string {
  return `with recursive wanted as (
    select t.oid, t.typname, t.typtype, t.typbasetype, t.typelem, t.typinput from pg_catalog.pg_type t
     where t.oid OPERATOR(pg_catalog.=) ANY ('{${[...oids].map(Number).join(',')}}'::pg_catalog.oid[])
    union
    select t.oid, t.typname, t.typtype, t.typbasetype, t.typelem, t.typinput from pg_catalog.pg_type t join wanted w
      on t.oid OPERATOR(pg_catalog.=)
         case when w.typtype OPERATOR(pg_catalog.=) 'd' then w.typbasetype
              when w.typinput OPERATOR(pg_catalog.=) 'pg_catalog.array_in'::pg_catalog.regproc then w.typelem end)
  select w.oid, w.typname as name, w.typtype as kind, w.typbasetype as base, w.typelem as element,
         w.typinput OPERATOR(pg_catalog.=) 'pg_catalog.array_in'::pg_catalog.regproc as is_array,
         coalesce((select e.typdelim from pg_catalog.pg_type e where e.oid OPERATOR(pg_catalog.=) w.typelem), ',') as delimiter
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
      for (const [name, oid, arrayOid] of members) this.#addArray(arrayOid, this.#addScalar(oid, name, family), ',')
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
    const name = row?.name ?? ''
    if (row?.kind === 'd') return this.#add({ ...this.#learn(row.base, rows), oid, name })
    if (row?.is_array === true) return this.#addArray(oid, this.#learn(row.element, rows), row.delimiter)
    return this.#addScalar(oid, name, 'text')
  }

  #addScalar (oid: number, name: string, family: ScalarFamily): PgType {
    return this.#add({ oid, name, family, decode: decoders[family], read: readers[family], encode: encoders[family] })
  }

  #addArray (oid: number, element: PgType, delimiter: string): PgType {
    const decode = arrayDecoder(element.decode, delimiter)
    return this.#add({
      oid,
      name: `${element.name}[]`,
      family: 'array',
      decode,
      read: readerOf(decode),
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
