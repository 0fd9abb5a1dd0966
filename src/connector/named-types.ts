import type { Conversion } from '../codecs/conversion.js'
import { isBuiltIn } from '../codecs/own-types.js'

/** A type that the option `types` names is not there: its values would be read as usual, without notice. */
export class UnknownTypeError extends Error {
  readonly code = 'UNKNOWN_TYPE'

  constructor (names: readonly string[]) {
    super(`the database has no type ${names.join(', ')}, which the option types names: ` +
      'correct the name, or create the type before the pool is opened')
  }
}

/** A column of what is asked of a new session: which of the types that a conversion names are missing. Empty where it names none. */
export function missingTypesColumn (conversion: Conversion | undefined): string {
  const named = Array.from(conversion?.codecs ?? []).filter(([key, codec]) => key === codec.key && !isBuiltIn(key)).map(([key]) => key)
  if (named.length === 0) return ''
  const names = named.map((name) => `pg_catalog.convert_from(pg_catalog.decode('${Buffer.from(name).toString('hex')}', 'hex'), 'UTF8')`)
  return `, (select pg_catalog.array_agg(n) from pg_catalog.unnest(array[${names.join(', ')}]) as n where not exists (
    select from pg_catalog.pg_type as t join pg_catalog.pg_namespace as s on s.oid OPERATOR(pg_catalog.=) t.typnamespace
     where n OPERATOR(pg_catalog.=) any (array[t.typname::pg_catalog.text, t.oid::pg_catalog.text,
       pg_catalog.concat(s.nspname, '.', t.typname)])
        or (t.typarray OPERATOR(pg_catalog.<>) 0::pg_catalog.oid
       and n OPERATOR(pg_catalog.=) any (array[pg_catalog.concat(t.typname, '[]'), pg_catalog.concat(s.nspname, '.', t.typname, '[]')])))
    ) as missing_types`
}
