/** A place in a `LinkedList`. Keep it to remove the value later, in constant time. */
export interface Node<T> {
  readonly value: T
  previous: Node<T> | null
  next: Node<T> | null
  linked: boolean
}

/**
 * A first-in-first-out list from which any member can leave in constant time. An array would make 10,000 waiters
 * that give up cost 10,000 × 10,000 steps.
 */
export class LinkedList<T> {
  #head: Node<T> | null = null
  #tail: Node<T> | null = null
  /** How many members it has; only this class writes it. */
  size = 0

  get first (): T | undefined { return this.#head?.value }

  /** Takes a place that is not in any list. A value may be its own place. */
  append (node: Node<T>): void {
    node.previous = this.#tail
    node.linked = true
    if (this.#tail === null) this.#head = node
    else this.#tail.next = node
    this.#tail = node
    this.size++
  }

  shift (): T | undefined {
    const head = this.#head
    if (head === null) return undefined
    this.remove(head)
    return head.value
  }

  /** Removing twice does nothing. */
  remove (node: Node<T>): void {
    if (!node.linked) return
    node.linked = false
    if (node.previous === null) this.#head = node.next
    else node.previous.next = node.next
    if (node.next === null) this.#tail = node.previous
    else node.next.previous = node.previous
    // A node that has grown old would keep alive whatever came after it until the next full collection.
    node.previous = node.next = null
    this.size--
  }

  * [Symbol.iterator] (): IterableIterator<T> {
    for (let node = this.#head; node !== null; node = node.next) yield node.value
  }
}
