import type { ServerErrorFields } from './error-response.js'

/** What the server says beside its answers, in its own words: by RAISE NOTICE, or of its own accord. It may hold data. */
export interface Notice {
  /** 'NOTICE', 'WARNING', 'INFO', 'LOG' or 'DEBUG'. */
  readonly severity: string
  /** SQLSTATE: '00000', '01000', or what RAISE gave. */
  readonly code: string
  readonly message: string
  readonly detail?: string
  readonly hint?: string
  /** Where in the functions of the server. */
  readonly where?: string
  /** Where in the statement, in characters from 1. */
  readonly position?: number
  readonly schema_name?: string
  readonly table_name?: string
  readonly column_name?: string
  readonly constraint_name?: string
  /** Where in the server's own source it comes from. */
  readonly file?: string
  readonly line?: string
  readonly routine?: string
}

const OTHERS = [
  'detail', 'hint', 'where', 'schema_name', 'table_name', 'column_name', 'constraint_name', 'file', 'line', 'routine',
] as const

/** The fields of a NoticeResponse → what a user is told. */
export function noticeOf (fields: ServerErrorFields): Notice {
  const { severity = fields.severity_local ?? 'NOTICE', code, message, position } = fields
  const others = OTHERS.flatMap((name) => fields[name] === undefined ? [] : [[name, fields[name]] as const])
  return { severity, code, message, ...(position !== undefined && { position: Number(position) }), ...Object.fromEntries(others) }
}
