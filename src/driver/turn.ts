import { ProtocolError } from '../errors/errors.js'
import type { ServerErrorFields } from '../errors/error-response.js'
import { nameOf } from '../protocol/message-reader.js'

/** The status of ReadyForQuery: outside of a transaction, in one, or in one that has failed. */
export type TransactionStatus = 'none' | 'open' | 'failed'

/**
 * What one lane writes up to a Sync or a simple Query, and what the server answers to that up to its ReadyForQuery. Each
 * raises `ProtocolError` for an answer that does not belong there.
 */
export interface Turn {
  /** Whether its Sync or Query is written. Before that nothing else may be: if a message of it fails, the server skips what follows. */
  isClosed: boolean
  /** On whose behalf it is, for those who want to know what the server is running. */
  readonly subject: object | undefined
  /** An answer to one of its messages. */
  take (type: number, bytes: Buffer, start: number, end: number): void
  /** The server refused one of its messages: up to the Sync it skips the others. */
  refused (fields: ServerErrorFields): void
  /** ReadyForQuery: all its messages are answered. */
  ready (status: TransactionStatus): void
}

export function unexpected (type: number): Error {
  return new ProtocolError(`an unexpected message of type ${nameOf(type)}`)
}
