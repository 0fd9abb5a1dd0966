import { Writable } from 'node:stream'
import { inspect } from 'node:util'
import Fastify, { type FastifyInstance } from 'fastify'
import { pino } from 'pino'
import t, { type Test } from 'tap'
import postgresJs, { ServerError, type FastifyPostgresJsOptions } from '../plugins/db.js'
import { freshDatabase, until, type Observer } from './support/database.js'
import { FaultProxy } from './support/proxy.js'

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

/** Each way in which a value can come back in an error of the server. */
const failures: Array<[what: string, code: string, sql: string]> = [
  ['text that is no number', '22P02', 'SELECT $1::text::int'],
  ['text that is no uuid', '22P02', 'SELECT $1::text::uuid'],
  ['text that is no JSON', '22P02', 'SELECT $1::text::jsonb'],
  ['text that is no value of an enum', '22P02', 'SELECT $1::text::mood'],
  ['text that is no array', '22P02', 'SELECT $1::text::int[]'],
  ['text that is no date', '22007', 'SELECT $1::text::timestamptz'],
  ['a value that exists already', '23505', 'INSERT INTO accounts (token) VALUES ($1)'],
  ['a row that a check refuses', '23514', "INSERT INTO accounts (token, kind) VALUES ($1, 'bad')"],
  ['a row without a value', '23502', 'INSERT INTO accounts (token, kind) VALUES ($1, NULL)'],
  ['a key that is not there', '23503', 'INSERT INTO sessions VALUES ($1)'],
  ['RAISE EXCEPTION', 'P0001', 'SELECT complain($1)'],
  ['RAISE EXCEPTION with the code of another error', '23505', "SELECT complain($1, '23505')"],
  ['RAISE EXCEPTION with a code of the class of syntax errors', '42501', "SELECT complain($1, '42501')"],
  ['RAISE EXCEPTION with a code of its own', 'AB123', "SELECT complain($1, 'AB123')"],
  ['ASSERT', 'P0004', 'SELECT insist($1)'],
  ['a statement built from the value, and wrong', '42601', 'SELECT run($1)'],
  ['a relation named by the value', '42P01', 'SELECT $1::text::regclass'],
  ['a role named by the value', '42704', 'SELECT $1::text::regrole'],
  ['a function named by the value', '42883', 'SELECT $1::text::regproc'],
  ['a setting named by the value', '42704', 'SELECT current_setting($1)'],
  ['a column named by the value', '42703', "SELECT run('SELECT ' || $1)"],
]

async function prepare (observer: Observer): Promise<void> {
  await observer.rows(`
    CREATE TYPE mood AS ENUM ('good', 'bad');
    CREATE TABLE accounts (token text PRIMARY KEY, kind text NOT NULL DEFAULT 'good' CHECK (kind <> 'bad'));
    INSERT INTO accounts VALUES ('${SECRET}');
    CREATE TABLE sessions (token text REFERENCES accounts);
    DELETE FROM accounts WHERE token = 'other';
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
  app.post<{ Body: { index: number, value: string } }>('/fail', async ({ body }) => {
    try {
      return await app.db.fetchVal(failures[body.index]![2], body.value)
    } catch (error) {
      thrown = error
      throw error
    }
  })
  await app.ready()
  for (const [index, [what, code]] of failures.entries()) {
    const before = log().length
    // The one that breaks a foreign key must not be among the accounts.
    const value = code === '23503' ? `${SECRET}2` : code === '42601' ? `${SECRET} 1` : SECRET
    const response = await app.inject({ method: 'POST', url: '/fail', payload: { index, value } })
    const line = log().slice(before)
    if (!t.ok(thrown instanceof ServerError, what)) continue
    t.match(thrown, { code }, `${what}: ${code}`)
    t.match([response.statusCode, response.json().code], [500, code], `${what}: the response has the code`)
    t.match(line, code, `${what}: the log has the code`)
    t.notMatch(response.body, SECRET, `${what}: the response`)
    t.notMatch(line, SECRET, `${what}: the log`)
    t.notMatch(JSON.stringify(thrown), SECRET, `${what}: JSON`)
    t.notMatch(JSON.stringify(pino.stdSerializers.err(thrown as Error)), SECRET, `${what}: pino`)
    t.notMatch(JSON.stringify(pino.stdSerializers.errWithCause(thrown as Error)), SECRET, `${what}: pino with causes`)
    t.notMatch(inspect(thrown), SECRET, `${what}: inspect`)
    t.notMatch(String((thrown as Error).stack), SECRET, `${what}: the stack`)
  }
})

t.test('what the server said is there for code that asks for it', async (t) => {
  const observer = await freshDatabase(t)
  await prepare(observer)
  const { app } = buildApp(t, { url: observer.url })
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
  await proxy.set('refuse')
  await until(() => app.db.stats().size === 1)
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
  t.match(error, { code: 'FST_PG_CONNECT' })
  app.log.fatal(error)
  t.notMatch(inspect(error, { depth: 10 }) + log() + inspect(app.db, { depth: 10, showHidden: true }), SECRET)
})
