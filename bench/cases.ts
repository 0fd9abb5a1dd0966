import type { Case, Side, Target } from './case.js'
import type { Measure, Work } from './work.js'

const OURS = 'ours'

/** The same work for several contenders; a label other than the contender's name goes in front of a colon. */
function sides (work: Work, ...names: string[]): Side[] {
  return names.map((name) => {
    const [label = name, contender = label] = name.split(': ')
    return { label, contender, work }
  })
}

function least (measure: Measure, against: string, factor: number): Target { return { of: OURS, measure, against, least: factor } }
function most (measure: Measure, against: string, factor: number): Target { return { of: OURS, measure, against, most: factor } }

/** Every line of the figures that the library is held to, and a few of its own. `seconds`: of load in a turn. */
export function cases (seconds: number): Case[] {
  return [...oneRow(seconds), ...manyCallers(seconds), ...besideOthers(seconds), ...batches(), ...http(seconds), ...pools()]
}

function oneRow (seconds: number): Case[] {
  const note = 'SELECT id, name … WHERE id = $1, another id each time, 10 connections'
  const all = ['postgres.js', 'postgres.js, unsafe', 'pg, named', 'pg, unnamed', 'slonik', 'asyncpg']
  const work = (callers: number): Work => ({ name: 'load', callers, seconds })
  return [{
    title: 'one row by key, 1 caller',
    note: `${note}; the bare client has one`,
    sides: sides(work(1), OURS, ...all, 'bare client', 'pgbench, 1 client'),
    targets: [least('rate', 'postgres.js', 1.15), least('rate', 'pg, named', 1.05), least('rate', 'bare client', 0.95)],
  }, {
    title: 'one row by key, 10 callers',
    note,
    sides: sides(work(10), OURS, 'ours, pipeline false', ...all, 'pgbench, 10 clients'),
    targets: [least('rate', 'postgres.js', 1.5), least('rate', 'pg, named', 1.1)],
  }, {
    title: 'one row by key, 50 callers',
    note: `${note}; pgbench has one connection for each client, so as many callers are 50 connections, and as many connections are 10 callers`,
    sides: sides(work(50), OURS, 'ours, pipeline false', ...all, 'pgbench, 10 clients', 'pgbench, 50 clients'),
    targets: [
      least('rate', 'postgres.js', 2.2), least('rate', 'pg, named', 1.6), least('rate', 'asyncpg', 3),
      least('rate', 'pgbench, 50 clients', 1), least('rate', 'pgbench, 10 clients', 1), most('cpu', 'pg, named', 0.85),
    ],
  }, {
    title: 'one row by key, 200 callers',
    note,
    sides: sides(work(200), OURS, 'ours, pipeline false', ...all),
    targets: [least('rate', 'postgres.js', 2.5), least('rate', 'pg, named', 1.5)],
  }, {
    title: 'one row by key, 1 connection, 1 caller: what the library adds',
    note: 'a pool of one connection against one client of postgres.js',
    sides: sides(work(1), 'ours: ours, max 1', 'bare client'),
    targets: [least('rate', 'bare client', 1 / 1.1)],
  }]
}

function manyCallers (seconds: number): Case[] {
  const loads = [1_000, 5_000].map((callers): Case => ({
    title: `one row by key, ${callers.toLocaleString('en')} callers`,
    note: 'against the same contender with 200 callers',
    sides: [
      ...sides({ name: 'load', callers, seconds }, OURS, 'postgres.js', 'pg, named'),
      ...sides({ name: 'load', callers: 200, seconds }, 'ours, 200: ours', 'postgres.js, 200: postgres.js', 'pg, named, 200: pg, named'),
    ],
    targets: [least('rate', 'ours, 200', 0.9)],
  }))
  const bursts: Case = {
    title: 'bursts of 10,000 callers, against bursts of 1,000',
    note: '10,000 queries on 10 connections, asked for at once or in ten bursts',
    sides: [
      ...sides({ name: 'burst', callers: 10_000, times: 1 }, OURS, 'postgres.js'),
      ...sides({ name: 'burst', callers: 1_000, times: 10 }, 'ours, 1,000: ours', 'postgres.js, 1,000: postgres.js'),
    ],
    targets: [least('rate', 'ours, 1,000', 0.8)],
  }
  return [...loads, bursts]
}

