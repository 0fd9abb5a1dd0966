import t from 'tap'
import type { PgType } from '../../src/codecs/pg-type.js'
import { type CatalogRow, catalogQuery, TypeRegistry } from '../../src/codecs/type-registry.js'

const row = (oid: number, rest: Partial<CatalogRow>): CatalogRow => (
  { oid, name: `type_${oid}`, schema: 'public', kind: 'b', base: 0, element: 0, bounds: null, delimiter: ',', is_array: false, ...rest })

t.test('the built-in types and their arrays are known from the start, and told', async (t) => {
  const told = new Map<number, PgType>()
  const registry = new TypeRegistry((type) => told.set(type.oid, type))
  const families: Array<[oid: number, family: string]> = [
    [16, 'bool'], [21, 'integer'], [23, 'integer'], [26, 'integer'], [20, 'bigint'], [700, 'float'], [701, 'float'], [1700, 'numeric'],
    [114, 'json'], [3802, 'json'],
    [17, 'bytea'], [1082, 'date'], [1114, 'timestamp'], [1184, 'timestamptz'], [25, 'text'], [1043, 'text'], [2950, 'text'],
    [790, 'text'], [1007, 'array'], [3807, 'array'],
  ]
  for (const [oid, family] of families) {
    t.equal(registry.get(oid)?.family, family, `${oid}`)
    t.equal(told.get(oid), registry.get(oid))
    t.equal(registry.types.get(oid), registry.get(oid))
  }
  t.equal(registry.get(99_999), undefined)
  t.equal(registry.get(1007)?.encode([[1, null]]), '{{"1",NULL}}')
  t.strictSame(registry.get(1016)?.decode?.('{1,9007199254740993}'), [1, 9007199254740993n])
  t.equal(registry.get(3807)?.encode([[1]]), '{"[1]"}', 'a list in a jsonb[] is one value')
})

t.test('types are learned from the catalog: domains by what they are over, arrays by their elements, the rest as text', async (t) => {
  const told: number[] = []
  const registry = new TypeRegistry((type) => told.push(type.oid))
  told.length = 0
  const rows = [
    row(50_001, { kind: 'e' }), row(50_002, { is_array: true, element: 50_001 }),
    row(50_003, { kind: 'd', base: 23 }), row(50_004, { kind: 'd', base: 50_003 }), row(50_005, { is_array: true, element: 50_004 }),
    row(50_006, { kind: 'd', base: 1007 }), row(50_007, { is_array: true, element: 50_006 }),
    row(50_008, { is_array: true, element: 603, delimiter: ';' }), row(603, {}), row(50_009, { kind: 'c' }),
  ]
  registry.learn(rows, [50_002, 50_005, 50_007, 50_008, 50_009, 60_000])
  t.equal(registry.get(50_001)?.family, 'text')
  t.equal(registry.get(50_002)?.encode(['a']), '{"a"}')
  t.strictSame(registry.get(50_005)?.decode?.('{1,2}'), [1, 2])
  t.equal(registry.get(50_004)?.family, 'integer')
  t.equal(registry.get(50_004)?.oid, 50_004, 'a domain has its own OID')
  t.equal(registry.get(50_007)?.encode([[1, 2]]), '{"{\\"1\\",\\"2\\"}"}', 'in an array of a domain over arrays a list is one value')
  t.equal(registry.get(50_008)?.encode(['a', 'b']), '{"a";"b"}')
  t.equal(registry.get(50_009)?.family, 'text')
  t.equal(registry.get(60_000), undefined, 'what the catalog did not mention stays unknown')
  t.ok([50_001, 50_002, 50_003, 50_004, 50_005, 50_006, 50_007, 603, 50_008, 50_009].every((oid) => told.includes(oid)), 'each is told')
  const before = registry.get(50_002)
  registry.learn(rows, [50_002])
  t.equal(registry.get(50_002), before, 'what is known is not learned again')
})

t.test('only numbers go into the query of the catalog', async (t) => {
  t.match(catalogQuery(new Set([1, 22])), "ANY ('{1,22}'::pg_catalog.oid[])")
  t.notMatch(catalogQuery(['1; DROP TABLE users' as unknown as number]), 'DROP')
})
