import { Writable } from 'node:stream'
import { inspect } from 'node:util'
import Fastify from 'fastify'
import { pino } from 'pino'
import t from 'tap'
import postgresJs, { createDatabase, errorSerializer, ServerError, type Database, type DatabaseOptions, type FastifyPostgresJsOptions } from '../../plugins/db.js'
import { withStatement } from '../../src/errors/debug-details.js'
import { refusedParameter } from '../../src/errors/safe-message.js'
import { freshDatabase, memoryLog, openDatabase, type Observer } from '../support/database.js'
import { found } from '../support/disclosure.js'
import { FaultProxy } from '../../tools/fault-proxy.js'

// What is shown here is shown on purpose.
t.afterEach(() => { found.length = 0 })

async function prepare (observer: Observer): Promise<void> {
  await observer.rows(`
    CREATE TABLE users (id int PRIMARY KEY, email text CONSTRAINT users_email_key UNIQUE, small smallint, at timestamptz, day date, u uuid, ids int[],
      parent int CONSTRAINT users_parent_fkey REFERENCES users DEFERRABLE INITIALLY DEFERRED);
    INSERT INTO users VALUES (1, 'ada');
    CREATE DOMAIN positive AS int CHECK (VALUE > 0); CREATE TYPE mood AS ENUM ('good');
    CREATE FUNCTION find (name text) RETURNS int LANGUAGE plpgsql AS $$ BEGIN RETURN (SELECT nothing FROM users WHERE email = name); END $$;
    CREATE FUNCTION complain (value text) RETURNS void LANGUAGE plpgsql AS $$
      BEGIN RAISE EXCEPTION 'I do not like %', value USING HINT = 'ask for less', DETAIL = 'it was too much'; END $$`)
}

const failureOf = (call: Promise<unknown>): Promise<any> => call.then(() => 'it did not fail', (error: unknown) => error)

/** What stands in a stack above the calls. */
const headOf = (error: Error): string => String(error.stack).replace(/\n {4}at [^]*/, '')

/** The lines of a statement in a stack. */
const statementIn = (error: Error): string[] => headOf(error).split('\n').filter((line) => line.startsWith('    | ')).map((line) => line.slice(6))

t.test('with debug an error shows the statement, the place in it, and the words of the server', async (t) => {
  const observer = await freshDatabase(t)
  await prepare(observer)
  const db = await openDatabase(t, observer, { max: 1, debug: true })
  const error = await failureOf(db.fetchAll('SELECT id,\n  emial\nFROM users'))
  t.equal(error.message, 'undefined column', 'the message is for clients, with debug too')
  t.equal(headOf(error), [
    'PostgresError: undefined column',
    '  advice: column "emial" does not exist',
    '  server: column "emial" does not exist',
    '  hint: Perhaps you meant to reference the column "users.email".',
    '  statement:',
    '    | SELECT id,',
    '    |   emial',
    '    |   ^',
    '    | FROM users',
  ].join('\n'))
  t.match(inspect(error), headOf(error).slice('PostgresError'.length))
  t.match(error, { serverMessage: 'column "emial" does not exist', hint: /users\.email/, query: 'SELECT id,\n  emial\nFROM users' })
  t.strictSame(Object.keys(error).sort(), ['code', 'name', 'position', 'severity'])
  t.notMatch(JSON.stringify(error), /emial|SELECT|hint/)

  const raised = await failureOf(db.execute("SELECT complain('a lot')"))
  t.match(headOf(raised), /\n {2}server: I do not like a lot\n {2}detail: it was too much\n {2}hint: ask for less\n {2}where: PL\/pgSQL function complain/)

  const inFunction = await failureOf(db.execute("SELECT find('ada')"))
  t.strictSame(statementIn(inFunction), ["SELECT find('ada')", '(SELECT nothing FROM users WHERE email = name)', '        ^'], 'the statement inside of it too')

  const unique = await failureOf(db.execute('INSERT INTO users VALUES (2, $1)', 'ada'))
  t.match(headOf(unique), /server: duplicate key value [^\n]* "users_email_key"\n {2}detail: Key \(email\)=\(ada\) already exists\.\n {2}statement:\n {4}\| INSERT/)
  t.notMatch(inspect(unique), /parameters|\$1 = /, 'but no parameters')
})

