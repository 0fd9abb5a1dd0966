import { text } from 'node:stream/consumers'
import { Writable } from 'node:stream'
import { inspect } from 'node:util'
import { pino } from 'pino'
import t, { type Test } from 'tap'
import { createDatabase, type Database, type DatabaseOptions, ServerError } from '../../src/index.js'
import { freshDatabase, memoryLog, openDatabase, until } from '../support/database.js'
import { found, looked, secretsIn } from '../support/disclosure.js'
import { FaultProxy } from '../../tools/fault-proxy.js'
import { failure } from '../support/failure.js'
import { runScript } from '../support/script.js'
import { leaks as leaksOf, shown } from '../support/shown.js'

const SECRET = 'opensesame-4711'
const leaks = (error: unknown, secret = SECRET): Promise<string[]> => leaksOf(error, secret)

type Provoke = (db: Database, t: Test) => unknown
const never = { text: `SELECT pg_sleep(60), $1::text /* ${SECRET} */`, timeout: 0.05 }

t.test('no coded error of the library shows a secret', async (t) => {
  const observer = await freshDatabase(t)
  const proxy = await FaultProxy.start(t, observer.url)
  const secretly = (options: DatabaseOptions): Database => {
    const db = createDatabase({ url: observer.url, min: 1, max: 1, log: memoryLog(), startupTimeout: 60, ...options }, {})
    t.teardown(() => db.close())
    return db
  }
  const url = (change: (url: URL) => void, from = observer.url): string => {
    const changed = new URL(from)
    change(changed)
    return changed.href
  }
  const held = async (work: (db: Database) => unknown, options: DatabaseOptions = {}): Promise<unknown> => {
    const db = secretly({ acquireTimeout: 0.05, ...options })
    await db.open()
    const lease = await db.acquire()
    try {
      return await work(db)
    } finally {
      await lease.release()
    }
  }
  const cases: Array<[what: string, code: string, provoke: Provoke]> = [
    ['an option with a secret for its value', 'FST_PG_OPTION', () => secretly({ ssl: SECRET as 'require' })],
    ['an unknown option', 'FST_PG_OPTION', () => secretly({ password: SECRET, nonsense: SECRET } as DatabaseOptions)],
    ['a URL that is none', 'FST_PG_OPTION', () => secretly({ url: `postgres://app:${SECRET}/@host/name` })],
    ['a URL of another kind', 'FST_PG_OPTION', () => secretly({ url: `mysql://app:${SECRET}@host/name` })],
    ['a bad value in a URL', 'FST_PG_OPTION', () => secretly({ url: `postgres://app:${SECRET}@host/name?sslmode=${SECRET}` })],
    ['a file of libpq in a URL', 'FST_PG_OPTION', () => secretly({ url: `postgres://app:x@host/name?sslpassword=${SECRET}` })],
    ['a number that is none', 'FST_PG_OPTION', () => secretly({ max: SECRET as unknown as number })],
    ['a statement that is none', 'FST_PG_QUERY', (db) => db.fetchVal({ text: 7, values: [SECRET] } as unknown as string)],
    ['a transaction by hand', 'FST_PG_QUERY', (db) => db.transaction((tx) => tx.execute(`COMMIT /* ${SECRET} */`))],
    ['too many arguments', 'FST_PG_PARAMETER_COUNT', (db) => db.fetchVal(`SELECT '${SECRET}', $1::text`, SECRET, SECRET)],
    ['a list of the wrong length', 'FST_PG_PARAMETER_COUNT', (db) => db.executeMany(`SELECT '${SECRET}', $1::text`, [[SECRET], [SECRET, SECRET]])],
    ['an object for a text', 'FST_PG_VALUE', (db) => db.fetchVal('SELECT $1::text', { secret: SECRET })],
    ['undefined next to it', 'FST_PG_VALUE', (db) => db.fetchVal('SELECT $1::text, $2::text', SECRET, undefined)],
    ['a decoder that throws', 'FST_PG_DECODE', (db) => db.createSql({ types: { text: { decode () { throw new Error('no') } } } })`SELECT ${SECRET}::text`],
    ['an encoder that throws', 'FST_PG_VALUE', (db) => db.createSql({ types: { text: { encode () { throw new Error('no') } } } })`SELECT ${SECRET}::text`],
    ['no row', 'FST_PG_NO_ROW', (db) => db.fetchExactlyOne(`SELECT '${SECRET}' WHERE $1::text IS NULL`, SECRET)],
    ['two rows', 'FST_PG_TOO_MANY_ROWS', (db) => db.fetchExactlyOne(`SELECT '${SECRET}', $1::text FROM generate_series(1, 2)`, SECRET)],
    ['arguments that are given twice', 'FST_PG_QUERY', (db) => db.fetchVal({ text: `SELECT '${SECRET}', $1::text`, values: [SECRET] }, SECRET)],
    ['values for a batch', 'FST_PG_OPTION', (db) => db.executeMany({ text: `SELECT '${SECRET}', $1::text`, values: [SECRET] } as { text: string }, [[SECRET]])],
    ['a limit that is none', 'FST_PG_OPTION', (db) => db.fetchAll({ text: `SELECT '${SECRET}'`, limit: SECRET as unknown as number })],
    ['a name of pg', 'FST_PG_OPTION', (db) => db.fetchAll({ text: `SELECT '${SECRET}'`, name: SECRET } as { text: string })],
    ['a value that throws it', 'FST_PG_VALUE', (db) => db.fetchVal('SELECT $1::jsonb', { toJSON: () => { throw new Error(SECRET) } })],
    ['a wrong password', 'FST_PG_CONNECT', () => secretly({ password: SECRET }).open()],
    ['a wrong password in the URL', 'FST_PG_CONNECT', () => secretly({ url: url((each) => { each.password = SECRET }) }).open()],
    ['an option of tls.connect', 'FST_PG_CONNECT', () => secretly({ ssl: { ca: 'x', key: SECRET, passphrase: SECRET } }).open()],
    ['a session setting', 'FST_PG_CONNECT', () => secretly({ parameters: { work_mem: SECRET } }).open()],
    ['options for the server', 'FST_PG_CONNECT', () => secretly({ parameters: { options: `-c work_mem=${SECRET}` } }).open()],
    ['options that the server does not understand', 'FST_PG_CONNECT', () => secretly({ parameters: { options: SECRET } }).open()],
    ['a start that takes too long', 'FST_PG_STARTUP', () => secretly({ url: 'postgres://app:opensesame-4711@127.0.0.1:1/x', startupTimeout: 0.2 }).open()],
    ['a connection that is lost', 'FST_PG_CONNECTION_LOST', async () => {
      const db = secretly({ url: proxy.url, startupTimeout: 5 })
      const call = failure(() => db.fetchVal(`SELECT pg_sleep(60), $1::text /* ${SECRET} */`, SECRET))
      await until(async () => (await observer.backends()).some(({ state, query }) => state === 'active' && query.includes('pg_sleep')))
      proxy.cut()
      const error = await call
      // The server does not see that its client is gone before the statement is over.
      await observer.kill((await observer.backends()).filter(({ query }) => query.includes('pg_sleep')).map(({ pid }) => pid))
      throw error
    }],
    ['no connection in time', 'FST_PG_ACQUIRE_TIMEOUT', () => held((db) => db.fetchVal(`SELECT $1::text /* ${SECRET} */`, SECRET), { startupTimeout: 5 })],
    ['a full queue', 'FST_PG_QUEUE_FULL', () => held(async (db) => {
      const [first, second] = [failure(() => db.fetchVal('SELECT $1::text', SECRET)), failure(() => db.fetchVal('SELECT $1::text', SECRET))]
      await first
      throw await second
    }, { maxWaiting: 1, startupTimeout: 5 })],
    ['a call of db in a transaction', 'FST_PG_NESTED_ACQUIRE', () => {
      const db = secretly({ startupTimeout: 5 })
      return db.transaction(() => db.fetchVal(never.text, SECRET))
    }],
    ['a timeout', 'FST_PG_QUERY_TIMEOUT', (db) => db.fetchVal(never, SECRET)],
    ['a signal', 'FST_PG_ABORTED', (db) => db.fetchVal({ ...never, timeout: 0, signal: AbortSignal.timeout(50) }, SECRET)],
    ['a closed pool', 'FST_PG_CLOSED', async () => {
      const db = secretly({})
      await db.close()
      await db.fetchVal(never.text, SECRET)
    }],
    ['a lease that has ended', 'FST_PG_RELEASED', async (db) => {
      const lease = await db.acquire()
      await lease.release()
      await lease.fetchVal(never.text, SECRET)
    }],
    ['an error that was swallowed', 'FST_PG_TRANSACTION_ABORTED', (db) => db.transaction(async (tx) => {
      await failure(() => tx.fetchVal('SELECT $1::text::int', SECRET))
    })],
    ['a nested transaction', 'FST_PG_NESTED_TRANSACTION', (db) => db.transaction((tx) => tx.transaction(() => tx.fetchVal(never.text, SECRET)))],
  ]
  const db = await openDatabase(t, observer)
  for (const [what, code, provoke] of cases) {
    const error = await failure(() => provoke(db, t))
    t.match(error, { code }, `${what} gives ${code}`)
    t.same(await leaks(error), [], `${what}: not shown`)
  }
})