function besideOthers (seconds: number): Case[] {
  return [{
    title: '40 quick callers beside 3 slow ones',
    note: 'one row by key beside SELECT pg_sleep(0.2) on the same 10 connections; only the quick ones are counted',
    sides: sides({ name: 'mixed', callers: 40, slow: 3, sleep: 0.2, seconds: Math.max(seconds, 0.5) },
      OURS, 'ours, pipeline false', 'postgres.js', 'postgres.js, unsafe', 'pg, named', 'slonik', 'asyncpg'),
    targets: [least('worst', 'postgres.js', 20), least('rate', 'postgres.js', 2)],
  }, {
    title: 'transaction of two statements, 10 callers',
    note: 'BEGIN, two UPDATEs of one row by key, COMMIT; each caller has rows of its own',
    sides: sides({ name: 'transactions', callers: 10, seconds }, OURS, 'postgres.js', 'postgres.js, unsafe', 'pg, named', 'pg, unnamed', 'slonik', 'asyncpg'),
    targets: [least('rate', 'postgres.js', 1.3), least('rate', 'pg, named', 1.1)],
  }, {
    title: '1,000 rows of 10 columns',
    note: 'one caller; int, text, bool, float8, bigint, numeric, jsonb and timestamptz, each parsed as the contender does by default',
    sides: sides({ name: 'rows', seconds }, OURS, 'postgres.js', 'postgres.js, unsafe', 'pg, named', 'pg, unnamed', 'slonik', 'asyncpg'),
    targets: [least('rate', 'postgres.js', 1), least('rate', 'pg, named', 1)],
  }]
}

function batches (): Case[] {
  return [{
    title: 'executeMany, 10,000 rows, INSERT',
    note: '(int, text) into a table without keys; asyncpg: executemany; postgres.js: multi-row VALUES; slonik: unnest by hand',
    repeat: 3,
    sides: sides({ name: 'insert' }, OURS, 'asyncpg', 'postgres.js', 'slonik', 'COPY'),
    targets: [least('time', 'asyncpg', 2), most('time', 'COPY', 2)],
  }, {
    title: 'executeMany, 10,000 rows, UPDATE by key',
    note: 'asyncpg: executemany; postgres.js: FROM (VALUES …), slonik: FROM unnest, which are not the same when a key comes twice',
    repeat: 3,
    sides: sides({ name: 'update' }, OURS, 'asyncpg', 'postgres.js', 'slonik'),
    targets: [least('time', 'asyncpg', 1)],
  }, {
    title: 'executeManyWithReturning, 10,000 INSERTs',
    note: 'asyncpg: fetchrow in a loop in one transaction, for its executemany returns nothing; postgres.js: multi-row VALUES; slonik: unnest by hand',
    sides: sides({ name: 'returning' }, OURS, 'asyncpg', 'postgres.js', 'slonik'),
    targets: [least('time', 'asyncpg', 10)],
  }]
}

function http (seconds: number): Case[] {
  const note = 'one process, 10 connections to Postgres, the same route, schemas and checks for all Fastify apps'
  const users = (connections: number, fastApi: number, fastifyPostgres: number): Case => ({
    title: `HTTP GET /users/:id, ${connections} connections`,
    note,
    sides: sides({ name: 'http', path: '/users/:id', connections, seconds: Math.max(seconds, 0.5) },
      'ours: ours over HTTP', 'FastAPI + asyncpg', '@fastify/postgres', '@fastify/postgres, named', 'Fastify + postgres.js'),
    targets: [least('rate', 'FastAPI + asyncpg', fastApi), least('rate', '@fastify/postgres', fastifyPostgres)],
  })
  return [users(64, 2.7, 1.5), users(256, 5, 1.8), {
    title: 'HTTP GET /api/health, 64 connections',
    note: 'against a Fastify route that returns a constant of the same size',
    sides: sides({ name: 'http', path: '/api/health', connections: 64, seconds: Math.max(seconds, 0.5) }, 'ours: ours over HTTP', 'constant route'),
    targets: [least('rate', 'constant route', 0.9)],
  }]
}

function pools (): Case[] {
  return [{
    title: 'new pool of 10 until ready',
    note: 'against ten postgres({ max: 1 }) that connect at once; pg and asyncpg: their pools with 10 open',
    repeat: 3,
    sides: sides({ name: 'connect' }, OURS, 'ten bare clients', 'ten bare clients, fetch_types false', 'pg, named', 'asyncpg'),
    targets: [most('time', 'ten bare clients', 1.2)],
  }, {
    title: 'heap of an idle pool of 50 connections',
    note: 'by how much it grows in a new process, after collecting garbage; what the library loads and compiles while it opens is in it',
    sides: sides({ name: 'heap', connections: 50 }, OURS, 'postgres.js', 'pg, named'),
    targets: [{ of: OURS, measure: 'heap', below: 10 }],
  }]
}
