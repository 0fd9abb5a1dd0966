import { LinkedList, type Node } from '../collections/linked-list.js'
import { FairTimer } from './fair-timer.js'

/** What has a deadline. */
export interface Expiring { expire (): void }

interface Group { readonly seconds: number, readonly entries: LinkedList<Deadline> }

/** A deadline that was set, and its place in the list. Give it back to `Deadlines.clear` when the work is done in time. */
export class Deadline implements Node<Deadline> {
  readonly at: number
  readonly work: Expiring
  readonly group: Group
  readonly value = this
  previous: Node<Deadline> | null = null
  next: Node<Deadline> | null = null
  linked = false

  constructor (at: number, work: Expiring, group: Group) {
    this.at = at
    this.work = work
    this.group = group
  }
}

/**
 * All deadlines of a pool on one timer: a timer for each query measured 11 % of throughput (docs/internals/measurements.md).
 *
 * Entries of one duration expire in the order in which they came, so each duration has a list whose first entry is
 * its earliest, and setting or clearing a deadline is O(1). The timer does not hold the process: a caller that
 * waits for a deadline waits for a socket or for the pool's retry timer too, and those hold it.
 */
export class Deadlines {
  #groups = new Map<number, Group>()
  #timer: FairTimer | undefined
  #armedFor = Infinity

  /** Calls `work.expire()` in `seconds` from `now`, unless cleared before. */
  set (seconds: number, work: Expiring, now = performance.now()): Deadline {
    let group = this.#groups.get(seconds)
    if (group === undefined) {
      group = { seconds, entries: new LinkedList() }
      this.#groups.set(seconds, group)
    }
    const at = now + seconds * 1000
    if (at < this.#armedFor) this.#arm(at)
    const deadline = new Deadline(at, work, group)
    group.entries.append(deadline)
    return deadline
  }

  clear (deadline: Deadline): void {
    const { group } = deadline
    group.entries.remove(deadline)
    // An empty list is kept for the next statement, but odd timeouts of single calls must not pile up.
    if (group.entries.size === 0 && this.#groups.size > 16 && this.#groups.get(group.seconds) === group) this.#groups.delete(group.seconds)
  }

  #arm (at: number): void {
    this.#timer?.clear()
    this.#armedFor = at
    // setTimeout takes at most 2^31-1 ms; a later deadline is armed again when it fires.
    const delay = Math.min(Math.max(Math.ceil(at - performance.now()), 1), 0x7fffffff)
    this.#timer = new FairTimer(delay, () => this.#fire(), false)
  }

  #fire (): void {
    this.#armedFor = Infinity
    const now = performance.now()
    let next = Infinity
    for (const { seconds, entries } of this.#groups.values()) {
      for (let entry = entries.first; entry !== undefined && entry.at <= now; entry = entries.first) {
        entries.shift()
        entry.work.expire()
      }
      if (entries.first === undefined) this.#groups.delete(seconds)
      else next = Math.min(next, entries.first.at)
    }
    if (next < this.#armedFor) this.#arm(next)
  }
}
