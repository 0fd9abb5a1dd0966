/** The families of types that are read and written alike; the table in docs/quick-reference.md shows them. */
export type ScalarFamily =
  | 'bool' | 'integer' | 'bigint' | 'float' | 'numeric' | 'json' | 'bytea'
  | 'date' | 'timestamp' | 'timestamptz' | 'text'
