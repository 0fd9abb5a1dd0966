import { isNoteworthy } from './command-tags.js'
import type { ServerErrorFields } from '../errors/error-response.js'
import { type Call, KEEPS_FIRST, type Mode, type Shape } from '../query/call.js'
import { readCommand, readCount } from '../protocol/message-reader.js'
import { type Preamble, PreambleRefusal } from './preamble.js'
import type { PreparedStatement } from './prepared-statement.js'
import type { DriverResult } from './result.js'
import type { RowReader } from './row-reader.js'
import { ServerRefusal } from './server-refusal.js'
import { type TransactionStatus, type Turn, unexpected } from './turn.js'

/** Who sent a request: told once that it is answered, when the server is ready for what comes next. */
export interface PreparedSender<S extends PreparedSubject> {
  ran (subject: S, request: PreparedRequest<S>): void
  /** It was not run: another one that travelled with it has failed. */
  skipped (subject: S): void
}

/** What is executed, and how. */
export interface PreparedSubject {
  readonly call: Call
  /** Statements of ours right before it: if one fails, the server skips this one. */
  readonly before: Preamble | undefined
  /** Whether it is sent only when the other sockets are read, so that others can leave with it. */
  readonly mayWait: boolean
  /** Whether it travels with the one that was sent before it: both are plain reads. */
  readonly joins: boolean
}

/** What the server has still to answer, in this order. Below zero: so many answers to what goes before it. */
const [BIND, EXECUTE, CLOSE, NOTHING] = [0, 1, 2, 3]

/** One execution of a prepared statement: its turn on the wire, and what it gave. */
export class PreparedRequest<S extends PreparedSubject> implements Turn, DriverResult {
  readonly isClosed = true
  readonly subject: S
  readonly statement: PreparedStatement
  readonly rows: unknown[] = []
  seen = 0
  command: string | null = null
  count: number | null = null
  /** Its command tag, if that says something of the session. */
  tags: string[] | undefined
  status: TransactionStatus = 'none'
  error: ServerRefusal | undefined
  /** How many were answered in the same moment, with one Sync. */
  together = 1
  readonly #sender: PreparedSender<S>
  readonly #mode: Mode
  readonly #shape: Shape | undefined
  readonly #onlyFirst: boolean
  readonly #limit: number | undefined
  #expected: number

  constructor (subject: S, sender: PreparedSender<S>, statement: PreparedStatement) {
    const { before, call: { mode, options: { limit, rows } } } = subject
    this.subject = subject
    this.statement = statement
    this.#sender = sender
    this.#mode = mode
    this.#shape = rows
    this.#onlyFirst = KEEPS_FIRST.has(mode)
    this.#limit = limit
    this.#expected = before === undefined ? BIND : -before.answers.length
  }

  /** Whether only the ReadyForQuery is to come. */
  get isComplete (): boolean { return this.#expected === NOTHING }

  skipped (): void { this.#sender.skipped(this.subject) }

  get described (): RowReader { return this.statement.reader }
  get name (): string { return this.statement.name }
  get types (): readonly number[] { return this.statement.types }

  take (type: number, bytes: Buffer, start: number, end: number): void {
    const expected = this.#expected
    switch (type) {
      case 0x44: // DataRow
        if (expected !== EXECUTE) break
        return this.#takeRow(bytes, start, end)
      case 0x43: // CommandComplete
        if (expected === EXECUTE) return this.#completed(bytes, start, end)
        break
      case 0x32: // BindComplete
        if (expected !== BIND) break
        this.#expected = EXECUTE
        return
      case 0x73: // PortalSuspended, instead of CommandComplete
        if (expected !== EXECUTE || this.seen !== this.#limit) break
        this.#expected = CLOSE
        return
      case 0x33: // CloseComplete, of the portal
        if (expected !== CLOSE) break
        this.#expected = NOTHING
        return
    }
    const { before } = this.subject
    if (expected >= BIND || before === undefined) throw unexpected(type)
    before.take(-expected, type)
    this.#expected = expected + 1
  }

  #takeRow (bytes: Buffer, start: number, end: number): void {
    const { reader } = this.statement
    const mode = this.#mode
    if (this.seen++ > 0 && this.#onlyFirst) return reader.skip(bytes, start, end)
    if (this.#shape === 'array') this.rows.push(reader.values(bytes, start, end))
    else if (this.#shape === 'raw') this.rows.push(reader.raw(bytes, start, end))
    else if (mode === 'value' || mode === 'column') this.rows.push(reader.first(bytes, start, end))
    else this.rows.push(reader.row(bytes, start, end))
  }

  #completed (bytes: Buffer, start: number, end: number): void {
    const command = readCommand(bytes, start, end)
    this.command = command
    this.count = readCount(bytes, end)
    this.#expected = this.#limit === undefined ? NOTHING : CLOSE
    if (isNoteworthy(command)) this.tags = [command]
  }

  refused (fields: ServerErrorFields): void {
    this.error = this.#expected < BIND ? new PreambleRefusal(fields) : new ServerRefusal(fields)
    this.#expected = NOTHING // up to its Sync the server skips all
  }

  ready (status: TransactionStatus): void {
    if (this.#expected !== NOTHING) throw unexpected(0x5a)
    this.status = status
    this.#sender.ran(this.subject, this)
  }
}
