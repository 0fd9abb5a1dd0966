import { FaultProxy } from '../tools/fault-proxy.js'

/** A way that leads to one of several servers. */
export class Fork {
  readonly urls: readonly string[]
  readonly #proxy: FaultProxy
  #at = 0

  static async open (urls: readonly [string, ...string[]]): Promise<Fork> { return new Fork(urls, await FaultProxy.open(urls[0])) }

  private constructor (urls: readonly string[], proxy: FaultProxy) {
    this.urls = urls
    this.#proxy = proxy
  }

  get url (): string { return this.#proxy.url }

  /** Leads to the next one. What is connected to the one before is cut, or goes on there. */
  turn (cuts: boolean): void {
    this.#proxy.lead(this.urls[++this.#at % this.urls.length] ?? '')
    if (cuts) this.#proxy.cut()
  }

  close (): Promise<void> { return this.#proxy.close() }
}
