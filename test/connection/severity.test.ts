import t, { type Test } from 'tap'
import { createDatabase, type Database, type DatabaseOptions } from '../../src/index.js'
import { freshDatabase, memoryLog, type Observer, openDatabase, until } from '../support/database.js'
import { errorResponse, FakeServer, message } from '../support/fake-server.js'

/** SQLSTATEs by which a server says that it ends the connection, refuses it, or does not know a statement; a statement may raise each. */
const CODES = [
  '08000', '08001', '08003', '08004', '08006', '08P01', '57P01', '57P02', '57P03', '57P04', '57P05', '25006', '25P02', '25P03', '26000',
  '42P05', '0A000', '28000', '28P01', '3D000', '53300', '57014', '58030', 'XX000', 'XX001', '40001', '55P03',
]

interface Prepared { observer: Observer, db: Database, pids: () => Promise<number[]> }

async function prepare (t: Test, options: DatabaseOptions = {}): Promise<Prepared> {
  const observer = await freshDatabase(t)
  await observer.rows(`CREATE EXTENSION dblink; CREATE EXTENSION postgres_fdw;
    CREATE FUNCTION complain (code text) RETURNS int LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no' USING ERRCODE = code; END $$;
    CREATE SERVER gone FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host '127.0.0.1', port '1');
    CREATE USER MAPPING FOR CURRENT_USER SERVER gone; CREATE FOREIGN TABLE far (a int) SERVER gone; CREATE TABLE kept (a int)`)
  const db = await openDatabase(t, observer, { max: 1, ...options })
  return { observer, db, pids: async () => (await observer.backends()).map(({ pid }) => pid) }
}

t.test('an error of a statement ends no connection, whatever its SQLSTATE', async (t) => {
  const { db, pids } = await prepare(t)
  const before = await pids()
  for (const code of CODES) {
    await t.test(code, async (t) => {
      const raised = { name: 'PostgresError', code, severity: 'ERROR', fatal: false }
      for (let run = 0; run < 3; run++) await t.rejects(db.fetchVal('SELECT complain($1)', code), raised)
      await t.rejects(db.execute(`DO $$ BEGIN RAISE SQLSTATE '${code}'; END $$`), raised)
      await t.rejects(db.transaction(async (tx) => {
        await tx.execute('INSERT INTO kept VALUES (1)')
        await tx.transaction((inner) => inner.fetchVal('SELECT complain($1)', code)).catch((error) => t.match(error, raised))
        await tx.fetchVal('SELECT complain($1)', code)
      }), raised)
      for (const batch of ['auto', 'pipeline'] as const) {
        await t.rejects(db.executeMany({ text: 'INSERT INTO kept SELECT complain($1)', batch }, [[code], [code]]), { ...raised, row: 0 })
      }
      const call = (n: number): Promise<unknown> => n === 2 ? db.fetchVal('SELECT complain($1)', code) : db.fetchVal('SELECT $1::int', n)
      t.match(await Promise.allSettled([1, 2, 3].map(call)), [{ value: 1 }, { reason: raised }, { value: 3 }])
    })
  }
  t.same(await pids(), before, 'the connection is the one that it was')
  t.match(db.stats(), { created: 1, closed: {}, free: 1 })
  t.equal(await db.fetchVal('SELECT count(*)::int FROM kept'), 0)
})

t.test('a server that another one does not reach is not lost itself', async (t) => {
  const { db, pids } = await prepare(t)
  const before = await pids()
  const lost = { code: '08001', severity: 'ERROR' }
  for (const text of ["SELECT * FROM dblink('host=127.0.0.1 port=1', 'SELECT 1') AS x (a int)", 'SELECT * FROM far']) {
    await t.rejects(db.fetchAll(text), lost)
    await t.rejects(db.transaction((tx) => tx.fetchAll(text)), lost)
  }
  await t.rejects(db.fetchVal("SELECT dblink_disconnect('nobody')"), { code: '08003' })
  t.same(await pids(), before)
  t.same(db.stats().closed, {})
})

