import postgres from 'postgres'
import { CREDIT, DEBIT, FETCH, FETCH_WIDE, SLEEP } from '../statements.js'
import type { Contender } from './contender.js'
import { byTag } from './tagged.js'

/** postgres.js as its manual shows it: tagged templates. */
export function tagged (url: string, name: string, max: number): Contender {
  const sql = postgres(url, { max, connection: { application_name: name } })
  return {
    ...byTag(sql, max),
    // Its manual's "multiple inserts" and "multiple updates in one query".
    insert: (rows) => sql`INSERT INTO bench_inserts (n, label) VALUES ${sql(rows.map(([n, label]) => [n, label]))}`,
    update: (rows) => sql`UPDATE bench_updates SET value = new.value::int
      FROM (VALUES ${sql(rows.map(([id, value]) => [id, value]))}) AS new (id, value) WHERE bench_updates.id = new.id::int`,
    insertReturning: (rows) => sql`INSERT INTO bench_returning (n, label) VALUES ${sql(rows.map(([n, label]) => [n, label]))} RETURNING id, n`,
  }
}

/** postgres.js with texts and arguments, prepared. */
export function unsafe (url: string, name: string, max: number): Contender {
  const sql = postgres(url, { max, connection: { application_name: name } })
  const prepared = { prepare: true }
  return {
    open: () => Promise.all(Array.from({ length: max }, () => sql`SELECT pg_sleep(0.5)`)),
    close: () => sql.end(),
    fetch: async (id) => (await sql.unsafe(FETCH, [id], prepared))[0],
    fetchWide: () => sql.unsafe(FETCH_WIDE, [], prepared),
    sleep: (seconds) => sql.unsafe(SLEEP, [seconds], prepared),
    transfer: (from, to) => sql.begin(async (sql) => {
      const debit = await sql.unsafe(DEBIT, [from], prepared)
      const credit = await sql.unsafe(CREDIT, [to], prepared)
      return debit.count + credit.count
    }),
  }
}

/**
 * Clients of one connection with nothing around the driver: one of them is the fastest that postgres.js can be for one
 * caller, and ten of them connect as fast as it can.
 */
export function bare (url: string, name: string, clients: number, fetchTypes = true): Contender {
  const all = Array.from({ length: clients }, () => postgres(url, { max: 1, fetch_types: fetchTypes, connection: { application_name: name } }))
  const [sql] = all
  return {
    open: () => Promise.all(all.map((sql) => sql`SELECT 1`)),
    close: () => Promise.all(all.map((sql) => sql.end())),
    fetch: async (id) => (await sql?.unsafe(FETCH, [id], { prepare: true }))?.[0],
  }
}
