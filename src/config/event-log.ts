import { detachedLog } from './detached-log.js'
import type { Log } from './options.js'

/** What a line of the log is about: stable, for alerts. docs/logging.md has a table of them, which a test compares with the code. */
export type LogEvent =
  'pool.open' | 'pool.closed' | 'pool.recovered' |
  'connection.opened' | 'connection.closed' | 'connection.lost' | 'connect.failed' | 'startup.deferred' |
  'transaction.retried' | 'hook.failed' | 'hook.skipped' | 'request.commit_failed' | 'request.reply_dropped' |
  'health.failed' | 'health.recovered' | 'leak.suspected' | 'leak.returned' | 'capacity.exceeded' | 'release.failed' | 'startup.failed'

/** The fields of a line. Loggers write keys of their own, and a JSON object must not have one twice. */
export interface LogLine {
  readonly event: LogEvent
  /** Is added to each line. */
  readonly pool?: never
  /** `backendPid` is the server's process. */
  readonly pid?: never
  readonly name?: never
  readonly hostname?: never
  readonly level?: never
  readonly time?: never
  readonly msg?: never
  readonly [field: string]: unknown
}

/** The log as the pool and what reads it write to it. */
export type EventLog = Readonly<Record<keyof Log, (line: LogLine, message: string) => void>>

/** A user's log for one pool: each line names its event, the pool, and what else is said. What the log does then, it does to itself. */
export function eventLog (log: Log, pool: string, also: Omit<LogLine, 'event'> = {}): EventLog {
  const detached = detachedLog(log)
  const at = (level: keyof Log) => ({ event, ...fields }: LogLine, message: string): void => {
    detached[level]({ event, pool, ...also, ...fields }, message)
  }
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') }
}
