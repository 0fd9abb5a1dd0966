import type { Abortable } from './abort-listeners.js'

/**
 * What ends together, when nobody waits for it any more: the calls of one request. Not a class and not a signal, because each call of each
 * request joins one and leaves it, and nothing of ours is entered for that.
 */
export interface AbortGroup {
  readonly members: Set<Abortable>
  /** Why it has ended; undefined as long as it has not. */
  reason: Error | undefined
}

/** Ends what is in it, and what comes later. Again, it does nothing. */
export function abortGroup (group: AbortGroup, reason: Error): void {
  if (group.reason !== undefined) return
  group.reason = reason
  for (const member of group.members) member.aborted()
}

/** Has a group end with another one too. It is known there up to its end. */
export function endWith (outer: AbortGroup, inner: AbortGroup): void {
  if (outer.reason !== undefined) abortGroup(inner, outer.reason)
  else outer.members.add({ aborted () { if (outer.reason !== undefined) abortGroup(inner, outer.reason) } })
}
