import postgres from 'postgres'
import { Argument, BindAborted } from './argument.js'
import { AUTHENTICATED } from './driver-messages.js'
import { DriverPort, type DriverPortEvents } from './driver-port.js'
import { type Executions, type ExecutionsResult, RefusedExecutionError, runExecutions } from './execute-many.js'
import { Preamble } from './preamble.js'
import { type PreparedStatement, preparedStatement } from './prepared-statement.js'
import { Request } from './request.js'
import type { DriverStatement, RequestLane } from './request-lane.js'
import type { RequestedStatement, RequestKind } from './requested-statement.js'
import type { DriverResult } from './result.js'
import { RowReader } from './row-reader.js'
import type { SocketOwner } from './socket-owner.js'
import { TypeRegistry } from '../codecs/type-registry.js'
import type { WireColumn } from '../protocol/message-reader.js'
import { closeStatement, FLUSH, limitedExecute } from '../protocol/message-writer.js'

/**
 * The one file that touches postgres.js: a client of it for one physical connection, and the few things that its type
 * declarations do not tell. All that is relied on here was read in postgres.js 3.4.9, which package.json pins.
 */

interface DriverClient {
  options: { serializers: Record<number, (argument: unknown) => string> }
  unsafe (text: string): { handler (request: Request): void }
  end (options: { timeout: number }): Promise<void>
}

/** The table by which the driver writes arguments: one for all connections of a pool, fed by the registry. */
export class DriverTypes {
  readonly serializers: Record<number, (argument: unknown) => string> = Object.create(new Proxy(Object.create(null), {
    has: () => true,
    get: () => () => { throw new BindAborted() },
  }))

  readonly registry = new TypeRegistry((type) => {
    this.serializers[type.oid] = (argument) => {
      if (!(argument instanceof Argument)) throw new BindAborted()
      return argument.textAs(type)
    }
  })
}

type ExecuteOptions = Omit<Executions, 'registry'> & { onRefused?: (index: number) => void, subject?: object }

export interface DriverOptions {
  owner: SocketOwner
  prepare: boolean
  types: DriverTypes
}

const PARSE = 0x50
const EXECUTE = 0x45
const QUERY = 0x51
const SYNC = 0x53
/** Of no prepared statement. */
const NO_NAME = 'none'
const NO_STATEMENT: DriverStatement = { name: '', types: [] }

/** A postgres.js client that speaks by way of a socket's owner. It never gets another one: a dead client must not be revived. */
export class Driver implements RequestLane, DriverPortEvents {
  readonly #client: DriverClient
  readonly #owner: SocketOwner
  #types: DriverTypes
  readonly #port = new DriverPort(this)
  readonly #handle: (request: Request) => void
  /** Requests that the driver has not begun to write: it writes them in the order in which it was handed them. */
  readonly #handed: Request[] = []
  /** The one that it is writing. */
  #writing: Request | undefined
  #hasStarted = false
  /** How the columns of statements are read. */
  readonly #readers = new WeakMap<DriverStatement, RowReader>()
  /** The names of prepared statements by their texts. */
  readonly #names = new Map<string, string>()

