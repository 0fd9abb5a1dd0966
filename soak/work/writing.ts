import { INSERT, INSERT_BY_EXPRESSION, INSERT_SLOWLY, tokenOf } from '../schema.js'
import type { Actor } from './actor.js'

/** One row; it reads some of them back at once. */
export async function write (actor: Actor): Promise<void> {
  const { db, calls, findings, tally, ledger, random, number } = actor
  const readsBack = random.chance(0.2)
  const id = ledger.open(1)
  const token = tokenOf(number, id, 0)
  const settled = await calls.attempt({ name: 'write' }, () => db.execute(INSERT, number, id, 0, token))
  ledger.settle(id, settled.fate)
  if (settled.value === undefined) return
  tally.single++
  if (settled.value.count !== 1) findings.add('others', `write: the answer to another: ${settled.value.status}`)
  if (!readsBack) return
  const read = await calls.attempt({ name: 'reading back' }, () => db.fetchAll<{ token: string }>('SELECT token FROM writes WHERE caller = $1 AND write = $2', number, id))
  if (read.value !== undefined && read.value.length !== 1) findings.add(read.value.length === 0 ? 'lost' : 'twice', `write ${token} was there ${read.value.length} times right after it`)
  if (read.value?.some((row) => row.token !== token) === true) findings.add('others', `reading back ${token}: ${read.value[0]?.token}`)
}

/** A write that takes its time, while its signal is aborted (perhaps before), or with a timeout that may be too short. */
export async function writeSlowly (actor: Actor): Promise<void> {
  const { db, calls, tally, ledger, random, number } = actor
  const timeout = random.integer(10, 100) / 1000
  const sleep = random.integer(0, 60) / 1000
  const kind = random.pick(['aborted before', 'aborted', 'timed out'] as const)
  const delay = random.integer(0, 60)
  const id = ledger.open(1)
  const controller = new AbortController()
  const abort = (): void => controller.abort(new Error(`${number}/${id}`))
  if (kind === 'aborted before') abort()
  const timer = kind === 'aborted' ? setTimeout(abort, delay) : undefined
  const { signal } = controller
  const before = db.stats()
  const query = kind === 'timed out' ? { text: INSERT_SLOWLY, timeout } : { text: INSERT_SLOWLY, signal }
  const manner = kind === 'timed out' ? { name: 'slow write', timeout } : { name: 'aborted write', signal }
  const settled = await calls.attempt(manner, () => db.execute(query, number, id, 0, tokenOf(number, id, 0), sleep))
  clearTimeout(timer)
  if (settled.value !== undefined) tally.single++
  // Where no connection was open in all that time, it was never sent.
  const waited = before.size === 0 && db.stats().created === before.created
  if (settled.value === undefined && signal.aborted && (waited || kind === 'aborted before')) ledger.settle(id, 'refused')
  else ledger.settle(id, settled.fate)
}

/** Writes that are refused, here or by the server. */
export async function writeBadly (actor: Actor): Promise<void> {
  const { calls, db, findings, ledger, random, number } = actor
  const [code, ...args] = random.pick([
    ['FST_PG_VALUE', 0, undefined],
    ['FST_PG_PARAMETER_COUNT', 0],
    ['23514', -1, 'the item is below 0'],
    ['23502', 0, null],
    ['22P02', 'no number', ''],
  ] as const)
  const id = ledger.open(1)
  const settled = await calls.attempt({ name: 'bad write', codes: [code] }, () => db.execute(INSERT, number, id, ...args))
  if (settled.value !== undefined) findings.add('others', `bad write: no ${code}`)
  ledger.settle(id, settled.fate)
}

/** All or nothing, as arrays or one by one, with or without rows to return, sometimes with a bad list in the middle. */
export async function writeMany (actor: Actor): Promise<void> {
  const { db, calls, findings, tally, ledger, random, number, largestBatch } = actor
  const size = Math.ceil(largestBatch ** random.fraction())
  const text = random.pick([INSERT, INSERT_BY_EXPRESSION])
  const returns = random.chance(0.3)
  const bad = random.chance(0.15) ? random.integer(0, size - 1) : undefined
  const code = random.pick(['23514', 'FST_PG_VALUE'])
  const id = ledger.open(size)
  const lists = Array.from({ length: size }, (_, item) => [number, id, item, tokenOf(number, id, item)] as unknown[])
  if (bad !== undefined) lists[bad]?.splice(2, 2, ...(code === '23514' ? [-1, ''] : [0, undefined]))
  const manner = { name: 'batch', codes: bad === undefined ? [] : [code], steps: 4 }
  if (returns) {
    const settled = await calls.attempt(manner, () => db.executeManyWithReturning<{ item: number, token: string }>(`${text} RETURNING item, token`, lists))
    ledger.settle(id, settled.fate)
    const own = settled.value?.every(({ item, token }, index) => item === index && token === tokenOf(number, id, index)) ?? true
    if (!own || (settled.value !== undefined && settled.value.length !== size)) findings.add('others', `batch ${number}/${id} of ${size}: other rows came back`)
    if (settled.value !== undefined) tally.batch += size
  } else {
    const settled = await calls.attempt(manner, () => db.executeMany(text, lists))
    ledger.settle(id, settled.fate)
    if (settled.value !== undefined && settled.value.count !== size) findings.add('others', `batch ${number}/${id} of ${size}: count ${settled.value.count}`)
    if (settled.value !== undefined) tally.batch += size
  }
  if (bad !== undefined && ledger.fateOf(id) === 'acknowledged') findings.add('others', `batch ${number}/${id}: no ${code}`)
}
