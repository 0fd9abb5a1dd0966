import { listen, stopListening } from './abort-listeners.js'

/** The outcome of `work`, or the reason of the signal if that comes first. What comes later is dropped. */
export async function orAborted<T> (signal: AbortSignal, work: () => Promise<T>): Promise<T> {
  signal.throwIfAborted()
  const abortable = { aborted (): void {} }
  const aborted = new Promise<never>((_resolve, reject) => { abortable.aborted = () => reject(signal.reason) })
  listen(signal, abortable)
  try {
    return await Promise.race([work(), aborted])
  } finally {
    stopListening(signal, abortable)
  }
}
