import { TLSSocket } from 'node:tls'
import type { TargetSessionAttrs } from '../config/options.js'
import { Connection, type ConnectionParts } from '../connection/connection.js'
import { Driver } from '../driver/postgres-js.js'
import type { SessionReports } from '../driver/session-reports.js'
import { SocketOwner } from '../driver/socket-owner.js'
import { thrownBy } from '../errors/error-code.js'
import { OptionError } from '../errors/errors.js'
import { listen, stopListening } from '../timing/abort-listeners.js'
import { FairTimer } from '../timing/fair-timer.js'
import type { HostOrder } from './host-order.js'
import { orAborted } from '../timing/abortable.js'
import { ArrayNullsError, checkServer, type ServerInfo } from '../connection/server-info.js'
import { ServerError } from '../errors/server-error.js'
import { ResponseWatch } from './response-watch.js'
import type { ServerTypes } from './server-types.js'
import type { StartupParameters } from './startup-parameters.js'
import { authenticate, type Credentials, isLoopback } from './authentication.js'
import type { Backend } from '../protocol/cancel-request.js'
import type { SaltedPasswords } from '../protocol/scram.js'
import { connectSocket } from '../protocol/socket.js'
import type { Host } from '../config/target.js'

/** A connect took longer than it may. */
export class ConnectTimeoutError extends Error {
  readonly code = 'CONNECT_TIMEOUT'

  constructor (seconds: number) { super(`no connection within ${seconds} s`) }
}

/** What all connections of a pool have in common. */
export type ConnectParts = Omit<ConnectionParts, 'owner' | 'backend' | 'driver' | 'host' | 'setUp'> & {
  types: ServerTypes
  salted: SaltedPasswords
  startupParameters: StartupParameters
  /** Runs on the new connection before the pool gets it. */
  onConnect: ((connection: Connection) => unknown) | undefined
  /** Who hears what servers say beside their answers. */
  reports: SessionReports | undefined
}

export interface ConnectLimits {
  hosts: HostOrder
  /** What each host may take at most; 0 is no limit. */
  seconds: number
  signal: AbortSignal
  /** Is told when a host has been unresponsive for `RESPONSE_TIMEOUT`, and when another one is tried. */
  onResponsiveness: (isUnresponsive: boolean) => void
}

/**
 * Opens one connection: to the first host that answers and is of the wanted kind. Rejects with the true cause (of the
 * last host), or with the reason of `signal`; nothing is left open then.
 */
export async function openConnection (parts: ConnectParts, limits: ConnectLimits): Promise<Connection> {
  const { hosts, seconds, signal, onResponsiveness } = limits
  const { targetSessionAttrs } = parts.config
  const rounds: TargetSessionAttrs[] = targetSessionAttrs === 'prefer-standby' ? ['standby', 'any'] : [targetSessionAttrs]
  let failure: unknown
  for (const wanted of rounds) {
    // What is only preferred does not wait for unresponsive hosts.
    for (const host of rounds.length > 1 && wanted === 'standby' ? hosts.responsive() : hosts.list()) {
      signal.throwIfAborted()
      onResponsiveness(false)
      const watch = new ResponseWatch(host, hosts, () => onResponsiveness(true))
      try {
        return await within(seconds, signal, (limit) => parts.startupParameters.connect(host, (parameters) =>
          connectTo(host, wanted, parts, { parameters, watch, limit })))
      } catch (error) {
        failure = error
        if (error instanceof ConnectTimeoutError) watch.timedOut()
      } finally {
        watch.stop()
      }
    }
  }
  throw failure
}

interface Attempt {
  parameters: Readonly<Record<string, string>>
  watch: ResponseWatch
  limit: AbortSignal
}

