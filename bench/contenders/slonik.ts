import type { Contender } from './contender.js'

/** Where the module is that `installed.ts` has fetched: the last version runs on no Node before 24. */
const { BENCH_SLONIK: entry = 'slonik' } = process.env

/** slonik as its manual shows it. It resets each connection (`DISCARD ALL`) before the next caller gets it: its default. */
export async function slonik (url: string, name: string, max: number): Promise<Contender> {
  const { createPool, sql }: typeof import('slonik') = await import(entry)
  const pool = createPool(`${url}&application_name=${encodeURIComponent(name)}`, {
    maximumPoolSize: max,
    minimumPoolSize: max,
    idleTimeout: 'DISABLE_TIMEOUT',
    captureStackTrace: false,
  })
  const opened = pool.then(async (pool) => {
    await Promise.all(Array.from({ length: max }, () => pool.query(sql.unsafe`SELECT pg_sleep(0.5)`)))
    return pool
  })
  return {
    open: () => opened,
    close: async () => (await opened).end(),
    fetch: async (id) => (await opened).one(sql.unsafe`SELECT id, name FROM bench_rows WHERE id = ${id}`),
    fetchWide: async () => (await opened).any(sql.unsafe`
      SELECT id, name, email, city, active, score, visits, balance, settings, created_at FROM bench_wide ORDER BY id`),
    sleep: async (seconds) => (await opened).query(sql.unsafe`SELECT pg_sleep(${seconds})`),
    transfer: async (from, to) => (await opened).transaction(async (tx) => {
      const debit = await tx.query(sql.unsafe`UPDATE bench_accounts SET balance = balance - 1 WHERE id = ${from}`)
      const credit = await tx.query(sql.unsafe`UPDATE bench_accounts SET balance = balance + 1 WHERE id = ${to}`)
      return debit.rowCount + credit.rowCount
    }),
    insertOne: async (n, label) => (await (await opened).query(sql.unsafe`INSERT INTO bench_singles (n, label) VALUES (${n}, ${label})`)).rowCount,
    insert: async (rows) => (await opened).query(sql.unsafe`
      INSERT INTO bench_inserts (n, label) SELECT * FROM ${sql.unnest(rows, ['int4', 'text'])}`),
    update: async (rows) => (await opened).query(sql.unsafe`
      UPDATE bench_updates SET value = new.value FROM ${sql.unnest(rows, ['int4', 'int4'])} AS new (id, value) WHERE bench_updates.id = new.id`),
    insertReturning: async (rows) => (await opened).any(sql.unsafe`
      INSERT INTO bench_returning (n, label) SELECT * FROM ${sql.unnest(rows, ['int4', 'text'])} RETURNING id, n`),
  }
}
