import type { Host } from '../config/target.js'

/** Seconds for which an unresponsive host is tried after the others. */
const TRIED_LAST_FOR = 10

/**
 * In which order the hosts are tried: as given, but those that were unresponsive recently come last, so that one whose
 * network swallows everything does not cost every connect its whole time. One that refuses costs nothing and keeps its place.
 */
export class HostOrder {
  readonly #hosts: readonly Host[]
  readonly #unresponsiveAt = new Map<Host, number>()

  constructor (hosts: readonly Host[]) { this.#hosts = hosts }

  /** The order of now. Of several unresponsive hosts the one that was tried longest ago comes first. */
  list (now = performance.now()): Host[] {
    const since = new Map(this.#hosts.map((host) => [host, this.#unresponsiveSince(host, now)]))
    return [...this.#hosts].sort((a, b) => (since.get(a) ?? 0) - (since.get(b) ?? 0))
  }

  /** Those that were not unresponsive recently, if there are any. */
  responsive (now = performance.now()): Host[] {
    const hosts = this.list(now)
    const responsive = hosts.filter((host) => this.#unresponsiveSince(host, now) === 0)
    return responsive.length > 0 ? responsive : hosts
  }

  /** When it was unresponsive last; 0 if it was not recently. */
  #unresponsiveSince (host: Host, now: number): number {
    const at = this.#unresponsiveAt.get(host) ?? 0
    return at > now - TRIED_LAST_FOR * 1000 ? at : 0
  }

  wasUnresponsive (host: Host, now = performance.now()): void { this.#unresponsiveAt.set(host, now) }

  answered (host: Host): void { this.#unresponsiveAt.delete(host) }
}
