import type { Socket } from 'node:net'
import { ProtocolError } from '../errors/errors.js'
import { isFatal, type ServerErrorFields } from '../errors/error-response.js'
import {
  MessageReader, type MessageReceiver, readError, readParameter, SESSION_LIMITS, STARTUP_LIMITS
} from '../protocol/message-reader.js'
import type { Incoming } from '../protocol/socket.js'
import { OutgoingMessages } from './outgoing-messages.js'
import type { SessionReports } from './session-reports.js'
import { type TransactionStatus, type Turn, unexpected } from './turn.js'

/** Milliseconds without traffic after which TCP asks whether the other side is there. */
const KEEP_ALIVE = 60_000

/** What happens on a socket beside the answers to turns. */
export interface SocketOwnerEvents {
  /** A setting of the session that the server reports has this value now. */
  parameter (name: string, value: string): void
  /** The server works on another turn now: `running` of the owner. Only told while `tellsRunning` of the owner is set. */
  running (): void
  /** The server ends the session, with these words. */
  ending (fields: ServerErrorFields): void
  /** What arrived is not the protocol, or the socket has failed or was closed by the other side: nothing more will come. */
  lost (cause: unknown): void
  /** The socket is gone. */
  closed (): void
}

/** The other side closed the socket, without a word about why. */
export class SocketClosedError extends Error {
  readonly code = 'CONNECTION_CLOSED'
  constructor () { super('the server closed the connection') }
}

/** A lane: it writes turns. */
export type Lane = object

/**
 * The one reader and writer of a socket. It hands each message to the turn that it answers: turns are answered in the order
 * in which they were begun, and what is written is written in that order (docs/internals/wire.md).
 */
export class SocketOwner implements MessageReceiver {
  /** How often it has written: what is written between two of these travels together. */
  writes = 0
  /** When it did last, in the clock of `performance.now()`. */
  writtenAt = 0
  /** The last values of settings that the server reports. */
  readonly reported = new Map<string, string>()
  /** The status of the last ReadyForQuery. */
  transaction: TransactionStatus = 'none'
  /** The lane that has taken something on and has yet to begin its turn: what others send goes behind that. */
  expected: Lane | undefined
  /** Whether its events are told when the server goes on to another turn. */
  tellsRunning = false
  /** What leaves with the next write: messages of turns that were begun. */
  readonly outgoing = new OutgoingMessages()
  /** The turn that was begun last, until its messages are written. */
  waiting: Turn | undefined
  /** Whether a write is due, and how soon. */
  #due: 'never' | 'soon' | 'now' = 'never'
  #events: SocketOwnerEvents = NOBODY
  /** How the socket ended, for one who takes over later. */
  #end: ((events: SocketOwnerEvents) => void) | undefined
  readonly #socket: Socket
  readonly #reports: SessionReports | undefined
  readonly #reader = new MessageReader(STARTUP_LIMITS, this)
  /** Those that are not answered, in the order in which they were begun. */
  readonly #turns: Turn[] = []
  /** The turn that is not closed, and whose it is. */
  #open: Turn | undefined
  #lane: Lane | undefined
  /** What other lanes write when it is. */
  readonly #held: Array<() => void> = []
  #isEnded = false

