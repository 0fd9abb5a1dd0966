import type { Config } from '../config/config.js'
import type { ConnectionSet } from './connection-set.js'
import type { LeakDetector } from './leak-detector.js'

/** How often it looks, in seconds: a quarter of the shortest limit, within these bounds. */
const SHORTEST_PERIOD = 0.01
const LONGEST_PERIOD = 1

/** Looks now and then for connections that are idle for too long, too old, or held for too long. */
export class Housekeeper {
  readonly #config: Config
  readonly #connections: ConnectionSet
  readonly #leaks: LeakDetector
  #timer: NodeJS.Timeout | undefined

  constructor (config: Config, connections: ConnectionSet, leaks: LeakDetector) {
    this.#config = config
    this.#connections = connections
    this.#leaks = leaks
  }

  start (): void {
    const { idleTimeout, maxLifetime, leakWarning } = this.#config
    const limits = [idleTimeout, maxLifetime, leakWarning].filter((limit) => limit > 0)
    if (limits.length === 0) return
    const period = Math.min(LONGEST_PERIOD, Math.max(SHORTEST_PERIOD, Math.min(...limits) / 4))
    this.#timer = setInterval(() => this.#look(), period * 1000).unref()
  }

  stop (): void { clearInterval(this.#timer) }

  #look (): void {
    const { idleTimeout, min } = this.#config
    this.#connections.sweep(idleTimeout, min)
    this.#leaks.inspect(this.#connections.open)
  }
}
