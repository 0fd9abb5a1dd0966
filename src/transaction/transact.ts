import { callersOf, callsTo, withCallers } from '../errors/callers-stack.js'
import type { Checkout } from './checkout.js'
import type { Outcome } from './hooks.js'
import { conflictIn } from './retries.js'

/** Where a transaction is made: the pool, a lease, or another transaction. */
export interface Place {
  /** Whether the calls that lead to it are noted. */
  readonly notesCallers: boolean
  /** What begins and ends it, with a connection that nobody else uses in the meantime. Raises for what has no place there. */
  enter (): Promise<Control> | Control
  /** It is over, whether it was begun or not. */
  leave (): Promise<void> | undefined
  /** How often it may run again; known when it was entered. */
  readonly retries: number
  /** Waits behind a failed attempt, from 1. Resolves with whether there may be another one. */
  mayRunAgain (attempt: number, error: unknown): Promise<boolean>
}

/** The statements that begin and end it: a transaction or a savepoint. */
export interface Control {
  readonly checkout: Checkout
  begin (): Promise<unknown> | undefined
  commit (): Promise<unknown> | undefined
  /** Whether `commit`, which has failed with this error, may have had its effect. */
  mayBeCommitted (error: unknown): boolean
  /** After an error. Never rejects. */
  undo (): Promise<unknown> | undefined
}

/** What is done in it. */
export interface Part<T> {
  /** Whether its caller awaits it itself: an error comes with the stack of that one. */
  readonly hasCaller: boolean
  /** Raises for what cannot be done. */
  check (): void
  /** `attempt`: from 1. */
  run (checkout: Checkout, attempt: number): Promise<T> | T
  /** It has failed with this error. */
  failed (error: unknown): void
  /** Nothing may be run through it any more. Resolves when what is nested in it has ended. */
  end (): Promise<void> | undefined
  /** An attempt is over, and its place left. */
  after (outcome: Outcome, error: unknown): Promise<void> | undefined
}

/**
 * A transaction or a savepoint from its beginning to its end. Waits for calls that its function made and did not await itself: they
 * belong to it. After a conflict with another transaction it runs again, as often as its place lets it. One function for all of it,
 * because every promise costs, and each that is awaited twice where contexts are followed.
 */
export async function transact<T> (place: Place, part: Part<T>): Promise<T> {
  const calls = place.notesCallers && part.hasCaller ? callsTo(transact) : undefined
  for (let attempt = 1; ; attempt++) {
    let control: Control | undefined
    let isBegun = false
    let isCommitting = false
    let outcome: Outcome = 'rolledBack'
    let failure: unknown
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
        result = await part.run(checkout, attempt)
      } catch (error) {
        part.failed(error)
        throw error
      } finally {
        running?.end()
        const rest = whatIsLeft(part, checkout)
        if (rest !== undefined) await rest
      }
      checkout.throwIfOver()
      isCommitting = checkout.connection.isOpen
      const ending = control.commit()
      if (ending !== undefined) await ending
      checkout.leave()
      outcome = 'committed'
      return result
    } catch (error) {
      failure = error
      if (control !== undefined && isBegun) {
        if (control.checkout.wasCommitted || (isCommitting && control.mayBeCommitted(error))) outcome = 'unknown'
        control.checkout.leave()
        const undoing = control.undo()
        if (undoing !== undefined) await undoing
      }
      const mayRunAgain = isBegun && attempt <= place.retries && outcome !== 'unknown'
      if (!mayRunAgain || conflictIn(error, control?.checkout.firstError) === undefined) {
        throw part.hasCaller ? withCallers(error, calls, callersOf(transact)) : error
      }
    } finally {
      const leaving = control === undefined ? undefined : place.leave()
      if (leaving !== undefined) await leaving
      const after = part.after(outcome, failure)
      if (after !== undefined) await after
    }
    if (!await place.mayRunAgain(attempt, failure)) throw part.hasCaller ? withCallers(failure, calls, callersOf(transact)) : failure
  }
}

/** What is nested in it, and then its calls. */
function whatIsLeft (part: Part<unknown>, checkout: Checkout): Promise<void> | undefined {
  const nested = part.end()
  return nested === undefined ? checkout.drain() : nested.then(() => checkout.drain())
}
