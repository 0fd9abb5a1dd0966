import { AsyncLocalStorage } from 'node:async_hooks'
import Fastify from 'fastify'
import { setImmediate } from 'node:timers/promises'
import t from 'tap'
import { eventLog } from '../../src/config/event-log.js'
import { SessionReports } from '../../src/driver/session-reports.js'
import type { DatabaseOptions, Notice } from '../../src/index.js'
import postgresJs from '../../plugins/plugin.js'
import { freshDatabase, memoryLog, type Observer, openDatabase, until } from '../support/database.js'
import { PLACES } from '../support/places.js'

const SETUP = `CREATE FUNCTION say (level text, x int) RETURNS int LANGUAGE plpgsql AS $$ BEGIN
    IF level = 'notice' THEN RAISE NOTICE 'x is %', x USING DETAIL = 'some detail', HINT = 'a hint', ERRCODE = 'ZZ001', TABLE = 'tab', COLUMN = 'col', CONSTRAINT = 'con', SCHEMA = 'sch';
    ELSIF level = 'warning' THEN RAISE WARNING 'x is %', x;
    ELSIF level = 'info' THEN RAISE INFO 'x is %', x;
    ELSE RAISE DEBUG 'x is %', x; END IF; RETURN x; END $$;
  CREATE TABLE kept (x int);
  CREATE VIEW noisy AS SELECT x, say('notice', x) AS said FROM generate_series(0, 49) AS x`
const failures = (log: ReturnType<typeof memoryLog>): object[] => log.lines.flatMap(({ object }) => 'event' in object && object.event === 'hook.failed' ? [object] : [])

async function prepare (t: import('tap').Test): Promise<Observer> {
  const observer = await freshDatabase(t)
  await observer.rows(SETUP)
  return observer
}

for (const [place, within] of Object.entries(PLACES)) {
  t.test(`notices are told, on ${place}, and rows are what they are`, async (t) => {
    const observer = await prepare(t)
    const notices: Notice[] = []
    const db = await openDatabase(t, observer, { onNotice: (notice) => { notices.push(notice) } })
    await within(db, async (q) => {
      for (let run = 0; run < 4; run++) { // unprepared, prepared, by the fast lane
        notices.length = 0
        t.strictSame(await q.fetchColumn("SELECT say('notice', x) FROM generate_series(1, $1) AS x", 3), [1, 2, 3])
        t.strictSame(notices.map(({ message }) => message), ['x is 1', 'x is 2', 'x is 3'], 'before the caller goes on')
        t.match(notices[0], {
          severity: 'NOTICE',
          code: 'ZZ001',
          message: 'x is 1',
          detail: 'some detail',
          hint: 'a hint',
          where: /^PL\/pgSQL function say\(text,integer\) line 2 at RAISE$/,
          schema_name: 'sch',
          table_name: 'tab',
          column_name: 'col',
          constraint_name: 'con',
          routine: 'exec_stmt_raise',
          file: /\.c$/,
          line: /^\d+$/,
        })
        notices.length = 0
        t.strictSame(await q.fetchColumn`SELECT say(${'warning'}, x) FROM generate_series(1, 2) AS x`, [1, 2])
        await q.execute("SELECT say('info', 7); SELECT say('warning', 8)")
        await q.executeMany("INSERT INTO kept SELECT say('warning', $1)", [[10], [11]])
        t.strictSame(notices.map(({ severity, code, message }) => [severity, code, message]), [
          ['WARNING', '01000', 'x is 1'], ['WARNING', '01000', 'x is 2'], ['INFO', '00000', 'x is 7'], ['WARNING', '01000', 'x is 8'], ['WARNING', '01000', 'x is 10'], ['WARNING', '01000', 'x is 11'],
        ])
        t.notOk(Object.hasOwn(notices[0] ?? {}, 'detail'), 'what the server does not say is not there')
      }
    })
  })
}

