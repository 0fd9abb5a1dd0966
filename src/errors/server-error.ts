import { type Debug, detailsOf } from './debug-details.js'
import { isFatal, type ServerErrorFields } from './error-response.js'
import { hide, publicView, tellTheLog } from './message-and-advice.js'
import { isRaised, refusedParameter, safeAdvice, safeMessage } from './safe-message.js'

/** What is known of the statement that the server refused. */
export interface Refused {
  readonly query?: string
  readonly args?: readonly unknown[]
  /** Which of a batch's argument lists it was, from 0. */
  readonly row?: number | undefined
  /** What may be shown of it, where the option `debug` is on. */
  readonly debug?: Debug
  /** Whether some of what was asked may be committed all the same. */
  readonly mayHaveCommitted?: boolean
}

/** On an error of what may have been committed in part. */
export const COMMITTED = Symbol.for('fastify-postgres-js.may-have-committed')

const BRAND = Symbol.for('fastify-postgres-js.server-error')

/**
 * An error that the Postgres server reported. `code` is its SQLSTATE; `message` says what that means, and `advice` names what was
 * violated or is not there (message-and-advice.ts).
 *
 * What may hold data or SQL is there for code that asks for it (`serverMessage`, `detail`, `hint`, `where`, `query`), but not
 * enumerable, so that no logger prints it. With the option `debug` it stands in the stack. Names that a user's RAISE gave are not
 * enumerable either. `instanceof` knows the errors of other copies of the package too.
 *
 * @example
 * try {
 *   await db.execute('INSERT INTO users (email) VALUES ($1)', email)
 * } catch (error) {
 *   if (isUniqueViolation(error, 'users_email_key')) return reply.code(409).send()
 *   throw error
 * }
 */
export class ServerError extends Error {
  override readonly name = 'PostgresError'
  /** SQLSTATE, such as '23505'. */
  readonly code: string
  readonly severity: string
  declare readonly schema_name?: string
  declare readonly table_name?: string
  declare readonly column_name?: string
  declare readonly constraint_name?: string
  /** Which of a batch's argument lists it was, from 0. */
  declare readonly row?: number
  /** Where in the statement, in characters from 1. */
  declare readonly position?: number
  /** Names, and the server's words where they hold no data: for the log. Not enumerable. */
  declare readonly advice: string
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
  /** Where in the server's own source the error comes from. Not enumerable. */
  declare readonly file: string | undefined
  declare readonly line: string | undefined
  declare readonly routine: string | undefined
  /** The parameters of the call, with the option `debug: { parameters: true }`. Not enumerable. */
  declare readonly parameters?: readonly unknown[]

  static override [Symbol.hasInstance] (value: unknown): boolean {
    const isOne = typeof value === 'object' && value !== null && BRAND in value
    return this === ServerError ? isOne : isOne && Function.prototype[Symbol.hasInstance].call(this, value)
  }

  constructor (fields: ServerErrorFields, { query, args = [], row, debug = false, mayHaveCommitted = false }: Refused = {}) {
    super(safeMessage(fields, parameterOf(fields, args.length, row)))
    this.code = fields.code
    this.severity = fields.severity ?? fields.severity_local ?? 'ERROR'
    for (const name of NAMES) {
      if (fields[name] !== undefined) Object.defineProperty(this, name, { value: fields[name], enumerable: !isRaised(fields) })
    }
    if (row !== undefined) this.row = row
    if (mayHaveCommitted) Object.defineProperty(this, COMMITTED, { value: true })
    if (fields.position !== undefined) this.position = Number(fields.position)
    const { message: serverMessage, detail, hint, where, file, line, routine } = fields
    hide(this, { serverMessage, detail, hint, where, query, file, line, routine })
    if (debug !== false && debug.parameters) hide(this, { parameters: args })
    const details = debug === false ? undefined : detailsOf({ fields, query, args }, debug)
    tellTheLog(this, { advice: safeAdvice(fields), details }, new.target)
  }

  /** Whether the server ends the connection with this error. */
  get fatal (): boolean { return isFatal({ severity: this.severity }) }

  toJSON (): Record<string, unknown> { return publicView(this) }
}

Object.defineProperty(ServerError.prototype, BRAND, { value: true })

const NAMES = ['schema_name', 'table_name', 'column_name', 'constraint_name'] as const

/** How an error names the parameter that the server could not read. */
function parameterOf (fields: ServerErrorFields, count: number, row: number | undefined): string | undefined {
  const number = refusedParameter(fields, count)
  return number === undefined ? undefined : `${row === undefined ? '' : `row ${row}, `}parameter $${number}`
}
