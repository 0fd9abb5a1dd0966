import { type CatalogRow, catalogQuery, type TypeRegistry } from '../codecs/type-registry.js'
import type { DriverResult } from '../driver/result.js'
import { QueryError } from '../errors/errors.js'

/**
 * Has the registry learn types from the server's catalog, by way of `ask`. Rejects with `QueryError` if the server does
 * not show one of them: the snapshot of a repeatable read transaction may be older than the type.
 */
export async function learnTypes (registry: TypeRegistry, oids: number[], ask: (text: string) => Promise<DriverResult>): Promise<void> {
  const { rows } = await ask(catalogQuery(oids))
  registry.learn(rows as CatalogRow[], oids)
  if (oids.every((oid) => registry.get(oid) !== undefined)) return
  throw new QueryError('a type that the statement uses is newer than the snapshot of the transaction: run it in another transaction')
}