t.test('which are sent is for client_min_messages to say, and those of the server itself are among them', async (t) => {
  const observer = await prepare(t)
  const notices: Notice[] = []
  const onNotice = (notice: Notice): void => { notices.push(notice) }
  const db = await openDatabase(t, observer, { max: 1, onNotice })
  await db.execute('CREATE TABLE IF NOT EXISTS kept (x int)')
  t.match(notices, [{ severity: 'NOTICE', code: '42P07', message: 'relation "kept" already exists, skipping' }])
  const lease = await db.acquire()
  await lease.execute('ROLLBACK')
  t.match(notices[1], { severity: 'WARNING', code: '25P01' })
  await lease.execute("SET client_min_messages TO 'warning'; SELECT say('notice', 1); SET client_min_messages TO 'debug1'; SELECT say('debug', 2); SET client_min_messages TO 'error'; SELECT say('warning', 3)")
  t.match(notices.slice(2).filter(({ message }) => message.startsWith('x is')), [{ severity: 'DEBUG', message: 'x is 2' }])
  await lease.release()
  const quiet = await openDatabase(t, observer, { onNotice, parameters: { client_min_messages: 'warning' } })
  notices.length = 0
  t.equal(await quiet.fetchVal("SELECT say('notice', 5)"), 5)
  t.strictSame(notices, [])
})

t.test('notices among calls that travel together, and with errors', async (t) => {
  const observer = await prepare(t)
  const notices: Notice[] = []
  const db = await openDatabase(t, observer, { min: 1, max: 1, onNotice: (notice) => { notices.push(notice) } })
  for (let run = 0; run < 200 && (run < 4 || db.stats().pipelined === 0); run++) { // on a busy machine it may take some until calls travel together
    notices.length = 0
    const calls = Array.from({ length: 50 }, async (_, x) => x % 10 === 9
      ? await db.fetchVal('SELECT said / 0 FROM noisy WHERE x = $1', x).catch(({ code }) => code)
      : await db.fetchVal('SELECT said FROM noisy WHERE x = $1', x))
    t.strictSame(await Promise.all(calls), Array.from({ length: 50 }, (_, x) => x % 10 === 9 ? '22012' : x))
    t.strictSame(notices.map(({ message }) => message).sort(), Array.from({ length: 50 }, (_, x) => `x is ${x}`).sort())
  }
  t.ok(db.stats().pipelined > 0)
})

t.test('whatever a function does, the answers are what they are, and one line of the log tells of it', async (t) => {
  const observer = await prepare(t)
  const error = new Error('no')
  const hooks: Record<string, [hook: () => unknown, err: object]> = {
    throws: [() => { throw error }, error],
    rejects: [async () => { throw error }, error],
    'throws nothing': [() => { throw undefined }, { message: 'onNotice failed with nothing that can be read' }], // eslint-disable-line no-throw-literal
    'has a then that throws': [() => ({ get then () { throw error } }), error],
    'throws what cannot be read': [() => { throw new Proxy({}, { getPrototypeOf: () => { throw error } }) }, { message: 'onNotice failed with nothing that can be read' }],
  }
  for (const [name, [hook, err]] of Object.entries(hooks)) {
    const log = memoryLog()
    const db = await openDatabase(t, observer, { max: 2, log, onNotice: hook, onParameter: () => { throw error } })
    const calls = Array.from({ length: 40 }, async (_, x) => await db.fetchColumn("SELECT say('notice', x) FROM generate_series(1, $1) AS x", x))
    t.strictSame(await Promise.all(calls), Array.from({ length: 40 }, (_, x) => Array.from({ length: x }, (_, y) => y + 1)), name)
    await until(() => failures(log).length >= 2)
    t.match(failures(log).filter((line) => 'hook' in line && line.hook === 'onNotice'), [{ err, count: 1 }], name)
    t.match(failures(log).filter((line) => 'hook' in line && line.hook === 'onParameter'), [{ err: error, count: 1 }], name)
    await until(() => db.stats().busy === 0)
    t.match(db.stats(), { errors: 0, closed: { lost: undefined } })
  }
})

t.test('a function may use the database, and close it', async (t) => {
  const observer = await prepare(t)
  const kept: unknown[] = []
  const db = await openDatabase(t, observer, { min: 1, max: 1, onNotice: async ({ message }) => { kept.push(await db.fetchVal('INSERT INTO kept VALUES ($1) RETURNING x', Number(message.slice(5)))) } })
  t.equal(await db.fetchVal("SELECT say('notice', 5)"), 5)
  t.equal(await db.transaction(async (tx) => await tx.fetchVal("SELECT say('notice', 6)")), 6)
  await until(() => kept.length === 2)
  t.strictSame(kept, [5, 6])
  const closed: Array<Promise<void>> = []
  const other = await openDatabase(t, observer, { min: 1, max: 1, onNotice: () => { closed.push(other.close()) } })
  t.equal(await other.fetchVal("SELECT say('notice', 7)"), 7)
  await Promise.all(closed)
  t.equal(closed.length, 1)
})

