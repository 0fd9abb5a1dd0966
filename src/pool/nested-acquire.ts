import { AsyncLocalStorage } from 'node:async_hooks'
import type { PoolEntry } from './pool-entry.js'

interface Held { readonly entry: PoolEntry, readonly acquisition: number }

/** Which connection the current caller's own transaction holds: a call that waits for a further one may wait for itself. */
export class NestedAcquire {
  readonly #held = new AsyncLocalStorage<Held>()

  /** Runs `work` so that a call in it for a further connection is known to depend on this one. */
  within<T> (entry: PoolEntry, work: () => T): T {
    return this.#held.run({ entry, acquisition: entry.acquisitions }, work)
  }

  /** The connection that the caller's transaction holds: it is not released before the call that is made now is over. */
  get held (): PoolEntry | undefined {
    const held = this.#held.getStore()
    if (held === undefined) return undefined
    const { entry, acquisition } = held
    // A transaction that is over blocks nothing, even if promises of its function go on.
    return entry.acquisitions === acquisition && entry.isBusy && entry.connection.session.inTransaction ? entry : undefined
  }
}
