import type { Transaction } from '../../src/index.js'
import { INSERT, INSERT_TRANSFER, tokenOf } from '../schema.js'
import { ACCOUNTS, BALANCE } from '../settings.js'
import type { Actor } from './actor.js'

/** What the server says of transactions that got into each other's way, and of a balance below 0. */
const CONFLICTS = ['40P01', '40001', '23514']

/**
 * Moves money and writes down that it did, in one transaction. Some throw before the end, some undo a part of theirs, some
 * have more to move than there is, and some lock in an order that may end in a deadlock.
 */
export async function transfer (actor: Actor): Promise<void> {
  const { db, calls, findings, tally, ledger, random, number } = actor
  const source = random.integer(1, ACCOUNTS)
  const target = (source + random.integer(1, ACCOUNTS - 1) - 1) % ACCOUNTS + 1
  const overdraws = random.chance(0.05)
  const amount = overdraws ? BALANCE * ACCOUNTS + 1 : random.integer(1, 50)
  const inOrder = random.chance(0.9)
  const throws = random.chance(0.1)
  const undoes = random.chance(0.1)
  const options = random.pick([{}, {}, { isolation: 'repeatable read' }, { isolation: 'serializable' }] as const)
  const id = ledger.open(1)
  const own = new Error(`${number}/${id}`)
  let isDone = false
  const moves = [{ account: source, by: -amount }, { account: target, by: amount }]
  if (inOrder) moves.sort((a, b) => a.account - b.account)

  const settled = await calls.attempt({ name: 'transfer', codes: CONFLICTS, own, steps: 6 }, () => db.transaction(async (tx) => {
    for (const { account, by } of moves) await tx.execute('UPDATE accounts SET balance = balance + $1 WHERE id = $2', by, account)
    await tx.execute(INSERT_TRANSFER, number, id, 0, tokenOf(number, id, 0), source, target, amount)
    if (undoes) await undoPart(tx, actor, id)
    if (throws) throw own
    isDone = true
  }, options))
  if (settled.fate === 'acknowledged') tally.transaction++
  if (settled.fate === 'acknowledged' && (throws || overdraws)) findings.add('others', `transfer ${number}/${id}: no error`)
  // A transaction whose function did not get to its end was never committed, whatever it rejected with.
  ledger.settle(id, isDone ? settled.fate : 'refused')
}

async function undoPart (tx: Transaction, { number }: Actor, id: number): Promise<void> {
  const undone = new Error('undone')
  try {
    await tx.transaction(async (part) => {
      await part.execute(INSERT, number, id, 1, tokenOf(number, id, 1))
      throw undone
    })
  } catch (error) {
    if (error !== undone) throw error
  }
}

/**
 * A lease with a setting of its own, and a transaction by hand that is committed, or left open: then the pool has to roll
 * it back, and the next one must not meet the setting.
 */
export async function lease (actor: Actor): Promise<void> {
  const { db, calls, findings, tally, ledger, random, number } = actor
  const commits = random.chance(0.5)
  const id = ledger.open(1)
  const owner = `${number}/${id}`
  let committing = false
  const settled = await calls.attempt({ name: 'lease', steps: 6 }, async () => {
    const lease = await db.acquire()
    try {
      const before = await lease.fetchVal<string>("SELECT coalesce(current_setting('soak.owner', true), '')")
      if (before !== '') findings.add('others', `lease: a session that is ${before}'s`)
      await lease.execute(`SET soak.owner TO '${owner}'`)
      await lease.execute('BEGIN')
      await lease.execute(INSERT, number, id, 0, tokenOf(number, id, 0))
      const after = await lease.fetchVal<string>("SELECT current_setting('soak.owner')")
      if (after !== owner) findings.add('others', `lease: the session of ${owner} is ${String(after)}'s`)
      if (!commits) return
      committing = true
      await lease.execute('COMMIT')
    } finally {
      await lease.release()
    }
  })
  if (settled.fate === 'acknowledged' && commits) tally.transaction++
  ledger.settle(id, committing ? settled.fate : 'refused')
}