  constructor (socket: Socket, incoming: Incoming, reports?: SessionReports) {
    this.#socket = socket
    this.#reports = reports
    socket.setKeepAlive(true, KEEP_ALIVE)
    incoming.receive = this.#read
    socket.on('error', (error) => this.#ended((events) => events.lost(error)))
    socket.on('end', () => this.#ended((events) => events.lost(new SocketClosedError())))
    socket.on('close', () => this.#ended((events) => events.closed()))
  }

  /** From now on `events` hear of what happens, and of what has ended the socket before. */
  takeOver (events: SocketOwnerEvents): void {
    this.#events = events
    const end = this.#end
    if (end !== undefined) queueMicrotask(() => end(events))
  }

  /** Something is wrong that leaves no way to go on. */
  fail (error: Error): undefined { this.#ended((events) => events.lost(error)) }

  #ended (tell: (events: SocketOwnerEvents) => void): void {
    this.#isEnded = true
    this.#end = tell
    tell(this.#events)
  }

  /** What the server works on: the oldest turn that it has not answered. */
  get running (): Turn | undefined { return this.#turns[0] }

  /** Whether a lane may write now: no turn of another lane is open or expected, and nobody waits for that. */
  isFreeFor (lane: Lane): boolean {
    if (this.#open !== undefined) return this.#lane === lane
    return this.expected === lane || (this.expected === undefined && this.#held.length === 0)
  }

  /** Runs `write`, by which a lane writes its turns, when the turn of another lane that is open is closed. */
  hold (write: () => void): void { this.#held.push(write) }

  /** What is written from now on is of this turn. */
  begin (turn: Turn, lane: Lane): void {
    this.#open = turn
    this.#lane = lane
    this.append(turn)
  }

  /** A turn whose messages are all in `outgoing`. Only while the lanes are free. */
  append (turn: Turn): void {
    this.#turns.push(turn)
    this.waiting = turn
    if (this.tellsRunning && this.#turns.length === 1) this.#events.running()
  }

  /** The turn that was appended last is part of another one. */
  replaceLast (turn: Turn): void { this.#turns[this.#turns.length - 1] = this.waiting = turn }

  /** The Sync or Query of the turn that is open is written, or is about to be in the same write. */
  close (): void {
    if (this.#open === undefined) return
    this.#open.isClosed = true
    this.#open = undefined
  }

  #resume (): void {
    while (this.#open === undefined && this.expected === undefined) {
      const write = this.#held.shift()
      if (write === undefined) return
      write()
    }
  }

  /** Writes at once, between what is in `outgoing` and what was held back until now. */
  write (bytes: Buffer): void {
    if (this.outgoing.isEmpty && this.#held.length === 0) return this.#send(bytes)
    this.outgoing.append(bytes)
    this.#resume()
    this.#flush()
  }

  /**
   * Sees to it that `outgoing` is written: when the code that is running now has come to an end, or, if that `mayWait`, when the other
   * sockets are read, so that what their callers send leaves with it.
   */
  writeSoon (mayWait: boolean): void {
    if (mayWait) {
      if (this.#due === 'never') setImmediate(this.#flush)
      this.#due = 'soon'
    } else if (this.#due !== 'now') {
      this.#due = 'now'
      process.nextTick(this.#flush)
    }
  }

  readonly #flush = (): void => {
    this.#due = 'never'
    const bytes = this.outgoing.take()
    if (bytes !== undefined) this.#send(bytes)
  }

  #send (bytes: Buffer): void {
    this.waiting = undefined
    if (this.#isEnded) return
    this.writes++
    this.writtenAt = performance.now()
    this.#socket.write(bytes)
  }

  /** The start-up is over: from now on the messages of a session are allowed, and others are not. */
  started (): void { this.#reader.limits = SESSION_LIMITS }

  /** Closes the socket once `bytes` are written. */
  end (bytes: Buffer): void {
    this.#flush()
    if (!this.#isEnded) this.#socket.end(bytes)
  }

  /** Closes the socket now. Nothing of what arrived is handed on any more. */
  destroy (): void {
    this.#isEnded = true
    this.#socket.destroy()
  }

  readonly #read = (piece: Buffer): void => {
    if (this.#isEnded) return
    try {
      this.#reader.read(piece)
    } catch (error) {
      const cause = error instanceof ProtocolError ? error : new ProtocolError('a message that cannot be read', quoteless(error))
      this.#ended((events) => events.lost(cause))
    }
  }

  received (type: number, bytes: Buffer, start: number, end: number): void {
    if (this.#isEnded) return
    switch (type) {
      case 0x5a: // ReadyForQuery
        return this.#ready(bytes, start, end)
      case 0x45: // ErrorResponse
        return this.#refused(readError(bytes.subarray(start, end)))
      case 0x53: { // ParameterStatus
        const [name, value] = readParameter(bytes.subarray(start, end))
        if (REPORTED.has(name)) this.reported.set(name, value)
        this.#reports?.parameter(name, value)
        return this.#events.parameter(name, value)
      }
      case 0x4e: // NoticeResponse
        return this.#reports?.notice(bytes.subarray(start, end))
      case 0x41: // NotificationResponse
        return
      default: {
        const turn = this.#turns[0]
        if (turn === undefined) throw unexpected(type)
        turn.take(type, bytes, start, end)
      }
    }
  }

  #ready (bytes: Buffer, start: number, end: number): void {
    const [turn] = this.#turns
    const status = end === start + 6 ? STATUSES[bytes[start + 5] ?? 0] : undefined
    if (turn === undefined || !turn.isClosed || status === undefined) throw unexpected(0x5a)
    this.#turns.shift()
    this.transaction = status
    turn.ready(status)
    if (this.tellsRunning && this.#turns.length > 0 && !this.#isEnded) this.#events.running()
  }

  #refused (fields: ServerErrorFields): void {
    if (isFatal(fields)) return this.#ended((events) => events.ending(fields))
    const turn = this.#turns[0]
    if (turn === undefined) throw unexpected(0x45)
    turn.refused(fields)
  }
}

/** All that servers report by themselves. Whatever else one would send is not kept. */
const REPORTED = new Set(['application_name', 'client_encoding', 'DateStyle', 'default_transaction_read_only', 'in_hot_standby',
  'integer_datetimes', 'IntervalStyle', 'is_superuser', 'scram_iterations', 'search_path', 'server_encoding', 'server_version',
  'session_authorization', 'standard_conforming_strings', 'TimeZone'])

/** As a cause: JSON that cannot be read is quoted by its SyntaxError. */
function quoteless (error: unknown): { cause: unknown } | undefined { return error instanceof SyntaxError ? undefined : { cause: error } }

const NOBODY: SocketOwnerEvents = { parameter () {}, running () {}, ending () {}, lost () {}, closed () {} }

const STATUSES: Readonly<Record<number, TransactionStatus>> = { 0x49: 'none', 0x54: 'open', 0x45: 'failed' }
