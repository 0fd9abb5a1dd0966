import type { Case, Side, Target } from './case.js'
import type { Network } from './networks/network.js'
import { TWENTY } from './statements.js'
import type { Measure, Work } from './work.js'

const OURS = 'ours'

/** The library's peers, each with the fastest of the ways that its manual shows. */
const PEERS = ['postgres.js', 'pg, named', 'pg, pipeline', 'Bun.sql', 'asyncpg']

/** The same work for several contenders; a label other than the contender's name goes in front of a colon. */
function sides (work: Work, ...names: string[]): Side[] {
  return names.map((name) => {
    const [label = name, contender = label] = name.split(': ')
    return { label, contender, work }
  })
}

function over (network: Network, sides: readonly Side[]): Side[] { return sides.map((side) => ({ ...side, network })) }

function least (measure: Measure, against: string, factor: number): Target { return { of: OURS, measure, against, least: factor } }
function most (measure: Measure, against: string, factor: number): Target { return { of: OURS, measure, against, most: factor } }

/** Every line of the figures that the library is held to, and a few of its own. `seconds`: of load in a turn. */
export function cases (seconds: number): Case[] {
  return [
    ...oneRow(seconds), ...manyCallers(seconds), ...builders(seconds), ...networks(seconds), ...besideOthers(seconds), ...writes(seconds), ...batches(), ...http(seconds), ...pools(),
  ]
}

function oneRow (seconds: number): Case[] {
  const note = 'SELECT id, name … WHERE id = $1, another id each time, 10 connections'
  const all = ['postgres.js', 'postgres.js, unsafe', 'pg, named', 'pg, unnamed', 'pg, pipeline', 'slonik', 'asyncpg', 'Bun.sql']
  const work = (callers: number): Work => ({ name: 'load', callers, seconds })
  return [{
    title: 'one row by key, 1 caller',
    note: `${note}; the bare client has one`,
    sides: sides(work(1), OURS, ...all, 'bare client', 'pgbench, 1 client'),
    targets: [
      most('cpu', 'pg, named', 0.9), least('rate', 'pg, named', 1.08), least('rate', 'postgres.js', 1.2), least('rate', 'Bun.sql', 0.95),
      least('rate', 'bare client', 0.95),
    ],
  }, {
    title: 'one row by key, 10 callers',
    note,
    sides: sides(work(10), OURS, 'ours, pipeline false', ...all, 'pgbench, 10 clients'),
    targets: [least('rate', 'pg, named', 1.7), least('rate', 'postgres.js', 2.2), least('rate', 'Bun.sql', 1.1)],
  }, {
    title: 'one row by key, 50 callers',
    note: `${note}; pgbench has one connection for each client, so as many callers are 50 connections, and as many connections are 10 callers`,
    sides: sides(work(50), OURS, 'ours, pipeline false', ...all, 'pgbench, 10 clients', 'pgbench, 50 clients'),
    targets: [
      most('cpu', 'pg, named', 0.3), least('rate', 'pg, named', 2.6), least('rate', 'postgres.js', 3.2), least('rate', 'asyncpg', 7),
      least('rate', 'pgbench, 50 clients', 2.2), least('rate', 'Bun.sql', 1),
    ],
  }, {
    title: 'one row by key, 200 callers',
    note: `${note}; pgbench with a pipeline of 16 has 10 clients, that is 160 statements under way, and looks at no row: the limit`,
    sides: sides(work(200), OURS, 'ours, pipeline false', ...all, 'pgbench, pipeline of 16'),
    targets: [
      most('cpu', 'pg, named', 0.2), least('rate', 'pg, named', 3.2), least('rate', 'postgres.js', 5), least('rate', 'pgbench, pipeline of 16', 0.35),
      least('rate', 'Bun.sql', 0.9),
    ],
  }, {
    title: 'one row by key, 1 connection, 1 caller: what the library adds',
    note: 'a pool of one connection against one client of postgres.js',
    sides: sides(work(1), 'ours: ours, max 1', 'bare client'),
    targets: [least('rate', 'bare client', 1 / 1.1)],
  }]
}

