import { Writable } from 'node:stream'
import { inspect } from 'node:util'
import Fastify, { type FastifyInstance } from 'fastify'
import { pino } from 'pino'
import t, { type Test } from 'tap'
import postgresJs, { ServerError, type FastifyPostgresJsOptions } from '../../plugins/db.js'
import { freshDatabase, until, type Observer } from '../support/database.js'
import { FaultProxy } from '../../tools/fault-proxy.js'

const SECRET = 'opensesame'

/** An app that logs everything to memory. */
function buildApp (t: Test, options: FastifyPostgresJsOptions): { app: FastifyInstance, log: () => string } {
  let text = ''
  const stream = new Writable({
    write (chunk, _encoding, done) {
      text += String(chunk)
      done()
    }
  })
  const app = Fastify({ logger: { level: 'trace', stream } })
  t.teardown(() => app.close())
  app.register(postgresJs, { min: 1, max: 2, ...options })
  return { app, log: () => text }
}

/** What of `thrown`, and of what Fastify made of it, shows the secret. */
function leaks (thrown: ServerError, response: string, log: string): string[] {
  const places = {
    response,
    log,
    message: thrown.message,
    stack: String(thrown.stack),
    JSON: JSON.stringify(thrown),
    inspect: inspect(thrown),
    pino: JSON.stringify(pino.stdSerializers.err(thrown)),
    'pino with causes': JSON.stringify(pino.stdSerializers.errWithCause(thrown)),
  }
  return Object.entries(places).filter(([, text]) => text.includes(SECRET)).map(([place]) => place)
}

type Case = [what: string, code: string, sql: string, value?: string]

/** Each way in which data can come back in an error of the server. */
const data: Case[] = [
  ['text that is no number', '22P02', 'SELECT $1::text::int'],
  ['text that is no uuid', '22P02', 'SELECT $1::text::uuid'],
  ['text that is no JSON', '22P02', 'SELECT $1::text::jsonb'],
  ['text that is no value of an enum', '22P02', 'SELECT $1::text::mood'],
  ['text that is no array', '22P02', 'SELECT $1::text::int[]'],
  ['text that is no date', '22007', 'SELECT $1::text::timestamptz'],
  ['text with quotes and a line break', '22P02', 'SELECT $1::text::int', `"\n"${SECRET}"\n`],
  ['a value that exists already', '23505', 'INSERT INTO accounts (token) VALUES ($1)'],
  ['a row that a check refuses', '23514', "INSERT INTO accounts (token, kind) VALUES ($1, 'bad')"],
  ['a row without a value', '23502', 'INSERT INTO accounts (token, kind) VALUES ($1, NULL)'],
  ['a key that is not there', '23503', 'INSERT INTO sessions VALUES ($1)', `${SECRET}2`],
  ['a syntax error in a statement built from the value', '42601', 'SELECT run($1)', `${SECRET} 1`],
]

/** A function's own words, under the code that it chose. */
const words: Case[] = [
  ['RAISE EXCEPTION', 'P0001', 'SELECT complain($1)'],
  ['RAISE with the code of a unique violation', '23505', "SELECT complain($1, '23505')"],
  ['RAISE with the code of a missing right', '42501', "SELECT complain($1, '42501')"],
  ['RAISE with the code of a serialization failure', '40001', "SELECT complain($1, '40001')"],
  ['RAISE with the code of a bad value', '22023', "SELECT complain($1, '22023')"],
  ['RAISE with a code of its own', 'AB123', "SELECT complain($1, 'AB123')"],
  ['ASSERT', 'P0004', 'SELECT insist($1)'],
]

/** Names that are values all the same. */
const names: Case[] = [
  ['a relation', '42P01', 'SELECT $1::text::regclass'],
  ['a role', '42704', 'SELECT $1::text::regrole'],
  ['a function', '42883', 'SELECT $1::text::regproc'],
  ['a setting', '42704', 'SELECT current_setting($1)'],
  ['a column of a statement built from the value', '42703', "SELECT run('SELECT ' || $1)"],
]

async function prepare (observer: Observer): Promise<void> {
  await observer.rows(`
    CREATE TYPE mood AS ENUM ('good', 'bad');
    CREATE TABLE accounts (token text PRIMARY KEY, kind text NOT NULL DEFAULT 'good' CHECK (kind <> 'bad'));
    INSERT INTO accounts VALUES ('${SECRET}');
    CREATE TABLE sessions (token text REFERENCES accounts);
    CREATE FUNCTION complain (value text, code text DEFAULT 'P0001') RETURNS void LANGUAGE plpgsql AS $$
      BEGIN RAISE EXCEPTION 'I do not like %', value USING ERRCODE = code, DETAIL = value, HINT = value; END $$;
    CREATE FUNCTION insist (value text) RETURNS void LANGUAGE plpgsql AS $$ BEGIN ASSERT false, value; END $$;
    CREATE FUNCTION run (value text) RETURNS void LANGUAGE plpgsql AS $$ BEGIN EXECUTE value; END $$`)
}

