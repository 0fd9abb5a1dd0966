import type { Queryable } from '../../src/index.js'
import { codeOf } from '../calls.js'
import type { Fate } from '../ledger.js'
import { INSERT, insertText, tokenOf } from '../schema.js'
import type { Actor } from './actor.js'

const QUERY = 'FST_PG_QUERY'
const DIVISION = '22012'

type Text = (row: string) => string

/** Single calls that begin or end a transaction where a careless reader sees none. They are refused, and nothing happens. */
const REFUSED: readonly Text[] = [
  (row) => `-- x\rBEGIN; ${row}`,
  (row) => `SELECT E'a'\n'b\\'c'; BEGIN; ${row} --'`,
  (row) => `SELECT N'a' -- x\r; begin/**/work; ${row}`,
  (row) => `/* a /* nested */ BEGIN */ BEGIN; ${row}`,
  (row) => `SELECT $a$;$$;$a$; START TRANSACTION; ${row}`,
  (row) => `SELECT 1 AS "a;""b"; BEGIN; ${row}`,
  (row) => `SELECT U&'\\0041'; BEGIN; ${row}`,
  (row) => `SELECT '\\'; BEGIN; ${row}; --'`,
  (row) => `${row}; COMMIT; BEGIN`,
  (row) => `BEGIN; ${row}; COMMIT AND CHAIN`,
  () => '-- x\rROLLBACK', () => '/**/END', () => ';;ABORT', () => '-- x\rPREPARE TRANSACTION \'x\'',
]

/** Single calls that look like it, or end what they begin: what becomes of the row, and of the call. */
const COMPLETE: ReadonlyArray<readonly [text: Text, isThere: boolean, code?: string]> = [
  [(row) => `BEGIN; ${row}; COMMIT`, true],
  [(row) => `-- x\rBEGIN; ${row}; -- y\rROLLBACK`, false],
  [(row) => `SELECT E'a'\n'b\\'; BEGIN; --'; ${row}`, true],
  [(row) => `SELECT '; BEGIN'; ${row}; -- ; BEGIN`, true],
  [(row) => `DO $do$ BEGIN ${row}; END $do$`, true],
  [(row) => `${row}; SELECT 1 / 0`, false, DIVISION],
  [(row) => `${row}; COMMIT; SELECT 1 / 0`, true, DIVISION],
  [(row) => `BEGIN; ${row}; SELECT 1 / 0; COMMIT`, false, DIVISION],
]

/** Calls in a transaction that would end it. They are refused, and it goes on. */
const ENDING = [
  '-- x\rCOMMIT', "SELECT E'a'\n'b\\'c'; COMMIT --'", 'SELECT 1; ROLLBACK; BEGIN', 'SELECT 1; -- x\rABORT', 'SELECT $a$;$a$; END', '/* /* */ */ROLLBACK', 'COMMIT; BEGIN', 'BEGIN',
]
/** Calls in a transaction that look like it. */
const KEEPING = ["SELECT E'a'\n'b\\'; COMMIT; --'", "SELECT '; COMMIT; --'", '-- x; COMMIT\nSELECT 1', 'SAVEPOINT a; -- x\rROLLBACK TO a', 'SELECT 1 AS "; COMMIT"']
/** It ends the transaction where backslashes escape, and is one string where they do not. */
const BY_SETTING = "SELECT '\\'';COMMIT;--'"

/** Transactions that hide in a text: alone, in a batch, in a transaction, and where the session reads quotes in another way. */
export function hide (actor: Actor): Promise<void> {
  return actor.random.pick([hideInCall, hideInCall, completeInCall, hideInBatch, hideInTransaction, hideInTransaction, hideBySetting])(actor)
}

async function hideInCall ({ db, calls, counts, findings, ledger, random, number }: Actor): Promise<void> {
  const text = random.pick(REFUSED)
  const id = ledger.open(1)
  counts.add('hidden transactions', 'in a call')
  const { value } = await calls.attempt({ name: 'hidden transaction', codes: [QUERY] }, () => db.execute(text(insertText(number, id))))
  if (value !== undefined) findings.add('others', `hidden transaction: ${text('INSERT')} was run`)
  // Whatever became of the connection, nobody has committed it.
  ledger.settle(id, 'refused')
}

