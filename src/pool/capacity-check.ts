import type { Config, Log } from '../config/config.js'
import type { ServerInfo } from '../connection/server-info.js'

/** Warns, with the arithmetic, if all instances of the application together may open more connections than the server has. */
export function warnIfOverCapacity ({ max, instances }: Config, { places, reserved }: ServerInfo, log: Log): void {
  const wanted = max * instances
  const left = places - reserved
  if (!(wanted > left)) return // nor if the server did not say
  const fits = Math.floor(left / instances)
  log.warn({ max, instances, max_connections: places, reserved }, `the pool may open more connections than the server has: max ${max} × instances ${instances} = ${wanted}, ` +
    `but max_connections ${places} - ${reserved} reserved = ${left}: ${fits > 0 ? `set max to ${fits} at most` : 'run fewer instances'}, or raise max_connections on the server`)
}
