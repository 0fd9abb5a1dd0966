import { appendFileSync } from 'node:fs'
import { pino, stdSerializers, symbols } from 'pino'
import { hasDetails } from '../../src/errors/message-and-advice.js'
import { Database, Lease, Queryable, ServerError, Transaction } from '../../src/index.js'

/**
 * Looks at what the code under test shows of secrets, in every test file that has a database: each log line, each error
 * of a call (as pino prints it, causes included) and each health report. Secrets are the password of the server, URLs with
 * credentials, the text of the statement and the string arguments of calls. What is found fails the file when it ends.
 *
 * Exceptions, which are documented: the reason of an aborted signal and what a caller's own function throws are the
 * caller's words, so only errors of the library are looked at; names in them (a table, column, constraint, user,
 * database, type) are allowed; strings shorter than `SHORTEST` and mere words say nothing.
 */
const SHORTEST = 8

/** Every password of a test server has this form (tools/embedded-postgres/keeper.ts). */
const PASSWORD = /\b[0-9a-f]{32}\b/
/** But for the one that an error names as an example. */
const CREDENTIALS = /postgres(?:ql)?:\/\/(?!user:password@host)[^\s/"@]*:[^\s/"@]*@/
/** A mere word, such as `undefined` or the name of the library, which its own messages may hold. */
const WORD = /^[a-z][a-z-]*$/
/** Where the code stands: the paths of tests, and names of their functions. */
const FRAMES = /(?:\\n|\n) *at [^\n]*?(?=\\n|\n|"|$)/g

/** How much was looked at in this process. */
export const looked = { lines: 0, errors: 0, bodies: 0 }
/** What was found. A test that discloses something on purpose takes it away again. */
export const found: string[] = []

/** The last string arguments, for lines of the log, which belong to no call. */
const recent: string[] = []

/** For a test that goes on to use the same texts as names, which are not secret. */
export function forgetArguments (): void { recent.length = 0 }

/** What of `text` is secret: a kind of secret for each. */
export function secretsIn (text: string, values: readonly string[] = []): string[] {
  const shown = text.replace(FRAMES, '')
  const kinds: string[] = []
  if (PASSWORD.test(shown)) kinds.push('a password')
  if (CREDENTIALS.test(shown)) kinds.push('a URL')
  for (const value of values) {
    if (value.length >= SHORTEST && !WORD.test(value) && shown.includes(JSON.stringify(value).slice(1, -1))) kinds.push(`the value ${value.slice(0, 60)}`)
  }
  return kinds
}

function look (what: string, text: string, values: readonly string[]): void {
  for (const kind of secretsIn(text, values)) found.push(`${what} shows ${kind}: ${text.slice(0, 500)}`)
}

/** A line of the log, as the default logger prints it. */
export function lookAtLine (level: string, object: object, message: string): void {
  looked.lines++
  look('a log line', JSON.stringify({ level, ...printed(object), msg: message }, noCircle), recent)
}

/** An error about a host name carries the certificate, and one that signed itself is its own issuer. */
function noCircle (key: string, value: unknown): unknown { return key === 'issuerCertificate' ? undefined : value }

function printed (object: object): object {
  return Object.fromEntries(Object.entries(object).map(([name, value]) => [name, value instanceof Error ? print(value) : value]))
}

const print = (error: Error): object => ({ plain: stdSerializers.err(error), withCause: stdSerializers.errWithCause(error) })

function isOurs (error: unknown): error is Error {
  return error instanceof ServerError || (error instanceof Error && 'code' in error && String(error.code).startsWith('FST_PG_'))
}

function lookAtError (error: unknown, args: readonly unknown[]): void {
  if (!isOurs(error) || hasDetails(error)) return // what the option debug shows was asked for: test/errors/debug.test.ts looks at that
  looked.errors++
  // The reason of a caller's signal is in its own words.
  const shown = 'code' in error && error.code === 'FST_PG_ABORTED' ? { message: error.message, stack: error.stack } : print(error)
  look(error.message, JSON.stringify(shown, noCircle), strings(args).filter((value) => !isName(error, value)))
}

/** Names are not secret (README, "Errors"). */
function isName (error: Error, value: string): boolean {
  if (!(error instanceof ServerError)) return false
  return [error.table_name, error.column_name, error.constraint_name, error.schema_name].includes(value)
}

function strings (value: unknown, depth = 0): string[] {
  if (typeof value === 'string') return [value]
  if (Array.isArray(value) && depth < 3) return value.slice(0, 50).flatMap((each) => strings(each, depth + 1))
  // { text } of a call
  if (typeof value === 'object' && value !== null && 'text' in value) return strings(value.text)
  return []
}

const CALLS: ReadonlyArray<readonly [prototype: object, names: readonly string[]]> = [
  [Queryable.prototype, ['fetchOne', 'fetchAll', 'fetchVal', 'execute', 'executeWithReturning', 'executeMany', 'executeManyWithReturning']],
  [Database.prototype, ['open', 'close', 'acquire', 'transaction', 'health']],
  [Lease.prototype, ['transaction', 'release']],
  [Transaction.prototype, ['transaction']],
]

/** What is given for a promise: a call that gives the same one twice still does. */
const given = new WeakMap<Promise<unknown>, Promise<unknown>>()

/** The promise of the call, seen on its way: a caller that forgets it still gets an unhandled rejection. */
function watched (call: Function, isHealth: boolean): (...args: unknown[]) => unknown {
  return function (this: unknown, ...args: unknown[]) {
    recent.push(...strings(args.slice(1)).filter((value) => value.length >= SHORTEST))
    recent.splice(0, recent.length - 200)
    const result: unknown = Reflect.apply(call, this, args)
    if (!(result instanceof Promise)) return result
    const known = given.get(result)
    if (known !== undefined) return known
    const seen = result.then((value: unknown) => {
      if (isHealth) {
        looked.bodies++
        look('a health report', JSON.stringify(value), recent)
      }
      return value
    }, (error: unknown) => {
      lookAtError(error, args)
      throw error
    })
    given.set(result, seen)
    return seen
  }
}

const originals: Array<() => void> = []

/** For a file whose calls need the whole stack for their arguments: they are not looked at, its log is. */
export function unwatchCalls (): void {
  for (const restore of originals) restore()
}

for (const [prototype, names] of CALLS) {
  for (const name of names) {
    const call: unknown = Reflect.get(prototype, name)
    if (!Object.hasOwn(prototype, name) || typeof call !== 'function') continue
    originals.push(() => Object.defineProperty(prototype, name, { value: call, configurable: true, writable: true }))
    Object.defineProperty(prototype, name, { value: watched(call, name === 'health'), configurable: true, writable: true })
  }
}

// What Fastify and the default logger print: every line of any pino of this process goes through here.
const loggers: unknown = Object.getPrototypeOf(Object.getPrototypeOf(pino({ level: 'silent' })))
const asJson: unknown = typeof loggers === 'object' && loggers !== null ? Reflect.get(loggers, symbols.asJsonSym) : undefined
if (typeof asJson !== 'function' || typeof loggers !== 'object' || loggers === null) throw new Error('pino has no place where its lines can be seen')
Object.defineProperty(loggers, symbols.asJsonSym, {
  configurable: true,
  value: function (this: unknown, ...args: unknown[]) {
    const line: unknown = Reflect.apply(asJson, this, args)
    looked.lines++
    look('a log line', String(line), recent)
    return line
  },
})

process.on('exit', () => {
  const { SECRETS_REPORT: report } = process.env
  if (report !== undefined) appendFileSync(report, `${JSON.stringify(looked)}\n`)
  if (found.length === 0) return
  console.error(`secrets were shown:\n${found.slice(0, 20).join('\n')}`)
  process.exitCode = 1
})
