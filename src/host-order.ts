import type { Host } from './transport.js'

/** Seconds for which a host that kept silent is tried after the others. */
const SILENT_FOR = 10

/**
 * In which order the hosts are tried: as given, but those that kept silent of late come last, so that one whose network
 * swallows everything does not cost every connect its whole time. One that refuses costs nothing and keeps its place.
 */
export class HostOrder {
  readonly #hosts: readonly Host[]
  readonly #silentAt = new Map<Host, number>()

  constructor (hosts: readonly Host[]) { this.#hosts = hosts }

  /** The order of now. Of several that kept silent, the one that was not tried for longest comes first. */
  list (now = performance.now()): Host[] {
    const silence = (host: Host): number => this.#isSilent(host, now) ? this.#silentAt.get(host) ?? -Infinity : -Infinity
    return [...this.#hosts].sort((a, b) => silence(a) === silence(b) ? 0 : silence(a) - silence(b))
  }

  /** Those that did not keep silent of late, if there are any. */
  lively (now = performance.now()): Host[] {
    const hosts = this.list(now)
    const lively = hosts.filter((host) => !this.#isSilent(host, now))
    return lively.length > 0 ? lively : hosts
  }

  #isSilent (host: Host, now: number): boolean { return (this.#silentAt.get(host) ?? -Infinity) > now - SILENT_FOR * 1000 }

  keptSilent (host: Host, now = performance.now()): void { this.#silentAt.set(host, now) }

  answered (host: Host): void { this.#silentAt.delete(host) }
}
