import { isDeepStrictEqual } from 'node:util'
import type { Queryable } from '../../src/index.js'
import { tokenOf } from '../schema.js'
import { INSERT_TYPED, READ_TYPED, type Typed, TYPED_COLUMNS, typedValues } from '../type-schema.js'
import type { Actor } from './actor.js'

/** So many lists go over arrays. */
const LEAST_BATCH = 60
const LARGEST_BATCH = 120

type Item = ReturnType<typeof typedValues>

const argsOf = ({ values: { mood, moods, doc, big, note, pair } }: Item): unknown[] => [mood, moods, doc, big, note, pair]
const RETURNING = `${INSERT_TYPED} RETURNING ${TYPED_COLUMNS}`

/** What comes back must be what was sent. */
function compare ({ findings }: Actor, what: string, rows: readonly Typed[], sent: readonly Item[]): void {
  const off = sent.findIndex(({ values }, index) => !isDeepStrictEqual({ ...rows[index] }, values))
  if (off !== -1 || rows.length !== sent.length) findings.add('others', `${what}: ${JSON.stringify(sent[off]?.values)} came back as ${JSON.stringify(rows[off])} (${rows.length} rows)`)
}

/** Enums, domains and composites: one row, or a batch, alone or in a transaction. */
export async function storeTyped (actor: Actor): Promise<void> {
  const { db, calls, counts, tally, ledger, random, number } = actor
  const isBatch = random.chance(0.4)
  const inTransaction = random.chance(0.3)
  const items = Array.from({ length: isBatch ? random.integer(LEAST_BATCH, LARGEST_BATCH) : 1 }, () => typedValues(random))
  const id = ledger.open(items.length)
  const lists = items.map((item, index) => [number, id, index, tokenOf(number, id, index), ...argsOf(item), item.said])
  const what = `${isBatch ? 'a batch' : 'a row'}${inTransaction ? ' in a transaction' : ''}`
  counts.add('values of types that differ', what)
  const store = (on: Queryable): Promise<Typed[]> => isBatch ? on.executeManyWithReturning<Typed>(RETURNING, lists) : on.fetchAll<Typed>(RETURNING, ...lists[0] ?? [])
  const settled = await calls.attempt({ name: `store ${what}`, steps: 4 }, () => inTransaction ? db.transaction(store) : store(db))
  ledger.settle(id, settled.fate)
  if (settled.value === undefined) return
  compare(actor, `store ${what}`, settled.value, items)
  tally[isBatch ? 'batch' : inTransaction ? 'transaction' : 'single'] += items.length
}

/** Values that are only sent and come back, several statements at once. */
export async function echoTyped (actor: Actor): Promise<void> {
  const { db, calls, counts, random } = actor
  const items = Array.from({ length: random.integer(1, 4) }, () => typedValues(random))
  counts.add('values of types that differ', 'sent and returned')
  await Promise.all(items.map(async (item) => {
    const { value } = await calls.attempt({ name: 'echo' }, () => db.fetchAll<Typed>(READ_TYPED, ...argsOf(item)))
    if (value !== undefined) compare(actor, 'echo', value, [item])
  }))
}

/** Rows of its own: which ones is a matter of the server that answers. */
export async function readTyped (actor: Actor): Promise<void> {
  const { db, calls, counts, number } = actor
  counts.add('values of types that differ', 'read')
  const { value } = await calls.attempt({ name: 'read back' }, () => db.fetchAll<Typed & { said: Omit<Typed, 'pair'> & { pair: { a: number, b: string } } }>(
    `SELECT ${TYPED_COLUMNS}, said FROM things WHERE caller = $1 ORDER BY write DESC, item LIMIT 70`, number))
  if (value === undefined) return
  const sent = value.map(({ said }) => ({ values: { ...said, pair: `(${said.pair.a},${said.pair.b})` }, said }))
  compare(actor, 'read back', value.map(({ said: _, ...typed }) => typed), sent)
}
