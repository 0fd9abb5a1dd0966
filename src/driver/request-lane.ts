import type { Argument } from './argument.js'
import type { WireColumn } from '../protocol/message-reader.js'
import type { RowReader } from './row-reader.js'

/** What the driver notes of a statement that it prepares: one object for all requests that run it. */
export interface DriverStatement { readonly name: string, readonly types: number[] }

/** The lane that requests take, as far as a request needs it. */
export interface RequestLane {
  /** Gives the driver a message that it waits for: `feedTypes` the types of the parameters, on which it writes the arguments. */
  feed (message: Buffer): void
  feedTypes (message: Buffer, types: readonly number[], args: ReadonlyArray<Argument | null>): void
  readerOf (statement: DriverStatement): RowReader | undefined
  /** What the server says of a statement's columns. */
  describe (statement: DriverStatement, columns: readonly WireColumn[]): RowReader
}
