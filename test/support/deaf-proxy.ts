import net from 'node:net'
import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import type { Test } from 'tap'

/** Plain JavaScript in a string: a loader or the coverage of the test runner has no business in the thread. */
const THREAD = `
  const net = require('node:net')
  const { parentPort, workerData: { target, state } } = require('node:worker_threads')
  const server = net.createServer({ noDelay: true }, (near) => {
    const far = net.connect({ ...target, noDelay: true })
    for (const [from, to] of [[near, far], [far, near]]) from.on('error', () => {}).on('close', () => to.destroy()).pipe(to)
  })
  server.listen({ port: 0, host: '127.0.0.1', backlog: 1 }, () => parentPort.postMessage(server.address().port))
  parentPort.on('message', () => {
    parentPort.postMessage('deaf')
    Atomics.wait(state, 0, 1)
  })
`

/**
 * A proxy that can go deaf as a network does that swallows everything: nothing flows on what is connected, and the
 * system drops the first packet of each new connect, so that TCP itself repeats it after 1, 3 and 7 seconds.
 * (`FaultProxy` lets new connects through to itself, and what was sent arrives the moment that it forwards again.)
 */
export class DeafProxy {
  /** The given URL, by way of the proxy. */
  readonly url: string
  readonly #port: number
  readonly #thread: Worker
  /** Whether the thread is to sleep. */
  readonly #state: Int32Array<SharedArrayBuffer>
  #fillers: net.Socket[] = []

  static async start (t: Test, url: string): Promise<DeafProxy> {
    const { hostname: host, port } = new URL(url)
    const state = new Int32Array(new SharedArrayBuffer(4))
    const thread = new Worker(THREAD, { eval: true, execArgv: [], workerData: { target: { host, port: Number(port) }, state } })
    const [own]: number[] = await once(thread, 'message')
    const proxy = new DeafProxy(url, own ?? 0, thread, state)
    t.teardown(() => proxy.close())
    return proxy
  }

  private constructor (url: string, port: number, thread: Worker, state: Int32Array<SharedArrayBuffer>) {
    this.#port = port
    this.#thread = thread
    this.#state = state
    this.url = Object.assign(new URL(url), { host: `127.0.0.1:${port}` }).href
  }

  /** From now on nothing gets through, not even a connect. */
  async deafen (): Promise<void> {
    Atomics.store(this.#state, 0, 1)
    this.#thread.postMessage('deafen')
    await once(this.#thread, 'message')
    // The system still accepts as many connects as fit into the queue of a listener that does not look.
    for (let connected = true; connected;) {
      const filler = net.connect({ port: this.#port, host: '127.0.0.1' }).on('error', () => {})
      this.#fillers.push(filler)
      connected = await once(filler, 'connect', { signal: AbortSignal.timeout(150) }).then(() => true, () => false)
    }
  }

  hear (): void {
    for (const filler of this.#fillers.splice(0)) filler.destroy()
    Atomics.store(this.#state, 0, 0)
    Atomics.notify(this.#state, 0)
  }

  async close (): Promise<void> {
    this.hear()
    await this.#thread.terminate()
  }
}
