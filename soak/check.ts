import { setTimeout as sleep } from 'node:timers/promises'
import type { Findings } from './findings.js'
import type { Fate, Ledger } from './ledger.js'
import { TOKEN_OF_ROW, tokenOf } from './schema.js'
import { ask, countBackends } from './server.js'
import type { SoakedPool } from './pools.js'
import { STORED_OTHERWISE } from './type-schema.js'
import { ACCOUNTS, BALANCE, POOL } from './settings.js'

/** Writes and their rows. */
export interface Written {
  writes: Record<Fate | 'unsettled', number>
  rows: Record<Fate | 'unsettled', number>
  /** Of the doubtful ones: how many are there after all. */
  doubtfulThere: number
}

export function nothingWritten (): Written {
  const none = { acknowledged: 0, doubtful: 0, refused: 0, unsettled: 0 }
  return { writes: { ...none }, rows: { ...none }, doubtfulThere: 0 }
}

/** Where callers wrote: in a table of a server, or of one of several. */
export interface Place { readonly urls: readonly string[], readonly table: string }

/** Compares what the servers have with what the callers were told, and adds to `written`. */
export async function checkWrites ({ urls, table }: Place, ledgers: readonly Ledger[], written: Written, findings: Findings): Promise<void> {
  const onEach = async (text: string, args: unknown[]) => (await Promise.all(urls.map((url) => ask(url, text, args)))).flat()
  for (const [caller, ledger] of ledgers.entries()) {
    const found = await onEach(`SELECT write, count(*)::int AS rows, count(DISTINCT item)::int AS items, min(item) AS first, max(item) AS last,
      count(*) FILTER (WHERE token <> ${TOKEN_OF_ROW})::int AS wrong FROM ${table} WHERE caller = $1 GROUP BY write`, [caller])
    const there = new Map(found.map((row) => [Number(row['write']), row]))
    if (there.size < found.length) findings.add('twice', `writes of caller ${caller} are on both servers`, found.length - there.size)
    for (let write = 0; write < ledger.length; write++) {
      const size = ledger.sizeOf(write)
      const fate = ledger.fateOf(write) ?? 'unsettled'
      const { rows = 0, items = 0, first = 0, last = size - 1, wrong = 0 } = there.get(write) ?? {}
      there.delete(write)
      written.writes[fate]++
      written.rows[fate] += size
      if (fate === 'doubtful' && rows > 0) written.doubtfulThere++
      const name = `${tokenOf(caller, write, 0)} (${fate}, ${size} rows)`
      if (fate === 'acknowledged' && items < size) findings.add('lost', `${name}: ${items} are there`, size - items)
      if (rows > items) findings.add('twice', `${name}: ${rows} rows for ${items}`, rows - items)
      if (fate === 'refused' && rows > 0) findings.add('refused', `${name}: ${rows} are there`)
      if (rows > 0 && (items !== size || first !== 0 || last !== size - 1)) findings.add('parts', `${name}: ${items} from ${first} to ${last}`)
      if (wrong > 0) findings.add('others', `${name}: ${wrong} rows with values of another`, wrong)
    }
    for (const write of there.keys()) findings.add('others', `${tokenOf(caller, write, 0)} is there, and nobody wrote it`)
  }
  const strangers = await onEach(`SELECT caller, count(*) FROM ${table} WHERE caller NOT BETWEEN 0 AND $1 GROUP BY caller`, [ledgers.length - 1])
  if (strangers.length > 0) findings.add('others', `rows of ${strangers.length} that are no callers`)
}

/** What the servers have stored is what was meant. */
export async function checkTypes (urls: readonly string[], findings: Findings): Promise<void> {
  const off = (await Promise.all(urls.map((url) => ask(url, STORED_OTHERWISE)))).flat()
  for (const { token, stored } of off) findings.add('others', `values ${token} are stored as ${stored}`)
}

/** The sum, and each balance by the transfers that were written down. */
export async function checkMoney (url: string, findings: Findings): Promise<string> {
  const [sum] = await ask(url, 'SELECT sum(balance)::int AS sum, count(*)::int AS accounts, (SELECT count(*)::int FROM writes WHERE amount IS NOT NULL) AS transfers FROM accounts')
  if (sum?.['sum'] !== ACCOUNTS * BALANCE) findings.add('money', `${sum?.['sum']} in all, not ${ACCOUNTS * BALANCE}`)
  const off = await ask(url, `WITH moves AS (
    SELECT target AS account, amount FROM writes WHERE amount IS NOT NULL UNION ALL SELECT source, -amount FROM writes WHERE amount IS NOT NULL)
    SELECT id, balance::int, ($1 + coalesce(sum(amount), 0))::int AS due FROM accounts LEFT JOIN moves ON account = id GROUP BY id HAVING balance <> $1 + coalesce(sum(amount), 0)`, [BALANCE])
  for (const { id, balance, due } of off) findings.add('money', `account ${id} has ${balance}, by its transfers ${due}`)
  return `${sum?.['sum']} on ${sum?.['accounts']} accounts, as at first; each balance is that of its transfers (${sum?.['transfers']})`
}

/** Seconds for the pool to get back to `min`: idle ones have to expire, and others to be opened. */
const RECOVERY = POOL.idleTimeout + POOL.acquireTimeout + 6

/** The pool gets back to `min`, and says what the server says. Then everything works, and after its end nothing is left. */
export async function checkPool ({ name, db, min, urls }: SoakedPool, callers: number, findings: Findings): Promise<string> {
  const since = performance.now()
  let text = ''
  for (;;) {
    const { size, free, busy, waiting, opening, closing } = db.stats()
    const backends = await countBackends(urls, `soak ${name}`)
    text = `${name}: size ${size}, free ${free}, busy ${busy}, waiting ${waiting}, in pg_stat_activity ${backends}; min is ${min}`
    if (size === min && free === size && backends === size && busy + waiting + opening + closing === 0) break
    if (performance.now() - since > RECOVERY * 1000) {
      findings.add('numbers', text)
      break
    }
    await sleep(50)
  }
  const answers = await Promise.allSettled(Array.from({ length: callers }, (_, index) => db.fetchVal('SELECT $1::int', index)))
  const good = answers.filter((answer, index) => answer.status === 'fulfilled' && answer.value === index).length
  if (good !== callers) findings.add('numbers', `${name}: afterwards only ${good} of ${callers} calls worked`)
  return text
}

export async function checkClosed ({ name, db, urls }: SoakedPool, findings: Findings): Promise<void> {
  await db.close()
  const since = performance.now()
  for (let left; (left = await countBackends(urls, `soak ${name}`)) > 0;) {
    if (performance.now() - since > 5000) return findings.add('numbers', `${name}: ${left} connections are open after the end`)
    await sleep(50)
  }
}
