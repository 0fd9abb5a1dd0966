import { allows, type AuthMethod } from '../config/require-auth.js'
import { ForeignEncodingError, isForeignEncoding } from '../connection/connection-errors.js'
import { SocketClosedError, type SocketOwner, type SocketOwnerEvents } from '../driver/socket-owner.js'
import { type Turn, unexpected } from '../driver/turn.js'
import type { Debug } from '../errors/debug-details.js'
import { ProtocolError } from '../errors/errors.js'
import type { ServerErrorFields } from '../errors/error-response.js'
import { ServerError } from '../errors/server-error.js'
import type { Backend } from '../protocol/cancel-request.js'
import { type SaltedPasswords, ScramError, ScramExchange } from '../protocol/scram.js'
import {
  md5Answer, passwordAnswer, readAuthentication, readBackend, readNegotiation, saslFirst, saslNext, startupMessage
} from '../protocol/startup-messages.js'

/** The server asks for what it does not get, or lets us in without what it has to show. Trying again does not help. */
export class AuthenticationError extends Error {
  readonly code = 'AUTHENTICATION'
}

export interface Credentials {
  readonly user: string
  readonly database: string
  readonly password: string
  readonly parameters: Readonly<Record<string, string>>
  /** The methods that are accepted; undefined: any. */
  readonly requireAuth: ReadonlySet<AuthMethod> | undefined
  /** Whether nobody in between can read what is sent: it is encrypted, or does not leave the machine. */
  readonly isPrivate: boolean
  readonly salted: SaltedPasswords
  /** What a refusal of the server shows. */
  readonly debug: Debug
}

const SCRAM = 'SCRAM-SHA-256'
/** Kinds of authentication that are not spoken here, as the manual names them. */
const FOREIGN: Readonly<Record<number, string>> = { 2: 'Kerberos V5', 6: 'SCM credentials', 7: 'GSSAPI', 8: 'GSSAPI', 9: 'SSPI' }

/**
 * The start-up of a session: everything up to its first ReadyForQuery. Resolves with the backend's key, which some poolers
 * do not give. Rejects with `ServerError`, `AuthenticationError`, `ProtocolError` or the socket's error.
 */
export function authenticate (owner: SocketOwner, credentials: Credentials): Promise<Backend | undefined> {
  return new Promise((resolve, reject) => {
    owner.takeOver(new StartupEvents(reject, credentials.debug))
    const startup = new Startup(owner, credentials, { resolve, reject })
    owner.begin(startup, startup)
    startup.start()
  })
}

/** Whether an address is of this machine. */
export function isLoopback (address: string | undefined): boolean {
  if (address === undefined) return true // a Unix socket
  return address === '::1' || /^(::ffff:)?127\./.test(address)
}

class StartupEvents implements SocketOwnerEvents {
  readonly #fail: (error: unknown) => void
  readonly #debug: Debug

  constructor (fail: (error: unknown) => void, debug: Debug) {
    this.#fail = fail
    this.#debug = debug
  }

  parameter (name: string, value: string): void {
    if (isForeignEncoding(name, value)) this.#fail(new ForeignEncodingError())
  }

  running (): void {}

