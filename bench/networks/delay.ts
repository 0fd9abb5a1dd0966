import { fork } from 'node:child_process'
import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import { environment, LIMIT } from '../processes/child.js'
import { number } from '../report/console.js'
import { median } from '../report/statistics.js'

/** Milliseconds in each direction. */
export const DELAY = 0.5
const MESSAGE = Buffer.alloc(100, 'x')
const ROUND_TRIPS = 200
/** For what it can pass at most: sockets, messages in flight on each, and milliseconds. */
const LOAD = { sockets: 10, inFlight: 20, duration: 300 }

export interface Delay { port: number, close (): void }

/** A proxy in a process of its own in front of a port of this machine; `script` is proxy.ts or what it was compiled to. */
export async function startDelay (script: string, target: number): Promise<Delay> {
  const execArgv = script.endsWith('.ts') ? ['--import', 'tsx'] : []
  const child = fork(script, { execArgv, env: environment({ BENCH_TARGET: String(target), BENCH_DELAY: String(DELAY) }) })
  const [address]: AddressInfo[] = await once(child, 'message', { signal: AbortSignal.timeout(LIMIT) })
  return { port: address?.port ?? 0, close: () => { child.kill('SIGKILL') } }
}

/** What the proxy can do itself, with an echo behind it: what is slower than that is not its fault. */
export async function describeDelay (script: string): Promise<string> {
  const echo = createServer({ noDelay: true }, (socket) => { socket.on('error', () => {}).pipe(socket) }).listen(0, '127.0.0.1')
  await once(echo, 'listening')
  const { port } = echo.address() as AddressInfo
  const proxy = await startDelay(script, port)
  try {
    const trip = await measureRoundTrip(proxy.port)
    const rate = await measureRate(proxy.port)
    return `1 ms of latency: a proxy in a process of its own holds back what passes for ${DELAY} ms in each direction; through it, an echo comes ` +
      `after ${number(trip, 2)} ms, and ${number(rate, 0)} messages per second there and back over ${LOAD.sockets} connections with ${LOAD.inFlight} in flight on each`
  } finally {
    proxy.close()
    echo.close()
  }
}

async function open (port: number): Promise<Socket> {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true })
  await once(socket, 'connect')
  return socket
}

async function measureRoundTrip (port: number): Promise<number> {
  const socket = await open(port)
  const times: number[] = []
  for (let count = 0; count < ROUND_TRIPS; count++) {
    const started = performance.now()
    socket.write('x')
    await once(socket, 'data')
    times.push(performance.now() - started)
  }
  socket.destroy()
  return median(times)
}

async function measureRate (port: number): Promise<number> {
  const sockets = await Promise.all(Array.from({ length: LOAD.sockets }, () => open(port)))
  let bytes = 0
  const started = performance.now()
  for (const socket of sockets) {
    let pending = 0
    socket.on('data', ({ length }) => {
      bytes += length
      pending += length
      for (; pending >= MESSAGE.length; pending -= MESSAGE.length) socket.write(MESSAGE)
    })
    for (let count = 0; count < LOAD.inFlight; count++) socket.write(MESSAGE)
  }
  await new Promise((resolve) => { setTimeout(resolve, LOAD.duration) })
  const elapsed = performance.now() - started
  for (const socket of sockets) socket.destroy()
  return bytes / MESSAGE.length / elapsed * 1000
}
