import type { Config } from '../config/config.js'
import { codeOf } from '../errors/error-code.js'
import { AcquireTimeoutError } from '../errors/errors.js'
import type { ConnectionSet } from './connection-set.js'

/** The error for a caller that waited in vain: who has the connections, and what helps. `cause`: why connects fail, if they do. */
export function acquireTimeout ({ acquireTimeout, max }: Config, connections: ConnectionSet, waiting: number, cause: unknown): Error {
  const numbers = `${connections.describe()}, at most ${max}; callers waiting: ${waiting}`
  return cause === undefined
    ? new AcquireTimeoutError(acquireTimeout, `${numbers}: release connections sooner, shorten statements, or raise max`)
    : new AcquireTimeoutError(acquireTimeout, `${numbers}: connecting fails (${codeOf(cause)}), see the cause`, false, { cause })
}
