import type { Duplex } from 'node:stream'
import { assignableName, restoreNames } from './column-names.js'
import type { ServerErrorFields } from '../errors/server-error.js'
import { MessageWriter } from '../protocol/message-writer.js'
import { MessageReader, readColumns, readCount, readError, readParameterTypes, type WireColumn } from '../protocol/message-reader.js'
import { readRow, type RowColumn } from './row-reader.js'

/** Executions until the first answer is asked for, and at most. */
const FIRST_GROUP = 16
const LARGEST_GROUP = 500
/** Milliseconds of work that a group should be. */
const GROUP_TIME = 5

/**
 * One statement, executed once for each list of parameters, with one Sync at the end of all.
 *
 * To the server it is the same as one execution after the other: each takes its snapshot, its triggers fire at its
 * end, `current_query()` and `statement_timestamp()` are its own, and `statement_timeout` starts again. But the driver
 * ends each execution with a Sync, for which the server has to write to the socket, and makes a query and a promise
 * of each: that is half of the time of a batch, and more. So for as long as a pipeline runs, its messages are written
 * and read here, on the socket of a driver that has nothing in flight. For a connection in a transaction only: what
 * comes after an error is skipped, and what came before has to be undone.
 *
 * The server keeps its answers until a buffer is full. So that it is known to be at work, it is asked for them after a
 * group of executions: few where they are slow, and one where the caller's clock is the only one that watches them.
 */
export interface Executions {
  readonly text: string
  /** The types that the parameters were written for. Nothing needs them where there are none. */
  readonly types?: readonly number[]
  /** How many executions. None: the statement is only described. */
  readonly executions: number
  /** The parameters of an execution in their text form; asked for when it is sent, so that the server works in the meantime. */
  readonly parametersOf: (index: number) => ReadonlyArray<string | null>
  /** How a column of some type is read. */
  readonly parserOf: (type: number) => ((text: string) => unknown) | undefined
  /** Told that some executions are done. */
  readonly onProgress?: () => void
  /** Whether it has to be told of each. */
  readonly oneByOne?: boolean
}

/** The rows of all executions in their order, and the sum of what they affected. */
export interface ExecutionsResult {
  readonly rows: Array<Record<string, unknown>>
  readonly count: number | null
  readonly types: readonly number[]
  readonly columns: readonly WireColumn[]
}

/** The server refused execution `index`, from 0. */
export class RefusedExecutionError extends Error {
  readonly fields: ServerErrorFields
  readonly index: number
  constructor (fields: ServerErrorFields, index: number) {
    super('the server refused an execution')
    this.fields = fields
    this.index = index
  }
}

/** The server answered what cannot be: the connection is of no use any more. */
export class ProtocolError extends Error {}

/** The types of the parameters are no longer those that the values were written for. */
export class ChangedTypesError extends Error {}

/**
 * Runs a pipeline on an idle driver's socket. Rejects with `RefusedExecutionError`, `ChangedTypesError` or, where the
 * socket cannot be used any more, with `ProtocolError`; with what `parametersOf` throws if what came before it works. If the
 * connection ends, it does not settle.
 */
export function runExecutions (socket: Duplex, pipeline: Executions): Promise<ExecutionsResult> {
  return new Promise((resolve, reject) => {
    const driver = socket.listeners('data') as Array<(piece: Buffer) => void>
    const run = new Run(pipeline, (part) => socket.write(part), (message) => {
      for (const listener of driver) listener(message)
    })
    const onData = (piece: Buffer): void => {
      try {
        run.read(piece)
      } catch (error) {
        run.fail(error instanceof ProtocolError ? error : new ProtocolError('unreadable message', { cause: error }))
      }
      if (!run.isOver) return
      socket.off('data', onData)
      for (const listener of driver) socket.on('data', listener)
      if (run.failure === undefined) resolve(run.result)
      else reject(run.failure.error)
    }
    socket.removeAllListeners('data')
    socket.on('data', onData)
    run.start()
  })
}

/** waiting for answers → (Sync is sent) ending → over. */
class Run {
  /** Of the first execution that failed. */
  failure: { readonly error: unknown } | undefined
  readonly #pipeline: Executions
  readonly #writer: MessageWriter
  readonly #reader: MessageReader
  readonly #onSessionMessage: (message: Buffer) => void
  readonly #rows: Array<Record<string, unknown>> = []
  #state: 'waiting' | 'ending' | 'over' = 'waiting'
  #types: readonly number[] = []
  #columns: RowColumn[] = []
  #count: number | null = null
  #sent = 0
  #done = 0
  /** Where the groups end that are under way: two, so that the server always has one to go on with. */
  readonly #groups: number[] = []
  #refusal: { readonly error: unknown } | undefined
  #groupSize: number
  #groupSince = performance.now()