t.test('the caret stands under the right character, whatever comes before it', async (t) => {
  const observer = await freshDatabase(t)
  await prepare(observer)
  const db = await openDatabase(t, observer, { max: 1, debug: true })
  const texts = [
    'SELECT nothing FROM users',
    "SELECT '😀', nothing FROM users",
    "SELECT '😀𝒳日本é', '👩‍👩‍👧' AS \"名前\", nothing FROM users",
    "SELECT '😀\n😀' AS x,\n  '日本', nothing\nFROM users",
    '-- 😀 日本\n\tSELECT\tnothing\n\tFROM users',
    'SELECT 1,\r\n  nothing\r\nFROM users',
    'SELECT $1::int, nothing FROM users',
    `SELECT ${'1, '.repeat(2000)} nothing FROM users`,
    `${'-- a line\n'.repeat(300)}SELECT nothing FROM users${'\n-- a line'.repeat(300)}`,
  ]
  for (const text of texts) {
    const args = text.includes('$1') ? [1] : []
    for (const error of [await failureOf(db.fetchAll(text, ...args)), await failureOf(db.fetchAll({ text, prepare: true }, ...args))]) {
      const lines = statementIn(error)
      const caret = lines.findIndex((line) => line.endsWith('^'))
      const column = [...lines[caret] ?? ''].length - 1
      t.equal([...lines[caret - 1] ?? ''].slice(column, column + 7).join(''), 'nothing', text.slice(0, 50))
    }
  }
})

t.test('parameters are shown only where that was asked for', async (t) => {
  const observer = await freshDatabase(t)
  await prepare(observer)
  const db = await openDatabase(t, observer, { max: 1, debug: { parameters: true } })
  const throwing = { toJSON: () => ({}), get secret () { throw new Error('no') }, [inspect.custom] () { throw new Error('no') } }
  const error = await failureOf(db.execute('INSERT INTO users (id, email) VALUES ($1, $2), (5, $3::jsonb)', 2, 'ada', throwing))
  t.match(headOf(error), /\n {2}parameters:\n {4}\| \$1 = 2\n {4}\| \$2 = 'ada'\n {4}\| \$3 = \{ [^\n]*\}$/)
  t.strictSame(error.parameters.slice(0, 2), [2, 'ada'])
  t.notMatch(JSON.stringify(error), 'ada')
  const many = await failureOf(db.execute(`SELECT ${Array.from({ length: 30 }, (_, index) => `$${index + 1}::int`)}, 1 / 0`, ...Array(30).fill(1)))
  t.match(headOf(many), /\$20 = 1\n {4}\| … and 10 more$/)
  const long = await failureOf(db.execute('SELECT $1::text, 1 / 0', 'x'.repeat(100_000)))
  t.ok(headOf(long).length < 1000, 'and not all of a long one')

  for (const length of [3, 200]) {
    const lists = Array.from({ length }, (_, row) => [row + 10, row === length - 1 ? 'ada' : `x${row}`])
    const inBatch = await failureOf(db.executeMany('INSERT INTO users (id, email) VALUES ($1, $2)', lists))
    t.match(inBatch, { code: '23505', row: length - 1, parameters: lists.at(-1), query: 'INSERT INTO users (id, email) VALUES ($1, $2)' }, 'of the list that failed')
    t.match(headOf(inBatch), `$1 = ${length + 9}\n    | $2 = 'ada'`)
  }

  // A server can be told to quote the parameter that it could not read.
  const quoting = { url: observer.url, parameters: { log_parameter_max_length_on_error: -1 }, min: 1, max: 1, log: memoryLog() }
  for (const [debug, quotes] of [[true, false], [{ parameters: false }, false], [{ parameters: true }, true]] as const) {
    const database = createDatabase({ ...quoting, debug }, {})
    t.teardown(() => database.close())
    const refused = await failureOf(database.execute('SELECT $1::int, $2::positive', 1, -98471))
    t.match(refused, { code: '23514', message: 'check violation: parameter $2' })
    const executed = await failureOf(database.execute('SELECT $1::int, $2::int / $3::int', 1, -98471, 0))
    t.match(executed, { code: '22012', message: 'division by zero', where: /-98471/ }, 'it may quote all of them, and blames none')
    for (const shown of [refused, executed].flatMap((error) => [inspect(error), JSON.stringify(errorSerializer(error))])) {
      t.equal(shown.includes('-98471'), quotes, JSON.stringify(debug))
    }
  }
})

