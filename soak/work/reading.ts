import { ServerError } from '../../src/index.js'
import { ACCOUNTS, BALANCE } from '../settings.js'
import type { Actor } from './actor.js'

const READ = "SELECT $1::text AS token, n, coalesce(current_setting('soak.owner', true), '') AS owner FROM generate_series(1, $2::int) AS n"
const FAIL = 'SELECT raise_at(n, $1, $2, $3) AS n FROM generate_series(1, 5) AS n'
const SLEEP = 'SELECT $1::text AS token FROM pg_sleep($2)'

interface ReadRow { token: string, n: number, owner: string }

/** Asks for rows with a token of its own, and must get these and no others. */
async function read ({ db, calls, findings }: Actor, token: string, count: number): Promise<void> {
  const { value } = await calls.attempt({ name: 'read' }, () => db.fetchAll<ReadRow>(READ, token, count))
  if (value === undefined) return
  const own = value.length === count && value.every((row, index) => row.token === token && row.n === index + 1)
  if (!own) findings.add('others', `read: asked for ${count} rows of ${token}, got ${JSON.stringify(value.slice(0, 3))} (${value.length})`)
  if (value.some(({ owner }) => owner !== '')) findings.add('others', `read: a session that is ${value[0]?.owner}'s`)
}

/** Raises an error with a code and words of its own, midway through its rows, and must get this one. */
async function fail ({ db, calls, findings }: Actor, token: string, code: string, at: number): Promise<void> {
  const { value, error } = await calls.attempt({ name: 'fail', codes: [code] }, () => db.fetchAll(FAIL, at, code, token))
  if (value !== undefined) findings.add('others', `fail: no error, but ${value.length} rows`)
  else if (error instanceof ServerError && error.code === code && error.serverMessage !== token) findings.add('others', `fail: the error of ${error.serverMessage}, not of ${token}`)
}

/** A SQLSTATE for one thing that one caller does. */
function codeOf (caller: number, asked: number): string {
  return `U${((caller * 3000 + asked % 3000) % 36 ** 4).toString(36).padStart(4, '0').toUpperCase()}`
}

const tokenOf = (actor: Actor): string => `${actor.number}:${++actor.asked}`

/** Several at once, which travel together; sometimes one of them fails in the middle. */
export async function readSeveral (actor: Actor): Promise<void> {
  const { random } = actor
  const counts = Array.from({ length: random.integer(1, 6) }, () => random.integer(0, 40))
  await Promise.all(counts.map((count) => read(actor, tokenOf(actor), count)))
}

export async function failAmongReads (actor: Actor): Promise<void> {
  const { random, number } = actor
  const plan = Array.from({ length: random.integer(1, 5) }, () => ({ fails: random.chance(0.4), count: random.integer(1, 20) }))
  const fails = plan.map((part) => part.fails ? fail(actor, tokenOf(actor), codeOf(number, actor.asked), 1 + part.count % 5) : read(actor, tokenOf(actor), part.count))
  await Promise.all(fails)
}

/** A statement that may take longer than its timeout, or be aborted. */
export async function readSlowly (actor: Actor): Promise<void> {
  const { db, calls, findings, random } = actor
  const token = tokenOf(actor)
  const timeout = random.integer(20, 120) / 1000
  const sleep = random.integer(0, 200) / 1000
  const aborts = random.chance(0.5)
  const delay = random.integer(0, 100)
  const controller = new AbortController()
  const timer = aborts ? setTimeout(() => controller.abort(new Error(token)), delay) : undefined
  const query = aborts ? { text: SLEEP, signal: controller.signal } : { text: SLEEP, timeout }
  const manner = aborts ? { name: 'aborted read', signal: controller.signal } : { name: 'slow read', timeout }
  const { value } = await calls.attempt(manner, () => db.fetchVal<string>(query, token, sleep))
  clearTimeout(timer)
  if (value !== undefined && value !== token) findings.add('others', `slow read: the row of ${value}, not of ${token}`)
}

/** The sum of all balances is the same at every moment. */
export async function addUp ({ db, calls, findings }: Actor): Promise<void> {
  const { value } = await calls.attempt({ name: 'sum' }, () => db.fetchVal('SELECT sum(balance)::bigint FROM accounts'))
  if (value !== undefined && value !== ACCOUNTS * BALANCE) findings.add('money', `during the run: ${String(value)}, not ${ACCOUNTS * BALANCE}`)
}

/** Never rejects, and tells the truth in time. */
export async function askHealth ({ db, calls, findings }: Actor): Promise<void> {
  const { value } = await calls.attempt({ name: 'health' }, () => db.health())
  if (value === undefined) findings.add('numbers', 'health: it rejected')
}
