import { isFatal, type ServerErrorFields } from './error-response.js'
import { isRaised, safeMessage } from './safe-message.js'

/**
 * An error that the Postgres server reported. `code` is its SQLSTATE.
 *
 * What may hold data or SQL is there for code that asks for it (`serverMessage`, `detail`, `hint`, `where`, `query`),
 * but not enumerable, so that no logger prints it, and not in `message`, which Fastify sends to clients: that says what the
 * SQLSTATE means, and quotes the server only where its words cannot hold data. Names that a user's RAISE gave are not enumerable either.
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
    for (const name of NAMES) {
      if (fields[name] !== undefined) Object.defineProperty(this, name, { value: fields[name], enumerable: !isRaised(fields) })
    }
    if (row !== undefined) this.row = row
    if (fields.position !== undefined) this.position = Number(fields.position)
    const hidden = { serverMessage: fields.message, detail: fields.detail, hint: fields.hint, where: fields.where, query }
    for (const [name, value] of Object.entries(hidden)) Object.defineProperty(this, name, { value, enumerable: false })
  }

  /** Whether the server ends the connection with this error. */
  get fatal (): boolean { return isFatal({ severity: this.severity }) }
}

const NAMES = ['schema_name', 'table_name', 'column_name', 'constraint_name'] as const
