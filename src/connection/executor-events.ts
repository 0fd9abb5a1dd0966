import type { Call } from '../query/call.js'

/** What happens on a connection while calls run. */
export interface ExecutorEvents {
  /** Whether statements may be sent: never on a dead socket (postgres.js #1066). */
  readonly isUsable: boolean
  /** What a call learns of a connection that is not usable any more. */
  readonly lostError: Error
  /** Nothing is in flight any more. Called before the last caller is answered, so that its next call finds it free. */
  drained (now: number): void
  /** With `debug`: a call has run, with parameters of these types. */
  ran (call: Call, types: readonly number[] | undefined): void
  /** Nobody waits for one of the calls that are in flight. */
  abandoned (): void
  /** The connection cannot go on. */
  broken (reason: 'lost' | 'copy', cause?: unknown): void
}