t.test('our own errors show the statement too, each caller its own', async (t) => {
  const observer = await freshDatabase(t)
  await prepare(observer)
  const proxy = await FaultProxy.start(t, observer.url)
  const open = async (options: DatabaseOptions): Promise<Database> => {
    const db = createDatabase({ url: proxy.url, min: 1, max: 1, log: memoryLog(), debug: { parameters: true }, ...options }, {})
    t.teardown(() => db.close())
    await db.open()
    return db
  }
  const db = await open({ acquireTimeout: 0.1 })
  const text = 'SELECT $1::int /* mine */'
  const shows = (error: Error & { query?: string }, code: string, statement = text): void => {
    t.match(error, { code, query: statement })
    t.equal(statementIn(error)[0], statement, code)
  }
  shows(await failureOf(db.fetchVal(text, {})), 'FST_PG_VALUE')
  shows(await failureOf(db.fetchVal(text, 1, 2)), 'FST_PG_PARAMETER_COUNT')
  shows(await failureOf(db.fetchVal({ text, signal: AbortSignal.abort() }, 1)), 'FST_PG_ABORTED')
  shows(await failureOf(db.fetchVal({ text: 'SELECT pg_sleep($1)', timeout: 0.05 }, 60)), 'FST_PG_QUERY_TIMEOUT', 'SELECT pg_sleep($1)')
  shows(await failureOf(db.execute('BEGIN')), 'FST_PG_QUERY', 'BEGIN')
  shows(await failureOf(db.executeMany(text, [[1], [{}]])), 'FST_PG_VALUE')
  const lease = await db.acquire()
  shows(await failureOf(db.fetchVal(text, 1)), 'FST_PG_ACQUIRE_TIMEOUT')
  await lease.release()
  shows(await failureOf(lease.fetchVal(text, 1)), 'FST_PG_RELEASED')
  shows(await failureOf(db.transaction((tx) => tx.fetchVal(text, {}))), 'FST_PG_VALUE')

  const leased = await db.acquire()
  const others = ['SELECT pg_sleep(60), 1', 'SELECT 2', 'SELECT 3']
  const lost = others.map((other) => failureOf(leased.fetchVal(other)))
  await new Promise(setImmediate)
  proxy.cut()
  for (const [index, each] of lost.entries()) shows(await each, 'FST_PG_CONNECTION_LOST', others[index])
  await observer.kill()
  await leased.release()
})

t.test('what a user’s own code throws stays what it is', async (t) => {
  const observer = await freshDatabase(t)
  await prepare(observer)
  const db = await openDatabase(t, observer, { max: 2, debug: { parameters: true } })
  const unreadable = new Proxy({}, { get () { throw new Error('no') }, has () { throw new Error('no') }, getPrototypeOf () { throw new Error('no') } })
  const inner = await failureOf(db.fetchVal('SELECT $1::int /* inner */', {}))
  t.ok(withStatement(unreadable, { query: 'SELECT 1', args: [] }, { parameters: true }) === unreadable)
  for (const thrown of [inner, new Error('mine'), undefined, 'text']) {
    const lists = async function * (): AsyncGenerator<unknown[]> {
      yield [1]
      throw thrown
    }
    const outcome = await db.executeMany('SELECT $1::int', lists()).then(() => ({ thrown: 'nothing' }), (error: unknown) => ({ thrown: error }))
    t.ok(outcome.thrown === thrown)
  }
  t.strictSame(statementIn(inner)[0], 'SELECT $1::int /* inner */')
})

t.test('what fails at the end of a transaction, and the cause of another error', async (t) => {
  const observer = await freshDatabase(t)
  await prepare(observer)
  const db = await openDatabase(t, observer, { max: 1, debug: true })
  const deferred = await failureOf(db.transaction((tx) => tx.execute('INSERT INTO users (id, parent) VALUES (3, 9)')))
  t.match(headOf(deferred), /foreign key violation\n {2}advice: constraint "users_parent_fkey"[^\n]*\n {2}server: insert or update on table[^\n]*\n {2}detail: Key \(parent\)=\(9\)/)
  const swallowed = await failureOf(db.transaction((tx) => failureOf(tx.execute('SELECT nothing FROM users'))))
  t.equal(swallowed.code, 'FST_PG_TRANSACTION_ABORTED')
  t.strictSame(statementIn(swallowed.cause), ['SELECT nothing FROM users', '       ^'])
  const refused = createDatabase({ url: observer.url, parameters: { work_mem: 'nonsense' }, min: 1, debug: true, log: memoryLog() }, {})
  const start = await failureOf(refused.open())
  await refused.close()
  t.match(headOf(start.cause), /server: invalid value for parameter "work_mem"/)
})

