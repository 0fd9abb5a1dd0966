import type { Duplex } from 'node:stream'
import postgres from 'postgres'
import { Argument, BindAborted } from './argument.js'
import { assignableName, isStandIn } from './column-names.js'
import { RefusedExecutionError, runExecutions, type Executions, type ExecutionsResult } from './execute-many.js'
import { Request, type RequestKind } from './request.js'
import type { DriverAnswer } from './result.js'
import { TypeRegistry } from '../codecs/type-registry.js'

/**
 * The one file that touches postgres.js: a client of it for one physical connection, and the few things that its type
 * declarations do not tell. All that is relied on here was read in postgres.js 3.4.9, which package.json pins.
 */

type Parser = (text: string) => unknown

interface DriverClient {
  options: { parsers: Record<number, Parser | undefined>, serializers: Record<number, (argument: unknown) => string> }
  unsafe (text: string): { handler (request: Request): void }
  end (options: { timeout: number }): Promise<void>
}

export type { DriverResult } from './result.js'

/** An error that the driver made of an ErrorResponse, as opposed to one of its own. */
export const DriverServerError = postgres.PostgresError

/** A value of a type that was unknown when it arrived. */
export class Unread {
  readonly text: string
  constructor (text: string) { this.text = text }
}

/** The tables by which the driver reads and writes values: one pair for all connections of a pool, fed by the registry. */
export class DriverTypes {
  readonly parsers: Record<number, Parser | undefined> = Object.create(new Proxy(Object.create(null), {
    get: (_, oid) => this.#late(Number(oid)),
  }))

  readonly serializers: Record<number, (argument: unknown) => string> = Object.create(new Proxy(Object.create(null), {
    has: () => true,
    get: () => () => { throw new BindAborted() },
  }))

  /** Whether a column of an unknown type was ever met. */
  hasLate = false

  readonly registry = new TypeRegistry((type) => {
    this.parsers[type.oid] = type.decode
    this.serializers[type.oid] = (argument) => {
      // Text instead of an argument: the driver repeats a stale statement by itself, with the text that was written
      // for the old types. A changed type would store wrong data silently, so our side repeats it.
      if (!(argument instanceof Argument)) throw new BindAborted()
      return argument.textAs(type)
    }
  })

  /**
   * The driver keeps the parsers of a prepared statement that it found when the statement was described, which may be
   * before the pool learned their types. So for an unknown type it gets one that looks again at each value.
   */
  #late (oid: number): Parser {
    this.hasLate = true
    const parse = (text: string): unknown => {
      const type = this.registry.get(oid)
      if (type === undefined) return new Unread(text)
      return type.decode === undefined ? text : type.decode(text)
    }
    return Object.assign(parse, { late: true })
  }
}

type ExecuteOptions = Omit<Executions, 'parserOf'> & { onRefused?: (index: number) => void }

export interface DriverOptions {
  socket: Duplex
  user: string
  password: string
  database: string
  prepare: boolean
  parameters: Readonly<Record<string, string>>
  types: DriverTypes
}

/** A postgres.js client over one socket. It never gets a second one: a dead client must not be revived. */
export class Driver {
  readonly #client: DriverClient
  readonly #socket: Duplex
  readonly #types: DriverTypes
  readonly #handle: (request: Request) => void
  /** How often it has written to the socket: what is sent between two of these travels together. */
  writes = 0
  /** When it did last, in the clock of `performance.now()`. */
  writtenAt = 0
  #prefix: Buffer | undefined
  /** Whether it met columns whose names something else stands for. */
  hasStandIns = false
  /** Told when the session no longer speaks UTF-8, which is all that the driver reads and writes. */
  onForeignEncoding: (() => void) | undefined

