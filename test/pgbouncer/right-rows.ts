import t from 'tap'
import type { Database } from '../../src/index.js'
import { freshDatabase, openDatabase, until } from '../support/database.js'
import { Bouncer } from '../support/pgbouncer.js'

const CALLERS = 64
const ROUNDS = 30
const ACCOUNTS = 20

/** What a call rejects with; undefined if it does not. */
const errorOf = (call: Promise<unknown>): Promise<any> => call.then(() => undefined, (error) => error)

/** What a caller found that was not its own: a row, or an error. */
class Foreign extends Error {}

t.test('two pools of 10 on 5 sessions, 64 callers, everything at once: every caller gets its own rows and errors (case 48)', async (t) => {
  const observer = await freshDatabase(t)
  await observer.rows(`CREATE TABLE accounts (id int PRIMARY KEY, balance int NOT NULL CHECK (balance >= 0));
    INSERT INTO accounts SELECT n, 1000 FROM generate_series(1, ${ACCOUNTS}) AS n;
    CREATE TABLE notes (caller int, round int, n int, PRIMARY KEY (caller, round, n))`)
  const bouncer = await Bouncer.start(t, observer.url, { default_pool_size: 5 })
  const open = (): Promise<Database> => openDatabase(t, observer, { url: bouncer.url, prepare: false, min: 10, max: 10 })
  const pools = [await open(), await open()] as const
  const counts = { reads: 0, transfers: 0, refusedTransfers: 0, batches: 0, errors: 0, timeouts: 0, aborts: 0 }

  const call = async (db: Database, caller: number, round: number): Promise<void> => {
    const token = `${caller}.${round}.${Math.random()}`
    const own = async (): Promise<void> => {
      if (await db.fetchVal('SELECT $1::text', token) !== token) throw new Foreign('another text')
      const rows = await db.fetchAll('SELECT $1::int + n AS n, $2::text AS token FROM generate_series(1, 3) AS n', caller, token)
      if (JSON.stringify(rows) !== JSON.stringify([1, 2, 3].map((n) => ({ n: caller + n, token })))) throw new Foreign('other rows')
    }
    await own()
    counts.reads += 2
    switch ((caller + round) % 6) {
      case 0: {
        const from = 1 + (caller + round * 7) % ACCOUNTS
        const to = 1 + from % ACCOUNTS
        const amount = 1 + (caller * round) % 90
        // In one order of the accounts, so that there is no deadlock.
        const steps = [[from, -amount], [to, amount]].sort(([a = 0], [b = 0]) => a - b)
        const outcome = await errorOf(db.transaction(async (tx) => {
          for (const [id, change] of steps) await tx.execute('UPDATE accounts SET balance = balance + $2 WHERE id = $1', id, change)
          if (await tx.fetchVal('SELECT $1::text', token) !== token) throw new Foreign('another text in a transaction')
        }))
        if (outcome === undefined) counts.transfers++
        else if (outcome.code === '23514' && outcome.constraint_name === 'accounts_balance_check') counts.refusedTransfers++
        else throw outcome
        break
      }
      case 1: {
        const lists = Array.from({ length: 60 }, (_, n) => [caller, round, n])
        const batch = caller % 2 === 0 ? 'auto' : 'pipeline'
        await db.executeMany({ text: 'INSERT INTO notes (caller, round, n) VALUES ($1, $2, $3)', batch }, lists)
        const back = await db.executeManyWithReturning({ text: 'UPDATE notes SET n = n + 1000 WHERE caller = $1 AND round = $2 AND n = $3 RETURNING caller, round, n', batch }, lists)
        if (back.length !== 60 || back.some((row, n) => JSON.stringify(Object.values(row)) !== JSON.stringify([caller, round, n + 1000]))) throw new Foreign('rows of another batch')
        counts.batches++
        break
      }
      case 2: {
        const error = await errorOf(db.fetchVal('SELECT $1::text::int', `no number ${token}`))
        if (error?.code !== '22P02' || !String(error.serverMessage).includes(token)) throw new Foreign("another's error", { cause: error })
        counts.errors++
        break
      }
      case 3: {
        const error = await errorOf(db.fetchVal({ text: 'SELECT pg_sleep(5), $1::text', timeout: 0.02 }, token))
        if (error?.code !== 'FST_PG_QUERY_TIMEOUT') throw new Foreign('no timeout', { cause: error })
        counts.timeouts++
        break
      }
      case 4: {
        const error = await errorOf(db.fetchVal({ text: 'SELECT pg_sleep(5), $1::text', signal: AbortSignal.timeout(10) }, token))
        if (error?.code !== 'FST_PG_ABORTED') throw new Foreign('not aborted', { cause: error })
        counts.aborts++
        break
      }
      default: {
        const error = await errorOf(db.fetchVal('SELECT $1::int', { token })) // refused here, before it is sent
        if (error?.code !== 'FST_PG_VALUE') throw new Foreign('not refused', { cause: error })
      }
    }
    await own()
    counts.reads += 2
  }

  const start = performance.now()
  const outcomes = await Promise.allSettled(Array.from({ length: CALLERS }, async (_, caller) => {
    for (let round = 0; round < ROUNDS; round++) await call(pools[caller % 2 === 0 ? 0 : 1], caller, round)
  }))
  t.strictSame(outcomes.filter(({ status }) => status === 'rejected'), [])
  t.comment(`${Math.round(performance.now() - start)} ms: ${JSON.stringify(counts)}`)
  for (const [name, count] of Object.entries(counts)) t.ok(count > 0, name)
  t.equal(counts.reads, CALLERS * ROUNDS * 4)
  t.match(await observer.rows('SELECT sum(balance)::int FROM accounts'), [{ sum: ACCOUNTS * 1000 }])
  t.match(await observer.rows('SELECT count(*)::int, min(n), max(n) FROM notes'), [{ count: counts.batches * 60, min: 1000, max: 1059 }])
  t.ok((await observer.backends()).length <= 5, 'no more sessions than PgBouncer has')
  await until(() => pools.every((db) => db.stats().busy === 0)) // the last cancels are still ending
  for (const db of pools) t.match(db.stats(), { size: 10, free: 10, waiting: 0, connectFailures: 0 })
  t.comment(JSON.stringify(pools.map((db) => db.stats().closed)))
})