async function connectTo (host: Host, wanted: TargetSessionAttrs, parts: ConnectParts, attempt: Attempt): Promise<Connection> {
  const { parameters, watch, limit } = attempt
  const { config, types, salted } = parts
  const { user, database, prepare, requireAuth, debug } = config
  // Asked for beforehand: a password that rejects inside the driver would be an unhandled rejection.
  // And not in the middle of what made us connect, since it is the user's function.
  const password = await orAborted(limit, () => Promise.resolve().then(config.password))
    .catch((error) => { throw thrownBy('password', error) })
  if (typeof password !== 'string') throw new OptionError('option password: the function must return a string')
  watch.start()
  const { socket, incoming } = await connectSocket(host, config.ssl, limit)
  const owner = new SocketOwner(socket, incoming, parts.reports)
  const isEncrypted = socket instanceof TLSSocket
  const isPrivate = isEncrypted || isLoopback(socket.remoteAddress)
  const backend = await letIn(owner, limit, { user, database, password, parameters, requireAuth, isPrivate, salted, debug })
  const driver = new Driver({ owner, prepare, types: types.builtIn })
  // The name of the host may stand for other addresses too.
  const address = socket.remoteAddress === undefined ? {} : { address: socket.remoteAddress }
  const setUp = (connection: Connection): Promise<void> =>
    within(config.connectTimeout, NEVER, (limit) => prepareSession(connection, parts.onConnect, limit))
  const connection = new Connection({ ...parts, owner, driver, backend, setUp, host: { ...host, ...address, isEncrypted } })
  try {
    const server = await orAborted(limit, () => greet(connection, types))
    types.check(server)
    driver.adopt(types.of(connection.session.isPooled ? undefined : server.identity))
    watch.answered()
    checkServer(server, wanted)
    if (parts.onConnect !== undefined) await prepareSession(connection, parts.onConnect, limit)
    if (connection.session.server?.arrayNulls === false) throw new ArrayNullsError()
    return connection
  } catch (error) {
    connection.destroy('lost', error)
    await connection.gone
    throw error
  }
}

/** Authenticates. If that fails, the socket is closed. */
async function letIn (owner: SocketOwner, limit: AbortSignal, credentials: Credentials): Promise<Backend | undefined> {
  try {
    return await orAborted(limit, () => authenticate(owner, credentials))
  } catch (error) {
    owner.destroy()
    throw error
  }
}

/** Asks a server what it is, and which one, if it tells that. */
async function greet (connection: Connection, types: ServerTypes): Promise<ServerInfo> {
  const { question } = types
  try {
    return await connection.greet(question)
  } catch (error) {
    if (question === '' || !(error instanceof ServerError) || !error.code.startsWith('42')) throw error
    types.refused()
    return await connection.greet(types.question)
  }
}

const NEVER = new AbortController().signal

/** Runs `onConnect`, whose effects then belong to the session. */
async function prepareSession (connection: Connection, onConnect: ConnectParts['onConnect'], limit: AbortSignal): Promise<void> {
  await orAborted(limit, async () => onConnect?.(connection)).catch((error) => { throw thrownBy('onConnect', error) })
  // A statement that it gave up may still be running: nobody gets the connection before it has ended.
  while (connection.cancelling !== undefined) await orAborted(limit, async () => connection.cancelling)
  await orAborted(limit, () => connection.look()) // it may have made the session read-only
  connection.session.begin()
}

/** Runs `work` with a signal that fires after `seconds`, or with `parent`. */
async function within<T> (seconds: number, parent: AbortSignal, work: (limit: AbortSignal) => Promise<T>): Promise<T> {
  const controller = new AbortController()
  const expire = (): void => controller.abort(new ConnectTimeoutError(seconds))
  const timer = seconds === 0 ? undefined : new FairTimer(seconds * 1000, expire)
  const abortable = { aborted: (): void => controller.abort(parent.reason) }
  listen(parent, abortable)
  try {
    return await work(controller.signal)
  } finally {
    timer?.clear()
    stopListening(parent, abortable)
  }
}
