import type { Conversion } from '../codecs/conversion.js'
import type { TypeRegistry } from '../codecs/type-registry.js'
import type { ServerErrorFields } from '../errors/error-response.js'
import { readColumns, readCommand, readCount, readParameterTypes, type WireColumn } from '../protocol/message-reader.js'
import { MessageWriter, type Parameter } from '../protocol/message-writer.js'
import { type Preamble, PreambleRefusal } from './preamble.js'
import { RowReader } from './row-reader.js'
import { ServerRefusal } from './server-refusal.js'
import type { SocketOwner } from './socket-owner.js'
import { type TransactionStatus, type Turn, unexpected } from './turn.js'

/** Executions until the first answer is asked for, and at most. */
const FIRST_GROUP = 16
const LARGEST_GROUP = 500
/** Milliseconds from sending a group to its last answer, of which half go by until the one before is done. */
const GROUP_TIME = 10

/**
 * One statement, executed once for each list of parameters, with one Sync at the end of all.
 *
 * To the server it is the same as one execution after the other: each takes its snapshot, its triggers fire at its
 * end, `current_query()` and `statement_timestamp()` are its own, and `statement_timeout` starts again. But the driver
 * ends each execution with a Sync, for which the server has to write to the socket, and makes a query and a promise
 * of each: that is half of the time of a batch, and more. For a connection in a transaction only: what comes after an
 * error is skipped, and what came before has to be undone.
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
  /** The parameters of an execution; asked for when it is sent, so that the server works in the meantime. */
  readonly parametersOf: (index: number) => readonly Parameter[]
  /** Statements of ours in front of it. */
  readonly before?: Preamble | undefined
  /** The same behind it, where it is only described. */
  readonly after?: Preamble | undefined
  /** How the columns are read. */
  readonly registry: TypeRegistry
  readonly conversion?: Conversion | undefined
  /** Told that some executions are done. */
  readonly onProgress?: () => void
  /** Told of the command tag: one statement has the same each time. */
  readonly onCommand?: (command: string) => void
  /** Whether it has to be told of each. */
  readonly oneByOne?: boolean
}

/** The rows of all executions in their order, and the sum of what they affected. */
export interface ExecutionsResult {
  readonly rows: Array<Record<string, unknown>>
  readonly count: number | null
  readonly types: readonly number[]
  readonly columns: readonly WireColumn[]
  /** Who read the rows; undefined where there are none. */
  readonly reader: RowReader | undefined
  readonly status: TransactionStatus
}

/** The server refused execution `index`, from 0. */
export class RefusedExecutionError extends ServerRefusal {
  readonly index: number
  constructor (fields: ServerErrorFields, index: number) {
    super(fields)
    this.index = index
  }
}

/** The types of the parameters are no longer those that the values were written for. */
export class ChangedTypesError extends Error {}

/**
 * Runs a pipeline in a turn of its own. Rejects with `RefusedExecutionError` or `ChangedTypesError`; with what `parametersOf`
 * throws if what came before it works. If the connection ends, it does not settle. `subject`: on whose behalf.
 */
export function runExecutions (owner: SocketOwner, pipeline: Executions, subject?: object): Promise<ExecutionsResult> {
  return new Promise((resolve, reject) => {
    const run = new Run(owner, pipeline, { subject, resolve, reject })
    if (owner.isFreeFor(run)) run.start()
    else owner.hold(() => run.start())
  })
}

interface Caller {
  readonly subject: object | undefined
  resolve (result: ExecutionsResult): void
  reject (error: unknown): void
}

/** waiting for answers → (Sync is sent) ending → over. */
class Run implements Turn {
  isClosed = false
  readonly subject: object | undefined
  readonly #owner: SocketOwner
  readonly #pipeline: Executions
  readonly #caller: Caller
  readonly #writer: MessageWriter
  readonly #rows: Array<Record<string, unknown>> = []
  #state: 'waiting' | 'ending' | 'over' = 'waiting'
  /** What comes before the executions: ParseComplete, ParameterDescription, RowDescription or NoData. */
  #described: 'nothing' | 'parsed' | 'parameters' | 'columns' = 'nothing'
  /** Answers that are to come to the statements in front, and behind. */
  #before: number
  #after: number
  #types: readonly number[] = []
  #columns: readonly WireColumn[] = []
  #reader: RowReader | undefined
  #count: number | null = null
  #sent = 0
  #done = 0
  /** Whether the next execution is bound. */
  #isBound = false
  #willLook = false
  /** The groups that are under way: two, so that the server always has one to go on with. */
  readonly #groups: Array<{ readonly end: number, readonly size: number, readonly sentAt: number }> = []
  /** Of the first execution that failed. */
  #failure: { readonly error: unknown } | undefined
  #refusal: { readonly error: unknown } | undefined
  #groupSize: number

  constructor (owner: SocketOwner, pipeline: Executions, caller: Caller) {
    this.subject = caller.subject
    this.#owner = owner
    this.#pipeline = pipeline
    this.#caller = caller
    this.#writer = new MessageWriter((part) => owner.write(part))
    this.#before = pipeline.before?.answers.length ?? 0
    this.#after = pipeline.after?.answers.length ?? 0
    this.#groupSize = pipeline.oneByOne === true ? 1 : FIRST_GROUP
  }

