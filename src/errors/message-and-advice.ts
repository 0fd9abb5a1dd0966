/**
 * Two people read an error, and each has a text of their own. It is one rule, for our own errors and for the server's:
 *
 * - A client of the app reads `message`: Fastify's error handler sends it, with `code` and `statusCode`. It is short and general: what
 *   is wrong, and at most which parameter. `JSON.stringify(error)` holds nothing else that tells of the database.
 * - Who runs the app reads `advice` in the log: numbers, limits, names of tables and constraints, and what to do. It is not enumerable,
 *   but it stands in the stack, which loggers and a process that ends print, and which nobody sends.
 *
 * Neither holds a parameter, SQL, a host or a password. With the option `debug`, `details` of the statement stand in the stack too.
 */
export interface ForTheLog {
  readonly advice?: string | undefined
  /** Lines of their own, which may hold data. */
  readonly details?: readonly string[] | undefined
}

/** Not a private field: an error may be copied by its properties. */
const DETAILS = Symbol.for('fastify-postgres-js.details')

/** Names of what is in the database, and what an error was caused by. */
const FOR_THE_LOG_ONLY = new Set(['schema_name', 'table_name', 'column_name', 'constraint_name', 'position', 'cause'])

/** Sets properties that no logger prints and no response holds. */
export function hide (error: Error, properties: Readonly<Record<string, unknown>>): void {
  for (const [name, value] of Object.entries(properties)) define(error, name, value)
}

function define (error: Error, name: PropertyKey, value: unknown): void {
  Object.defineProperty(error, name, { value, enumerable: false, writable: true, configurable: true })
}

/** Gives an error its stack, without the calls above `constructor`. It is put in words only when somebody reads it. */
export function tellTheLog (error: Error, { advice, details }: ForTheLog, constructor: Function): void {
  const calls = {}
  Error.captureStackTrace(calls, constructor)
  hide(error, { advice })
  define(error, DETAILS, details)
  showStack(error, () => framesOf(calls))
}

/** Adds details to an error that has its stack already. */
export function addDetails (error: Error, details: readonly string[]): void {
  const { get, value } = Object.getOwnPropertyDescriptor(error, 'stack') ?? {}
  define(error, DETAILS, details)
  if (get === undefined) showStack(error, () => framesOf({ stack: value }))
}

export function hasDetails (error: Error): boolean { return Reflect.get(error, DETAILS) !== undefined }

function showStack (error: Error, frames: () => string): void {
  Object.defineProperty(error, 'stack', {
    configurable: true,
    enumerable: false,
    // `this`, because an error may be copied by its properties.
    get (this: Error) { return headOf(this) + frames() },
    set (this: Error, stack: unknown) { define(this, 'stack', stack) },
  })
}

/** What stands in a stack above the calls: the message, the advice and the details. */
export function headOf (error: Error): string {
  const { name, message } = error
  const advice: unknown = Reflect.get(error, 'advice')
  const details: unknown = Reflect.get(error, DETAILS)
  const lines = [message === '' ? name : `${name}: ${message}`]
  if (typeof advice === 'string') lines.push(`  advice: ${advice.replace(/\s*\n\s*/g, ' ')}`)
  if (Array.isArray(details)) lines.push(...details.map(String))
  return lines.join('\n')
}

/** The calls of a stack, without what stands above them. Of what an Error.prepareStackTrace of the user's made, none. */
function framesOf (calls: { readonly stack?: unknown }): string {
  try {
    const { stack } = calls
    const start = typeof stack === 'string' ? stack.search(/\n {4}at /) : -1
    return typeof stack !== 'string' || start === -1 ? '' : stack.slice(start)
  } catch {
    return ''
  }
}

/** What JSON.stringify makes of an error: what a client may see. */
export function publicView (error: Error): Record<string, unknown> {
  const view: Record<string, unknown> = { message: error.message }
  // Fastify hands errors to a response schema by way of an object that inherits from them.
  for (const name of ['statusCode', 'error']) if (Reflect.get(error, name) !== undefined) view[name] = Reflect.get(error, name)
  for (const name in error) if (!FOR_THE_LOG_ONLY.has(name)) view[name] = Reflect.get(error, name)
  return view
}