  constructor ({ owner, prepare, types }: DriverOptions) {
    this.#owner = owner
    this.#types = types
    let used = false
    const takePort = (): DriverPort => {
      if (used) throw new Error('the connection is closed')
      used = true
      return this.#port
    }
    this.#client = withoutEnvironment(() => postgres({
      socket: takePort,
      host: 'database', // only ever shown in the driver's own errors
      user: 'user', // the session is authenticated already
      pass: () => '',
      prepare,
      max: 1,
      ssl: false,
      idle_timeout: 0,
      connect_timeout: 0,
      max_lifetime: 0,
      max_pipeline: 100_000, // ours to bound
      backoff: false,
      debug: false,
      fetch_types: false,
      publications: '',
      sslnegotiation: null,
      no_subscribe: true,
      transform: { undefined },
    } as postgres.Options<Record<string, never>>) as unknown as DriverClient)
    this.#handle = this.#client.unsafe('').handler // that query is never sent
    this.#client.options.serializers = types.serializers
  }

  /**
   * Sends a request, behind what is in flight: at once, unless the driver is describing a statement. What is sent in one
   * turn of the event loop leaves in one write. The sender may hear of a failure before this returns.
   */
  send (request: Request): void {
    this.#handed.push(request)
    this.#owner.expected = this
    this.#handle(request)
  }

  /** How the types of its server are written and read: the built-in ones, until it is known which server that is. */
  get types (): DriverTypes { return this.#types }

  adopt (types: DriverTypes): void {
    this.#types = types
    this.#client.options.serializers = types.serializers
  }

  feed (message: Buffer): void { this.#port.feed(message) }

  feedTypes (message: Buffer, types: readonly number[], args: ReadonlyArray<Argument | null>): void {
    // Now, and not when the driver asks for them: it is in the middle of a message then, in the one buffer that all of its
    // connections write to, and the value of a user may run another statement when it is read.
    types.forEach((oid, index) => {
      const type = this.#types.registry.get(oid)
      if (type !== undefined) args[index]?.write(type)
    })
    this.feed(message)
  }

  readerOf (statement: DriverStatement): RowReader | undefined { return this.#readers.get(statement) }

  describe (statement: DriverStatement, columns: readonly WireColumn[]): RowReader {
    const reader = new RowReader(columns, this.#types.registry)
    this.#readers.set(statement, reader)
    return reader
  }

  written (bytes: Buffer): void {
    if (!this.#hasStarted) {
      this.#hasStarted = true
      queueMicrotask(() => this.feed(AUTHENTICATED)) // the driver forgets what it writes before this returns
    } else if (this.#owner.isFreeFor(this)) this.#write(bytes)
    else {
      this.#owner.expected = undefined // others are held behind this
      this.#owner.hold(() => this.#write(bytes))
    }
  }

  ended (bytes: Buffer): void {
    this.#owner.end(bytes)
    queueMicrotask(() => this.#port.close())
  }

  /** Tells requests and the owner what the driver writes of each. One of its chunks may end one request and begin the next. */
  #write (bytes: Buffer): void {
    const parts: Buffer[] = []
    let from = 0
    for (let at = 0; at < bytes.length; at += 1 + bytes.readUInt32BE(at + 1)) {
      const type = bytes[at] ?? 0
      if (this.#writing === undefined) {
        const before = this.#begin(type)
        if (before === undefined) return
        if (before.length > 0) {
          parts.push(bytes.subarray(from, at), ...before)
          from = at
        }
        if (this.#isForgetting) {
          from = bytes.length // its description is the last in a chunk, as every one
          parts.push(FLUSH)
          break
        }
      }
      if (type !== SYNC) this.#writing?.wrote(type)
      if (type === EXECUTE && this.#writing?.limit !== undefined) {
        parts.push(bytes.subarray(from, at), limitedExecute(this.#writing.limit))
        from = at + 1 + bytes.readUInt32BE(at + 1)
      }
      if (type !== SYNC && type !== QUERY) continue
      this.#writing = undefined
      this.#owner.close()
    }
    this.#owner.write(parts.length === 0 ? bytes : Buffer.concat([...parts, bytes.subarray(from)]))
  }

  get #isForgetting (): boolean { return this.#writing?.forgets === true }

  /** Begins the turn of the next request, and returns what goes before it. */
  #begin (type: number): Buffer[] | undefined {
    const request = type === SYNC ? undefined : this.#handed.shift()
    if (this.#handed.length === 0) this.#owner.expected = undefined
    if (request === undefined) return this.#owner.fail(new Error('the driver wrote what nobody asked for'))
    this.#writing = request
    this.#owner.begin(request, this)
    const before: Buffer[] = []
    const closed = request.forgets ? this.#forgotten(request) : type === PARSE ? this.#replacedBy(request) : undefined
    if (closed !== undefined) {
      request.closes()
      before.push(closeStatement(closed))
    }
    request.begun(this)
    return before
  }

  /** The name of the prepared statement that this one takes the place of: nobody uses that any more. */
  #replacedBy ({ strings: [text], statement }: Request): string | undefined {
    if (statement === null || statement.name === '') return undefined
    const name = this.#names.get(text)
    this.#names.set(text, statement.name)
    return name
  }

  /** The name of the prepared statement that is to be forgotten. The server takes any: there need not be one. */
  #forgotten ({ strings: [text] }: Request): string {
    const name = this.#names.get(text) ?? NO_NAME
    this.#names.delete(text)
    return name
  }

  /** Sees to it that a prepared statement is forgotten, with the next write. */
  forget (strings: readonly [string], parameters: number): void {
    const args = new Array<null>(parameters).fill(null)
    this.send(new Request({ strings, args, kind: { prepare: true, forget: true } }, { answered () {}, failed () {} }))
  }

  /** Sends a statement without arguments and hears of the outcome by a promise. `subject`: on whose behalf. */
  ask (text: string, kind: RequestKind = {}, subject?: object): Promise<DriverResult> {
    return this.#outcome({ strings: [text], args: [], kind, subject }, (_, result) => result)
  }

  /** What a statement is by now. With `prepare`, the driver's prepared statement is replaced too. */
  describeStatement (strings: readonly [string], parameters: number, prepare: boolean, subject?: object): Promise<DriverStatement> {
    const args = new Array<null>(parameters).fill(null)
    return this.#outcome({ strings, args, kind: { prepare, describe: true }, subject }, ({ statement }) => statement ?? NO_STATEMENT)
  }

  /** All that is known of a statement that the driver has prepared; undefined as long as something is unknown. */
  executable (statement: DriverStatement): PreparedStatement | undefined {
    const reader = this.readerOf(statement)
    return reader === undefined ? undefined : preparedStatement(statement, reader, this.#types.registry)
  }

  #outcome<T> (statement: RequestedStatement, read: (request: Request, result: DriverResult) => T): Promise<T> {
    return new Promise((resolve, reject) => {
      this.send(new Request(statement, { answered: (result, request) => resolve(read(request, result)), failed: reject }))
    })
  }

  /**
   * One statement for many lists of parameters, in a transaction. A refusal of the server rejects as with `send`;
   * `onRefused` is told before which of the lists it was.
   */
  async execute ({ onRefused, subject, ...executions }: ExecuteOptions): Promise<ExecutionsResult> {
    try {
      return await runExecutions(this.#owner, { ...executions, registry: this.#types.registry }, subject)
    } catch (error) {
      if (error instanceof RefusedExecutionError) onRefused?.(error.index)
      throw error
    }
  }

  /** Runs statements of ours with nothing behind them. `subject`: on whose behalf. */
  async runOwn ({ statements }: Preamble, subject: object): Promise<void> {
    const last = statements.at(-1)
    if (last === undefined) return
    const before = statements.length === 1 ? undefined : new Preamble(statements.slice(0, -1))
    await this.execute({ text: last.text, executions: 1, parametersOf: () => last.parameters, before, subject })
  }

  /** Closes the session gracefully if nothing is in flight. Resolves once nothing is left of the driver. */
  async end (): Promise<void> {
    // With a timeout, because without one it hangs when the connection died in a query (postgres.js #1097).
    await this.#client.end({ timeout: 0 }).catch(() => {})
    this.#port.close()
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
