import { randomBytes } from 'node:crypto'
import t, { type Test } from 'tap'
import type { Database } from '../../src/index.js'
import { freshDatabase, openDatabase, until } from '../support/database.js'
import { type Random, seeded } from '../support/random.js'

/**
 * Case 46: whatever its neighbours on a connection do, each caller gets its own rows or its own error.
 * To repeat a run that failed: SEED=… npm test -- test/pool/pipelining-neighbours.test.ts
 */
const seed = process.env['SEED'] ?? randomBytes(4).toString('hex')
const STATEMENTS = 3000

/** Runs one statement, marked with a number that no other has, and checks that the answer is its own. */
type Act = (db: Database, mark: number, random: Random, t: Test) => Promise<void>

async function rejects (work: Promise<unknown>, code: string): Promise<Error & { serverMessage?: string, detail?: string }> {
  try {
    await work
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === code) return error
    throw error
  }
  throw new Error(`${code} was expected`)
}

function check (t: Test, holds: boolean, what: string): void {
  if (!holds) t.fail(what)
}

const acts: Readonly<Record<string, Act>> = {
  rows: async (db, mark, random, t) => {
    const count = random.pick([0, 1, 1, 1, 2, 30, 1000])
    const rows = await db.fetchAll<{ mark: number, n: number }>('SELECT $1::int AS mark, n FROM generate_series(1, $2::int) n', mark, count)
    check(t, rows.length === count && rows.every((row, index) => row.mark === mark && row.n === index + 1), `the ${count} rows of ${mark}`)
  },
  one: async (db, mark, _random, t) => {
    check(t, await db.fetchVal('SELECT $1::int', mark) === mark, `the value of ${mark}`)
  },
  sometimesSlow: async (db, mark, random, t) => {
    check(t, await db.fetchVal('SELECT $1::int FROM pg_sleep($2)', mark, random.chance(0.1) ? 0.03 : 0) === mark, `the value of ${mark}, slowly`)
  },
  failsAtParse: async (db, mark) => {
    await rejects(db.fetchOne(`SELECT no_such_column_${mark % 3}`), '42703')
  },
  failsAtBind: async (db, mark) => {
    await rejects(db.fetchOne('SELECT $1::int, $2::int', mark, `x${mark}`), '22P02')
  },
  failsMidway: async (db, mark, random) => {
    const row = random.integer(1, 400)
    await rejects(db.fetchAll('SELECT $1::int, 1 / ($2::int - n) FROM generate_series(1, 500) n', mark, row), '22012')
  },
  mayFailMidway: async (db, mark, random, t) => {
    const query = 'SELECT $1::int AS mark, 1 / ($2::int - n) AS q FROM generate_series(1, 20) n'
    if (random.chance(0.5)) {
      await rejects(db.fetchAll(query, mark, 10), '22012')
      return
    }
    const rows = await db.fetchAll<{ mark: number }>(query, mark, 50)
    check(t, rows.length === 20 && rows.every((row) => row.mark === mark), `the 20 rows of ${mark}`)
  },
  raises: async (db, mark, _random, t) => {
    const error = await rejects(db.fetchVal('SELECT raise_mark($1)', mark), 'P0001')
    check(t, error.serverMessage === `mark ${mark}`, `the error of ${mark}, not ${error.serverMessage}`)
  },
  insertsOnce: async (db, mark, _random, t) => {
    const { count } = await db.execute('INSERT INTO marks (mark) VALUES ($1)', mark)
    check(t, count === 1, `the count of ${mark}`)
    acknowledged.add(mark)
  },
  insertsTwice: async (db, mark, _random, t) => {
    const row = await db.executeWithReturning<{ mark: number }>('INSERT INTO marks (mark) VALUES ($1) RETURNING mark', mark)
    check(t, row?.mark === mark, `the returned row of ${mark}`)
    acknowledged.add(mark)
    const error = await rejects(db.execute('INSERT INTO marks (mark) VALUES ($1)', mark), '23505')
    check(t, error.detail === `Key (mark)=(${mark}) already exists.`, `the conflict of ${mark}, not: ${error.detail}`)
  },
  timesOut: async (db, mark, random, t) => {
    // Often quick, so that it is trusted and has neighbours when it is not.
    if (random.chance(0.8)) return check(t, await db.fetchVal({ text: 'SELECT $1::int + 0 FROM pg_sleep($2)', timeout: 5 }, mark, 0) === mark, `the value of ${mark} in time`)
    await rejects(db.fetchVal({ text: 'SELECT $1::int + 0 FROM pg_sleep($2)', timeout: 0.02 }, mark, 2), 'FST_PG_QUERY_TIMEOUT')
  },
  aborts: async (db, mark, random, t) => {
    const seconds = random.chance(0.5) ? 0 : 0.05
    const signal = AbortSignal.timeout(random.integer(0, 8))
    try {
      const value = await db.fetchVal({ text: 'SELECT $1::int * 1 FROM pg_sleep($2)', signal }, mark, seconds)
      check(t, value === mark, `the value of ${mark}, not aborted`)
    } catch (error) {
      check(t, error instanceof Error && 'code' in error && error.code === 'FST_PG_ABORTED', `the abort of ${mark}, not ${error}`)
    }
  },
}

let acknowledged: Set<number>

for (const pipeline of [false, true]) {
  for (const callers of [1, 10, 200]) {
    t.test(`each of ${callers} callers gets its own rows or its own error, pipelining ${pipeline ? 'on' : 'off'} (case 46)`, async (t) => {
      t.comment(`SEED=${seed}`)
      const observer = await freshDatabase(t)
      await observer.rows('CREATE TABLE marks (mark int PRIMARY KEY)')
      await observer.rows("CREATE FUNCTION raise_mark (mark int) RETURNS int LANGUAGE plpgsql AS $$ BEGIN RAISE 'mark %', mark; END $$")
      const db = await openDatabase(t, observer, { min: 10, max: 10, pipeline })
      const random = seeded(`${seed} ${pipeline} ${callers}`)
      const names = Object.keys(acts).flatMap((name) => ['one', 'insertsOnce', 'rows'].includes(name) ? [name, name, name, name] : [name])
      acknowledged = new Set()
      let mark = 0
      await Promise.all(Array.from({ length: callers }, async () => {
        while (mark < STATEMENTS) {
          const own = ++mark
          const name = random.pick(names)
          await acts[name]?.(db, own, random, t)
        }
      }))
      t.equal(mark >= STATEMENTS, true)
      const stored = new Set((await observer.rows('SELECT mark FROM marks')).map((row) => Number(row['mark'])))
      t.same([...acknowledged].filter((mark) => !stored.has(mark)), [], 'no acknowledged write is missing')
      t.ok(acknowledged.size > STATEMENTS / 10)
      await until(() => db.stats().busy === 0) // a cancelled statement ends after its caller was answered
      const { size, free, waiting, closed, pipelined } = db.stats()
      t.same({ size, free, waiting }, { size: 10, free: 10, waiting: 0 })
      t.equal(pipelined > 0, pipeline && callers > 1, `${pipelined} calls were sent together with others`)
      t.same(closed, {}, 'no connection was given up')
    })
  }
}
