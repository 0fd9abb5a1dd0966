import type { Duplex } from 'node:stream'
import postgres from 'postgres'
import { Argument, BindAborted } from './argument.js'
import { RefusedExecutionError, runExecutions, type Executions, type ExecutionsResult } from './executions.js'
import { TypeRegistry } from './types.js'

/**
 * The one file that touches postgres.js: a client of it for one physical connection, and the few things that its type
 * declarations do not tell. All that is relied on here was read in postgres.js 3.4.9, which package.json pins.
 */

type Parser = (text: string) => unknown

export interface DriverColumn { name: string, type: number, parser: Parser | undefined }

/** Rows (objects, or arrays where `values` was asked for), with what the server said of the statement. */
export interface DriverResult extends Array<unknown> {
  command: string | null
  count: number | null
  columns: DriverColumn[] | null | undefined
  state: { pid: number, secret: number } | null
}

/** A statement for the driver. It is sent by the first `then`. */
export interface DriverQuery extends PromiseLike<DriverResult | DriverResult[]> {
  /** Holds the types that the server named for the parameters; zeros until it did. */
  statement: { types: number[] } | null
  /** What the driver keys its cache of error origins by, for ever: one array for each failing text, not one for each failure. */
  strings: readonly string[]
  values (): DriverQuery
  describe (): DriverQuery
  options: { prepare: boolean }
}

interface DriverClient {
  options: { parsers: Record<number, Parser | undefined>, serializers: Record<number, (argument: unknown) => string> }
  unsafe (text: string, args: ReadonlyArray<Argument | null>, options: { prepare: boolean, simple: boolean }): DriverQuery
  end (options: { timeout: number }): Promise<void>
}

/** An error that the driver made of an ErrorResponse, as opposed to one of its own. */
export const DriverServerError = postgres.PostgresError

/** A value of a type that was unknown when it arrived. */
export class Unread {
  readonly text: string
  constructor (text: string) { this.text = text }
}

/** The tables by which the driver reads and writes values: one pair for all connections of a pool, fed by the registry. */
export class DriverTypes {
  readonly parsers: Record<number, Parser | undefined> = Object.create(new Proxy(Object.create(null), { get: (_, oid) => this.#late(Number(oid)) }))
  readonly serializers: Record<number, (argument: unknown) => string> = Object.create(new Proxy(Object.create(null), {
    has: () => true,
    get: () => () => { throw new BindAborted() },
  }))

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
    const parse = (text: string): unknown => {
      const type = this.registry.get(oid)
      if (type === undefined) return new Unread(text)
      return type.decode === undefined ? text : type.decode(text)
    }
    return Object.assign(parse, { late: true })
  }
}

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

  constructor ({ socket, user, password, database, prepare, parameters, types }: DriverOptions) {
    this.#socket = socket
    this.#types = types
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
    } as postgres.Options<Record<string, never>>) as unknown as DriverClient)
    const { options } = this.#client
    options.serializers = types.serializers
    // The driver holds on to this very object, so its contents are replaced rather than the object.
    for (const oid of Object.keys(options.parsers)) delete options.parsers[Number(oid)]
    Object.setPrototypeOf(options.parsers, types.parsers)
  }

  /** A statement by the extended protocol, which takes one statement only, or a script by the simple one. */
  query (strings: readonly [string], args: ReadonlyArray<Argument | null>, { prepare = false, simple = false, values = false } = {}): DriverQuery {
    const query = this.#client.unsafe(strings[0], args, { prepare, simple })
    query.strings = strings
    return values ? query.values() : query
  }

  /** The types that the parameters have by now. With `prepare`, the driver's prepared statement is replaced too. */
  async describe (strings: readonly [string], args: ReadonlyArray<Argument | null>, prepare: boolean): Promise<readonly number[]> {
    const query = this.query(strings, args).describe()
    query.options.prepare = prepare // describe() prepares, and the server would keep each of them
    await query
    return query.statement?.types ?? []
  }

  /**
   * One statement for many lists of parameters, in a transaction and with nothing else in flight. A refusal of the server
   * rejects as with `query`; `onRefused` is told before which of the lists it was.
   */
  async pipeline ({ onRefused, ...pipeline }: Omit<Executions, 'parserOf'> & { onRefused?: (index: number) => void }): Promise<ExecutionsResult> {
    try {
      return await runExecutions(this.#socket, { ...pipeline, parserOf: (type) => this.#types.parsers[type] })
    } catch (error) {
      if (!(error instanceof RefusedExecutionError)) throw error
      onRefused?.(error.index)
      throw Reflect.construct(DriverServerError, [error.fields])
    }
  }

  /** Takes leave of the server if nothing is in flight. Whoever waits for the end waits for the socket's 'close'. */
  end (): void {
    // With a timeout, because without one it hangs when the connection died in a query (postgres.js #1097).
    this.#client.end({ timeout: 0 }).catch(() => {})
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
