import type { Config } from '../config/config.js'
import type { EventLog } from '../config/event-log.js'
import type { ServerInfo } from '../connection/server-info.js'

/** Warns, with the arithmetic, if all instances of the application together may open more connections than the server has. */
export function warnIfOverCapacity ({ max, instances }: Config, { places, reserved }: ServerInfo, log: EventLog): void {
  const wanted = max * instances
  const left = places - reserved
  if (!(wanted > left)) return // nor if the server did not say
  const fits = Math.floor(left / instances)
  const advice = fits > 0 ? `set max to ${fits} at most` : 'run fewer instances'
  log.warn({ event: 'capacity.exceeded', max, instances, max_connections: places, reserved },
    'the pool may open more connections than the server has: ' +
    `max ${max} × instances ${instances} = ${wanted}, but max_connections ${places} - ${reserved} reserved = ${left}: ` +
    `${advice}, or raise max_connections on the server`)
}
