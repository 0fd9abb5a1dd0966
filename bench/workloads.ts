import { setTimeout as sleep } from 'node:timers/promises'
import type { Contender } from './contenders/contender.js'
import { ACCOUNTS, inserted, ROWS, updated, WIDE_ROWS } from './statements.js'
import type { Measured, Work } from './work.js'

const MEGABYTE = 1_000_000
let id = 1

/** The next of the pseudo-random row numbers. */
function nextId (): number {
  id = id * 48_271 % 2_147_483_647
  return id % ROWS + 1
}

/** Does the work with a contender whose connections are open; `createAnother` is for what needs a new one. */
export async function carryOut (work: Work, contender: Contender, createAnother: (connections?: number) => Contender | Promise<Contender>): Promise<Measured> {
  switch (work.name) {
    case 'load': return load(contender, work.callers, work.seconds)
    case 'burst': return burst(contender, work.callers, work.times)
    case 'mixed': return mixed(contender, work)
    case 'transactions': return transactions(contender, work.callers, work.seconds)
    case 'inserts': return inserts(contender, work.callers, work.seconds)
    case 'rows': return rows(contender, work.seconds)
    case 'insert': return insert(contender)
    case 'update': return update(contender)
    case 'returning': return returning(contender)
    case 'connect': return connect(await createAnother())
    case 'heap': return heap(() => createAnother(work.connections))
    case 'hops': throw new Error('processes/hops.ts counts them')
    case 'http': throw new Error('the load generator sends requests')
  }
}

/** The column is the one that was asked for. */
function check (row: unknown, column: string, value: unknown): void {
  if (typeof row !== 'object' || row === null || Reflect.get(row, column) !== value) {
    throw new Error(`not the row with ${column} ${value}: ${JSON.stringify(row)}`)
  }
}

function need<T> (ability: T | undefined): T {
  if (ability === undefined) throw new Error('this contender cannot do this work')
  return ability
}

/** Time, and processor time of this process, from its making on. */
class Clock {
  readonly started = performance.now()
  readonly #cpu = process.cpuUsage()

  /** For so many queries. */
  measured (done: number): Measured {
    const elapsed = performance.now() - this.started
    const { user, system } = process.cpuUsage(this.#cpu)
    return { rate: done / elapsed * 1000, cpu: (user + system) / done }
  }
}

async function load (contender: Contender, callers: number, seconds: number): Promise<Measured> {
  const fetch = need(contender.fetch)
  let done = 0
  const clock = new Clock()
  const end = clock.started + seconds * 1000
  await Promise.all(Array.from({ length: callers }, async () => {
    while (performance.now() < end) {
      const wanted = nextId()
      check(await fetch(wanted), 'id', wanted)
      done++
    }
  }))
  return clock.measured(done)
}

async function burst (contender: Contender, callers: number, times: number): Promise<Measured> {
  const fetch = need(contender.fetch)
  const started = performance.now()
  for (let time = 0; time < times; time++) {
    await Promise.all(Array.from({ length: callers }, async () => {
      const wanted = nextId()
      check(await fetch(wanted), 'id', wanted)
    }))
  }
  return { rate: callers * times / (performance.now() - started) * 1000 }
}

async function mixed (contender: Contender, { callers, slow, sleep, seconds }: Extract<Work, { name: 'mixed' }>): Promise<Measured> {
  const fetch = need(contender.fetch)
  const pause = need(contender.sleep)
  const latencies: number[] = []
  const started = performance.now()
  const end = started + seconds * 1000
  const sleepers = Promise.all(Array.from({ length: slow }, async () => {
    while (performance.now() < end) await pause(sleep)
  }))
  await Promise.all(Array.from({ length: callers }, async () => {
    for (let asked = performance.now(), now = asked; now < end; asked = now) {
      const wanted = nextId()
      check(await fetch(wanted), 'id', wanted)
      now = performance.now()
      latencies.push(now - asked)
    }
  }))
  const elapsed = performance.now() - started
  await sleepers
  latencies.sort((a, b) => a - b)
  return {
    rate: latencies.length / elapsed * 1000,
    p99: latencies[Math.floor(latencies.length * 0.99)] ?? NaN,
    worst: latencies.at(-1) ?? NaN,
  }
}

async function transactions (contender: Contender, callers: number, seconds: number): Promise<Measured> {
  const transfer = need(contender.transfer)
  const share = ACCOUNTS / callers
  let done = 0
  const started = performance.now()
  const end = started + seconds * 1000
  await Promise.all(Array.from({ length: callers }, async (_, caller) => {
    // Each caller has accounts of its own, so that none waits for another's lock.
    const first = caller * share + 1
    for (let turn = 0; performance.now() < end; turn += 2) {
      const changed = await transfer(first + turn % share, first + (turn + 1) % share)
      if (changed !== 2) throw new Error(`a transaction changed ${changed} rows`)
      done++
    }
  }))
  return { rate: done / (performance.now() - started) * 1000 }
}

async function inserts (contender: Contender, callers: number, seconds: number): Promise<Measured> {
  const insertOne = need(contender.insertOne)
  let asked = 0
  let done = 0
  const clock = new Clock()
  const end = clock.started + seconds * 1000
  await Promise.all(Array.from({ length: callers }, async () => {
    while (performance.now() < end) {
      const n = asked++
      const count = await insertOne(n, `label of row ${n}`)
      if (count !== 1) throw new Error(`${count} rows were inserted`)
      done++
    }
  }))
  return { ...clock.measured(done), done }
}

async function rows (contender: Contender, seconds: number): Promise<Measured> {
  const fetchWide = need(contender.fetchWide)
  let done = 0
  const started = performance.now()
  while (performance.now() - started < seconds * 1000) {
    const rows = await fetchWide()
    if (rows.length !== WIDE_ROWS) throw new Error(`${rows.length} rows`)
    check(rows.at(-1), 'id', WIDE_ROWS)
    check(rows.at(-1), 'email', `user${WIDE_ROWS}@example.com`)
    done++
  }
  return { rate: done / (performance.now() - started) * 1000 }
}

async function timed (work: () => PromiseLike<unknown>): Promise<Measured> {
  const started = performance.now()
  await work()
  return { time: performance.now() - started }
}

// What a batch left in its table is looked at by the referee.
const insert = (contender: Contender): Promise<Measured> => timed(() => need(contender.insert)(inserted))
const update = (contender: Contender): Promise<Measured> => timed(() => need(contender.update)(updated))

async function returning (contender: Contender): Promise<Measured> {
  let rows: readonly unknown[] = []
  const measured = await timed(async () => { rows = await need(contender.insertReturning)(inserted) })
  if (rows.length !== inserted.length) throw new Error(`${rows.length} rows`)
  for (const [index, row] of rows.entries()) check(row, 'n', index)
  return measured
}

async function connect (contender: Contender): Promise<Measured> {
  const measured = await timed(contender.open)
  await contender.close()
  return measured
}

async function heap (create: () => Contender | Promise<Contender>): Promise<Measured> {
  const before = await heapUsed()
  const contender = await create()
  await contender.open()
  const grown = await heapUsed() - before
  await contender.close()
  return { heap: grown / MEGABYTE }
}

async function heapUsed (): Promise<number> {
  for (let time = 0; time < 4; time++) {
    await sleep(50)
    globalThis.gc?.()
  }
  return process.memoryUsage().heapUsed
}
