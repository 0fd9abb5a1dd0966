import type { Log } from '../src/index.js'
import type { Random } from '../test/support/random.js'
import type { Counts } from './counts.js'

/** A logger that keeps nothing, and throws or rejects on every third line or so. */
export function throwingLog (random: Random, counts: Counts): Log {
  const at = (level: string) => (): unknown => {
    if (random.chance(0.67)) return undefined
    counts.add('log lines that threw', level)
    const error = new Error('the log is broken')
    if (random.chance(0.5)) return Promise.reject(error)
    throw error
  }
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') }
}
