import type { Debug } from '../errors/debug-details.js'
import type { PoolOptions } from './options.js'

export const DEBUG = 'true, false or { parameters: true or false }'

/** The option `debug` → what errors show besides; 'invalid' is what is no such option. */
export function readDebug (debug: unknown): Debug | 'invalid' {
  if (debug === undefined || debug === false) return false
  if (debug === true) return { parameters: false }
  if (typeof debug !== 'object' || debug === null || Array.isArray(debug)) return 'invalid'
  const { parameters = false, ...others }: { parameters?: unknown } = debug
  return typeof parameters === 'boolean' && Object.keys(others).length === 0 ? { parameters } : 'invalid'
}

/** The same for one that was found to be valid. */
export function debugOf (debug: PoolOptions['debug']): Debug {
  const read = readDebug(debug)
  return read === 'invalid' || read === false ? false : Object.freeze(read)
}