  ending (fields: ServerErrorFields): void { this.#fail(new ServerError(fields, { debug: this.#debug })) }

  lost (cause: unknown): void { this.#fail(cause) }

  closed (): void { this.#fail(new SocketClosedError()) }
}

interface Caller {
  resolve (backend: Backend | undefined): void
  reject (error: unknown): void
}

/** asked → (a password is sent, or an exchange of SCRAM is under way) → in. */
class Startup implements Turn {
  isClosed = false
  readonly subject = undefined
  readonly #owner: SocketOwner
  readonly #credentials: Credentials
  readonly #caller: Caller
  #state: 'asked' | 'answered' | 'scram' | 'in' | 'failed' = 'asked'
  readonly #scram = new ScramExchange()
  #backend: Backend | undefined

  constructor (owner: SocketOwner, credentials: Credentials, caller: Caller) {
    this.#owner = owner
    this.#credentials = credentials
    this.#caller = caller
  }

  start (): void {
    const { user, database, parameters } = this.#credentials
    this.#owner.write(startupMessage({ user, database, client_encoding: 'UTF8', ...parameters }))
    this.#owner.close()
  }

  take (type: number, bytes: Buffer, start: number, end: number): void {
    if (this.#state === 'failed') return
    const message = bytes.subarray(start, end)
    switch (type) {
      case 0x52: // Authentication…
        return this.#authenticate(message)
      case 0x4b: // BackendKeyData
        if (this.#state !== 'in') throw unexpected(type)
        this.#backend = readBackend(message)
        return
      case 0x76: // NegotiateProtocolVersion
        readNegotiation(message) // a server of another minor version goes on in ours, and no option of the protocol was asked for
        return
      default:
        throw unexpected(type)
    }
  }

  refused (fields: ServerErrorFields): void { this.#fail(new ServerError(fields, { debug: this.#credentials.debug })) }

  ready (): void {
    if (this.#state !== 'in') throw unexpected(0x5a)
    this.#owner.started()
    this.#caller.resolve(this.#backend)
  }

  #fail (error: unknown): void {
    this.#state = 'failed'
    const isScram = error instanceof ScramError
    this.#caller.reject(isScram ? new AuthenticationError(`authentication by ${SCRAM} failed: ${error.message}`) : error)
  }

  #authenticate (message: Buffer): void {
    const { kind, data } = readAuthentication(message)
    try {
      this.#answer(kind, data)
    } catch (error) {
      if (error instanceof ProtocolError) throw error
      this.#fail(error)
    }
  }

  #answer (kind: number, data: Buffer): void {
    switch (kind) {
      case 0:
        return this.#letIn()
      case 3:
        return this.#sendPassword()
      case 5: {
        if (data.length !== 4) throw new ProtocolError('a request for MD5 without its salt')
        const { user } = this.#credentials
        return this.#send('answered', md5Answer(user, this.#password('md5'), data))
      }
      case 10:
        return this.#startScram(data.toString('utf8').split('\0'))
      case 11:
        return this.#continueScram(data.toString('utf8'))
      case 12:
        if (this.#state !== 'scram') throw unexpected(0x52)
        return this.#scram.verify(data.toString('utf8'))
      default:
        throw new AuthenticationError(`the server asks for authentication by ${FOREIGN[kind] ?? `a method of number ${kind}`}, ` +
          'which is not supported: have pg_hba.conf ask for scram-sha-256')
    }
  }

  #letIn (): void {
    if (this.#state === 'in') throw unexpected(0x52)
    if (this.#state === 'scram' && !this.#scram.isVerified) {
      throw new AuthenticationError('the server let us in without proving that it knows the password: it may be another one than it says')
    }
    if (this.#state === 'asked') this.#demand('none')
    this.#state = 'in'
  }

  #sendPassword (): void {
    const { isPrivate, requireAuth } = this.#credentials
    const password = this.#password('password')
    if (!isPrivate && requireAuth === undefined) {
      throw new AuthenticationError('the server asks for the password in clear text over a connection that is not encrypted: ' +
        "turn on ssl, have pg_hba.conf ask for scram-sha-256, or allow it by requireAuth: 'password'")
    }
    this.#send('answered', passwordAnswer(password))
  }

  #startScram (mechanisms: string[]): void {
    if (!mechanisms.includes(SCRAM)) {
      const names = mechanisms.filter((name) => /^[\w-]+$/.test(name)).join(', ') || 'nothing'
      throw new AuthenticationError(`the server offers authentication by ${names}, and not by ${SCRAM}: ` +
        'have pg_hba.conf ask for scram-sha-256')
    }
    this.#password('scram-sha-256')
    this.#send('scram', saslFirst(SCRAM, this.#scram.first()))
  }

  #continueScram (challenge: string): void {
    if (this.#state !== 'scram') throw unexpected(0x52)
    const { password, salted } = this.#credentials
    this.#scram.final(challenge, password, salted).then((response) => this.#owner.write(saslNext(response)), (error) => this.#fail(error))
  }

  /** The first answer to a request for authentication. */
  #send (state: 'answered' | 'scram', answer: Buffer): void {
    if (this.#state !== 'asked') throw unexpected(0x52)
    this.#state = state
    this.#owner.write(answer)
  }

  /** Raises `AuthenticationError` unless this method is accepted, and there is a password for it. */
  #password (method: AuthMethod): string {
    this.#demand(method)
    const { password } = this.#credentials
    if (password === '') {
      throw new AuthenticationError('the server asks for a password, and none was given: ' +
        'set it in the URL, by the option password, DATABASE_PASSWORD or PGPASSWORD (no .pgpass is read)')
    }
    return password
  }

  #demand (method: AuthMethod): void {
    const { requireAuth } = this.#credentials
    if (!allows(requireAuth, method)) {
      throw new AuthenticationError(method === 'none'
        ? 'the server asks for no authentication, which requireAuth does not accept'
        : `the server asks for authentication by ${method}, which requireAuth does not accept`)
    }
  }
}
