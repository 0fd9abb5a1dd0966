/** The fields of an ErrorResponse that the server may send, by the driver's names. */
export interface ServerErrorFields {
  message: string
  code: string
  severity?: string | undefined
  severity_local?: string | undefined
  detail?: string | undefined
  hint?: string | undefined
  where?: string | undefined
  position?: string | undefined
  /** A statement that the server made itself, such as one in a function, and where in it. */
  internal_query?: string | undefined
  internal_position?: string | undefined
  schema_name?: string | undefined
  table_name?: string | undefined
  column_name?: string | undefined
  constraint_name?: string | undefined
  'data type_name'?: string | undefined
  /** Where in the server's own source it comes from. */
  file?: string | undefined
  line?: string | undefined
  routine?: string | undefined
}

/** FATAL and PANIC in the languages that servers speak: one before 9.6 gives the severity in its own words only. */
const FATAL = new Set((
  'FATAL PANIC FATALE PANICO FATALT PANIK PÂNICO KATASTROFALNY PANIKA ' +
  'ВАЖНО ПАНИКА ФАТАЛЬНО ПАНІКА ფატალური პანიკა 치명적오류 손상 致命错误 比致命错误还过分的错误'
).split(' '))

/** Whether the server ends the connection with an error. Its SQLSTATE says nothing of that: a statement may raise any. */
export function isFatal ({ severity, severity_local: local = '' }: Pick<ServerErrorFields, 'severity' | 'severity_local'>): boolean {
  return FATAL.has(severity ?? local)
}