/** A line of a pino logger about an error. */
function lineOf (error: unknown): { err: Record<string, unknown> } {
  let line = ''
  const stream = new Writable({
    write (chunk, _encoding, done) {
      line += String(chunk)
      done()
    }
  })
  pino({ serializers: { err: errorSerializer } }, stream).error(error)
  return JSON.parse(line)
}

t.test('the serializer writes each as a field', async (t) => {
  const observer = await freshDatabase(t)
  await prepare(observer)
  const failing = async (debug: FastifyPostgresJsOptions['debug']): Promise<Error> =>
    await failureOf((await openDatabase(t, observer, { max: 1, debug })).fetchVal('SELECT nothing FROM users WHERE id = $1', 7))
  const { err } = lineOf(await failing({ parameters: true }))
  t.match(err, {
    type: 'ServerError',
    code: '42703',
    message: 'undefined column',
    advice: 'column "nothing" does not exist',
    serverMessage: 'column "nothing" does not exist',
    statement: 'SELECT nothing FROM users WHERE id = $1\n       ^',
    parameters: ['$1 = 7'],
  })
  t.notOk('parameters' in lineOf(await failing(true)).err)
  for (const debug of [false, undefined]) {
    const line = lineOf(await failing(debug))
    t.match(line.err, { code: '42703', advice: 'column "nothing" does not exist' })
    t.notMatch(JSON.stringify(line), /SELECT|FROM users|serverMessage":/, 'in production, nothing')
    for (const key of ['serverMessage', 'statement', 'parameters', 'where', 'hint', 'detail']) t.notOk(key in line.err, key)
  }
})

t.test('in an app: in its log, and not in what it answers', async (t) => {
  const observer = await freshDatabase(t)
  await prepare(observer)
  const requested = async (options: FastifyPostgresJsOptions): Promise<{ body: string, log: string }> => {
    let log = ''
    const stream = new Writable({
      write (chunk, _encoding, done) {
        log += String(chunk)
        done()
      }
    })
    const app = Fastify({ logger: { stream } })
    app.register(postgresJs, { url: observer.url, min: 1, max: 1, ...options })
    app.get('/', () => app.db.fetchVal('SELECT nothing FROM users'))
    const { body } = await app.inject('/')
    await app.close()
    return { body, log }
  }
  const shown = await requested({ debug: true })
  t.match(shown.log, /SELECT nothing FROM users\\n {4}\| {8}\^/)
  t.notMatch(shown.body, /SELECT|nothing|users/)
  const production = await requested({})
  t.notMatch(production.log + production.body, /SELECT|FROM users/)
})

t.test('the parameter that cannot be read is named by its number, never by its value', async (t) => {
  const observer = await freshDatabase(t)
  await prepare(observer)
  const db = await openDatabase(t, observer, { max: 1 })
  const set = (column: string): string => `UPDATE users SET ${column} = $2 WHERE id = $1`
  const refused: Array<[code: string, text: string, value: unknown]> = [
    ['22P02', 'SELECT $1::int, $2::int', 'opensesame'], ['22P02', set('u'), 'opensesame'], ['22P02', set('ids'), ['opensesame']],
    ['22P02', set('ids'), '{opensesame'], ['22P02', 'SELECT $1::int, $2::mood', 'opensesame'], ['22P02', 'SELECT $1::int, $2::boolean', 'opensesame'],
    ['22P02', 'SELECT $1::int, $2::point', 'opensesame'], ['22P02', 'SELECT $1::int, $2::int4range', 'opensesame'], ['22P02', 'SELECT $1::int, $2::inet', 'opensesame'],
    ['22003', set('small'), 4711471], ['22003', set('small'), '4711471'], ['22003', 'SELECT $1::int, $2::int', 4711471147114711n], ['22003', 'SELECT $1::int, $2::float4', 1e300],
    ['22003', 'SELECT $1::int, $2::bigint', '47114711471147114711'],
    ['22007', set('at'), 'opensesame'], ['22007', set('day'), 'opensesame'], ['22007', 'SELECT $1::int, $2::interval', 'opensesame'], ['22007', 'SELECT $1::int, $2::time', 'opensesame'],
    ['22008', set('at'), '4711-47-11'], ['22008', set('day'), '2024-02-31'], ['22008', 'SELECT $1::int, $2::time', '47:11'],
    ['22021', set('email'), 'opensesame\0'], ['23514', 'SELECT $1::int, $2::positive', -4711], ['22000', 'SELECT $1::int, $2::int4range', '[4711,1)'],
    ['22009', set('at'), '2024-01-01 00:00:00+47:11'], ['42601', 'SELECT $1::int, $2::tsquery', '(opensesame'], ['42P01', 'SELECT $1::int, $2::regclass', 'opensesame'],
  ]
  for (const [code, text, value] of refused) {
    for (const query of [text, { text, prepare: true }, { text, prepare: false }]) {
      const error = await failureOf(db.execute(query, 1, value))
      t.match(error, { code, message: /^[a-z ]+: parameter \$2$/ }, `${text}: ${error.code}`)
      t.notMatch(inspect(error) + JSON.stringify(error), /opensesame|4711|02-31|47:11|1e\+?300/, text)
    }
    const inBatch = await failureOf(db.executeMany(text, [[1, null], [1, value]]))
    t.match(inBatch, { code, row: 1, message: /: row 1, parameter \$2$/ }, `${text} in a batch`)
  }
  const inTransaction = await failureOf(db.transaction((tx) => tx.execute(set('small'), 1, 99999)))
  t.equal(inTransaction.message, 'numeric value out of range: parameter $2')
  const ours = await failureOf(db.execute(set('small'), 1, {}))
  t.match(ours, { code: 'FST_PG_VALUE', message: 'parameter $2 cannot be sent' })
  for (const [text, ...args] of [['SELECT $1::int / $2::int', 1, 0], ["SELECT 'x'::int, $1::int", 1], ['SELECT $1::text::int', 'opensesame']] as const) {
    t.notMatch((await failureOf(db.execute(text, ...args))).message, 'parameter', `${text}: nothing is claimed of others`)
  }
})

t.test('the parameter is named in any language of the server, and none by what it quotes', async (t) => {
  const of = (where: string | undefined, count = 3): number | undefined => refusedParameter({ message: '', code: '22P02', where }, count)
  const named = ['unnamed portal parameter $2', "unnamed portal parameter $2 = '...'", "unnamed portal parameter $2 = '$3\n$3'", 'Parameter $2 von unbenanntem Portal',
    'paramètre du portail non nommé $2', '無名ポータルパラメータ$2', 'параметр безымянного портала $2', 'JSON data, line 1: {"a": $3...\nunnamed portal parameter $2',
    "JSON data, line 1: x\nunnamed portal parameter $2 = '\nunnamed portal parameter $3'"]
  for (const where of named) t.equal(of(where), 2, where)
  const others = [undefined, '', 'PL/pgSQL function f(integer) line 3 at RAISE', 'SQL statement "SELECT $2"', 'SQL function "f$2" statement 1', 'JSON data, line 1: $2...',
    'COPY t, line 1, column a: "$2"', 'PL/pgSQL function f$2(integer) line 3', 'SQL-Anweisung »SELECT $2«', 'unnamed portal parameter $4', 'unnamed portal parameter $0',
    'unnamed portal parameter $98471984719', "unnamed portal with parameters: $1 = '1', $2 = 'x'", "extended query with parameters: $1 = '1'"]
  for (const where of others) t.equal(of(where), undefined, String(where))
})

t.test('the option takes what it says', async (t) => {
  for (const debug of ['yes', 1, null, [], { parameters: 'yes' }, { parameters: 1 }, { params: true }]) {
    t.throws(() => createDatabase({ debug } as object, {}), { code: 'FST_PG_OPTION', message: 'option debug takes true, false or { parameters: true or false }' }, inspect(debug))
  }
  t.throws(() => createDatabase({ debug: { get parameters () { throw new Error('no') } } } as object, {}), { code: 'FST_PG_OPTION', message: /option debug cannot be read/ })
  t.ok(new ServerError({ message: 'x', code: '22012' }).stack?.startsWith('PostgresError: division by zero\n  advice: '))
})
