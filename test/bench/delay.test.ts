import { once } from 'node:events'
import net, { type AddressInfo } from 'node:net'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { DELAY, startDelay } from '../../bench/networks/delay.js'

const SCRIPT = fileURLToPath(new URL('../../bench/networks/proxy.ts', import.meta.url))

/** A connection to an echo by way of the proxy. */
async function throughProxy (t: Test): Promise<net.Socket> {
  const echo = net.createServer((socket) => { socket.pipe(socket) }).listen(0, '127.0.0.1')
  await once(echo, 'listening')
  t.teardown(() => { echo.close() })
  const proxy = await startDelay(SCRIPT, (echo.address() as AddressInfo).port)
  t.teardown(() => proxy.close())
  const socket = net.connect({ port: proxy.port, host: '127.0.0.1', noDelay: true })
  await once(socket, 'connect')
  return socket
}

t.test('what passes the proxy takes the delay in each direction at least', async (t) => {
  const socket = await throughProxy(t)
  const times: number[] = []
  for (let count = 0; count < 50; count++) {
    const sent = performance.now()
    socket.write('x')
    await once(socket, 'data')
    times.push(performance.now() - sent)
  }
  t.ok(Math.min(...times) >= 2 * DELAY, `${Math.min(...times)} ms`)
  socket.destroy()
})

t.test('everything passes in its order, and the end of a connection behind it', async (t) => {
  const socket = await throughProxy(t)
  const sent = Buffer.concat(Array.from({ length: 3_000 }, (_, index) => {
    const message = Buffer.alloc(100 + index % 900, index % 251)
    socket.write(message)
    return message
  }))
  socket.end()
  const received: Buffer[] = []
  for await (const bytes of socket) received.push(bytes)
  t.ok(Buffer.concat(received).equals(sent), `${sent.length} bytes`)
})
