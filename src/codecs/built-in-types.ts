/** The families of types that are read and written alike; the table in docs/quick-reference.md shows them. */
export type ScalarFamily =
  | 'bool' | 'integer' | 'bigint' | 'float' | 'numeric' | 'json' | 'bytea'
  | 'date' | 'timestamp' | 'timestamptz' | 'text'

/** The OIDs of the built-in types of each family, with those of their arrays. */
export const FAMILIES: ReadonlyArray<readonly [ScalarFamily, ReadonlyArray<readonly [oid: number, arrayOid: number]>]> = [
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