t.test('a function runs when all is read, and not in the context of the caller for whom a connection was opened', async (t) => {
  const observer = await prepare(t)
  const context = new AsyncLocalStorage<string>()
  const seen: unknown[] = []
  const stacks: unknown[] = []
  const note = (): void => {
    seen.push(context.getStore())
    stacks.push(new Error('here').stack)
  }
  const db = await context.run('the owner', async () => await openDatabase(t, observer, { min: 0, max: 2, onNotice: note, onParameter: note }))
  const before = seen.length
  await context.run('a caller', async () => {
    const leases = await Promise.all([db.acquire(), db.acquire()])
    for (const lease of leases) await lease.fetchVal("SELECT say('notice', 1)")
    for (const lease of leases) await lease.release()
  })
  t.ok(seen.length > before + 10, 'the second connection is opened for the caller')
  t.strictSame([...new Set(seen)], ['the owner'])
  for (const stack of stacks) t.notMatch(stack, /socket-owner|message-reader/, 'nor in the middle of reading')
})

t.test('settings are told, of each connection as it begins, and as they change', async (t) => {
  const observer = await prepare(t)
  const told: Array<[string, string]> = []
  const db = await openDatabase(t, observer, { min: 2, max: 2, applicationName: 'the app', onParameter: (name, value) => { told.push([name, value]) } })
  const values = (name: string): string[] => told.flatMap(([known, value]) => known === name ? [value] : [])
  t.strictSame(values('application_name'), ['the app', 'the app'])
  t.strictSame(values('client_encoding'), ['UTF8', 'UTF8'])
  t.match(values('server_version'), [/^\d/, /^\d/])
  told.length = 0
  await db.transaction(async (tx) => {
    await tx.execute("SET TimeZone TO 'Asia/Tokyo'")
    t.strictSame(told, [['TimeZone', 'Asia/Tokyo']])
    await tx.execute("SET LOCAL application_name TO 'another'")
    t.strictSame(told.slice(1), [['application_name', 'another']])
  })
  t.strictSame(values('application_name'), ['another', 'the app'])
})

t.test('the plugin has them, for each of its databases', async (t) => {
  const observer = await prepare(t)
  const told: string[] = []
  const listening = (name: string): DatabaseOptions => ({ min: 0, onNotice: ({ message }) => { told.push(`${name}: ${message}`) } })
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(postgresJs, { url: observer.url, ...listening('db'), databases: { archive: { url: observer.url, ...listening('archive') } } })
  await app.db.execute("SELECT say('notice', 1)")
  await app.db.databases['archive']?.execute("SELECT say('notice', 2)")
  t.strictSame(told, ['db: x is 1', 'archive: x is 2'])
})

t.test('failures are counted between two lines, and a notice that is none is told as it is', async (t) => {
  const message = (fields: string): Buffer => Buffer.concat([Buffer.from('N\0\0\0\0'), Buffer.from(fields)])
  const notices: Notice[] = []
  const log = memoryLog()
  let fails = false
  const reports = new SessionReports({
    onNotice: (notice) => {
      notices.push(notice)
      if (fails) throw new Error('no')
    },
  }, eventLog(log, 'db'), 0)
  for (const fields of ['', '\0', 'M', 'Mfoo', 'SHINWEIS\0Mfoo\0P7\0zunknown\0\0', 'SNOTICE\0VDEBUG\0C00000\0M\uFFFD\0']) reports.notice(message(fields))
  reports.parameter('TimeZone', 'UTC') // nobody listens
  await setImmediate()
  const none = { severity: 'NOTICE', code: '', message: '' }
  t.strictSame(notices, [none, none, none, { ...none, message: 'foo' }, { severity: 'HINWEIS', code: '', message: 'foo', position: 7 }, { severity: 'DEBUG', code: '00000', message: '\uFFFD' }])
  fails = true
  for (let n = 0; n < 2; n++) {
    reports.notice(message(''))
    await setImmediate()
  }
  t.match(failures(log), [{ hook: 'onNotice', count: 1, err: { message: 'no' } }, { count: 1 }])
  const patient = new SessionReports({ onNotice: () => { throw new Error('no') } }, eventLog(log, 'db'), Infinity)
  log.lines.length = 0
  for (let n = 0; n < 10; n++) patient.notice(message(''))
  await setImmediate()
  t.equal(failures(log).length, 1)
})