/** A statement or value that makes the server quote it, by SQLSTATE. */
const QUOTING: Array<[code: string, sql: string, ...args: unknown[]]> = [
  ['22P02', 'SELECT $1::text::int', SECRET],
  ['22P02', `SELECT '${SECRET}'::int`],
  ['22P02', `SELECT '{"a": ${SECRET}}'::jsonb`],
  ['22007', 'SELECT $1::text::date', SECRET],
  ['22007', `SELECT timestamptz '${SECRET}'`],
  ['22008', "SELECT ('2024-13-45 ' || left($1, 0))::date", SECRET],
  ['22003', 'SELECT ($1::text || \'4711471147114711\')::int /* opensesame-4711 */', '4711'],
  ['22023', 'SELECT to_char(now(), \'x\'), set_config(\'work_mem\', $1, false)', SECRET],
  ['22001', 'INSERT INTO held (short) VALUES ($1)', SECRET],
  ['23505', 'INSERT INTO held (token) VALUES ($1)', SECRET],
  ['23505', `INSERT INTO held (token) VALUES ('${SECRET}')`],
  ['23514', 'INSERT INTO held (checked) VALUES ($1)', SECRET],
  ['23502', 'INSERT INTO held (token, needed) VALUES ($1, NULL)', `${SECRET}2`],
  ['23503', 'INSERT INTO referring VALUES ($1)', `${SECRET}3`],
  ['42601', `SELECT 1 '${SECRET}'`],
  ['42601', `SELECT 1 AS x x${SECRET}`],
  ['42P01', 'SELECT $1::text::regclass', SECRET],
  ['42883', 'SELECT $1::text::regproc', SECRET],
  ['42704', 'SELECT $1::text::regtype', 'opensesame4711'],
  ['P0001', 'SELECT complain($1)', SECRET],
  ['P0001', `DO $$ BEGIN RAISE EXCEPTION 'not %', '${SECRET}'; END $$`],
  ['P0002', `DO $$ DECLARE x int; BEGIN SELECT 1 INTO STRICT x WHERE '${SECRET}' = ''; END $$`],
  ['57014', 'SELECT pg_sleep(60), $1::text', SECRET],
  ['42704', 'SELECT pg_replication_slot_advance($1, \'0/1\')', SECRET],
  ['2201B', "SELECT 'x' ~ ($1 || '(')", SECRET],
  ['22012', 'SELECT 1 / length(left($1, 0))', SECRET],
  ['25006', `INSERT INTO held (token) VALUES ('${SECRET}')`],
]

