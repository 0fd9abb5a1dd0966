import type { Log } from './options.js'

/**
 * A log of the user's, as we write to it: when what a line tells of is complete, not in the middle of it. Whatever the log does
 * then, it does to itself: throw, reject, call the database.
 */
export function detachedLog (log: Log): Log {
  const at = (level: keyof Log) => (object: object, message: string): void => queueMicrotask(() => {
    try {
      // Looked up each time: pino has other methods after its level was changed.
      const written: unknown = log[level](object, message)
      if (written !== undefined) Promise.resolve(written).catch(() => {})
    } catch {} // nobody is left to be told
  })
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') }
}
