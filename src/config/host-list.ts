import { isIP, isIPv6 } from 'node:net'
import { OptionError } from '../errors/errors.js'
import type { Setting } from './libpq-settings.js'
import type { Host } from './target.js'

const DEFAULT_PORT = 5432

/** Where to connect, in the words of libpq; lists have commas. */
export interface HostSettings {
  readonly host?: Setting | undefined
  /** The addresses of the hosts, so that their names are not looked up: those are for the certificate then. */
  readonly hostaddr?: Setting | undefined
  /** One for all hosts, or one for each. */
  readonly port?: Setting | undefined
}

/** Raises `OptionError`, which shows no value. */
export function readHosts ({ host, hostaddr, port }: HostSettings): Host[] {
  const addresses = hostaddr?.value.split(',') ?? []
  const places = host?.value.split(',').map((text) => splitHost(text, host.label)) ??
    (hostaddr === undefined ? [{ host: 'localhost' }] : addresses.map((address) => ({ host: address })))
  if (hostaddr !== undefined && (addresses.length !== places.length || !addresses.every((address) => isIP(address) !== 0))) {
    throw new OptionError(`${hostaddr.label} takes an IP address, for several hosts one for each`)
  }
  const ports = port?.value.split(',').map((text) => text === '' ? DEFAULT_PORT : readPort(text)) ?? [DEFAULT_PORT]
  if (port !== undefined && ((ports.length !== 1 && ports.length !== places.length) || ports.includes(undefined))) {
    throw new OptionError(`${port.label} takes a whole number from 1 to 65535, for several hosts one for all or one for each`)
  }
  return places.map((place, index) => {
    const address = addresses[index]
    const own = place.port ?? (ports.length === 1 ? ports[0] : ports[index]) ?? DEFAULT_PORT
    return Object.freeze({ host: place.host, port: own, ...(address !== undefined && { address }) })
  })
}

/** `host`, `host:port`, `[::1]:port`, `::1` or a folder of Unix sockets, which may have a `:port` as well. */
export function splitHost (text: string, label: string): { host: string, port?: number } {
  if (isIPv6(text)) return { host: text }
  const match = text.startsWith('/')
    ? /^(\/.*?)(?::(\d+))?$/.exec(text)
    : /^(?:\[([0-9a-f:.%]+)\]|([^:[\]\s/?#@]+))(?::(\d+))?$/i.exec(text)
  const groups = match === null ? [] : match.slice(1)
  const host = groups.slice(0, -1).find((group) => group !== undefined)
  const digits = groups.at(-1)
  const port = digits === undefined ? undefined : readPort(digits)
  if (host === undefined || (digits !== undefined && port === undefined)) {
    throw new OptionError(`${label} has no valid host: it takes a name or address, with :port if need be, several with commas`)
  }
  return port === undefined ? { host } : { host, port }
}

/** Undefined if it is none. */
function readPort (text: string): number | undefined {
  const port = /^\s*\d{1,5}\s*$/.test(text) ? Number(text) : 0
  return port >= 1 && port <= 65_535 ? port : undefined
}
