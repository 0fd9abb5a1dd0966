import { type Argument, BindAborted } from './argument.js'
import { isNoteworthy } from './command-tags.js'
import type { Conversion } from '../codecs/conversion.js'
import { Refusal } from '../codecs/encode.js'
import type { ServerErrorFields } from '../errors/error-response.js'
import type { Mode } from '../query/call.js'
import { ERROR, NO_DATA, READY } from './driver-messages.js'
import { Gathered } from './gathered.js'
import { readColumns, readCommand, readCount, readParameterTypes, type WireColumn } from '../protocol/message-reader.js'
import type { DriverStatement, RequestLane } from './request-lane.js'
import { type DriverQueryOptions, PREPARED, type RequestedStatement, SIMPLE, UNPREPARED } from './requested-statement.js'
import type { DriverResult } from './result.js'
import type { RowReader } from './row-reader.js'
import { ServerRefusal } from './server-refusal.js'
import { type TransactionStatus, type Turn, unexpected } from './turn.js'

/** Who sent a request: told of its outcome once, when the server is ready for what comes next. */
export interface Sender {
  answered (result: DriverResult, request: Request): void
  failed (error: unknown, request: Request): void
}

/** The server asks for the data of a COPY, or is about to send some: nobody here would read or write it. */
export class CopyStarted extends Error {}

/** Answers that are still to come, by the messages that they answer. They are kept in one number, four bits for each. */
const PARSE = 1
const BIND = 2
const PARAMETERS = 3
const COLUMNS = 4
const EXECUTE = 5
const QUERY = 6
const CLOSE = 7

/**
 * One statement as the driver's connection takes it, and its turn on the wire. It stands in for the driver's own Query.
 *
 * The driver writes the messages, and is fed what it waits for to go on. What the server answers is read here: rows, counts
 * and errors never reach the driver, which would keep holes, old errors and wrong columns (docs/internals/driver-traps.md).
 */
export class Request implements Turn {
  isClosed = false
  readonly subject: object | undefined
  readonly strings: readonly [string]
  readonly args: ReadonlyArray<Argument | null>
  readonly options: DriverQueryOptions
  readonly onlyDescribe: boolean
  readonly forgets: boolean
  /** How many rows the server is asked for; undefined: all. */
  readonly limit: number | undefined
  readonly tagged = false
  readonly origin = ''
  active = false
  cancelled: unknown = null
  state: unknown = null
  prepare = false
  string = ''
  signature: string | false = ''
  parameters: unknown[] | undefined = undefined
  prepared = false
  describeFirst: boolean | number = false
  parsing = false
  retried: unknown = null
  /** Holds the types that the server named for the parameters; zeros until it did. Null until it was sent. */
  statement: DriverStatement | null = null
  /** The types that the server named, if it was asked: all of them, also of more parameters than the driver can count. */
  named: readonly number[] | undefined
  /** Its rows, and what the server says of its statements. */
  readonly gathered: Gathered
  /** The names of the command tags that say something of the session. */
  tags: string[] | undefined
  /** The transaction status of its ReadyForQuery. */
  status: TransactionStatus = 'none'
  readonly #sender: Sender
  readonly #mode: Mode
  readonly #conversion: Conversion | undefined
  /** The next answer that is to come in the lowest four bits, and so on; and how many, seven at most. */
  #steps = 0
  #left = 0
  #lane: RequestLane | undefined
  /** Whether a statement of a script is answered, and rows may come. */
  #isAnswered = false
  #mayHaveRows = false
  /** Why an argument could not be bound: the server has yet to say that it is ready for what comes next. */
  #refusal: { readonly error: unknown } | undefined
  #error: ServerRefusal | undefined
  #isDone = false
  /** Whether the driver has ended a description. */
  #isSynced = false

