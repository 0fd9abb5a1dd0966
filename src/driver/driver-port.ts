import { EventEmitter } from 'node:events'

/** What the driver does to its socket. */
export interface DriverPortEvents {
  written (bytes: Buffer): void
  /** It closes the session, with these last bytes. */
  ended (bytes: Buffer): void
}

/**
 * What postgres.js takes for its socket: as much of one as it uses, and never the real one. A `stream.Duplex` has no
 * `readyState`, without which the driver never calls `end()`.
 */
export class DriverPort extends EventEmitter {
  readyState: 'open' | 'closed' = 'open'
  readonly #events: DriverPortEvents

  constructor (events: DriverPortEvents) {
    super()
    this.#events = events
  }

  /** Backpressure is not the driver's. */
  write (bytes: Buffer): true {
    this.#events.written(bytes)
    return true
  }

  end (bytes: Buffer): this {
    this.#events.ended(bytes)
    return this
  }

  destroy (): this { return this }

  setKeepAlive (): this { return this }

  /** Gives the driver a message. */
  feed (message: Buffer): void { this.emit('data', message) }

  /** Tells the driver that its socket is closed. */
  close (): void {
    this.readyState = 'closed'
    this.emit('close', false)
  }
}
