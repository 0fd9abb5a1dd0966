import fastifyPostgres from '@fastify/postgres'
import Fastify, { type FastifyInstance } from 'fastify'
import postgres from 'postgres'
import postgresJs from '../../plugins/db.js'
import { FETCH, TWENTY } from '../statements.js'

interface User { id: number, name: string }

const user = { type: 'object', properties: { id: { type: 'integer' }, name: { type: 'string' } } } as const
const params = { type: 'object', properties: { id: { type: 'integer' } } } as const
const one = { schema: { params, response: { 200: user } } } as const
const many = { schema: { params, response: { 200: { type: 'array', items: user } } } } as const

/** The routes, the same for all: only the way to the database differs. */
function serveUsers (app: FastifyInstance, fetch: (id: number) => Promise<User | null | undefined>): FastifyInstance {
  async function checked (id: number): Promise<User> {
    const row = await fetch(id)
    if (row?.id !== id) throw new Error('not the row that was asked for')
    return row
  }
  app.get<{ Params: { id: number } }>('/users/:id', one, ({ params: { id } }) => checked(id))
  app.get<{ Params: { id: number } }>('/users/:id/twenty', many, ({ params: { id } }) => {
    return Promise.all(Array.from({ length: TWENTY }, (_, index) => checked(id + index)))
  })
  return app
}

function ours (url: string, applicationName: string): FastifyInstance {
  const app = Fastify()
  app.register(postgresJs, { url, min: 10, max: 10, applicationName })
  return serveUsers(app, (id) => app.db.fetchOne<User>(FETCH, id))
}

function rawPostgresJs (url: string, name: string): FastifyInstance {
  const sql = postgres(url, { max: 10, connection: { application_name: name } })
  const app = Fastify()
  app.addHook('onReady', async () => { await Promise.all(Array.from({ length: 10 }, () => sql`SELECT pg_sleep(0.5)`)) })
  return serveUsers(app, async (id) => (await sql<User[]>`SELECT id, name FROM bench_rows WHERE id = ${id}`)[0])
}

function withFastifyPostgres (url: string, applicationName: string, named: boolean): FastifyInstance {
  const app = Fastify()
  app.register(fastifyPostgres, { connectionString: url, application_name: applicationName, max: 10, idleTimeoutMillis: 0 })
  app.addHook('onReady', async () => { await Promise.all(Array.from({ length: 10 }, () => app.pg.query('SELECT pg_sleep(0.5)'))) })
  return serveUsers(app, async (id) => {
    const { rows: [row] } = await app.pg.query<User>(named ? { name: 'user', text: FETCH, values: [id] } : { text: FETCH, values: [id] })
    return row
  })
}

/** A route that asks nobody, with a body as large as that of the health route, and its schema. */
function constant (): FastifyInstance {
  const counts = { pool_size: 10, free_connections: 10, min_size: 10, max_size: 10, waiting: 0, latency_ms: 0.64 }
  const body = { status: 'healthy', database: { status: 'healthy', ...counts } }
  const numbers = Object.fromEntries(Object.keys(counts).map((name) => [name, { type: 'number' }]))
  const database = { type: 'object', properties: { status: { type: 'string' }, ...numbers } }
  const schema = { response: { 200: { type: 'object', properties: { status: { type: 'string' }, database } } } }
  const app = Fastify()
  app.get('/api/health', { schema }, async () => body)
  return app
}

export const apps = {
  'ours over HTTP': ours,
  'Fastify + postgres.js': rawPostgresJs,
  '@fastify/postgres': (url, name) => withFastifyPostgres(url, name, false),
  '@fastify/postgres, named': (url, name) => withFastifyPostgres(url, name, true),
  'constant route': constant,
} as const satisfies Readonly<Record<string, (url: string, applicationName: string) => FastifyInstance>>

export type HttpContender = keyof typeof apps

export function isHttpContender (name: string): name is HttpContender { return Object.hasOwn(apps, name) }
