import createFastifyError from '@fastify/error'

/** An error of the library's own: its `code` and its `statusCode` are literal types, so that either tells one from another. */
export interface CodedError<Code extends string, Status extends number> extends Error {
  code: Code
  statusCode: Status
}

// Written out here, because the types of @fastify/error are not found under every moduleResolution, and their codes are plain strings.
export interface CodedErrorClass<Code extends string, Status extends number, Args extends unknown[]> {
  new (...args: Args): CodedError<Code, Status>
  (...args: Args): CodedError<Code, Status>
  readonly prototype: CodedError<Code, Status>
}

/**
 * The class of an error whose message is a format of `util.format`, to be filled with `Args`. It is called twice, because
 * TypeScript infers all type arguments of a call or none: the first call names `Args`, the second infers code and status.
 *
 * @example
 * const ClosedError = createError<[string]>()('APP_CLOSED', '%s is closed', 503)
 * throw new ClosedError('the shop')
 */
export function createError<Args extends unknown[] = []> () {
  return <Code extends string, Status extends number>(code: Code, message: string, status: Status): CodedErrorClass<Code, Status, Args> =>
    createFastifyError<Code, Status, Args>(code, message, status)
}
