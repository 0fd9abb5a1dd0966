/** The outcome of `work`, or the reason of the signal if that comes first. What comes later is dropped. */
export function orAborted<T> (signal: AbortSignal, work: () => Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted()
    signal.addEventListener('abort', () => reject(signal.reason), { once: true })
    work().then(resolve, reject)
  })
}
