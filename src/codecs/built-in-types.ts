/** The families of types that are read and written alike; the table in docs/quick-reference.md shows them. */
export type ScalarFamily =
  | 'bool' | 'integer' | 'bigint' | 'float' | 'numeric' | 'json' | 'bytea'
  | 'date' | 'timestamp' | 'timestamptz' | 'text'

/** The built-in types of each family: the name of each, its OID, and that of its arrays. */
export const FAMILIES: ReadonlyArray<readonly [ScalarFamily, ReadonlyArray<readonly [name: string, oid: number, arrayOid: number]>]> = [
  ['bool', [['bool', 16, 1000]]],
  ['integer', [['int2', 21, 1005], ['int4', 23, 1007], ['oid', 26, 1028]]],
  ['bigint', [['int8', 20, 1016]]],
  ['float', [['float4', 700, 1021], ['float8', 701, 1022]]],
  ['numeric', [['numeric', 1700, 1231]]],
  ['json', [['json', 114, 199], ['jsonb', 3802, 3807]]],
  ['bytea', [['bytea', 17, 1001]]],
  ['date', [['date', 1082, 1182]]],
  ['timestamp', [['timestamp', 1114, 1115]]],
  ['timestamptz', [['timestamptz', 1184, 1185]]],
  ['text', [['text', 25, 1009], ['varchar', 1043, 1015], ['bpchar', 1042, 1014], ['name', 19, 1003], ['char', 18, 1002],
    ['uuid', 2950, 2951], ['time', 1083, 1183], ['timetz', 1266, 1270], ['interval', 1186, 1187], ['inet', 869, 1041],
    ['cidr', 650, 651], ['xml', 142, 143], ['bit', 1560, 1561], ['varbit', 1562, 1563], ['money', 790, 791]]],
]
