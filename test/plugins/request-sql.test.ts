import { get as httpGet } from 'node:http'
import Fastify from 'fastify'
import t from 'tap'
import postgresJs from '../../plugins/db.js'
import { freshDatabase, memoryLog, until } from '../support/database.js'

const config = { db: { transaction: true } }

t.test('request.db.sql is bound to the request, as its helpers are', async (t) => {
  const observer = await freshDatabase(t)
  await observer.rows('CREATE TABLE items (n int)')
  const app = Fastify()
  t.teardown(() => app.close())
  const settings = ({ headers }: { headers: object }): Record<string, string> => ({ 'app.tenant': String(Reflect.get(headers, 'tenant')) })
  await app.register(postgresJs, { url: observer.url, min: 0, max: 2, log: memoryLog(), settings })
  const results: unknown[] = []
  const note = (work: PromiseLike<unknown>): PromiseLike<unknown> => work.then((value) => { results.push(Array.isArray(value) ? [...value] : value) }, (error) => {
    results.push(error.code)
    throw error
  })
  app.get('/tenant', async ({ db: { sql } }) => await sql`SELECT current_setting('app.tenant') AS tenant, ${1}::int AS one`)
  app.get('/begin', async ({ db: { sql } }) => await sql.begin((sql) => [sql`SELECT current_setting('app.tenant') AS tenant`, sql`INSERT INTO items VALUES (${1})`.then(({ count }) => count)]))
  app.get('/reserve', async ({ db: { sql } }) => await sql.reserve())
  app.get('/route', { config }, async ({ db: { sql } }) => {
    await sql`INSERT INTO items VALUES (${2})`
    await sql.begin((sql) => sql`INSERT INTO items VALUES (${3})`)
    throw new Error('undone')
  })
  app.get('/read', ({ db: { sql } }) => note(sql`SELECT pg_sleep(${60})`))
  app.get('/in-begin', ({ db: { sql } }) => sql.begin((sql) => note(sql`SELECT pg_sleep(${60})`) as Promise<unknown>))
  app.get('/read-in-route', { config }, ({ db: { sql } }) => note(sql`SELECT pg_sleep(${60})`))
  app.get('/cancelled', { config }, async ({ db: { sql } }) => {
    const query = sql`SELECT pg_sleep(${60})`.execute()
    await until(async () => (await observer.backends()).some(({ state, query }) => state === 'active' && query.includes('pg_sleep')))
    query.cancel()
    await note(query)
  })
  app.get('/write', ({ db: { sql } }) => note(sql`INSERT INTO items SELECT ${5} FROM pg_sleep(0.3) RETURNING n`))
  app.get('/detached', ({ db: { detached: { sql } } }) => note(sql`SELECT ${6}::int AS n FROM pg_sleep(0.3)`))

  const ask = async (path: string): Promise<unknown> => (await app.inject({ path, headers: { tenant: 'a' } })).json()
  t.strictSame(await ask('/tenant'), [{ tenant: 'a', one: 1 }])
  t.strictSame(await ask('/begin'), [[{ tenant: 'a' }], 1])
  t.match(await ask('/reserve'), { code: 'FST_PG_QUERY' })
  t.match(await ask('/route'), { message: 'undone' })
  t.strictSame(await observer.rows('SELECT n FROM items'), [{ n: 1 }])
  t.match(await ask('/cancelled'), { code: 'FST_PG_ABORTED' })
  t.equal(results.pop(), 'FST_PG_ABORTED')

  const url = await app.listen({ port: 0, host: '127.0.0.1' })
  for (const [path, result] of [['read', 'FST_PG_ABORTED'], ['in-begin', 'FST_PG_ABORTED'], ['read-in-route', 'FST_PG_ABORTED'], ['write', [{ n: 5 }]], ['detached', [{ n: 6 }]]] as const) {
    const client = httpGet(`${url}/${path}`, { headers: { tenant: 'a' } }).on('error', () => {})
    await until(async () => (await observer.backends()).some(({ state, query }) => state === 'active' && query.includes('pg_sleep')))
    client.destroy()
    await until(() => results.length === 1)
    t.strictSame(results.pop(), result, path)
    await until(() => app.db.stats().busy === 0)
  }
})
