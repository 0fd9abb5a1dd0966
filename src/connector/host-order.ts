import type { Host } from '../config/target.js'

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
    const since = new Map(this.#hosts.map((host) => [host, this.#silentSince(host, now)]))
    return [...this.#hosts].sort((a, b) => (since.get(a) ?? 0) - (since.get(b) ?? 0))
  }

  /** Those that did not keep silent of late, if there are any. */
  lively (now = performance.now()): Host[] {
    const hosts = this.list(now)
    const lively = hosts.filter((host) => this.#silentSince(host, now) === 0)
    return lively.length > 0 ? lively : hosts
  }

  /** When it last kept silent; 0 if it did not of late. */
  #silentSince (host: Host, now: number): number {
    const at = this.#silentAt.get(host) ?? 0
    return at > now - SILENT_FOR * 1000 ? at : 0
  }

  keptSilent (host: Host, now = performance.now()): void { this.#silentAt.set(host, now) }

  answered (host: Host): void { this.#silentAt.delete(host) }
}
