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
  schema_name?: string | undefined
  table_name?: string | undefined
  column_name?: string | undefined
  constraint_name?: string | undefined
  'data type_name'?: string | undefined
  routine?: string | undefined
}

/**
 * An error that the Postgres server reported. `code` is its SQLSTATE.
 *
 * What may hold data or SQL is there for code that asks for it (`serverMessage`, `detail`, `hint`, `where`, `query`),
 * but not enumerable, so that no logger prints it, and not in `message`, which Fastify sends to clients.
 *
 * @example
 * try {
 *   await db.execute('INSERT INTO users (email) VALUES ($1)', email)
 * } catch (error) {
 *   if (error instanceof ServerError && error.code === '23505') return reply.code(409).send()
 *   throw error
 * }
 */
export class ServerError extends Error {
  override readonly name = 'PostgresError'
  /** SQLSTATE, such as '23505'. */
  readonly code: string
  readonly severity: string
  readonly schema_name?: string | undefined
  readonly table_name?: string | undefined
  readonly column_name?: string | undefined
  readonly constraint_name?: string | undefined
  /** Which of a batch's argument lists it was, from 0. */
  readonly row?: number
  /** Where in the statement, in characters from 1. */
  readonly position?: number
  /** The server's own words. They may hold data. Not enumerable. */
  declare readonly serverMessage: string
  /** Not enumerable. */
  declare readonly detail: string | undefined
  /** Not enumerable. */
  declare readonly hint: string | undefined
  /** Not enumerable. */
  declare readonly where: string | undefined
  /** The statement's text. Not enumerable. */
  declare readonly query: string | undefined

  constructor (fields: ServerErrorFields, query?: string, row?: number) {
    super(safeMessage(fields))
    this.code = fields.code
    this.severity = fields.severity ?? fields.severity_local ?? 'ERROR'
    if (fields.schema_name !== undefined) this.schema_name = fields.schema_name
    if (fields.table_name !== undefined) this.table_name = fields.table_name
    if (fields.column_name !== undefined) this.column_name = fields.column_name
    if (fields.constraint_name !== undefined) this.constraint_name = fields.constraint_name
    if (row !== undefined) this.row = row
    if (fields.position !== undefined) this.position = Number(fields.position)
    const hidden = { serverMessage: fields.message, detail: fields.detail, hint: fields.hint, where: fields.where, query }
    for (const [name, value] of Object.entries(hidden)) Object.defineProperty(this, name, { value, enumerable: false })
  }

  /** Whether the server ends the connection with this error. */
  get fatal (): boolean {
    return this.severity === 'FATAL' || this.severity === 'PANIC' || /^57P0[123]$/.test(this.code) ||
      // 08P01 is what a wrong number of arguments gives; it ends nothing.
      (this.code.startsWith('08') && this.code !== '08P01')
  }
}

/** SQLSTATEs whose messages quote values: of a parameter, or a piece of the statement's text. */
const QUOTES = /^(22|3[DF]|42|58|XX)/
/** Raised by users' own functions, in their own words. */
const OWN_WORDS = /^(P0|[6-9I-WYZ]|5[^34578])/
/** What raises them, under whichever SQLSTATE: RAISE, and its likes of PL/Python, PL/Perl and PL/Tcl. */
const RAISES = /^(exec_stmt_|PLy_|plperl_|pltcl_)/
/** Servers that speak other languages quote otherwise. */
const QUOTED = /["«»„“”][^]*["«»„“”]/
/** Where the server finds that a prepared statement is gone, or is there already. */
const PREPARED = /^(Fetch|Store)PreparedStatement$/
const POOLER_ADVICE = ': a pooler that gives each transaction another session loses prepared statements. ' +
  "Behind PgBouncer in transaction mode set the pool's option " +
  '{ prepare: false }, or from PgBouncer 1.21 on its max_prepared_statements'

function safeMessage ({ message, code, position, severity, routine = '' }: ServerErrorFields): string {
  if (OWN_WORDS.test(code) || RAISES.test(routine)) return `the server raised an error (${code}): its words are in error.serverMessage`
  // With a position it is about the statement itself, found before any value was there: it quotes the name of a table,
  // a column, a function. Only a syntax error quotes whatever stands there.
  // What is fatal is about the connection: the names of its user and database, or the value of a session setting.
  if (severity === 'FATAL' && code === '42601') {
    return `the server does not understand the session's options (${code}): its words are in error.serverMessage`
  }
  const isName = (severity === 'FATAL' && !code.startsWith('22')) || (code.startsWith('42') && code !== '42601' && position !== undefined)
  const words = QUOTES.test(code) && !isName ? message.replace(QUOTED, '"…"') : message
  return `${words} (${code})${PREPARED.test(routine) ? POOLER_ADVICE : ''}`
}
