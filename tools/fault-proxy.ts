import net, { type AddressInfo, type Socket } from 'node:net'
import { once } from 'node:events'
import type { Test } from 'tap'
import type { Nonsense } from './nonsense.js'

/**
 * What the network does to a connection:
 * - `forward`: nothing.
 * - `black-hole`: no byte gets through either way, nor the news that the other end is gone. What was sent in the meantime
 *   arrives when the proxy forwards again, as TCP would repeat it.
 * - `refuse`: new connections get ECONNREFUSED; those that exist go on.
 * - `hang-up`: new connections are accepted and ended at once; those that exist go on.
 */
export type Fault = 'forward' | 'black-hole' | 'refuse' | 'hang-up'

/** ReadyForQuery, which ends the server's greeting. */
const READY = Buffer.from('Z\0\0\0\x05I', 'latin1')
/** The end of each answer, before its status. */
const ANSWERED = READY.subarray(0, -1)
/** Milliseconds after which an impostor ends a connection. */
const IMPOSTURE = 200

/** A TCP proxy in front of a server, to break the network between it and the code under test. */
export class FaultProxy {
  /** The given URL, by way of the proxy. */
  readonly url: string
  /** Connections accepted since the start. */
  accepted = 0
  /** The most connects at a time that the server had not greeted yet. */
  mostConnecting = 0
  #target: { host: string, port: number }
  readonly #port: number
  readonly #links = new Set<Link>()
  readonly #timers = new Set<NodeJS.Timeout>()
  /** Connections that meet no server. */
  readonly #impostors = new Set<Socket>()
  #server: net.Server
  #fault: Fault = 'forward'
  #imposture: Nonsense | undefined
  #delay = 0

  /** A proxy in front of the server of `url`, closed when the test ends. */
  static async start (t: Test, url: string): Promise<FaultProxy> {
    const proxy = await FaultProxy.open(url)
    t.teardown(() => proxy.close())
    return proxy
  }

  /** Starts one that the caller closes itself. */
  static async open (url: string): Promise<FaultProxy> {
    return new FaultProxy(url, await listen())
  }

  private constructor (url: string, server: net.Server) {
    this.#target = targetOf(url)
    this.#server = server
    this.#port = (server.address() as AddressInfo).port
    const own = new URL(url)
    own.host = `127.0.0.1:${this.#port}`
    this.url = own.href
    this.#accept()
  }