async function completeInCall ({ db, calls, counts, findings, tally, ledger, random, number }: Actor): Promise<void> {
  const [text, isThere, code] = random.pick(COMPLETE)
  const id = ledger.open(1)
  counts.add('hidden transactions', 'that ends in its call')
  const manner = { name: 'whole transaction', codes: code === undefined ? [] : [code], steps: 4 }
  const { fate, error } = await calls.attempt(manner, () => db.execute(text(insertText(number, id))))
  const isWhole = code === undefined ? fate === 'acknowledged' : codeOf(error) === code
  if (code !== undefined && fate === 'acknowledged') findings.add('others', `whole transaction: no ${code} of ${text('INSERT')}`)
  if (isWhole && isThere) tally.single++
  ledger.settle(id, !isThere ? 'refused' : isWhole ? 'acknowledged' : fate)
}

async function hideInBatch ({ db, calls, counts, findings, random }: Actor): Promise<void> {
  const text = random.pick(['-- x\rCOMMIT', 'ROLLBACK', "SELECT E'a'\n'b\\'c'; BEGIN --'", '/* /* */ */BEGIN'])
  const lists = Array.from({ length: random.integer(1, 3) }, () => [])
  counts.add('hidden transactions', 'in a batch')
  const { value } = await calls.attempt({ name: 'hidden transaction in a batch', codes: [QUERY], steps: 4 }, () => db.executeMany(text, lists))
  if (value !== undefined) findings.add('others', `hidden transaction in a batch: ${text} was run`)
}

async function hideInTransaction (actor: Actor): Promise<void> {
  const { db, random } = actor
  const ends = random.chance(0.7)
  const text = random.pick(ends ? ENDING : KEEPING)
  const byBatch = random.chance(0.3)
  await transact(actor, { where: 'in a transaction', ends, run: (tx) => byBatch && ends ? tx.executeMany(text, [[]]) : tx.execute(text) }, (work) => db.transaction(work))
}

async function hideBySetting (actor: Actor): Promise<void> {
  const { db, random } = actor
  const ends = random.chance(0.5)
  await transact(actor, { where: 'by a setting', ends, run: (tx) => tx.execute(BY_SETTING) }, async (work) => {
    await using lease = await db.acquire()
    await lease.execute(`SET standard_conforming_strings = ${ends ? 'off' : 'on'}`)
    await lease.transaction(work)
  })
}

interface Hidden { readonly where: string, readonly ends: boolean, readonly run: (tx: Queryable) => Promise<unknown> }

/** Writes in a transaction, then runs what is to end it, or only looks like it. The error of that is let out, or caught: then the transaction is committed. */
async function transact (actor: Actor, { where, ends, run }: Hidden, begin: (work: (tx: Queryable) => Promise<void>) => Promise<unknown>): Promise<void> {
  const { calls, counts, findings, tally, ledger, random, number } = actor
  const catches = random.chance(0.5)
  const id = ledger.open(1)
  let isDone = false
  counts.add('hidden transactions', where)
  const settled = await calls.attempt({ name: `hidden transaction ${where}`, codes: ends && !catches ? [QUERY] : [], steps: 6 }, () => begin(async (tx) => {
    await tx.execute(INSERT, number, id, 0, tokenOf(number, id, 0))
    const outcome = await run(tx).then(() => 'run', (error: unknown) => {
      if (ends && catches && codeOf(error) === QUERY) return 'refused'
      throw error
    })
    if (ends !== (outcome === 'refused')) findings.add('others', `hidden transaction ${where}: it was ${outcome}`)
    isDone = true
  }))
  const fate: Fate = isDone ? settled.fate : 'refused'
  if (fate === 'acknowledged') tally.transaction++
  ledger.settle(id, fate)
}
