import type { Caller, Read } from '../connection/execution.js'
import { type Calls, callersOf, callsTo, unshared, withCallers } from '../errors/callers-stack.js'

/**
 * The caller of a helper: how its promise ends. An error comes with the stack of that caller: that of the call, where it was noted, and
 * otherwise that of the code that awaits the promise by then. So a call that succeeds costs nothing for it.
 */
export interface PromisedCaller<T> extends Caller {
  readonly read: Read<T>
  readonly resolve: (value: T | Promise<T>) => void
  readonly reject: typeof rejectCaller
  /** The calls that led here, where they are noted at each call, or where it failed at once. */
  calls: Calls | undefined
}

/** How each of them is told of an error. */
export function rejectCaller<T> (this: PromisedCaller<T>, error: unknown): void { this.resolve(rejection(this, error)) }

/**
 * V8 finds those who await a promise when it runs a reaction that ends in it. So this one does, two turns later: by then the
 * promise of the caller waits for it.
 */
export async function rejection (caller: { readonly calls: Calls | undefined }, error: unknown): Promise<never> {
  await undefined
  await undefined
  throw withCallers(unshared(error), caller.calls, callersOf(rejection))
}

/** Runs what a caller asked for; an error comes with its stack. `notes`: whether the calls that led here are noted at once. */
export async function forCaller<T> (notes: boolean, work: () => Promise<T>): Promise<T> {
  const calls = notes ? callsTo(forCaller) : undefined
  try {
    return await work()
  } catch (error) {
    throw withCallers(error, calls, callersOf(forCaller))
  }
}