t.test('no error of the server shows a value or a piece of the statement', async (t) => {
  const observer = await freshDatabase(t)
  await observer.rows(`
    CREATE TABLE held (token text UNIQUE, short varchar(3), checked text CHECK (length(checked) < 3), needed int NOT NULL DEFAULT 1);
    INSERT INTO held VALUES ('${SECRET}');
    CREATE TABLE referring (token text REFERENCES held (token));
    CREATE FUNCTION complain (value text) RETURNS void LANGUAGE plpgsql AS $$
      BEGIN RAISE EXCEPTION 'I do not like %', value USING DETAIL = value, HINT = value; END $$`)
  const db = await openDatabase(t, observer, { max: 1 })
  const codes = new Set<string>()
  for (const [code, sql, ...args] of QUOTING) {
    const error = await db.transaction(async (tx) => {
      if (code === '57014') await tx.execute("SET LOCAL statement_timeout TO '50ms'")
      if (code === '25006') await tx.execute('SET TRANSACTION READ ONLY')
      return tx.fetchVal(sql, ...args)
    }).then(() => undefined, (error) => error)
    if (!(error instanceof ServerError)) throw new Error(`${sql}: no error of the server`, { cause: error })
    codes.add(error.code)
    t.same(await leaks(error), [], `${error.code} (${code}): ${error.message}`)
    t.same(await leaks(error, 'opensesame4711'), [])
  }
  t.ok(codes.size >= 15, `${codes.size} codes: ${[...codes].join(' ')}`)
})

