import { callersOf, callsTo, withCallers } from '../errors/callers-stack.js'
import type { Checkout } from './checkout.js'

/** Where a transaction is made: the pool, a lease, or another transaction. */
export interface Place {
  /** Whether the calls that lead to it are noted. */
  readonly notesCallers: boolean
  /** What begins and ends it, with a connection that nobody else uses in the meantime. Raises for what has no place there. */
  enter (): Promise<Control> | Control
  /** It is over, whether it was begun or not. */
  leave (): Promise<void> | undefined
}

/** The statements that begin and end it: a transaction or a savepoint. */
export interface Control {
  readonly checkout: Checkout
  begin (): Promise<unknown> | undefined
  commit (): Promise<unknown> | undefined
  /** After an error. Never rejects. */
  undo (): Promise<unknown> | undefined
}

/** What is done in it. */
export interface Part<T> {
  /** Whether its caller awaits it itself: an error comes with the stack of that one. */
  readonly hasCaller: boolean
  /** Raises for what cannot be done. */
  check (): void
  run (checkout: Checkout): Promise<T> | T
  /** It has failed with this error. */
  failed (error: unknown): void
  /** Nothing may be run through it any more. Resolves when what is nested in it has ended. */
  end (): Promise<void> | undefined
}

/**
 * A transaction or a savepoint from its beginning to its end. Waits for calls that its function made and did not await itself: they
 * belong to it. One function for all of it, because every promise costs, and each that is awaited twice where contexts are followed.
 */
export async function transact<T> (place: Place, part: Part<T>): Promise<T> {
  const calls = place.notesCallers && part.hasCaller ? callsTo(transact) : undefined
  let control: Control | undefined
  let isBegun = false
  try {
    part.check()
    const entered = place.enter()
    control = entered instanceof Promise ? await entered : entered
    const { checkout } = control
    const beginning = control.begin()
    if (beginning !== undefined) await beginning
    isBegun = true
    checkout.enter()
    const running = checkout.startRunning()
    let result: T
    try {
      result = await part.run(checkout)
    } catch (error) {
      part.failed(error)
      throw error
    } finally {
      running?.end()
      const rest = whatIsLeft(part, checkout)
      if (rest !== undefined) await rest
    }
    checkout.throwIfOver()
    const ending = control.commit()
    if (ending !== undefined) await ending
    checkout.leave()
    return result
  } catch (error) {
    if (control !== undefined && isBegun) {
      control.checkout.leave()
      const undoing = control.undo()
      if (undoing !== undefined) await undoing
    }
    throw part.hasCaller ? withCallers(error, calls, callersOf(transact)) : error
  } finally {
    const leaving = control === undefined ? undefined : place.leave()
    if (leaving !== undefined) await leaving
  }
}

/** What is nested in it, and then its calls. */
function whatIsLeft (part: Part<unknown>, checkout: Checkout): Promise<void> | undefined {
  const nested = part.end()
  return nested === undefined ? checkout.drain() : nested.then(() => checkout.drain())
}
