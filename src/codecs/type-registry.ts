import type { Conversion } from './conversion.js'
import { arrayDecoder, decoders } from './decode.js'
import { readerOf, readers } from './decode-bytes.js'
import { arrayEncoder, encoders } from './encode.js'
import { FAMILIES, type ScalarFamily } from './built-in-types.js'
import type { MadeOf, PgType, TypeView } from './pg-type.js'
import { ConvertedTypes } from './converted-types.js'

/** A row of the catalog query. */
export interface CatalogRow {
  oid: number
  name: string
  schema: string
  kind: string
  base: number
  element: number
  /** What a range or multirange is made of. */
  bounds: number | null
  delimiter: string
  is_array: boolean
}

/** The range of a multirange. By JSON, because before PostgreSQL 14 there is no such column. */
const RANGE_OF = `(select r.rngtypid from pg_catalog.pg_range r
   where (pg_catalog.to_jsonb(r) OPERATOR(pg_catalog.->>) 'rngmultitypid')::pg_catalog.oid OPERATOR(pg_catalog.=) w.oid)`

/**
 * The query that describes types which are not built in (enums, domains, composites, those of extensions) and what
 * they are made of. Only numbers that came from the server go into its text. UNION compares by the operator class of
 * each column's type, which no search_path can change.
 */
export function catalogQuery (oids: Iterable<number>): string {
  return `with recursive wanted as (
    select t.oid, t.typname, t.typnamespace, t.typtype, t.typbasetype, t.typelem, t.typinput from pg_catalog.pg_type t
     where t.oid OPERATOR(pg_catalog.=) ANY ('{${[...oids].map(Number).join(',')}}'::pg_catalog.oid[])
    union
    select t.oid, t.typname, t.typnamespace, t.typtype, t.typbasetype, t.typelem, t.typinput from pg_catalog.pg_type t join wanted w
      on t.oid OPERATOR(pg_catalog.=)
         case when w.typtype OPERATOR(pg_catalog.=) 'd' then w.typbasetype
              when w.typtype OPERATOR(pg_catalog.=) 'r' then
                (select r.rngsubtype from pg_catalog.pg_range r where r.rngtypid OPERATOR(pg_catalog.=) w.oid)
              when w.typtype OPERATOR(pg_catalog.=) 'm' then ${RANGE_OF}
              when w.typinput OPERATOR(pg_catalog.=) 'pg_catalog.array_in'::pg_catalog.regproc then w.typelem end)
  select w.oid, w.typname as name, w.typtype as kind, w.typbasetype as base, w.typelem as element,
         w.typinput OPERATOR(pg_catalog.=) 'pg_catalog.array_in'::pg_catalog.regproc as is_array,
         (select n.nspname from pg_catalog.pg_namespace n where n.oid OPERATOR(pg_catalog.=) w.typnamespace) as schema,
         case when w.typtype OPERATOR(pg_catalog.=) 'r' then
                (select r.rngsubtype from pg_catalog.pg_range r where r.rngtypid OPERATOR(pg_catalog.=) w.oid)
              when w.typtype OPERATOR(pg_catalog.=) 'm' then ${RANGE_OF} end as bounds,
         coalesce((select e.typdelim from pg_catalog.pg_type e where e.oid OPERATOR(pg_catalog.=) w.typelem), ',') as delimiter
    from wanted w`
}

/** The types that a pool knows: the built-in ones from the start, any other when a statement first meets it. */
export class TypeRegistry implements TypeView {
  readonly #types = new Map<number, PgType>()
  /** The known types by OID. */
  readonly types: ReadonlyMap<number, PgType> = this.#types
  readonly #converted = new WeakMap<Conversion, TypeView>()
  readonly #onAdd: (type: PgType) => void

  /** `onAdd` is told of each type, these and later ones: the driver keeps tables of its own. */
  constructor (onAdd: (type: PgType) => void) {
    this.#onAdd = onAdd
    for (const [family, members] of FAMILIES) {
      for (const [name, oid, arrayOid] of members) {
        const scalar = { oid, name, schema: 'pg_catalog', family, madeOf: undefined, isOpaque: false }
        this.#addArray(arrayOid, this.#addScalar(scalar), ',')
      }
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

  /** The same types as a conversion has them. */
  for (conversion: Conversion | undefined): TypeView {
    if (conversion === undefined) return this
    let types = this.#converted.get(conversion)
    if (types === undefined) {
      types = new ConvertedTypes(this, conversion)
      this.#converted.set(conversion, types)
    }
    return types
  }

  #learn (oid: number, rows: ReadonlyMap<number, CatalogRow>): PgType {
    const known = this.#types.get(oid)
    if (known !== undefined) return known
    const row = rows.get(oid)
    const { name = '', schema = '', kind, bounds } = row ?? {}
    if (kind === 'd') {
      const base = this.#learn(row?.base ?? 0, rows)
      return this.#add({ ...base, oid, name, schema, madeOf: { kind: 'base', oid: base.oid, delimiter: ',' } })
    }
    if (row?.is_array === true) return this.#addArray(oid, this.#learn(row.element, rows), row.delimiter)
    const madeOf: MadeOf | undefined = bounds === null || bounds === undefined
      ? undefined
      : { kind: kind === 'm' ? 'ranges' : 'bounds', oid: this.#learn(bounds, rows).oid, delimiter: ',' }
    return this.#addScalar({ oid, name, schema, family: 'text', madeOf, isOpaque: kind === 'b' || kind === 'c' })
  }

  #addScalar (type: Pick<PgType, 'oid' | 'name' | 'schema' | 'madeOf' | 'isOpaque'> & { family: ScalarFamily }): PgType {
    const { family } = type
    return this.#add({
      ...USUAL, ...type, decode: decoders[family], read: readers[family], encode: encoders[family], nests: family !== 'json',
    })
  }

  #addArray (oid: number, element: PgType, delimiter: string): PgType {
    const decode = arrayDecoder(element.decode, delimiter)
    return this.#add({
      ...USUAL,
      oid,
      name: `${element.name}[]`,
      schema: element.schema,
      family: 'array',
      decode,
      read: readerOf(decode),
      encode: arrayEncoder(element.encode, delimiter, element.nests),
      madeOf: { kind: 'elements', oid: element.oid, delimiter },
      // A list inside the list is one value, and not a second dimension, in a jsonb[] and in an array of a domain over arrays.
      nests: false,
    })
  }

  #add (type: PgType): PgType {
    this.#types.set(type.oid, type)
    this.#onAdd(type)
    return type
  }
}

const USUAL = { isOpaque: false, mayThrow: false, key: '', convertsBounds: false }
