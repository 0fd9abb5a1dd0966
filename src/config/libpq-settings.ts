import { OptionError } from '../errors/errors.js'
import { KEYWORDS } from './libpq-keywords.js'
import type { PoolOptions } from './options.js'

/** What one of libpq's parameters is set to, and what to call it in an error. */
export interface Setting { readonly value: string, readonly label: string }

/** By libpq's keywords. */
export type Settings = ReadonlyMap<string, Setting>

/**
 * As libpq does it: what the URL does not say is taken from the variables `PGHOST` and so on. Options win over both.
 * Raises `OptionError`, which shows no value, for what is not supported and would change where or how securely we connect.
 */
export function completeSettings (fromUrl: Settings, options: PoolOptions, env: NodeJS.ProcessEnv): Settings {
  const settings = new Map<string, Setting>()
  for (const [name, keyword] of Object.entries(KEYWORDS)) {
    const { option, unless = name, instead, harmless = [] } = keyword
    if (option !== undefined && options[option] !== undefined) continue
    const setting = fromUrl.get(name) ?? (fromUrl.has(unless) ? undefined : fromVariable(keyword.env, env))
    if (setting === undefined) continue
    if (instead === undefined) settings.set(name, setting)
    else if (!harmless.includes(setting.value.toLowerCase())) {
      throw new OptionError(`${setting.label} ${harmless.length === 0 ? 'is not supported' : `takes ${harmless.join(', ')}`}: ${instead}`)
    }
  }
  return settings
}

/** An empty variable counts as unset. */
function fromVariable (variable: string | undefined, env: NodeJS.ProcessEnv): Setting | undefined {
  const value = variable === undefined ? undefined : env[variable]
  return value === undefined || value === '' ? undefined : { value, label: `environment variable ${variable}` }
}