function manyCallers (seconds: number): Case[] {
  const loads = [[1_000, 0.95], [5_000, 0.9]] as const
  const cases = loads.map(([callers, factor]): Case => ({
    title: `one row by key, ${callers.toLocaleString('en')} callers`,
    note: 'against the same contender with 200 callers',
    sides: [
      ...sides({ name: 'load', callers, seconds }, OURS, 'postgres.js', 'pg, named'),
      ...sides({ name: 'load', callers: 200, seconds }, 'ours, 200: ours', 'postgres.js, 200: postgres.js', 'pg, named, 200: pg, named'),
    ],
    targets: [least('rate', 'ours, 200', factor)],
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
  return [...cases, bursts]
}

function builders (seconds: number): Case[] {
  return [{
    title: 'Drizzle: one row by key, 50 callers',
    note: 'Drizzle\'s driver for postgres.js on createSql(), and on postgres.js; each time another id, 10 connections. Most of the time is Drizzle\'s own, ' +
      'which puts each query together; "made once" are its prepared statements with a placeholder',
    sides: sides({ name: 'load', callers: 50, seconds }, 'Drizzle on ours', 'Drizzle on postgres.js', 'Drizzle on ours, made once', 'Drizzle on postgres.js, made once'),
    targets: [
      { of: 'Drizzle on ours', measure: 'rate', against: 'Drizzle on postgres.js', least: 1.3 },
      { of: 'Drizzle on ours, made once', measure: 'rate', against: 'Drizzle on postgres.js, made once', least: 1.3 },
    ],
  }]
}

function networks (seconds: number): Case[] {
  const load: Work = { name: 'load', callers: 50, seconds }
  const latency = '1 ms of latency: half a millisecond in each direction by a proxy, which has its own limit (see the settings)'
  return [{
    title: 'over TLS: one row by key, 50 callers',
    note: 'TLS to the server on the same machine, 10 connections',
    sides: over('tls', sides(load, OURS, ...PEERS)),
    targets: [],
  }, {
    title: '1 ms of latency: one row by key, 50 callers',
    note: latency,
    sides: over('delayed', sides(load, OURS, ...PEERS)),
    targets: [],
  }, {
    title: '1 ms of latency: transaction of two statements, 10 callers',
    note: `${latency}; BEGIN, two UPDATEs of one row by key, COMMIT`,
    sides: over('delayed', sides({ name: 'transactions', callers: 10, seconds }, OURS, 'postgres.js', 'pg, named', 'Bun.sql', 'asyncpg')),
    targets: [],
  }]
}

/** Single ones: what may lock is never sent behind another's statement. */
function writes (seconds: number): Case[] {
  return [{
    title: 'single INSERTs, 50 callers',
    note: 'INSERT of one row (int, text) into a table without keys, another one each time, 10 connections; the rows are counted afterwards',
    sides: sides({ name: 'inserts', callers: 50, seconds }, OURS, ...PEERS, 'slonik'),
    targets: [least('rate', 'pg, named', 1.1), most('cpu', 'pg, named', 0.6)],
  }]
}

function besideOthers (seconds: number): Case[] {
  return [{
    title: '40 quick callers beside 3 slow ones',
    note: 'one row by key beside SELECT pg_sleep(0.2) on the same 10 connections; only the quick ones are counted',
    sides: sides({ name: 'mixed', callers: 40, slow: 3, sleep: 0.2, seconds: Math.max(seconds, 0.5) },
      OURS, 'ours, pipeline false', 'postgres.js', 'postgres.js, unsafe', 'pg, named', 'slonik', 'asyncpg', 'Bun.sql'),
    targets: [least('worst', 'postgres.js', 30), least('rate', 'postgres.js', 3)],
  }, {
    title: 'transaction of two statements, 10 callers',
    note: 'BEGIN, two UPDATEs of one row by key, COMMIT; each caller has rows of its own',
    sides: sides({ name: 'transactions', callers: 10, seconds }, OURS, 'postgres.js', 'postgres.js, unsafe', 'pg, named', 'pg, unnamed', 'slonik', 'asyncpg', 'Bun.sql'),
    targets: [least('rate', 'pg, named', 1.4), least('rate', 'postgres.js', 1.7)],
  }, {
    title: '1,000 rows of 10 columns',
    note: 'one caller; int, text, bool, float8, bigint, numeric, jsonb and timestamptz, each parsed as the contender does by default',
    sides: sides({ name: 'rows', seconds }, OURS, 'postgres.js', 'postgres.js, unsafe', 'pg, named', 'pg, unnamed', 'slonik', 'asyncpg', 'Bun.sql'),
    targets: [least('rate', 'pg, named', 1.4), least('rate', 'postgres.js', 1.7)],
  }]
}

function batches (): Case[] {
  return [{
    title: 'executeMany, 10,000 rows, INSERT',
    note: '(int, text) into a table without keys; asyncpg: executemany; postgres.js: multi-row VALUES; slonik: unnest by hand',
    repeat: 3,
    sides: sides({ name: 'insert' }, OURS, 'asyncpg', 'postgres.js', 'slonik', 'COPY'),
    targets: [least('time', 'asyncpg', 2), most('time', 'COPY', 1.7)],
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
  const fastify = ['ours: ours over HTTP', '@fastify/postgres', '@fastify/postgres, named', 'Fastify + postgres.js']
  const users = (connections: number, fastifyPostgres: number): Case => ({
    title: `HTTP GET /users/:id, ${connections} connections`,
    note,
    sides: sides({ name: 'http', path: '/users/:id', connections, seconds: Math.max(seconds, 0.5) }, ...fastify, 'FastAPI + asyncpg'),
    targets: [least('rate', '@fastify/postgres', fastifyPostgres), least('rate', 'FastAPI + asyncpg', 5)],
  })
  // What is under way at the end of a turn is not counted: it has to be little beside what is.
  const twenty = (connections: number, turn: number, targets: Target[]): Case => ({
    title: `HTTP, ${TWENTY} queries a request, ${connections} connections`,
    note: `${note}; GET /users/:id/twenty asks for ${TWENTY} rows by key at once, one query each`,
    sides: sides({ name: 'http', path: '/users/:id/twenty', connections, seconds: Math.max(seconds, turn) }, ...fastify),
    targets,
  })
  return [users(64, 2.4), users(256, 2.6), twenty(64, 1.5, [least('rate', 'Fastify + postgres.js', 2), least('rate', '@fastify/postgres', 2)]), twenty(256, 3, []), {
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
  }, {
    title: 'our own functions that one warm fetchOne enters',
    note: 'counted by V8 in a new process, as npm run hops does',
    sides: sides({ name: 'hops' }, OURS),
    targets: [{ of: OURS, measure: 'calls', below: 61 }, { of: OURS, measure: 'files', below: 17 }],
  }]
}
