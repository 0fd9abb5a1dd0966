import { Writable } from 'node:stream'
import { inspect } from 'node:util'
import Fastify, { type FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import postgresJs, { errors, errorSerializer, type Database, type FastifyPostgresJsOptions } from '../../plugins/db.js'
import { freshDatabase, type Observer, until } from '../support/database.js'

/** What clients must not read: numbers but for SQLSTATEs and places, names of the database, options, advice. */
const NOT_FOR_CLIENTS = /users|email|maxWaiting|acquireTimeout|commandTimeout|max\b|raise|use |call tx|check |see |\d+ s\b|\bs:|ECONN/

interface Answer { status: number, body: { statusCode: number, code: string, error: string, message: string }, log: string }

/** What a client and the log get of an error that a route throws. */
async function answer (error: unknown, serialized = false): Promise<Answer> {
  let log = ''
  const stream = new Writable({
    write (chunk, _encoding, done) {
      log += String(chunk)
      done()
    }
  })
  const app = Fastify({ logger: { stream, ...(serialized && { serializers: { err: errorSerializer } }) } })
  app.get('/', async () => { throw error })
  const response = await app.inject('/')
  await app.close()
  return { status: response.statusCode, body: response.json(), log }
}

const PREPARATION = `
  CREATE TABLE users (id int PRIMARY KEY, email text CONSTRAINT users_email_key UNIQUE, small smallint);
  INSERT INTO users VALUES (1, 'ada')`

async function appOn (t: Test, observer: Observer, options: FastifyPostgresJsOptions = {}): Promise<FastifyInstance> {
  const app = Fastify()
  t.teardown(() => app.close())
  app.register(postgresJs, { url: observer.url, min: 1, max: 1, ...options })
  await app.ready()
  return app
}

const failureOf = (call: () => unknown): Promise<unknown> => Promise.resolve().then(call).then(() => 'it did not fail', (error: unknown) => error)

/** With the only connection held: what the next call learns. */
async function whileHeld (db: Database, call: () => unknown): Promise<unknown> {
  const lease = await db.acquire()
  try {
    return await failureOf(call)
  } finally {
    await lease.release()
  }
}

type Case = [what: string, code: string, status: number, message: string, advice: RegExp, provoke: (db: Database) => unknown, options?: FastifyPostgresJsOptions]

const CASES: Case[] = [
  ['a connection that is not free in time', 'FST_PG_ACQUIRE_TIMEOUT', 503, 'the database is busy', /no connection was available within 0\.05 s: 1 of 1 .*raise max/,
    (db) => whileHeld(db, () => db.fetchVal('SELECT 1')), { acquireTimeout: 0.05 }],
  ['a full queue', 'FST_PG_QUEUE_FULL', 503, 'the database is busy', /1 callers wait .* raise maxWaiting/, (db) => whileHeld(db, async () => {
    const first = failureOf(() => db.fetchVal('SELECT 1'))
    const second = await failureOf(() => db.fetchVal('SELECT 1'))
    await first
    throw second
  }), { maxWaiting: 1, acquireTimeout: 0.1 }],
  ['a nested call', 'FST_PG_NESTED_ACQUIRE', 503, 'the database is busy', /all 1 connections .* call tx\.fetchOne/,
    (db) => failureOf(() => db.transaction(() => db.fetchVal('SELECT 1')))],
  ['a timeout', 'FST_PG_QUERY_TIMEOUT', 504, 'the database took too long', /0\.05 s .* raise commandTimeout/,
    (db) => failureOf(() => db.fetchVal({ text: 'SELECT pg_sleep(10)', timeout: 0.05 }))],
  ['a lost connection', 'FST_PG_CONNECTION_LOST', 503, 'the connection to the database was lost', /57P01.* check whether the work took effect/,
    (db) => failureOf(() => db.fetchVal('SELECT pg_terminate_backend(pg_backend_pid())'))],
  ['too many arguments', 'FST_PG_PARAMETER_COUNT', 500, 'wrong number of arguments', /given 3, but the statement takes 1/,
    (db) => failureOf(() => db.fetchVal('SELECT $1::int', 1, 2, 3))],
  ['a value that cannot be sent', 'FST_PG_VALUE', 500, 'parameter $1 cannot be sent', /an object is not an integer/,
    (db) => failureOf(() => db.fetchVal('SELECT $1::int', {}))],
  ['a BEGIN', 'FST_PG_QUERY', 500, 'a transaction needs a connection of its own', /use db\.transaction/, (db) => failureOf(() => db.execute('BEGIN'))],
  ['a swallowed error', 'FST_PG_TRANSACTION_ABORTED', 500, 'the transaction has failed', /a statement failed inside .* Let the error out/,
    (db) => failureOf(() => db.transaction((tx) => failureOf(() => tx.execute('SELECT 1 / 0'))))],
  ['a lease that has ended', 'FST_PG_RELEASED', 500, 'this lease has ended', /await every call inside it/, async (db) => {
    const lease = await db.acquire()
    await lease.release()
    return await failureOf(() => lease.fetchVal('SELECT 1'))
  }],
  ['the outer of two transactions', 'FST_PG_NESTED_TRANSACTION', 500, 'a nested transaction is open', /use the tx that its own function/,
    (db) => failureOf(() => db.transaction((tx) => tx.transaction(() => tx.execute('SELECT 1'))))],
  ['a signal', 'FST_PG_ABORTED', 499, 'the call was aborted', /the reason is the cause/,
    (db) => failureOf(() => db.fetchVal({ text: 'SELECT 1', signal: AbortSignal.abort() }))],
  ['a unique violation', '23505', 500, 'unique violation', /constraint "users_email_key" of table "users"/,
    (db) => failureOf(() => db.execute("INSERT INTO users VALUES (2, 'ada')"))],
  ['a missing table', '42P01', 500, 'undefined table', /relation "usrs" does not exist/, (db) => failureOf(() => db.execute('SELECT * FROM usrs'))],
  ['a missing column', '42703', 500, 'undefined column', /column "emial" does not exist/, (db) => failureOf(() => db.execute('SELECT emial FROM users'))],
  ['text that is no number', '22P02', 500, 'invalid text representation: parameter $2', /error\.serverMessage/,
    (db) => failureOf(() => db.execute('UPDATE users SET email = $1 WHERE id = $2', 'x', 'opensesame'))],
]

t.test('a client reads what is wrong, the log reads numbers, names and advice', async (t) => {
  const observer = await freshDatabase(t)
  await observer.rows(PREPARATION)
  for (const [what, code, status, message, advice, provoke, options] of CASES) {
    await t.test(what, async (t) => {
      const { db } = await appOn(t, observer, options)
      const error = await provoke(db)
      t.match(error, { code, message, advice })
      t.notMatch(message, NOT_FOR_CLIENTS)
      const { body, log, ...answered } = await answer(error)
      t.equal(answered.status, status)
      t.match(body, { statusCode: status, code, message })
      t.notOk(Object.keys(body).some((key) => !['code', 'error', 'message', 'statusCode'].includes(key)))
      t.match(log.replaceAll('\\"', '"'), advice, 'in the log by any logger, as it stands in the stack')
      t.notMatch(log, 'opensesame')

      const own = await answer(error, true)
      t.strictSame(own.body, body)
      t.match(JSON.parse(own.log.split('\n')[1] ?? ''), { err: { advice, code } }, 'a field of its own by our serializer')

      for (const [how, sent] of Object.entries({ JSON: JSON.stringify(error), nested: JSON.stringify({ error }) })) {
        t.match(sent, `"message":${JSON.stringify(message)}`, how)
        t.notMatch(sent, advice, how)
        t.notMatch(sent, /users|usrs|emial|57P01|stack/, how)
      }
      t.notOk(Object.keys(error as object).some((key) => ['advice', 'cause', 'stack'].includes(key)), 'nor is it copied with the properties')
      t.match(inspect(error), advice, 'what Node prints')
    })
  }
})

t.test('a database that cannot be reached', async (t) => {
  const observer = await freshDatabase(t)
  const cases: Array<[FastifyPostgresJsOptions, code: string, advice: RegExp]> = [
    [{ password: 'wrong' }, 'FST_PG_CONNECT', /cannot connect to the database \(28P01\)/],
    [{ url: 'postgres://app@127.0.0.1:1/x', startupTimeout: 0.1 }, 'FST_PG_STARTUP', /startupTimeout \(0\.1 s; last failure: ECONNREFUSED\)/],
  ]
  for (const [options, code, advice] of cases) {
    const app = Fastify()
    app.register(postgresJs, { url: observer.url, min: 1, ...options })
    const error = await failureOf(() => app.ready())
    await app.close()
    t.match(error, { code, statusCode: 503, message: 'the database is unavailable', advice })
    t.notMatch(JSON.stringify(error), /127\.0\.0\.1|ECONN|28P01/)
  }
  const { db } = await appOn(t, observer, { url: 'postgres://app@127.0.0.1:1/x', min: 0, required: false, acquireTimeout: 0.1, startupTimeout: 0.1 })
  t.match(await failureOf(() => db.fetchVal('SELECT 1')), { code: 'FST_PG_ACQUIRE_TIMEOUT', message: 'the database is unavailable', advice: /ECONNREFUSED/ })
})

t.test('a reply with a schema of its own gets what it asks for', async (t) => {
  const app = Fastify()
  const properties = { statusCode: { type: 'integer' }, error: { type: 'string' }, message: { type: 'string' }, code: { type: 'string' } }
  app.get('/', { schema: { response: { 503: { type: 'object', required: ['statusCode', 'error', 'message'], properties } } } }, async () => {
    throw new errors.QueueFullError(3)
  })
  const response = await app.inject('/')
  await app.close()
  t.strictSame(response.json(), { statusCode: 503, error: 'Service Unavailable', message: 'the database is busy', code: 'FST_PG_QUEUE_FULL' })
  t.equal(response.headers['retry-after'], '1')
})

t.test('the stack begins where the error was made, and may be changed', async (t) => {
  const made = (): Error => new errors.QueueFullError(3)
  const error = made()
  t.match(error.stack, /^FastifyError: the database is busy\n {2}advice: 3 callers [^\n]*\n {4}at made /)
  error.message = 'another'
  t.match(error.stack, /^FastifyError: another\n/)
  error.stack = 'mine'
  t.equal(error.stack, 'mine')
  const { prepareStackTrace } = Error
  t.teardown(() => { Error.prepareStackTrace = prepareStackTrace })
  for (const prepare of [() => { throw new Error('no') }, () => ['an array'], () => undefined]) {
    Error.prepareStackTrace = prepare
    const { stack } = new errors.QueueFullError(3)
    Error.prepareStackTrace = prepareStackTrace
    t.match(stack, /^FastifyError: the database is busy\n {2}advice: /)
  }
})

t.test('whatever is logged, the serializer does not throw', async (t) => {
  const circular: { cause?: unknown } & Error = new Error('round')
  circular.cause = circular
  const things = [undefined, null, 'text', 7, {}, Object.freeze(new Error('frozen')), circular,
    new Proxy(new Error('x'), { get () { throw new Error('no') } }), Object.freeze(new errors.QueueFullError(3))]
  for (const thing of things) t.doesNotThrow(() => errorSerializer(thing))
  t.match(errorSerializer('text'), { type: 'string', message: 'text' })
  t.match(errorSerializer(new Error('plain')), { type: 'Error', message: 'plain' })
  const outer = new Error('outer', { cause: new errors.QueueFullError(3) })
  t.match(errorSerializer(outer), { message: 'outer', cause: { code: 'FST_PG_QUEUE_FULL', advice: /3 callers/ } })
})

t.test('what waits is told once the pool is closed', async (t) => {
  const observer = await freshDatabase(t)
  const app = await appOn(t, observer)
  const { db } = app
  await app.close()
  await until(() => db.stats().size === 0)
  t.match(await failureOf(() => db.fetchVal('SELECT 1')), { code: 'FST_PG_CLOSED', message: 'the database pool is closed', advice: /the app is closing/ })
})
