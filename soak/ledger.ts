/**
 * What became of a write, by what its caller was told:
 * - `acknowledged`: its promise resolved. It must be there, once.
 * - `doubtful`: the connection was lost or its time was up while the server may have been at it. It may be there or not.
 * - `refused`: it was told that nothing happened. It must not be there.
 */
export type Fate = 'acknowledged' | 'doubtful' | 'refused'
const FATES: ReadonlyArray<Fate | undefined> = [undefined, 'acknowledged', 'doubtful', 'refused']

/**
 * The writes of one caller, numbered from 0, each of so many rows. Kept outside of the heap, which has to stay flat
 * however many there are.
 */
export class Ledger {
  #fates = new Uint8Array(1024)
  #sizes = new Uint16Array(1024)
  #length = 0

  get length (): number { return this.#length }

  /** A write of `size` rows begins: its number. */
  open (size: number): number {
    if (this.#length === this.#fates.length) {
      this.#fates = grown(this.#fates, new Uint8Array(this.#length * 2))
      this.#sizes = grown(this.#sizes, new Uint16Array(this.#length * 2))
    }
    this.#sizes[this.#length] = size
    return this.#length++
  }

  settle (write: number, fate: Fate): void { this.#fates[write] = FATES.indexOf(fate) }

  /** Nothing, for one that never settled. */
  fateOf (write: number): Fate | undefined { return FATES[this.#fates[write] ?? 0] }
  sizeOf (write: number): number { return this.#sizes[write] ?? 0 }
}

function grown<T extends Uint8Array | Uint16Array> (from: T, to: T): T {
  to.set(from)
  return to
}
