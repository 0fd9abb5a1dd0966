import { textOrRefusal } from './argument.js'
import type { Driver } from './postgres-js.js'
import type { Parameter, PreparedStatement } from './prepared-statement.js'
import { PreparedRequest, type PreparedSender, type PreparedSubject } from './prepared-request.js'
import { PreparedGroup } from './prepared-group.js'
import { Request } from './request.js'
import type { DriverStatement, RequestLane } from './request-lane.js'
import type { RequestKind } from './requested-statement.js'
import type { DriverResult } from './result.js'
import { RowReader } from './row-reader.js'
import type { SocketOwner } from './socket-owner.js'
import type { WireColumn } from '../protocol/message-reader.js'
import { putExecution, queryMessage, roomFor, SYNC_LENGTH } from '../protocol/message-writer.js'

/** The texts of arguments. */
type Texts = ReadonlyArray<string | null>

/**
 * Runs what is plain past the driver: executions of prepared statements, and texts by the simple protocol. Their messages are put
 * where the socket's owner takes them from. The driver prepares and describes, and runs what is not plain (docs/internals/wire.md).
 */
export class FastLane {
  readonly #owner: SocketOwner
  readonly #queryLane: RequestLane
  /** Where the Sync of what was sent last ends. */
  #lastEnd = 0

  constructor (owner: SocketOwner, driver: Driver) {
    this.#owner = owner
    this.#queryLane = new QueryLane(driver)
  }

  /** Executes a prepared statement, behind what is in flight. */
  send<S extends PreparedSubject> (subject: S, sender: PreparedSender<S>, statement: PreparedStatement, texts: Texts): void {
    if (this.#owner.isFreeFor(this)) this.#execute(new PreparedRequest(subject, sender, statement), texts)
    else this.#owner.hold(() => this.#execute(new PreparedRequest(subject, sender, statement), texts))
  }

  #execute<S extends PreparedSubject> (request: PreparedRequest<S>, texts: Texts): void {
    const { outgoing } = this.#owner
    const { statement: { head }, subject: { before, mayWait, joins, call: { options: { limit } } } } = request
    const follows = joins && this.#joinLast(request)
    if (before !== undefined) outgoing.append(before.bytes)
    outgoing.makeRoom(roomFor(head, texts, limit))
    outgoing.end = putExecution(outgoing.bytes, outgoing.end, { head, limit }, texts)
    if (!follows) this.#owner.append(request)
    this.#lastEnd = before === undefined ? outgoing.end : -1 // what goes before it would hold for those that join it
    this.#owner.writeSoon(mayWait)
  }

  /** Has a request travel with the last one, whose Sync is taken back. False unless that is the same statement, and waits to be written. */
  #joinLast (request: PreparedRequest<PreparedSubject>): boolean {
    const { outgoing, waiting } = this.#owner
    const isSame = (waiting instanceof PreparedGroup || waiting instanceof PreparedRequest) && waiting.statement === request.statement
    if (!isSame || outgoing.end !== this.#lastEnd) return false
    outgoing.end -= SYNC_LENGTH
    if (waiting instanceof PreparedGroup) waiting.add(request)
    else this.#owner.replaceLast(new PreparedGroup<PreparedSubject>(waiting, request))
    return true
  }

  /** Runs a text by the simple protocol, behind what is in flight. */
  query (request: Request, text: string, mayWait: boolean): void {
    if (this.#owner.isFreeFor(this)) this.#query(request, text, mayWait)
    else this.#owner.hold(() => this.#query(request, text, mayWait))
  }

  /** Sends a text of ours, and resolves with its outcome. The driver would write one of 1 kB at once. `subject`: on whose behalf. */
  ask (text: string, kind: RequestKind, subject: object): Promise<DriverResult> {
    return new Promise((resolve, reject) => {
      const sender = { answered: (result: DriverResult) => resolve(result), failed: reject }
      this.query(new Request({ strings: [text], args: [], kind: { ...kind, simple: true }, subject }, sender), text, false)
    })
  }

  #query (request: Request, text: string, mayWait: boolean): void {
    request.writtenAsQuery(this.#queryLane)
    this.#owner.outgoing.append(queryMessage(text))
    this.#owner.append(request)
    this.#owner.writeSoon(mayWait)
  }
}

/** What a Query needs of a lane: the driver waits for nothing that it would be fed, and its rows come with their columns. */
class QueryLane implements RequestLane {
  readonly #driver: Driver
  constructor (driver: Driver) { this.#driver = driver }
  feed (): void {}
  feedTypes (): void {}
  readerOf (): undefined {}
  describe (_: DriverStatement, columns: readonly WireColumn[]): RowReader { return new RowReader(columns, this.#driver.types.registry) }
}

/** Longer ones are for the driver to refuse. */
const MOST_CHARACTERS = 100_000_000

/**
 * The texts of arguments, or undefined where that needs a closer look: a wrong number of them, a value that cannot be sent, too long ones.
 * Reading a value may run code of the caller's.
 */
export function textsOf (values: readonly unknown[], parameters: readonly Parameter[]): Array<string | null> | undefined {
  if (values.length !== parameters.length) return undefined
  const texts: Array<string | null> = []
  let characters = 0
  for (let index = 0; index < parameters.length; index++) {
    const value = values[index]
    const parameter = parameters[index]
    if (value === undefined || parameter === undefined) return undefined
    if (value === null) texts.push(null)
    else {
      const text = typeof value === 'string' && parameter.takesStrings
        ? value
        : typeof value === 'number' && parameter.takesNumbers && value !== 0 ? String(value) : textOrRefusal(parameter.type, value)
      if (typeof text !== 'string' || !text.isWellFormed()) return undefined
      characters += text.length
      texts.push(text)
    }
  }
  return characters > MOST_CHARACTERS ? undefined : texts
}