  start (): void {
    const { text, before, after } = this.#pipeline
    this.#owner.begin(this, this)
    if (before !== undefined) this.#writer.put(before.bytes)
    this.#writer.parse(text)
    if (after !== undefined) this.#writer.put(after.bytes)
    this.#sendGroup()
    this.#sendGroup()
  }

  #sendGroup (): void {
    if (this.#state !== 'waiting') return
    const { executions, parametersOf } = this.#pipeline
    const size = this.#groupSize
    const end = Math.min(this.#sent + size, executions)
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
    this.#groups.push({ end, size, sentAt: performance.now() })
    this.#writer.flush()
  }

  /** The size is measured from the sending: answers that come together, after this process was busy, are no sign of speed. */
  #groupDone ({ size, sentAt }: { readonly size: number, readonly sentAt: number }): void {
    const pace = (performance.now() - sentAt) / size
    if (this.#pipeline.oneByOne !== true) this.#groupSize = Math.max(1, Math.min(LARGEST_GROUP, Math.round(GROUP_TIME / pace)))
    this.#sendGroup()
  }

  #sync (): void {
    if (this.#state !== 'waiting') return
    this.#state = 'ending'
    this.#owner.close()
    this.#writer.sync()
  }

  take (type: number, bytes: Buffer, start: number, end: number): void {
    if (this.#failure !== undefined && !(this.#failure.error instanceof ChangedTypesError)) throw unexpected(type)
    const { before, after } = this.#pipeline
    if (this.#before > 0) before?.take(this.#before--, type)
    else if (this.#described === 'columns' && this.#after > 0) after?.take(this.#after--, type)
    else this.#takeAnswer(type, bytes, start, end)
  }

  #takeAnswer (type: number, bytes: Buffer, start: number, end: number): void {
    switch (type) {
      case 0x32: // BindComplete
        if (this.#described !== 'columns' || this.#isBound || this.#done >= this.#sent) throw unexpected(type)
        this.#isBound = true
        return
      case 0x44: // DataRow
        if (this.#reader === undefined || !this.#isBound) throw unexpected(type)
        this.#rows.push(this.#reader.row(bytes, start, end))
        return
      case 0x43: // CommandComplete
        if (this.#done === 0) this.#pipeline.onCommand?.(readCommand(bytes, start, end))
        this.#executed(type, readCount(bytes, end))
        return
      case 0x49: // EmptyQueryResponse
        this.#executed(type, null)
        return
      default:
        this.#takeDescription(type, bytes.subarray(start, end))
    }
  }

  #executed (type: number, affected: number | null): void {
    if (!this.#isBound) throw unexpected(type)
    this.#isBound = false
    if (affected !== null) this.#count = (this.#count ?? 0) + affected
    this.#done++
    if (this.#willLook) return
    this.#willLook = true
    queueMicrotask(() => this.#look()) // once for all that arrived together
  }

  #look (): void {
    this.#willLook = false
    this.#pipeline.onProgress?.()
    for (let group = this.#groups[0]; group !== undefined && this.#done >= group.end; group = this.#groups[0]) {
      this.#groups.shift()
      this.#groupDone(group)
    }
  }

  #takeDescription (type: number, message: Buffer): void {
    const state = this.#described
    if (type === 0x31 && state === 'nothing') this.#described = 'parsed' // ParseComplete
    else if (type === 0x74 && state === 'parsed') this.#takeTypes(message) // ParameterDescription
    else if (type === 0x54 && state === 'parameters') this.#takeColumns(message) // RowDescription
    else if (type === 0x6e && state === 'parameters') this.#described = 'columns' // NoData
    else throw unexpected(type)
  }

  #takeTypes (message: Buffer): void {
    this.#described = 'parameters'
    this.#types = readParameterTypes(message)
    const { types } = this.#pipeline
    if (types !== undefined && !isSame(this.#types, types)) this.#failure ??= { error: new ChangedTypesError() }
  }

  #takeColumns (message: Buffer): void {
    this.#described = 'columns'
    this.#columns = readColumns(message)
    this.#reader = new RowReader(this.#columns, this.#pipeline.registry, this.#pipeline.conversion)
  }

  refused (fields: ServerErrorFields): void {
    this.#failure ??= { error: this.#before > 0 ? new PreambleRefusal(fields) : new RefusedExecutionError(fields, this.#done) }
    this.#sync() // up to there the server skips all
  }

  ready (status: TransactionStatus): void {
    const isDone = this.#described === 'columns' && !this.#isBound && this.#done === this.#sent && this.#after === 0
    const isComplete = this.#failure !== undefined || isDone
    if (!isComplete) throw unexpected(0x5a)
    this.#state = 'over'
    const failure = this.#failure ?? this.#refusal
    if (failure !== undefined) return this.#caller.reject(failure.error)
    this.#caller.resolve({ rows: this.#rows, count: this.#count, types: this.#types, columns: this.#columns, reader: this.#reader, status })
  }
}

function isSame (a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((type, index) => type === b[index])
}