t.test('what the server says when it refuses a connect shows no password', async (t) => {
  const observer = await freshDatabase(t)
  for (const [code, change] of [['28P01', { password: SECRET }], ['3D000', { database: 'not_there', parameters: { application_name: SECRET } }]] as const) {
    const db = createDatabase({ url: observer.url, min: 1, log: memoryLog(), ...change }, {})
    const error = await failure(() => db.open())
    t.match(error, { code: /^FST_PG_CONNECT$/, cause: { code } })
    t.same(await leaks(error), [], code)
    t.same(secretsIn(Object.values(await shown(error)).join('\n')), [], code)
    t.notMatch(inspect(db, { depth: 10, showHidden: true }), SECRET)
    t.notMatch(JSON.stringify([db, await db.health(), db.stats()]), SECRET)
  }
})

t.test('what a process prints when nobody handles the error shows no secret', async (t) => {
  const observer = await freshDatabase(t)
  const code = `
    import { createDatabase } from './src/index.ts'
    const db = createDatabase({ url: process.env.URL_OF_TEST, min: 1, max: 1 }, {})
    await db.open()
    db.fetchVal(process.env.STATEMENT, process.env.SECRET)`
  for (const statement of ['SELECT $1::text::int', `SELECT '${SECRET}'::int, $1::text`, 'SELECT pg_terminate_backend(pg_backend_pid()), $1::text']) {
    const child = runScript(code, { URL_OF_TEST: observer.url, STATEMENT: statement, SECRET })
    const [out, err] = await Promise.all([text(child.stdout), text(child.stderr)])
    t.match(err, /PostgresError|FST_PG_/, 'it prints the error')
    t.same(secretsIn(out + err, [SECRET, statement]), [], statement)
  }
})

t.test('the look at everything finds what is shown', async (t) => {
  const before = { ...looked }
  const log = memoryLog()
  const observer = await freshDatabase(t)
  const { password } = new URL(observer.url)
  log.error({ err: new Error('outer', { cause: new Error(`by ${password}`) }) }, 'made')
  log.warn({}, `made: ${observer.url}`)
  t.equal(looked.lines - before.lines, 2)
  t.match(found.splice(0), [/shows a password/, /shows a (password|URL)/, /shows a URL/])
  const db = await openDatabase(t, observer)
  await t.rejects(db.fetchVal('SELECT $1::text::int', SECRET), { code: '22P02' })
  t.equal(looked.errors - before.errors, 1)
  t.same(found.splice(0), [])
  pino({}, new Writable({ write: (_chunk, _encoding, done) => done() })).info({ what: SECRET }, 'made')
  t.match(found.splice(0), [/a log line shows the value opensesame-4711/])
})
