/** Bytes that are put aside for messages at a time: some two hundred executions. */
const ROOM = 16 * 1024

/**
 * Messages on their way to one socket: put together here, and written together. What was written is never changed: the socket may not be
 * done with it.
 */
export class OutgoingMessages {
  /** Where the next message is put. A caller asks for room (`makeRoom`), writes it here, and moves `end` behind it. */
  bytes: Buffer = EMPTY
  end = 0
  #start = 0

  get isEmpty (): boolean { return this.end === this.#start }

  /** Sees to it that so many bytes can be put at `end`. */
  makeRoom (length: number): void {
    if (this.end + length <= this.bytes.length) return
    const waiting = this.bytes.subarray(this.#start, this.end)
    this.bytes = Buffer.allocUnsafeSlow(Math.max(ROOM, waiting.length + length))
    waiting.copy(this.bytes)
    this.#start = 0
    this.end = waiting.length
  }

  append (message: Buffer): void {
    this.makeRoom(message.length)
    this.bytes.set(message, this.end)
    this.end += message.length
  }

  /** All that waits to be written; undefined if nothing does. */
  take (): Buffer | undefined {
    if (this.end === this.#start) return undefined
    const taken = this.bytes.subarray(this.#start, this.end)
    this.#start = this.end
    if (this.bytes.length > ROOM) { // one large message
      this.bytes = EMPTY
      this.#start = this.end = 0
    }
    return taken
  }
}

const EMPTY = Buffer.alloc(0)