t.test('an error in onConnect that it handles ends nothing, and one that it does not is the cause', async (t) => {
  const observer = await freshDatabase(t)
  const raise = (words: string, code: string): string => `DO $$ BEGIN RAISE '${words}' USING ERRCODE = '${code}'; END $$`
  const db = await openDatabase(t, observer, {
    onConnect: async (session) => {
      for (const code of CODES) await session.execute(raise('no', code)).catch((error) => t.match(error, { code }))
    },
  })
  t.match(db.stats(), { created: 1, closed: {} })
  const words = 'unsupported startup parameter: statement_timeout'
  const onConnect: DatabaseOptions['onConnect'] = (session) => session.execute(raise(words, '08P01'))
  const refused = createDatabase({ url: observer.url, log: memoryLog(), startupTimeout: 0.3, onConnect }, {})
  t.teardown(() => refused.close())
  await t.rejects(refused.open(), { code: /^FST_PG_(CONNECT|STARTUP)$/, cause: { code: '08P01' } })
})

t.test("a timeout is known by the server's own error, and so is a server that takes no writes", async (t) => {
  const { db, observer } = await prepare(t, { commandTimeout: 0.2 })
  const late = (raise: string): string => `DO $$ BEGIN PERFORM pg_sleep(60); EXCEPTION WHEN query_canceled THEN ${raise}; END $$`
  await t.rejects(db.execute(late("RAISE SQLSTATE '57014'")), { name: 'PostgresError', code: '57014' })
  await t.rejects(db.execute(late('RAISE')), { code: 'FST_PG_QUERY_TIMEOUT' })
  const wasChecked = async (): Promise<boolean> => /pg_is_in_recovery/.test((await observer.backends())[0]?.query ?? '')
  await t.rejects(db.fetchVal("SELECT complain('25006')"), { code: '25006' })
  t.notOk(await wasChecked())
  await t.rejects(db.transaction((tx) => tx.execute('INSERT INTO kept VALUES (1)'), { readOnly: true }), { code: '25006' })
  await until(wasChecked)
})

t.test('an ERROR to a health check ends no connection, and a FATAL does, also where the severity is told in a language only', async (t) => {
  const only = (severity: string, code: string): Buffer => message('E', `S${severity}\0C${code}\0Mzu Ende\0\0`)
  let refusal: Buffer | undefined
  const server = await FakeServer.start(t, () => (sent, body) => {
    if (sent === 'P' && body.includes('SELECT 1') && refusal !== undefined) return [refusal]
    return refusal === undefined || sent === 'S' || sent === 'startup' || sent === 'Q' ? undefined : []
  })
  const log = memoryLog()
  const db = createDatabase({ url: server.url, min: 1, max: 1, log, health: { cache: 0 } }, {})
  t.teardown(() => db.close())
  await db.open()
  for (const mild of [errorResponse('ERROR', '57P01'), only('ERROR', '08006'), only('FEHLER', '57P02'), only('ОШИБКА', '57P03')]) {
    refusal = mild
    t.match(await db.health(), { status: 'unavailable' })
    t.match(db.stats(), { created: 1, closed: {}, free: 1 })
  }
  const fatals = [errorResponse('FATAL', '22012'), only('PANIC', '22012'), only('ВАЖНО', '57P01'), only('致命错误', '57P01')]
  for (const [index, fatal] of fatals.entries()) {
    refusal = fatal
    t.match(await db.health(), { status: 'unavailable' })
    t.equal(db.stats().closed.lost, index + 1)
    const line = log.lines.findLast(({ message }) => message === 'database connection lost')
    t.match(line, { object: { err: { name: 'PostgresError', fatal: true } } })
    refusal = undefined
    await until(() => db.stats().free === 1)
  }
})
