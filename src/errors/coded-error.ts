import createFastifyError from '@fastify/error'
import { hide, publicView, tellTheLog } from './message-and-advice.js'

interface Cause { readonly cause: unknown }

/** An error of the library's own: its `code` and its `statusCode` are literal types, so that either tells one from another. */
export interface CodedError<Code extends string, Status extends number> extends Error {
  code: Code
  statusCode: Status
  /** Numbers, limits and what to do, for the log: not enumerable, so that no response holds it. */
  readonly advice: string | undefined
  /** The text of the call's statement, with the option `debug`. Not enumerable. */
  readonly query?: string
  /** The parameters of the call, with the option `debug: { parameters: true }`. Not enumerable. */
  readonly parameters?: readonly unknown[]
  toJSON (): Record<string, unknown>
}

// Written out here, because the types of @fastify/error are not found under every moduleResolution, and their codes are plain strings.
export interface CodedErrorClass<Code extends string, Status extends number, Args extends unknown[]> {
  new (...args: [...Args, Cause?]): CodedError<Code, Status>
  readonly prototype: CodedError<Code, Status>
}

/** The texts of an error, made of what its constructor is given: what a client reads, and what stands in the log besides. */
interface Texts<Args extends unknown[]> {
  readonly message: string | ((...args: Args) => string)
  readonly advice: (...args: Args) => string | undefined
}

/**
 * The class of an error. Its instances are those of @fastify/error, which `instanceof` knows by their code, whichever copy of the
 * package made them.
 *
 * @example
 * const ClosedError = createError('APP_CLOSED', 503, { message: 'closed', advice: (until: string) => `come back at ${until}` })
 * throw new ClosedError('9:00')
 */
export function createError<const Code extends string, const Status extends number, Args extends unknown[]> (
  code: Code, status: Status, { message, advice }: Texts<Args>
): CodedErrorClass<Code, Status, Args> {
  const Base = createFastifyError<Code, Status, [string]>(code, '%s', status, Error, false)
  return class FastifyError extends Base {
    declare readonly advice: string | undefined
    declare readonly query?: string
    declare readonly parameters?: readonly unknown[]

    constructor (...given: [...Args, Cause?]) {
      const { args, cause } = withoutCause<Args>(given)
      super(typeof message === 'string' ? message : message(...args))
      if (cause !== undefined) hide(this, cause)
      tellTheLog(this, { advice: advice(...args) }, new.target)
    }

    toJSON (): Record<string, unknown> { return publicView(this) }
  }
}

/** The cause is the last argument, where there is one. */
function withoutCause<Args extends unknown[]> (given: [...Args, Cause?]): { args: Args, cause?: { cause: unknown } } {
  const last: unknown = given.at(-1)
  if (typeof last !== 'object' || last === null || !('cause' in last)) return { args: given as unknown[] as Args }
  return { args: given.slice(0, -1) as Args, cause: { cause: last.cause } }
}
