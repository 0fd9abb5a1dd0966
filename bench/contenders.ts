import postgres from 'postgres'
import { createDatabase } from '../src/index.js'

/** What is compared. Add another one here, and a line for it in cases.ts. */
export interface Contender {
  /** Opens every connection. */
  open (): Promise<unknown>
  /** One row by its primary key. */
  fetch (id: number): PromiseLike<unknown>
  close (): Promise<unknown>
}

/** In the table `bench_rows`, numbered from 1. */
export const ROWS = 10_000
const TEXT = 'SELECT id, name FROM bench_rows WHERE id = $1'

const SILENT = { debug () {}, info () {}, warn () {}, error () {} }

function ours (url: string, max: number, applicationName: string): Contender {
  const db = createDatabase({ url, min: max, max, applicationName, log: SILENT }, {})
  return {
    open: () => db.open(),
    fetch: (id) => db.fetchOne(TEXT, id),
    close: () => db.close(),
  }
}

/** postgres.js as its manual shows it. */
function raw (url: string, max: number, name: string): Contender {
  const sql = postgres(url, { max, connection: { application_name: name } })
  return {
    // It opens one when all others are busy.
    open: () => Promise.all(Array.from({ length: max }, () => sql`SELECT pg_sleep(0.5)`)),
    fetch: async (id) => (await sql`SELECT id, name FROM bench_rows WHERE id = ${id}`)[0],
    close: () => sql.end(),
  }
}

/** The fastest that one client of postgres.js can be: nothing around the driver. */
function bare (url: string, name: string): Contender {
  const sql = postgres(url, { max: 1, connection: { application_name: name } })
  return {
    open: async () => sql`SELECT 1`,
    fetch: async (id) => (await sql.unsafe(TEXT, [id], { prepare: true }))[0],
    close: () => sql.end(),
  }
}

/** `create` names its connections, so that they can be counted. */
interface Entry { connections: number, create (url: string, name: string): Contender }

export const contenders: Readonly<Record<string, Entry>> = {
  ours: { connections: 10, create: (url, name) => ours(url, 10, name) },
  'postgres.js': { connections: 10, create: (url, name) => raw(url, 10, name) },
  'ours, max 1': { connections: 1, create: (url, name) => ours(url, 1, name) },
  'bare client': { connections: 1, create: bare },
}

export const idlePools: Readonly<Record<string, Entry>> = {
  'ours, 50': { connections: 50, create: (url, name) => ours(url, 50, name) },
  'postgres.js, 50': { connections: 50, create: (url, name) => raw(url, 50, name) },
}
