import type { Abortable } from './abort-listeners.js'

/** What a call ends with. */
export interface AbortScope {
  readonly members: { add (member: Abortable): unknown, delete (member: Abortable): unknown }
  /** Why it has ended; undefined as long as it has not. */
  readonly reason: Error | undefined
}

/**
 * What ends together, when nobody waits for it any more: the calls of one request. Not a class and not a signal, because each call of each
 * request joins one and leaves it, and nothing of ours is entered for that.
 */
export interface AbortGroup extends AbortScope {
  readonly members: Set<Abortable>
  reason: Error | undefined
}

/** Ends what is in it, and what comes later. Again, it does nothing. */
export function abortGroup (group: AbortGroup, reason: Error): void {
  if (group.reason !== undefined) return
  group.reason = reason
  for (const member of group.members) member.aborted()
}

/** What ends with both of two groups. */
export class JoinedGroups implements AbortScope {
  readonly #groups: readonly AbortScope[]

  constructor (...groups: readonly [AbortScope, AbortScope]) { this.#groups = groups }

  get members (): this { return this }
  get reason (): Error | undefined { return this.#groups.find(({ reason }) => reason !== undefined)?.reason }
  add (member: Abortable): void { for (const { members } of this.#groups) members.add(member) }
  delete (member: Abortable): void { for (const { members } of this.#groups) members.delete(member) }
}
