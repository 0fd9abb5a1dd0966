import { eq, sql as drizzleSql } from 'drizzle-orm'
import { drizzle } from 'drizzle-orm/postgres-js'
import Fastify from 'fastify'
import type postgres from 'postgres'
import t from 'tap'
import postgresJs from '../../../plugins/db.js'
import { freshDatabase, until } from '../../support/database.js'
import { seeded } from '../../support/random.js'
import { open, over } from './drizzle.js'
import * as schema from './schema.js'

const { users } = schema
const AT = new Date('2026-01-02T03:04:05.678Z')
const TEXT = '2026-01-02 03:04:05.678901+00'

t.test('the parsers of one tag are those of that tag alone: one connection, one text, all at once', async (t) => {
  const { db, orm, observer } = await open(t, { max: 1 })
  const query = orm.select({ createdAt: users.createdAt }).from(users).where(eq(users.id, 2))
  const { sql: text } = query.toSQL()
  const plain = db.createSql()
  const milliseconds = db.createSql()
  milliseconds.options.parsers[1184] = (value: string) => Date.parse(value)
  const ask: Readonly<Record<string, () => PromiseLike<unknown>>> = {
    Drizzle: async () => (await query)[0]?.createdAt,
    'the client of Drizzle': async () => (await orm.$client.unsafe(text, [2]))[0]?.['created_at'],
    'db.sql': async () => (await db.sql.unsafe<Array<Record<string, unknown>>>(text, [2]))[0]?.['created_at'],
    'another tag': async () => (await plain.unsafe<Array<Record<string, unknown>>>(text, [2]))[0]?.['created_at'],
    'a tag with a parser of its own': async () => (await milliseconds.unsafe<Array<Record<string, unknown>>>(text, [2]))[0]?.['created_at'],
    'a helper': async () => await db.fetchVal(text, 2),
    'rows as arrays': async () => (await db.fetchOne({ text, rows: 'array' }, 2))?.[0],
    'a transaction of Drizzle': async () => (await orm.transaction((tx) => tx.select({ createdAt: users.createdAt }).from(users).where(eq(users.id, 2))))[0]?.createdAt,
    'a transaction': async () => await db.transaction((tx) => tx.fetchVal(text, 2)),
    'another text': async () => await db.fetchVal('SELECT 1'),
  }
  const expected: Readonly<Record<string, unknown>> = {
    ...Object.fromEntries(Object.keys(ask).map((name) => [name, AT])),
    'the client of Drizzle': TEXT,
    'a tag with a parser of its own': AT.getTime(),
    'another text': 1,
  }
  const names = Object.keys(ask)
  for (const name of names) t.strictSame(await ask[name]?.(), expected[name], name)
  const random = seeded('together')
  const order = Array.from({ length: 300 }, () => random.pick(names))
  const answers = await Promise.all(order.map((name) => ask[name]?.()))
  t.strictSame(answers, order.map((name) => expected[name]))
  t.equal((await observer.backends()).length, 1)
  await until(() => db.stats().busy === 0) // what cleans a session is behind its last call
  t.match(db.stats(), { busy: 0, waiting: 0 })
})

t.test('the serializers of one tag are those of that tag alone', async (t) => {
  const { db, orm } = await open(t, { max: 1 })
  const text = 'SELECT jsonb_typeof($1::jsonb) AS kind'
  for (let time = 0; time < 3; time++) {
    t.strictSame([...await orm.$client.unsafe(text, ['{"a": 1}'])], [{ kind: 'object' }], 'Drizzle writes JSON itself')
    t.strictSame(await db.fetchAll(text, '{"a": 1}'), [{ kind: 'string' }])
    t.strictSame([...await db.sql.unsafe(text, ['{"a": 1}'])], [{ kind: 'string' }])
    t.strictSame([...await db.createSql().unsafe(text, ['{"a": 1}'])], [{ kind: 'string' }])
  }
})

t.test('Drizzle is refused the tag that all share, with what to call', async (t) => {
  const { db } = await open(t)
  t.throws(() => drizzle(db.sql as unknown as postgres.Sql), { code: 'FST_PG_QUERY', advice: /createSql/ })
  t.ok(await db.fetchVal('SELECT now()') instanceof Date)
})

t.test('two of them with schemas and names of their own share the pool', async (t) => {
  const { db } = await open(t, { max: 2 })
  const snake = drizzle(db.createSql(), { casing: 'snake_case' })
  const orm = over(db)
  const [one, two] = await Promise.all([
    snake.select({ n: drizzleSql<number>`count(*)`.mapWith(Number) }).from(users),
    orm.query.users.findFirst({ where: eq(users.id, 2) }),
  ])
  t.strictSame([one, two?.createdAt], [[{ n: 3 }], AT])
})

t.test('in routes: Drizzle beside request.db, and a failure of its queries is answered without SQL', async (t) => {
  const observer = await freshDatabase(t)
  await observer.rows(schema.TABLES)
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(postgresJs, { url: observer.url, min: 1, max: 2 })
  const orm = over(app.db)
  app.setErrorHandler((error) => { throw error instanceof Error && error.cause instanceof Error ? error.cause : error })
  app.get('/users', async (request) => [
    (await orm.select().from(users).where(eq(users.id, 2)))[0]?.createdAt,
    await request.db.fetchVal('SELECT created_at FROM users WHERE id = 2'),
  ])
  app.post('/users', async () => await orm.insert(users).values({ name: 'secret name', email: 'ada@example.com' }))
  t.strictSame((await app.inject('/users')).json(), [AT.toISOString(), AT.toISOString()])
  const response = await app.inject({ method: 'POST', url: '/users' })
  t.equal(response.statusCode, 500)
  t.notMatch(response.body, /secret name|insert into/)
})
