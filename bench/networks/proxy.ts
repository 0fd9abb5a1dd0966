// A slow network in a process of its own: holds back what passes, in each direction; delay.ts starts it.
import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'

const { BENCH_TARGET: target, BENCH_DELAY: delay } = process.env
if (target === undefined || delay === undefined) throw new Error('networks/delay.ts starts this file')
const DELAY = Number(delay)
/** Milliseconds that it sleeps at most while something waits: timers know whole milliseconds only. */
const NAP = 0.1

interface Parcel { due: number, to: Socket, bytes: Buffer | undefined }

/** All are held back for the same time, so that they leave in the order in which they came. */
const parcels: Parcel[] = []
let delivered = 0
let isBusy = false
const bed = new Int32Array(new SharedArrayBuffer(4))

function hold (to: Socket, bytes?: Buffer): void {
  parcels.push({ due: performance.now() + DELAY, to, bytes })
  if (isBusy) return
  isBusy = true
  setImmediate(deliver)
}

function deliver (): void {
  const now = performance.now()
  let next = parcels[delivered]
  for (; next !== undefined && next.due <= now; next = parcels[++delivered]) {
    if (next.bytes === undefined) next.to.end()
    else next.to.write(next.bytes)
  }
  if (next === undefined || delivered > 1_000) parcels.splice(0, delivered)
  delivered = next === undefined || delivered > 1_000 ? 0 : delivered
  isBusy = next !== undefined
  if (next === undefined) return
  // Looking all the time would take one of the cores from those that are measured.
  Atomics.wait(bed, 0, 0, Math.min(NAP, next.due - now))
  setImmediate(deliver)
}

const server = createServer({ noDelay: true, allowHalfOpen: true }, (near) => {
  const far = connect({ host: '127.0.0.1', port: Number(target), noDelay: true, allowHalfOpen: true })
  for (const [from, to] of [[near, far], [far, near]] as const) {
    from.on('data', (bytes) => hold(to, bytes)).on('end', () => hold(to)).on('error', () => to.destroy())
  }
})
server.listen(0, '127.0.0.1')
await once(server, 'listening')
process.send?.(server.address())
await once(process, 'disconnect')
process.exit()
