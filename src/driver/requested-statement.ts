import type { Argument } from './argument.js'
import type { Conversion } from '../codecs/conversion.js'
import type { Mode, Shape } from '../query/call.js'

/** How a statement is asked for. */
export interface RequestKind {
  prepare?: boolean
  /** By the simple protocol, which takes a script. */
  simple?: boolean
  /** What is made of the rows. Objects, unless it says something else. */
  mode?: Mode
  /** Objects, unless it says something else. */
  shape?: Shape | undefined
  /** How many rows the server is asked for. */
  limit?: number | undefined
  /** How values are converted, where that is not as usual. */
  conversion?: Conversion | undefined
  /** Asks for the types only; nothing is run. */
  describe?: boolean
  /** A description that is never sent: the driver and the server forget the prepared statement. */
  forget?: boolean
}

export interface RequestedStatement {
  readonly strings: readonly [string]
  readonly args: ReadonlyArray<Argument | null>
  readonly kind: RequestKind
  /** On whose behalf. */
  readonly subject?: object | undefined
}

/** What the driver wants to know of a query. */
export interface DriverQueryOptions { readonly prepare: boolean, readonly simple: boolean }

export const PREPARED: DriverQueryOptions = { prepare: true, simple: false }
export const UNPREPARED: DriverQueryOptions = { prepare: false, simple: false }
export const SIMPLE: DriverQueryOptions = { prepare: false, simple: true }
