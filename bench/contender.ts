// One contender in a process of its own; child.ts is its other end.
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { contenders, idlePools, ROWS } from './contenders.js'

export type Work =
  /** As many callers as `callers`, each with one query at a time, for `seconds`. */
  | { name: 'load', callers: number, seconds: number }
  /** All callers at once, each with one query, `times` over. */
  | { name: 'burst', callers: number, times: number }
export type Command = { name: 'open' } | { name: 'close' } | Work

/** `value`: queries per second; for `open` the growth of the heap in bytes. */
export type Reply = { value: number } | { error: string }

const { BENCH_CONTENDER: name = '', BENCH_URL: url } = process.env
const entry = contenders[name] ?? idlePools[name]
if (entry === undefined || url === undefined) throw new Error('run.ts starts this file')
const contender = entry.create(url, `bench ${name}`)
let id = 1

async function fetchAny (): Promise<void> {
  const wanted = id = id * 48_271 % 2_147_483_647
  const row = await contender.fetch(wanted % ROWS + 1) as { id?: unknown } | null | undefined
  if (row?.id !== wanted % ROWS + 1) throw new Error(`not the row that was asked for: ${JSON.stringify(row)}`)
}

async function load (callers: number, seconds: number): Promise<number> {
  let done = 0
  const started = performance.now()
  await Promise.all(Array.from({ length: callers }, async () => {
    while (performance.now() - started < seconds * 1000) {
      await fetchAny()
      done++
    }
  }))
  return done / (performance.now() - started) * 1000
}

async function burst (callers: number, times: number): Promise<number> {
  const started = performance.now()
  for (let time = 0; time < times; time++) await Promise.all(Array.from({ length: callers }, fetchAny))
  return callers * times / (performance.now() - started) * 1000
}

async function heapUsed (): Promise<number> {
  for (let time = 0; time < 4; time++) {
    await sleep(50)
    globalThis.gc?.()
  }
  return process.memoryUsage().heapUsed
}

async function obey (command: Command): Promise<number> {
  if (command.name === 'load') return await load(command.callers, command.seconds)
  if (command.name === 'burst') return await burst(command.callers, command.times)
  const before = await heapUsed()
  await contender[command.name]()
  return await heapUsed() - before
}

function reply (answer: Reply): Promise<void> {
  return new Promise((resolve) => process.send?.(answer, () => resolve()))
}

process.on('message', (command: Command) => {
  obey(command).then((value) => reply({ value }), (error) => reply({ error: String(error?.stack ?? error) })).then(() => {
    if (command.name === 'close') process.disconnect()
  })
})
await once(process, 'disconnect')
process.exit()