t.test('an error of the server shows no value: not in the response, the log, JSON or inspect', async (t) => {
  const observer = await freshDatabase(t)
  await prepare(observer)
  const { app, log } = buildApp(t, { url: observer.url })
  let thrown: unknown
  app.post<{ Body: { sql: string, value: string } }>('/fail', async ({ body }) => {
    try {
      return await app.db.fetchVal(body.sql, body.value)
    } catch (error) {
      thrown = error
      throw error
    }
  })
  await app.ready()
  for (const [group, cases] of Object.entries({ data, "functions' own words": words, names })) {
    t.test(group, async (t) => {
      for (const [what, code, sql, value = SECRET] of cases) {
        thrown = undefined
        const before = log().length
        const response = await app.inject({ method: 'POST', url: '/fail', payload: { sql, value } })
        const lines = log().slice(before)
        if (!(thrown instanceof ServerError)) throw new Error(`${what}: no error of the server`, { cause: thrown })
        t.same([thrown.code, response.statusCode, response.json().code], [code, 500, code], `${what} gives ${code}`)
        t.match(lines, code, `${what}: the log has the code`)
        t.same(leaks(thrown, response.body, lines), [], `${what}: nothing shows the value`)
      }
    })
  }
})

t.test('what the server said is there for code that asks for it', async (t) => {
  const observer = await freshDatabase(t)
  await prepare(observer)
  const { app } = buildApp(t, { url: observer.url })
  await app.ready()
  const error = await app.db.fetchVal('SELECT complain($1)', SECRET).catch((error) => error)
  t.match(error, { serverMessage: `I do not like ${SECRET}`, detail: SECRET, hint: SECRET, where: 'complain', query: 'SELECT complain($1)' })
})

t.test('values that cannot be sent are not shown either', async (t) => {
  const observer = await freshDatabase(t)
  const { app, log } = buildApp(t, { url: observer.url })
  app.get('/object', () => app.db.fetchVal('SELECT $1::text', { secret: SECRET }))
  app.get('/number', () => app.db.fetchVal('SELECT $1::int', { secret: SECRET }))
  app.get('/many', () => app.db.fetchVal('SELECT $1::text', SECRET, SECRET))
  app.get('/undefined', () => app.db.fetchVal('SELECT $1::text, $2::text', SECRET, undefined))
  await app.ready()
  for (const url of ['/object', '/number', '/many', '/undefined']) {
    const before = log().length
    const response = await app.inject(url)
    t.match([response.statusCode, response.json().code], [500, /^FST_PG_/], url)
    t.notMatch(response.body + log().slice(before), SECRET, url)
  }
})

t.test("the pool logs to the instance's logger, and no line holds the password, the URL or a parameter", async (t) => {
  const observer = await freshDatabase(t)
  const proxy = await FaultProxy.start(t, observer.url)
  const { password } = new URL(observer.url)
  const { app, log } = buildApp(t, { url: proxy.url, max: 1, acquireTimeout: 0.1 })
  app.get('/echo', () => app.db.fetchVal('SELECT $1::text', SECRET).then(() => 'done'))
  app.get('/slow', () => app.db.fetchVal({ text: 'SELECT $1::text, pg_sleep(60)', timeout: 0.05 }, SECRET))
  await app.ready()
  t.match(log(), 'database pool is open')
  t.equal((await app.inject('/echo')).statusCode, 200)
  t.equal((await app.inject('/slow')).statusCode, 504)
  proxy.cut()
  await until(() => log().includes('database connection lost'))
  await until(() => app.db.stats().size === 1)
  await proxy.set('refuse')
  proxy.cut()
  await until(() => log().includes('cannot connect to the database'))
  t.equal((await app.inject('/echo')).statusCode, 503)
  t.equal((await app.inject('/api/health')).statusCode, 503)
  t.match(log(), 'the database does not answer the health check')
  await app.close()
  t.match(log(), 'database pool is closed')
  for (const hidden of [password, SECRET, proxy.url, 'postgres://']) t.notOk(log().includes(hidden), `not ${hidden.slice(0, 12)}`)
})

t.test('a start that fails shows no password', async (t) => {
  const observer = await freshDatabase(t)
  const url = new URL(observer.url)
  url.password = SECRET
  const { app, log } = buildApp(t, { url: url.href })
  const error = await Promise.resolve(app.ready()).then(() => undefined, (error: Error) => error)
  t.match(error, { code: /^FST_PG_CONNECT$/ })
  app.log.fatal(error)
  t.notMatch(inspect(error, { depth: 10 }) + log() + inspect(app.db, { depth: 10, showHidden: true }), SECRET)
})
