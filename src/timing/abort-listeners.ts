/** What ends when a signal is aborted. */
export interface Abortable { aborted (): void }

/** The platform's own: a caller may have given its signal others. */
const { addEventListener, removeEventListener } = EventTarget.prototype

/** What waits for one signal. To Node, more than ten listeners on a signal are a leak that it warns of: this is the only one of ours. */
class AbortListener {
  readonly #signal: AbortSignal
  readonly #waiting = new Set<Abortable>()

  constructor (signal: AbortSignal) { this.#signal = signal }

  add (abortable: Abortable): void {
    this.#waiting.add(abortable)
    if (this.#waiting.size === 1) addEventListener.call(this.#signal, 'abort', this)
  }

  delete (abortable: Abortable): void {
    if (this.#waiting.delete(abortable) && this.#waiting.size === 0) removeEventListener.call(this.#signal, 'abort', this)
  }

  handleEvent (): void {
    for (const abortable of this.#waiting) {
      try {
        abortable.aborted()
      } catch (error) {
        queueMicrotask(() => { throw error }) // as of a listener of its own: the others hear of it all the same
      }
    }
  }
}

const listeners = new WeakMap<AbortSignal, AbortListener>()

/** From now on `abortable` is told when the signal is aborted, until `stopListening`: nothing is left on the signal then. */
export function listen (signal: AbortSignal, abortable: Abortable): void {
  let listener = listeners.get(signal)
  if (listener === undefined) {
    listener = new AbortListener(signal)
    listeners.set(signal, listener)
  }
  listener.add(abortable)
}

export function stopListening (signal: AbortSignal, abortable: Abortable): void { listeners.get(signal)?.delete(abortable) }
