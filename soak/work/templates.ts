import type { Database, Sql, TransactionSql } from '../../src/index.js'
import { tokenOf } from '../schema.js'
import type { Actor } from './actor.js'

/** What the tag of its own makes of texts, so that each value tells which tag has read it. */
const OWN = 'own:'

const tags = new WeakMap<Database, Sql>()

/** A tag of its own over a pool: texts and names are read in another way, and one text makes its decoder throw. */
function ownTag (db: Database): Sql {
  let tag = tags.get(db)
  if (tag === undefined) {
    const decode = (text: string): string => {
      if (text.endsWith('!')) throw new Error('it ends with !')
      return `${OWN}${text}`
    }
    const own = db.createSql({ types: { text: { decode, encode: String } }, transform: { column: (name) => name.toUpperCase() } })
    tag = own as unknown as Sql // that it has the type of postgres.js's is for other libraries
    tags.set(db, tag)
  }
  return tag
}

/** One row by a helper of a template, which is read back in the same statement. */
export async function writeByTemplate (actor: Actor): Promise<void> {
  const { db, calls, counts, findings, tally, ledger, random, number } = actor
  const isOwn = random.chance(0.5)
  const inTransaction = random.chance(0.4)
  const undoes = random.chance(0.3)
  const id = ledger.open(1)
  const token = tokenOf(number, id, 0)
  const tag = isOwn ? ownTag(db) : db.sql
  counts.add('templates', `${inTransaction ? 'transaction' : 'write'} of ${isOwn ? 'an own' : 'the shared'} tag`)
  const insert = (sql: Sql | TransactionSql, item: number) =>
    sql<Array<Record<string, unknown>>>`INSERT INTO writes ${sql({ caller: number, write: id, item, token: tokenOf(number, id, item) })} RETURNING token, item`
  const settled = await calls.attempt({ name: 'template', steps: 4 }, async () => {
    if (!inTransaction) return await insert(tag, 0)
    const [rows] = await tag.begin(async (sql) => {
      if (undoes) await undoPart(sql, (sql) => insert(sql, 1))
      return [await insert(sql, 0)] as const
    })
    return rows
  })
  ledger.settle(id, settled.fate)
  if (settled.value === undefined) return
  tally[inTransaction ? 'transaction' : 'single']++
  const expected = isOwn ? { TOKEN: `${OWN}${token}`, ITEM: 0 } : { token, item: 0 }
  if (settled.value.count !== 1 || JSON.stringify([...settled.value]) !== JSON.stringify([expected])) {
    findings.add('others', `template ${token}: ${JSON.stringify(settled.value)}`)
  }
}

async function undoPart (sql: TransactionSql, insert: (sql: TransactionSql) => PromiseLike<unknown>): Promise<void> {
  const undone = new Error('undone')
  try {
    await sql.savepoint(async (sql) => {
      await insert(sql)
      throw undone
    })
  } catch (error) {
    if (error !== undone) throw error
  }
}

/** One text by several tags at once: each must read its values in its own way, also where a decoder throws beside it. */
export async function readByTemplates (actor: Actor): Promise<void> {
  const { db, calls, counts, findings, random } = actor
  const plan = Array.from({ length: random.integer(1, 6) }, () => random.pick(['shared', 'own', 'throwing'] as const))
  await Promise.all(plan.map(async (kind) => {
    counts.add('templates', `read by ${kind === 'shared' ? 'the shared' : 'an own'} tag${kind === 'throwing' ? ', whose decoder throws' : ''}`)
    const token = `${actor.number}:${++actor.asked}${kind === 'throwing' ? '!' : ''}`
    const sql = kind === 'shared' ? db.sql : ownTag(db)
    const { value } = await calls.attempt({ name: 'read by template', codes: kind === 'throwing' ? ['FST_PG_DECODE'] : [] },
      async () => await sql<Array<Record<string, unknown>>>`SELECT ${token}::text AS token, ${sql.typed(7, 23)} AS n`)
    const expected = kind === 'shared' ? { token, n: 7 } : { TOKEN: `${OWN}${token}`, N: 7 }
    if (value !== undefined && (kind === 'throwing' || JSON.stringify([...value]) !== JSON.stringify([expected]))) {
      findings.add('others', `read by template of ${token} (${kind}): ${JSON.stringify(value)}`)
    }
  }))
}

/** A template that may take longer than its timeout, or whose signal is aborted. */
export async function readSlowlyByTemplate (actor: Actor): Promise<void> {
  const { db, calls, counts, findings, random } = actor
  const timeout = random.integer(20, 120) / 1000
  const sleep = random.integer(0, 200) / 1000
  const aborts = random.chance(0.5)
  const delay = random.integer(0, 100)
  const token = `${actor.number}:${++actor.asked}`
  counts.add('templates', aborts ? 'aborted' : 'timed out')
  const { signal, abort } = abortable()
  const timer = aborts ? setTimeout(abort, delay) : undefined
  const query = db.sql<Array<{ token: string }>>`SELECT ${token}::text AS token FROM pg_sleep(${sleep})`
  const { value } = await calls.attempt(aborts ? { name: 'slow template', signal } : { name: 'slow template', timeout },
    async () => await (aborts ? query.signal(signal) : query.timeout(timeout)))
  clearTimeout(timer)
  if (value !== undefined && value[0]?.token !== token) findings.add('others', `slow template of ${token}: ${JSON.stringify(value)}`)
}

function abortable (): { signal: AbortSignal, abort: () => void } {
  const controller = new AbortController()
  return { signal: controller.signal, abort: () => controller.abort(new Error('aborted')) }
}
