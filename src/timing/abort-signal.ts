/* By the platform's own getters: those that a caller gave its signal may throw. */

/** Whether it is one, and no Proxy of one. */
export function isSignal (value: unknown): value is AbortSignal {
  try {
    return value instanceof AbortSignal && typeof isAborted(value) === 'boolean'
  } catch {
    return false
  }
}

export function isAborted (signal: AbortSignal | undefined): boolean {
  return signal !== undefined && Reflect.get(AbortSignal.prototype, 'aborted', signal)
}

export function reasonOf (signal: AbortSignal | undefined): unknown {
  return signal === undefined ? undefined : Reflect.get(AbortSignal.prototype, 'reason', signal)
}