  constructor ({ strings, args, kind, subject }: RequestedStatement, sender: Sender) {
    this.subject = subject
    this.strings = strings
    this.args = args
    this.options = kind.simple === true ? SIMPLE : kind.prepare === true ? PREPARED : UNPREPARED
    this.forgets = kind.forget === true
    this.onlyDescribe = kind.describe === true || this.forgets
    this.limit = kind.limit
    this.#mode = kind.mode ?? 'rows'
    this.gathered = new Gathered(this.#mode, kind.shape)
    this.#conversion = kind.conversion
    this.#sender = sender
  }

  /** The driver is about to write its first message. */
  begun (lane: RequestLane): void { this.#lane = lane }

  /** It was written as one Query, past the driver. */
  writtenAsQuery (lane: RequestLane): void {
    this.#lane = lane
    this.statement = { name: '', types: [] }
    this.isClosed = true
    this.#expect(QUERY)
  }

  /** The command of its last statement. */
  get command (): string | null { return this.gathered.command }

  /** Whether the columns of its statement are known. */
  get isDescribed (): boolean { return this.statement !== null && this.#lane?.readerOf(this.statement) !== undefined }

  /** A statement is closed before it. */
  closes (): void { this.#expect(CLOSE) }

  #expect (step: number): void { this.#steps |= step << (4 * this.#left++) }

  #next (): void {
    this.#steps >>>= 4
    this.#left--
  }

  /** The driver writes a message of this type. Behind one that failed, the server skips it. */
  wrote (type: number): void {
    if (this.#error !== undefined) return
    switch (type) {
      case 0x50: // Parse
        return this.#expect(PARSE)
      case 0x44: // Describe, of a statement
        this.#expect(PARAMETERS)
        return this.#expect(COLUMNS)
      case 0x42: // Bind
        return this.#expect(BIND)
      case 0x45: // Execute
        this.#expect(EXECUTE)
        return this.limit === undefined ? undefined : this.#expect(CLOSE) // of its portal
      case 0x51: // Query
        this.#expect(QUERY)
    }
  }

  take (type: number, bytes: Buffer, start: number, end: number): void {
    if (this.#error !== undefined) throw unexpected(type)
    const step = this.#steps & 15
    switch (type) {
      case 0x44: // DataRow
        if (step !== EXECUTE && step !== QUERY) throw unexpected(type)
        return this.#takeRow(bytes, start, end)
      case 0x43: // CommandComplete
        if (step !== EXECUTE && step !== QUERY) throw unexpected(type)
        if (step === EXECUTE) this.#next()
        return this.#completed(bytes, start, end)
      case 0x49: // EmptyQueryResponse
        if (step === EXECUTE) this.#next()
        else if (step !== QUERY) throw unexpected(type)
        this.#isAnswered = true
        return
      case 0x32: // BindComplete
        return this.#step(BIND, type)
      default:
        this.#takeRare(type, bytes.subarray(start, end), step)
    }
  }

  #takeRare (type: number, message: Buffer, step: number): void {
    switch (type) {
      case 0x31: // ParseComplete
        return this.#step(PARSE, type)
      case 0x33: // CloseComplete
        this.#step(CLOSE, type)
        // The driver takes its description for refused, and writes a Sync.
        return this.forgets ? this.#lane?.feed(ERROR) : undefined
      case 0x73: // PortalSuspended, instead of CommandComplete
        if (this.gathered.seen !== this.limit) throw unexpected(type)
        this.#step(EXECUTE, type)
        return this.#ended()
      case 0x74: // ParameterDescription
        this.#step(PARAMETERS, type)
        this.named = readParameterTypes(message)
        return this.#lane?.feedTypes(message, this.named, this.args)
      case 0x54: // RowDescription
        if (step === QUERY) this.#newResult(readColumns(message))
        else {
          this.#step(COLUMNS, type)
          this.#described(readColumns(message))
        }
        return
      case 0x6e: // NoData
        this.#step(COLUMNS, type)
        return this.#described([])
      case 0x47: // CopyInResponse
      case 0x48: // CopyOutResponse
        if (step !== EXECUTE && step !== QUERY) throw unexpected(type)
        return this.#done(new CopyStarted())
      default:
        throw unexpected(type)
    }
  }

  #step (wanted: number, type: number): void {
    if ((this.#steps & 15) !== wanted) throw unexpected(type)
    this.#next()
  }

  #described (columns: readonly WireColumn[]): void {
    const reader = this.statement === null ? undefined : this.#lane?.describe(this.statement, columns)
    if (this.#mode === 'description') this.gathered.begin(reader?.for(this.#conversion))
    // The driver answers a description by its Sync.
    if (!this.onlyDescribe) return
    this.#isSynced = true
    this.#lane?.feed(NO_DATA)
  }

  /** The next statement of a script has rows. */
  #newResult (columns: readonly WireColumn[]): void {
    this.#mayHaveRows = true
    this.gathered.begin(this.statement === null ? undefined : this.#lane?.describe(this.statement, columns).for(this.#conversion))
  }

  #takeRow (bytes: Buffer, start: number, end: number): void {
    if (!this.#mayHaveRows && (this.#steps & 15) === EXECUTE) {
      this.#mayHaveRows = true
      this.gathered.begin(this.#ownReader)
    }
    if (!this.#mayHaveRows) throw unexpected(0x44)
    this.gathered.row(bytes, start, end)
  }

  /** The columns are those of the description of its statement. */
  get #ownReader (): RowReader | undefined {
    return this.statement === null ? undefined : this.#lane?.readerOf(this.statement)?.for(this.#conversion)
  }

  #completed (bytes: Buffer, start: number, end: number): void {
    const command = readCommand(bytes, start, end)
    this.#ended()
    this.gathered.completed(command, readCount(bytes, end))
    if (isNoteworthy(command)) (this.tags ??= []).push(command)
  }

  /** No more rows come of a statement. */
  #ended (): void {
    this.#isAnswered = true
    this.#mayHaveRows = false
    if (this.#mode === 'result' && this.gathered.reader === undefined) this.gathered.begin(this.#ownReader) // there were none
  }

  refused (fields: ServerErrorFields): void {
    this.#error = new ServerRefusal(fields)
    // The driver ends a description that failed by a Sync, unless it has done so already.
    if (Boolean(this.describeFirst) && !this.#isSynced && this.#refusal === undefined) this.#lane?.feed(ERROR)
  }

  ready (status: TransactionStatus): void {
    const isComplete = this.#error !== undefined || this.#left === 0 || (this.#steps === QUERY && this.#isAnswered)
    if (!isComplete) throw unexpected(0x5a)
    this.status = status
    this.#lane?.feed(READY)
    this.#done(this.#error ?? this.#refusal?.error)
  }

  resolve (): void {} // the outcome is known by the server's answers

  /** The driver has given up the request; it is told of the server's errors by a message of ours. */
  reject (error: unknown): void {
    if (error instanceof BindAborted || error instanceof Refusal) this.#refusal ??= { error }
    else if (!(error instanceof Error && error.name === 'PostgresError')) this.#done(error)
  }

  #done (error: unknown): void {
    if (this.#isDone) return
    this.#isDone = true
    if (error !== undefined) return this.#sender.failed(error, this)
    const { statement, named: types = statement?.types } = this
    this.#sender.answered(this.gathered.result({ name: statement?.name, types }), this)
  }
}