  constructor ({ socket, user, password, database, prepare, parameters, types }: DriverOptions) {
    this.#socket = socket
    this.#types = types
    this.#watchWrites(socket)
    let used = false
    const takeSocket = (): Duplex => {
      if (used) throw new Error('the connection is closed')
      used = true
      return socket
    }
    this.#client = withoutEnvironment(() => postgres({
      socket: takeSocket,
      host: 'database', // only ever shown in the driver's own errors
      user,
      pass: () => password, // an empty string would be replaced by PGPASSWORD
      database,
      prepare,
      connection: parameters,
      max: 1,
      ssl: false,
      idle_timeout: 0,
      connect_timeout: 0,
      max_lifetime: 0,
      max_pipeline: 100_000, // ours to bound
      backoff: false,
      keep_alive: 60,
      debug: false,
      fetch_types: false,
      publications: '',
      sslnegotiation: null,
      no_subscribe: true,
      onnotice: () => {},
      onparameter: (name: string, value: string) => { if (name === 'client_encoding' && value !== 'UTF8') this.onForeignEncoding?.() },
      // Asked for each column whenever a statement is described.
      transform: { undefined, column: { from: (name: string) => this.#assignable(name) } },
    } as postgres.Options<Record<string, never>>) as unknown as DriverClient)
    this.#handle = this.#client.unsafe('').handler // that query is never sent
    const { options } = this.#client
    options.serializers = types.serializers
    // The driver holds on to this very object, so its contents are replaced rather than the object.
    for (const oid of Object.keys(options.parsers)) delete options.parsers[Number(oid)]
    Object.setPrototypeOf(options.parsers, types.parsers)
  }

  /**
   * Sends a request, behind what is in flight: at once, unless the driver is describing a statement. What is sent in one
   * turn of the event loop leaves in one write. The sender may hear of a failure before this returns.
   */
  send (request: Request): void { this.#handle(request) }

  #assignable (column: string): string {
    const name = assignableName(column)
    if (isStandIn(name)) this.hasStandIns = true
    return name
  }

  /** What goes to the server right before the request that the driver is about to write. */
  prefix (bytes: Buffer): void { this.#prefix = bytes }

  /** Counts the writes, and puts the prefix in front: one buffer, because in a profile cork() and writev cost more than write. */
  #watchWrites (socket: Duplex): void {
    const write = socket.write.bind(socket)
    socket.write = (bytes: Buffer, ...rest: never[]) => {
      this.writes++
      this.writtenAt = performance.now()
      const prefix = this.#prefix
      this.#prefix = undefined
      return write(prefix === undefined ? bytes : Buffer.concat([prefix, bytes]), ...rest)
    }
  }

  /** Sends a statement without arguments and hears of the outcome by a promise. */
  ask (text: string, kind: RequestKind = {}): Promise<DriverAnswer> {
    return this.#outcome([text], [], kind, (_, answer) => answer)
  }

  /** The types that the parameters have by now. With `prepare`, the driver's prepared statement is replaced too. */
  describe (strings: readonly [string], args: ReadonlyArray<Argument | null>, prepare: boolean): Promise<readonly number[]> {
    return this.#outcome(strings, args, { prepare, describe: true }, ({ statement }) => statement?.types ?? [])
  }

  #outcome<T> (
    strings: readonly [string], args: ReadonlyArray<Argument | null>, kind: RequestKind, read: (request: Request, answer: DriverAnswer) => T
  ): Promise<T> {
    return new Promise((resolve, reject) => {
      this.send(new Request({ strings, args, kind }, { answered: (answer, request) => resolve(read(request, answer)), failed: reject }))
    })
  }

  /**
   * One statement for many lists of parameters, in a transaction and with nothing else in flight. A refusal of the server
   * rejects as with `send`; `onRefused` is told before which of the lists it was.
   */
  async execute ({ onRefused, ...pipeline }: ExecuteOptions): Promise<ExecutionsResult> {
    try {
      return await runExecutions(this.#socket, { ...pipeline, parserOf: (type) => this.#types.parsers[type] })
    } catch (error) {
      if (!(error instanceof RefusedExecutionError)) throw error
      onRefused?.(error.index)
      throw Reflect.construct(DriverServerError, [error.fields])
    }
  }

  /** Closes the session gracefully if nothing is in flight. Resolves once the socket is closed and nothing is left of it. */
  end (): Promise<void> {
    // With a timeout, because without one it hangs when the connection died in a query (postgres.js #1097).
    return this.#client.end({ timeout: 0 }).catch(() => {})
  }
}

/** postgres.js reads this variable whatever its options say; the choice of hosts is ours. */
function withoutEnvironment<T> (create: () => T): T {
  const { PGTARGETSESSIONATTRS: value } = process.env
  if (value === undefined) return create()
  delete process.env['PGTARGETSESSIONATTRS']
  try {
    return create()
  } finally {
    process.env['PGTARGETSESSIONATTRS'] = value
  }
}
