import { copyOf } from '../errors/callers-stack.js'
import { codeOf } from '../errors/error-code.js'
import { ConnectionLostError, ProtocolError } from '../errors/errors.js'

/** There is nothing to cancel a statement by. */
export class NoKeyError extends Error {
  readonly code = 'NO_CANCEL_KEY'
  constructor () { super('the server gave no key by which a statement can be cancelled: the connection is ended instead') }
}

/** A statement that has to go with others of ours can no longer be sent at once with them, and was not run. */
export class NotAloneError extends Error {
  readonly code = 'NOT_ALONE'
  constructor () { super('the statement cannot be sent together with what has to go before it') }
}

/** The session was given an encoding in which texts would be read and written wrongly. */
export class ForeignEncodingError extends Error {
  readonly code = 'CLIENT_ENCODING'
  constructor () { super('client_encoding has to stay UTF8') }
}

/** Whether a setting that the server reports is an encoding in which texts would be read and written wrongly. */
export function isForeignEncoding (name: string, value: string): boolean { return name === 'client_encoding' && value !== 'UTF8' }

/** What a call learns of a connection that has ended. */
export function lostError (reason: string, cause: unknown): Error {
  if (cause instanceof ProtocolError) return copyOf(cause)
  return cause === undefined ? new ConnectionLostError(reason) : new ConnectionLostError(codeOf(cause), { cause })
}
