import type { Argument } from './argument.js'

/** How a statement is asked for. */
export interface RequestKind {
  prepare?: boolean
  /** By the simple protocol, which takes a script. */
  simple?: boolean
  /** Rows as arrays. */
  values?: boolean
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
  /** A statement of ours right before it, in one group with it: if that fails, the server skips this one. */
  readonly before?: string | undefined
}