  /** Connections that are open on the side of the code under test, as far as the proxy knows. */
  get size (): number { return [...this.#links].filter((link) => link.isOpen).length }

  /** Connects that the server has not greeted yet. */
  get connecting (): number { return [...this.#links].filter((link) => link.isOpen && !link.isGreeted).length }

  async set (fault: Fault): Promise<void> {
    const listening = this.#server.listening
    const changesFlow = (fault === 'black-hole') !== (this.#fault === 'black-hole')
    this.#fault = fault
    if (changesFlow) for (const link of this.#links) link.flow(fault !== 'black-hole')
    if (fault === 'refuse' && listening) this.#server.close()
    if (fault !== 'refuse' && !listening) {
      this.#server = await listen(this.#port)
      this.#accept()
    }
  }

  /** New connections get through to the server only after so many milliseconds. */
  delay (milliseconds: number): void { this.#delay = milliseconds }

  /** New connections get to another server. */
  lead (url: string): void { this.#target = targetOf(url) }

  /** New connections get nonsense in place of a server; those that exist go on. */
  impersonate (imposture: Nonsense | undefined): void { this.#imposture = imposture }

  /** Nonsense comes into the next answer on each connection that exists, behind so many of its messages. Not any more: undefined. */
  slip (nonsense: Nonsense | undefined, behind = 0): void {
    for (const link of this.#links) link.slip(nonsense?.bytes, behind)
  }

  /** Holds up what is sent on the connections that exist, or one direction of it; new ones are treated as before. */
  hold (held: boolean | 'requests' | 'answers'): void {
    for (const link of this.#links) link.flow(held === false, held === true || held === false ? undefined : held)
  }

  /** Resets every connection; new ones are treated as before. */
  cut (): void {
    for (const link of this.#links) link.cut()
    for (const socket of this.#impostors) reset(socket)
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
      if (this.#imposture !== undefined) return this.#impersonate(socket, this.#imposture)
      const link = new Link(socket, this.#target, () => this.#links.delete(link))
      this.#links.add(link)
      this.mostConnecting = Math.max(this.mostConnecting, this.connecting)
      if (this.#delay === 0) return link.flow(this.#fault !== 'black-hole')
      this.#later(this.#delay, () => link.flow(this.#fault !== 'black-hole'))
    })
  }

  #impersonate (socket: Socket, { bytes, ends }: Nonsense): void {
    this.#impostors.add(socket)
    socket.on('error', () => {}).on('close', () => this.#impostors.delete(socket)).on('end', () => socket.end())
    socket.resume().once('data', () => {
      socket.write(bytes)
      if (ends) this.#later(IMPOSTURE, () => socket.end())
    })
  }

  #later (milliseconds: number, work: () => void): void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer)
      work()
    }, milliseconds)
    this.#timers.add(timer)
  }
}

function targetOf (url: string): { host: string, port: number } {
  const { hostname, port } = new URL(url)
  return { host: hostname, port: Number(port) }
}

/** One connection through the proxy: two sockets. Nothing flows at first. */
class Link {
  readonly #near: Socket
  readonly #target: { host: string, port: number }
  readonly #onGone: () => void
  #far: Socket | undefined
  #flowing = false
  /** Whether the server has let it in. */
  isGreeted = false
  /** What one side has to be told of the other one, while nothing flows. */
  #news: Array<() => void> = []
  /** What is to come into the next answer. */
  #slip: { bytes: Buffer, behind: number } | undefined
  /** Whether what the server sends next begins an answer. */
  #isAnswered = false

  constructor (near: Socket, target: { host: string, port: number }, onGone: () => void) {
    this.#near = near
    this.#target = target
    this.#onGone = onGone
    near.on('data', (bytes) => this.#far?.write(bytes))
    this.#forward(near, () => this.#far)
    near.pause()
  }

  get isOpen (): boolean { return !this.#near.destroyed }

  /** Lets things through or not; `only` one direction is held up. */
  flow (flowing: boolean, only?: 'requests' | 'answers'): void {
    this.#flowing = flowing
    if (flowing && this.#far === undefined && !this.#near.destroyed) {
      this.#far = net.connect({ ...this.#target, noDelay: true, allowHalfOpen: true })
      this.#far.on('data', (bytes) => this.#answer(bytes))
      this.#forward(this.#far, () => this.#near)
    }
    for (const socket of [this.#near, this.#far]) {
      const held = !flowing && only !== (socket === this.#near ? 'answers' : 'requests')
      held ? socket?.pause() : socket?.resume()
    }
    if (flowing) for (const tell of this.#news.splice(0)) tell()
  }

  cut (): void {
    for (const socket of [this.#near, this.#far]) reset(socket)
  }

  /** Nonsense for the next answer, behind so many of its messages; or none. */
  slip (bytes: Buffer | undefined, behind: number): void {
    this.#slip = bytes === undefined ? undefined : { bytes, behind }
  }

  /** What the server sends, with what comes in between. */
  #answer (bytes: Buffer): void {
    this.isGreeted ||= bytes.includes(READY)
    const slip = this.#isAnswered ? this.#slip : undefined
    this.#isAnswered = this.isGreeted && bytes.subarray(-READY.length, -1).equals(ANSWERED)
    if (slip === undefined) {
      this.#near.write(bytes)
      return
    }
    this.#slip = undefined
    const at = boundary(bytes, slip.behind)
    for (const part of [bytes.subarray(0, at), slip.bytes, bytes.subarray(at)]) this.#near.write(part)
  }

  /** Not by pipe(), which resumes a socket that is to stay paused. A paused one still says that the other end is gone. */
  #forward (from: Socket, to: () => Socket | undefined): void {
    from.on('end', () => this.#pass(() => to()?.end()))
    from.on('error', () => {}) // 'close' follows
    from.on('close', (failed) => {
      this.#pass(() => failed ? reset(to()) : to()?.destroySoon())
      if (this.#near.destroyed && this.#far?.destroyed !== false) this.#onGone()
    })
  }

  #pass (tell: () => void): void {
    if (this.#flowing) tell()
    else this.#news.push(tell)
  }
}

/** Where the message behind so many others begins, or the last one that does. */
function boundary (bytes: Buffer, behind: number): number {
  let at = 0
  for (; behind > 0 && at + 5 <= bytes.length; behind--) {
    const next = at + 1 + bytes.readInt32BE(at + 1)
    if (next > bytes.length) break
    at = next
  }
  return at
}

function reset (socket: Socket | undefined): void {
  if (socket?.destroyed === false) socket.resetAndDestroy()
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
