import net, { type AddressInfo, type Socket } from 'node:net'
import { once } from 'node:events'
import type { Test } from 'tap'

/**
 * What the network does to a connection:
 * - `forward`: nothing.
 * - `black-hole`: no byte gets through either way, nor the news that the other end is gone. What was sent meanwhile
 *   arrives when the proxy forwards again, as TCP would repeat it.
 * - `refuse`: new connections get ECONNREFUSED; those that exist go on.
 * - `hang-up`: new connections are accepted and ended at once; those that exist go on.
 */
export type Fault = 'forward' | 'black-hole' | 'refuse' | 'hang-up'

/** A TCP proxy in front of a server, to break the network between it and the code under test. */
export class FaultProxy {
  /** The given URL, by way of the proxy. */
  readonly url: string
  /** Connections accepted since the start. */
  accepted = 0
  readonly #target: { host: string, port: number }
  readonly #port: number
  readonly #links = new Set<Link>()
  readonly #timers = new Set<NodeJS.Timeout>()
  #server: net.Server
  #fault: Fault = 'forward'
  #delay = 0

  /** A proxy in front of the server of `url`, closed when the test ends. */
  static async start (t: Test, url: string): Promise<FaultProxy> {
    const server = await listen()
    const proxy = new FaultProxy(url, server)
    t.teardown(() => proxy.close())
    return proxy
  }

  private constructor (url: string, server: net.Server) {
    const { hostname, port } = new URL(url)
    this.#target = { host: hostname, port: Number(port) }
    this.#server = server
    this.#port = (server.address() as AddressInfo).port
    const own = new URL(url)
    own.host = `127.0.0.1:${this.#port}`
    this.url = own.href
    this.#accept()
  }

  /** Connections that are open on the side of the code under test, as far as the proxy knows. */
  get size (): number { return this.#links.size }

  async set (fault: Fault): Promise<void> {
    const listening = this.#server.listening
    this.#fault = fault
    for (const link of this.#links) link.flow(fault !== 'black-hole')
    if (fault === 'refuse' && listening) this.#server.close()
    if (fault !== 'refuse' && !listening) {
      this.#server = await listen(this.#port)
      this.#accept()
    }
  }

  /** New connections get through to the server only after so many milliseconds. */
  delay (milliseconds: number): void { this.#delay = milliseconds }

  /** Resets every connection; new ones are treated as before. */
  cut (): void {
    for (const link of this.#links) link.cut()
  }

  async close (): Promise<void> {
    for (const timer of this.#timers) clearTimeout(timer)
    const { listening } = this.#server
    if (listening) this.#server.close()
    this.cut()
    if (listening) await once(this.#server, 'close')
  }

  #accept (): void {
    this.#server.on('connection', (socket: Socket) => {
      this.accepted++
      if (this.#fault === 'hang-up') {
        socket.on('error', () => {}).resume().end()
        return
      }
      const link = new Link(socket, () => this.#links.delete(link))
      this.#links.add(link)
      link.flow(this.#fault !== 'black-hole')
      if (this.#delay === 0) return link.join(this.#target)
      const timer = setTimeout(() => {
        this.#timers.delete(timer)
        link.join(this.#target)
      }, this.#delay)
      this.#timers.add(timer)
    })
  }
}

/** One connection through the proxy: two sockets. */
class Link {
  readonly #near: Socket
  readonly #onGone: () => void
  #far: Socket | undefined
  #flowing = true
  #target: { host: string, port: number } | undefined

  constructor (near: Socket, onGone: () => void) {
    this.#near = near.pause()
    this.#onGone = onGone
    near.on('error', () => this.cut())
    near.on('close', () => this.#leave(this.#far))
  }

  /** Connects to the server, now or when bytes flow again. */
  join (target: { host: string, port: number }): void {
    this.#target = target
    if (!this.#flowing || this.#near.destroyed) return
    const far = this.#far = net.connect({ ...target, noDelay: true, allowHalfOpen: true })
    far.on('error', () => this.cut())
    far.on('close', () => this.#leave(this.#near))
    this.#forward(this.#near, far)
    this.#forward(far, this.#near)
    this.flow(true)
  }

  /** By hand, as a pipe resumes a paused socket whenever the other side has drained. */
  #forward (from: Socket, to: Socket): void {
    from.on('data', (bytes) => to.write(bytes))
    from.on('end', () => to.end())
    if (!this.#flowing) from.pause()
  }

  flow (flowing: boolean): void {
    this.#flowing = flowing
    if (flowing && this.#far === undefined) {
      if (this.#target !== undefined) this.join(this.#target)
      return
    }
    for (const socket of [this.#near, this.#far]) flowing ? socket?.resume() : socket?.pause()
  }

  cut (): void {
    for (const socket of [this.#near, this.#far]) if (socket?.destroyed === false) socket.resetAndDestroy()
  }

  #leave (other: Socket | undefined): void {
    if (this.#near.destroyed) this.#onGone()
    if (other?.destroyed === false) other.destroySoon()
  }
}

/**
 * Below the range from which systems take the ports of outgoing connections: one of those could take the port while the
 * proxy refuses, and a connect to a closed port in that range can even reach itself.
 */
async function listen (fixed?: number): Promise<net.Server> {
  for (let attempts = 20; ; attempts--) {
    const server = net.createServer({ noDelay: true, allowHalfOpen: true })
    try {
      server.listen(fixed ?? 20_000 + Math.floor(Math.random() * 12_000), '127.0.0.1')
      await once(server, 'listening')
      return server
    } catch (error) {
      if (fixed !== undefined || attempts === 0) throw error
    }
  }
}