  constructor (pipeline: Executions, write: (part: Buffer) => void, onSessionMessage: (message: Buffer) => void) {
    this.#pipeline = pipeline
    this.#writer = new MessageWriter(write)
    this.#reader = new MessageReader((type, bytes, start, end) => this.#handle(type, bytes, start, end))
    this.#onSessionMessage = onSessionMessage
    this.#groupSize = pipeline.oneByOne === true ? 1 : FIRST_GROUP
  }

  get isOver (): boolean { return this.#state === 'over' }

  get result (): ExecutionsResult { return { rows: this.#rows, count: this.#count, types: this.#types, columns: this.#columns } }

  start (): void {
    this.#writer.parse(this.#pipeline.text)
    this.#sendGroup()
    this.#sendGroup()
  }

  /** Nothing more is to be expected. */
  fail (error: Error): void {
    this.failure ??= { error }
    this.#state = 'over'
  }

  read (piece: Buffer): void {
    const before = this.#done
    this.#reader.read(piece)
    if (this.#done > before) this.#pipeline.onProgress?.()
    while (this.#done >= (this.#groups[0] ?? Infinity)) this.#groupDone()
  }

  #sendGroup (): void {
    if (this.#state !== 'waiting') return
    const { executions, parametersOf } = this.#pipeline
    const end = Math.min(this.#sent + this.#groupSize, executions)
    try {
      while (this.#sent < end) {
        const parameters = parametersOf(this.#sent)
        this.#writer.execute(parameters)
        this.#sent++
      }
    } catch (error) {
      this.#refusal = { error }
      return this.#sync()
    }
    if (end === executions) return this.#sync()
    this.#groups.push(end)
    this.#writer.flush()
  }

  #groupDone (): void {
    this.#groups.shift()
    const now = performance.now()
    const pace = (now - this.#groupSince) / this.#groupSize
    this.#groupSince = now
    if (this.#pipeline.oneByOne !== true) this.#groupSize = Math.max(1, Math.min(LARGEST_GROUP, Math.round(GROUP_TIME / pace)))
    this.#sendGroup()
  }

  #sync (): void {
    if (this.#state !== 'waiting') return
    this.#state = 'ending'
    this.#writer.sync()
  }

  #handle (type: number, bytes: Buffer, start: number, end: number): void {
    switch (type) {
      case 0x31: // ParseComplete
      case 0x32: // BindComplete
      case 0x6e: // NoData
        return
      case 0x43: { // CommandComplete
        const affected = readCount(bytes, end)
        if (affected !== null) this.#count = (this.#count ?? 0) + affected
        this.#done++
        return
      }
      case 0x44: // DataRow
        this.#rows.push(readRow(bytes, start, this.#columns))
        return
      case 0x49: // EmptyQueryResponse
        this.#done++
        return
      case 0x5a: // ReadyForQuery
        this.failure ??= this.#refusal
        restoreNames(this.#rows, this.#columns)
        this.#state = 'over'
        return
      default:
        this.#handleRare(String.fromCharCode(type), bytes.subarray(start, end))
    }
  }

  #handleRare (type: string, message: Buffer): void {
    switch (type) {
      case 't': // ParameterDescription
        this.#types = readParameterTypes(message)
        if (this.#pipeline.types !== undefined && !isSame(this.#types, this.#pipeline.types)) {
          this.failure ??= { error: new ChangedTypesError() }
        }
        return
      case 'T': // RowDescription
        this.#columns = readColumns(message).map(({ name, type }) => (
          { name: assignableName(name), type, parse: this.#pipeline.parserOf(type) }))
        return
      case 'E': { // ErrorResponse
        const fields = readError(message)
        this.failure ??= { error: new RefusedExecutionError(fields, this.#done) }
        // Now the server skips all until a Sync, unless it ends the session.
        if (fields.severity === 'FATAL' || fields.severity === 'PANIC') this.#state = 'over'
        else this.#sync()
        return
      }
      case 'N': // NoticeResponse
      case 'S': // ParameterStatus
      case 'A': // NotificationResponse
        // They come at any time and are about the session: the driver wants to know.
        return this.#onSessionMessage(message)
      default:
        throw new ProtocolError('unexpected message')
    }
  }
}

function isSame (a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((type, index) => type === b[index])
}
