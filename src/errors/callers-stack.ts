import { fileURLToPath } from 'node:url'
import { types } from 'node:util'
import { ServerError } from './server-error.js'

/** The calls that led to a place, put in words only when somebody reads them: 2 µs. */
export interface Calls { readonly stack?: string }

type Callee = (...args: never[]) => unknown

/** The calls that led to a call of `callee`, which has to be under way; behind them those that await it, as V8 finds them. */
export function callsTo (callee: Callee): Calls {
  const calls = {}
  Error.captureStackTrace(calls, callee)
  return calls
}

/** The same for an error, so deep that our own frames leave room for others: V8 counts them too. Not for calls that may succeed. */
export function callersOf (callee: Callee): Calls {
  const { stackTraceLimit } = Error
  try {
    Error.stackTraceLimit = Math.max(stackTraceLimit, DEEPEST)
    return callsTo(callee)
  } finally {
    Error.stackTraceLimit = stackTraceLimit
  }
}

const DEEPEST = 50
/** Where this library is, as frames have it. */
const HERE = fileURLToPath(new URL('..', import.meta.url))

const FIRST_FRAME = /\n {4}at /

/** The errors whose stack tells what it should. */
const told = new WeakSet<object>()

/** An error of the user's own: wherever it passes, it keeps the stack that it has. */
export function keepStack (error: unknown): void {
  if (typeof error === 'object' && error !== null) told.add(error)
}

/**
 * Gives an error of ours the stack of the caller that gets it, in place of one that begins at a socket or a timer. Once: where it
 * is passed on, its stack stays; and so it does if nothing is known of the caller. Other errors stay as they are. Of several `calls` the
 * first that names anything counts.
 */
export function withCallers<T> (error: T, ...calls: ReadonlyArray<Calls | undefined>): T {
  try {
    if (!isOurs(error) || told.has(error)) return error
    told.add(error)
    const own = Object.getOwnPropertyDescriptor(error, 'stack')
    Object.defineProperty(error, 'stack', {
      configurable: true,
      enumerable: false,
      // Put in words only when somebody reads it. `this`, because an error may be copied by its properties.
      get (this: Error): unknown { return rewritten(own?.get === undefined ? own?.value : own.get.call(this), calls) },
      set (this: Error, stack: unknown): void { Object.defineProperty(this, 'stack', hidden(stack)) },
    })
  } catch {} // an Error.prepareStackTrace or an error of the user's that throws
  return error
}

/** The error, or a copy of it if another caller has it already. */
export function unshared<T> (error: T): T { return typeof error === 'object' && error !== null && told.has(error) ? copyOf(error) : error }

/** Another error with the same class and properties, for another caller. The cause is the same one. */
export function copyOf<T extends object> (error: T): T {
  const properties = Object.getOwnPropertyDescriptors(error) as Record<PropertyKey, PropertyDescriptor>
  properties['stack'] = hidden(stackOf(error))
  // Those of @fastify/error are no native errors.
  const copy: object = types.isNativeError(error) ? new Error() : {}
  return Object.defineProperties(Object.setPrototypeOf(copy, Object.getPrototypeOf(error)), properties)
}

function stackOf (error: object): unknown {
  try {
    return Reflect.get(error, 'stack')
  } catch { // an Error.prepareStackTrace of the user's
    return undefined
  }
}

function hidden (value: unknown): PropertyDescriptor { return { value, enumerable: false, writable: true, configurable: true } }

function isOurs (error: unknown): error is Error {
  return error instanceof Error && (error instanceof ServerError || String(Reflect.get(error, 'code')).startsWith('FST_PG_'))
}

/** What stands above the calls stays. An Error.prepareStackTrace of the user's may have made anything of a stack. */
function rewritten (stack: unknown, calls: ReadonlyArray<Calls | undefined>): unknown {
  if (typeof stack !== 'string') return stack
  const all = calls.map(framesOf)
  const others = all.map((frames) => frames.filter((frame) => !frame.includes(HERE))).find(({ length }) => length > 0)
  // Without others, what there is of our own.
  const frames = others ?? all.find(({ length }) => length > 0)
  if (frames === undefined) return stack
  const start = stack.search(FIRST_FRAME)
  const shown = frames.slice(0, Math.max(10, Error.stackTraceLimit)).map((frame) => `\n${frame}`).join('')
  return `${start === -1 ? stack : stack.slice(0, start)}${shown}`
}

/** Without those of Node itself, which may run the microtask in which an error is told of. */
function framesOf (calls: Calls | undefined): string[] {
  const stack: unknown = calls?.stack
  const start = typeof stack === 'string' ? stack.search(FIRST_FRAME) : -1
  if (typeof stack !== 'string' || start === -1) return []
  return stack.slice(start).split('\n').slice(1).filter((frame) => !frame.includes('(node:internal/'))
}
