import { OptionError, QueryError } from '../errors/errors.js'

/** Reads and checks what a caller gave: where a getter or a Proxy of theirs throws, that is an `OptionError` of that call. */
export function readGiven<T> (what: string, read: () => T): T {
  try {
    return read()
  } catch (error) {
    if (error instanceof OptionError || error instanceof QueryError) throw error
    throw new OptionError(`${what} cannot be read: it throws, see the cause`, { cause: error })
  }
}
