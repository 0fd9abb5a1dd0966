import { LOOK, STATES } from '../state-schema.js'
import type { Actor } from './actor.js'

/** Texts that show a call of what leaves something. */
const SHOWN = [
  'SELECT public.enter($1, $2)', 'SELECT * FROM public.enter($1, $2) AS e (owner)', 'WITH e AS (SELECT public.enter($1, $2) AS owner) SELECT * FROM e',
  'SELECT DISTINCT ON (v) "public"."enter"($1, $2) FROM (VALUES (1)) AS x (v)', 'CALL public.enter_by_call($1, $2)', 'INSERT INTO doors SELECT $1, $2 WHERE public.enter($1, $2) IS NULL',
]
/** Texts that do not: a view, a trigger, an operator, an overload, a function that looks like a column. */
const HIDDEN = [
  'SELECT owner FROM entrance WHERE kind = $1 AND length($2) > 0', 'INSERT INTO doors VALUES ($1, $2)', 'SELECT $1 OPERATOR(public.~~~>) $2', 'SELECT lower(ROW($1, $2)::doors)',
  'SELECT (door.door).entered FROM (SELECT ROW($1, $2)::doors AS door) AS door',
]

/** Leaves something in a session by what a text shows. */
export function enter (actor: Actor): Promise<void> { return leave(actor, SHOWN) }
/** The same by what no text shows: for a pool with `reset: 'always'`. */
export function enterHidden (actor: Actor): Promise<void> { return leave(actor, HIDDEN) }

/** Leaves something in a session, then looks into some: whoever comes next must not meet it. */
async function leave (actor: Actor, texts: readonly string[]): Promise<void> {
  const { db, calls, counts, random, number } = actor
  const kind = random.pick(STATES)
  const text = random.pick(texts)
  const way = random.pick(['a call', 'a call', 'a call that is cut short', 'a transaction', 'an undone transaction', 'a lease', 'a batch'] as const)
  const timeout = random.integer(10, 60) / 1000
  const looks = random.integer(1, 3)
  const args = [kind, `${number}:${++actor.asked}`]
  const own = new Error(args[1])
  const manner = { name: `state left by ${way}`, own, steps: way === 'a call' ? 1 : 4 }
  counts.add('states left', `${kind} by ${way}`)
  switch (way) {
    case 'a call':
      await calls.attempt(manner, () => db.execute(text, ...args))
      break
    case 'a call that is cut short': {
      const cut = 'SELECT public.enter($1, $2), pg_sleep(0.04)'
      await calls.attempt({ ...manner, timeout }, () => db.execute({ text: cut, timeout }, ...args))
      break
    }
    case 'a batch':
      await calls.attempt(manner, () => db.executeMany(text, [args]))
      break
    case 'a lease':
      await calls.attempt(manner, async () => {
        await using lease = await db.acquire()
        await lease.execute(text, ...args)
      })
      break
    default:
      await calls.attempt(manner, () => db.transaction(async (tx) => {
        await tx.execute(text, ...args)
        if (way === 'an undone transaction') throw own
      }))
  }
  await Promise.all(Array.from({ length: looks }, () => look(actor)))
}

/** Looks into a session: it must be as a new one. */
export async function look ({ db, calls, findings, home }: Actor): Promise<void> {
  const { value } = await calls.attempt({ name: 'look' }, () => db.fetchVal<string>(LOOK, home))
  if (value !== undefined && value !== '') findings.add('others', `look: a session with ${String(value)}`)
}
