import { createHash, createHmac, pbkdf2, randomBytes, timingSafeEqual } from 'node:crypto'
import { promisify } from 'node:util'
import saslprep from '@mongodb-js/saslprep'

/** The server's part of SCRAM is not what RFC 5802 says, or it does not know the password itself. */
export class ScramError extends Error {}

/** Rounds of the hash at most: a server may not make this process compute for minutes. PostgreSQL's own default is 4,096. */
const MOST_ITERATIONS = 1_000_000
/** Salted passwords that are kept: one for each server and password in use. */
const MOST_KEPT = 16

const digest = promisify(pbkdf2)
const sha256 = (data: Buffer): Buffer => createHash('sha256').update(data).digest()
const hmac = (key: Buffer, text: string): Buffer => createHmac('sha256', key).update(text).digest()

/** Hashed passwords by salt and count, one store for a pool: a hundred connects hash once. */
export class SaltedPasswords {
  readonly #kept = new Map<string, Promise<Buffer>>()

  /** Computed outside of the event loop. */
  get (password: string, salt: Buffer, iterations: number): Promise<Buffer> {
    const key = `${iterations} ${salt.toString('base64')} ${sha256(Buffer.from(password)).toString('base64')}`
    let salted = this.#kept.get(key)
    if (salted === undefined) {
      salted = digest(prepared(password), salt, iterations, 32, 'sha256')
      this.#kept.set(key, salted)
      const [oldest] = this.#kept.keys()
      if (this.#kept.size > MOST_KEPT && oldest !== undefined) this.#kept.delete(oldest)
    }
    return salted
  }
}

/** As the server prepared it when it was set: what SASLprep prohibits stays as it is. */
function prepared (password: string): string {
  try {
    return saslprep(password)
  } catch {
    return password
  }
}

/** One exchange of SCRAM-SHA-256, from the client's side. Raises `ScramError`. */
export class ScramExchange {
  readonly #nonce: string
  #state: 'new' | 'sent' | 'proven' | 'verified' = 'new'
  #signature: Buffer | undefined

  constructor (nonce = randomBytes(18).toString('base64')) { this.#nonce = nonce }

  /** Whether the server has shown that it knows the password. */
  get isVerified (): boolean { return this.#state === 'verified' }

  /** The client's first message. The name of the user is that of the start-up message. */
  first (): string {
    this.#state = 'sent'
    return `n,,${this.#bare}`
  }

  get #bare (): string { return `n=,r=${this.#nonce}` }

  /** The server's first message → the client's final one. */
  async final (serverFirst: string, password: string, salted: SaltedPasswords): Promise<string> {
    if (this.#state !== 'sent') throw new ScramError('a message of SCRAM out of turn')
    this.#state = 'proven'
    const match = /^r=([\x21-\x2b\x2d-\x7e]+),s=([A-Za-z0-9+/]+={0,2}),i=([1-9]\d{0,8})(?:,.*)?$/.exec(serverFirst)
    if (match === null) throw new ScramError('a challenge that cannot be read')
    const [, nonce = '', salt = '', count = ''] = match
    if (!nonce.startsWith(this.#nonce) || nonce.length === this.#nonce.length) throw new ScramError('a nonce that does not continue ours')
    const iterations = Number(count)
    if (iterations > MOST_ITERATIONS) throw new ScramError(`${iterations} iterations, more than ${MOST_ITERATIONS}`)
    const key = await salted.get(password, Buffer.from(salt, 'base64'), iterations)
    const withoutProof = `c=biws,r=${nonce}`
    const message = `${this.#bare},${serverFirst},${withoutProof}`
    const clientKey = hmac(key, 'Client Key')
    const clientSignature = hmac(sha256(clientKey), message)
    this.#signature = hmac(hmac(key, 'Server Key'), message)
    const proof = Buffer.from(clientKey.map((byte, index) => byte ^ (clientSignature[index] ?? 0)))
    return `${withoutProof},p=${proof.toString('base64')}`
  }

  /** The server's final message: it must prove that it knows the password. */
  verify (serverFinal: string): void {
    const signature = /^v=([A-Za-z0-9+/]+={0,2})(?:,.*)?$/.exec(serverFinal)?.[1]
    if (this.#state !== 'proven' || this.#signature === undefined) throw new ScramError('a message of SCRAM out of turn')
    const given = Buffer.from(signature ?? '', 'base64')
    if (given.length !== this.#signature.length || !timingSafeEqual(given, this.#signature)) {
      throw new ScramError('the server does not prove that it knows the password: it may be another one than it says')
    }
    this.#state = 'verified'
  }
}
