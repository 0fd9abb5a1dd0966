import { FAMILIES } from '../codecs/built-in-types.js'
import { FURTHER_TYPES } from '../codecs/further-types.js'
import { QueryError } from '../errors/errors.js'

/** The built-in types by OID, as they stand in a cast: no search_path makes others of them. */
const CASTS = new Map<unknown, string>()
for (const [name, oid, arrayOid] of [...FAMILIES.flatMap(([, types]) => types), ...FURTHER_TYPES]) {
  CASTS.set(oid, `pg_catalog."${name}"`)
  CASTS.set(arrayOid, `pg_catalog."${name}"[]`)
}

const BY_NAME = new Map(Array.from(CASTS.values(), (cast) => [cast.replaceAll(/pg_catalog\.|"/g, ''), cast]))

/** The type that the option `types` gives a name, if it is built in: which others are meant, a search_path would say. */
export function namedCast (name: string, to: number | undefined): string | undefined {
  return to === undefined ? BY_NAME.get(name) : CASTS.get(to)
}

export const JSONB = 'pg_catalog."jsonb"'

/** The type of a value; undefined where the server is to say. Raises `QueryError` for one that is not built in. */
export function typeCast (oid: number | undefined): string | undefined {
  const cast = CASTS.get(oid)
  if (cast === undefined && oid !== undefined && oid !== 0) {
    throw new QueryError('the OID is not that of a built-in type, and others have other OIDs in each database: ' +
      // eslint-disable-next-line no-template-curly-in-string
      'write a cast behind the value, ${value}::type')
  }
  return cast
}

/** The type of an array, by that of its elements or its own. */
export function arrayCast (oid: number | undefined): string | undefined {
  const cast = typeCast(oid)
  return cast === undefined || cast.endsWith('[]') ? cast : `${cast}[]`
}
