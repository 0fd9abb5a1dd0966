import { randomBytes } from 'node:crypto'
import t from 'tap'
import { createDatabase, type Database } from '../../src/index.js'
import { splitScript } from '../../src/sql/split-script.js'
import { StatementCache } from '../../src/query/statement.js'
import { freshDatabase, memoryLog, openDatabase } from '../support/database.js'
import { seeded } from '../support/random.js'

const parts = (text: string, standardStrings = true): number => splitScript(text, standardStrings).length

t.test('a text is cut where the server cuts it', async (t) => {
  const cases: Array<[text: string, on: number, off?: number]> = [
    ['-- start\rBEGIN; COMMIT', 2], ['SELECT 1 -- a\r; SELECT 2', 2], ["SELECT E'a'\n'b\\'c'; BEGIN --'", 2], ["SELECT E'a' -- b\r\n 'c\\'; d'; BEGIN", 2],
    ["SELECT E'a' 'b\\'; BEGIN --'", 2, 1], ["SELECT 'a\\'; BEGIN --'", 2, 1], ["SELECT 'a\\''; BEGIN --'", 1, 2], ["SELECT n'a\\'; BEGIN --'", 2, 1], ["SELECT 'a'\n'b\\'; BEGIN --'", 2, 1],
    ["SELECT b'1'\n'0'; SELECT 2", 2], ["SELECT U&'a\\0027; b'; SELECT 2", 2], ["SELECT 1E'a\\'; b'; SELECT 2", 2], ["SELECT 1.5e3'a\\'; SELECT 2", 2, 1], ['SELECT 1abc$x$; SELECT $x$ ; $x$', 2],
    ['SELECT $1$$ ; $$; SELECT 2', 2], ['SELECT a$$ ; SELECT $$ ; $$', 2], ['SELECT $ä$ ; $ä$; SELECT 2', 2], ['SELECT $1a$ ; SELECT 2', 2], ['SELECT 2*/* ; */3; SELECT 2', 2],
    ['SELECT "a\\"; SELECT 2', 2], ['SELECT U&"a;b" UESCAPE \'!\'; SELECT 2', 2], ['CREATE RULE r AS ON INSERT TO a DO ALSO (SELECT 1; SELECT 2); SELECT 3', 2],
    ['CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT CASE WHEN true THEN 1 END; END; SELECT 2', 2], ['CREATE FUNCTION f() RETURNS int BEGIN ATOMIC END; COMMIT', 2],
    ['CREATE OR REPLACE PROCEDURE f() BEGIN ATOMIC SELECT 1 AS "end"; SELECT a.end, b.case, 1 end, 2 AS end FROM a; END; COMMIT', 2],
    ['create function f() returns int begin/* */atomic select (select 1); end; commit', 2], ['CREATE FUNCTION f(begin atomic) RETURNS int RETURN 1; COMMIT', 2],
    ['SELECT begin atomic FROM a; COMMIT', 2], ['CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; END', 1], ['CREATE TABLE begin (atomic int); COMMIT', 2],
  ]
  for (const [text, on, off = on] of cases) {
    t.equal(parts(text), on, text)
    t.equal(parts(text, false), off, `${text}, with standard_conforming_strings off`)
  }
})

t.test('a long text takes no longer than its length', async (t) => {
  const lines = 40_000
  for (const [what, text, count] of [
    ['a body', `CREATE FUNCTION f() RETURNS int BEGIN ATOMIC ${'SELECT 1; '.repeat(lines)}END; COMMIT`, 2], ['comments behind a string', `SELECT E'a' ${'-- '.repeat(lines)}`, 1],
    ['strings that go on', `SELECT E'a' ${"--\n 'b'".repeat(lines)}`, 1], ['brackets', `SELECT ${'('.repeat(lines)}1${')'.repeat(lines)}`, 1], ['calls', `SELECT ${'f() a ('.repeat(lines)}`, 1],
    ['names', `SELECT ${'"a"."b"."c"('.repeat(lines)}`, 1], ['arguments', `SELECT ${'set_config(a, b, true), '.repeat(lines)} 1`, 1], ['comments', '/*'.repeat(lines), 0], ['dollars', `SELECT ${'$a$ $b$ '.repeat(lines)}`, 1],
  ] as const) {
    // Ten times as long may take a hundred times as long on a busy machine, but not for ever: tap gives up.
    new StatementCache().get(text)
    t.equal(parts(text), count, what)
  }
})

t.test('the server and the tokenizer find the same statements in texts made of what is hard to read', async (t) => {
  const observer = await freshDatabase(t)
  const seed = process.env['SEED'] ?? randomBytes(4).toString('hex')
  t.comment(`SEED=${seed}`)
  const random = seeded(seed)
  const pieces = ["'", "''", "E'", "e'", "N'", "B'", "U&'", '"', '\\', "\\'", '\\\\', '--', '/*', '*/', '\n', '\r', '\t', ' ', ';', '$$', '$a$', '$1', 'a', '1', '1e', ',', "'a'", "E'\\''", '(', ')', 'x$', '-', '/', '::text', ' AS b', '||']
  let accepted = 0
  for (const setting of ['on', 'off']) {
    await observer.rows(`SET standard_conforming_strings = ${setting}; SET escape_string_warning = off`)
    for (let i = 0; i < 12_000; i++) {
      const soup = Array.from({ length: random.integer(1, 9) }, () => random.pick(pieces)).join('')
      const text = `SELECT 'q' ${soup}; SELECT 2 --'${random.pick(['', '\n', '\r'])}`
      const found = await observer.statements(text)
      if (found === undefined) continue
      accepted++
      if (parts(text, setting === 'on') !== found) t.fail(`${JSON.stringify(text)} with ${setting}: ${parts(text, setting === 'on')} and not ${found}`)
    }
  }
  t.ok(accepted > 500, `${accepted} texts were accepted`)
})

t.test('texts are read by the standard_conforming_strings of their session', async (t) => {
  const observer = await freshDatabase(t)
  await observer.rows('CREATE TABLE marks (mark text)')
  const hidden = (commands: string): string => `SELECT 'a\\''; ${commands}; --'`
  const off = await openDatabase(t, observer, { min: 1, max: 1, parameters: { standard_conforming_strings: 'off' } })
  await t.rejects(off.execute(hidden('BEGIN')), { code: 'FST_PG_QUERY', message: /needs a connection of its own/ })
  await t.rejects(off.transaction((tx) => tx.execute(hidden('COMMIT'))), { code: 'FST_PG_QUERY' })
  t.equal(await off.fetchVal("SELECT 'a\\'; COMMIT; --'"), "a'; COMMIT; --")
  const on = await openDatabase(t, observer, { min: 1, max: 1 })
  t.equal(await on.fetchVal(hidden('BEGIN')), "a\\'; BEGIN; --")
  const lease = await on.acquire()
  await lease.execute('SET standard_conforming_strings = off')
  await t.rejects(lease.transaction((tx) => tx.execute(hidden('COMMIT'))), { code: 'FST_PG_QUERY', advice: /do not run BEGIN/ })
  await lease.release()
  t.equal(await on.fetchVal(hidden('BEGIN')), "a\\'; BEGIN; --")
  await t.rejects(on.execute('-- start\rBEGIN'), { code: 'FST_PG_QUERY' })
  await t.rejects(on.execute("SELECT E'a'\n'b\\'c'; BEGIN --'"), { code: 'FST_PG_QUERY' })
  t.match(on.stats(), { created: 1, free: 1 })
})

t.test('texts are read so from the first call on, which opens the pool', async (t) => {
  const observer = await freshDatabase(t)
  const off = (): Database => {
    const db = createDatabase({ url: observer.url, min: 1, max: 1, parameters: { standard_conforming_strings: 'off' }, log: memoryLog() })
    t.teardown(() => db.close())
    return db
  }
  t.equal(await off().fetchVal("SELECT 'a\\'; COMMIT; --'"), "a'; COMMIT; --")
  await t.rejects(off().execute("SELECT 'a\\''; BEGIN; --'"), { code: 'FST_PG_QUERY', message: /needs a connection of its own/ })
  const db = off()
  const [one, two] = await Promise.allSettled([db.executeMany("SELECT 'a\\''; COMMIT; --'", [[]]), db.fetchVal("SELECT 'a\\''")])
  t.match(one, { status: 'rejected', reason: { code: '42601' } }) // two statements
  t.match(two, { status: 'fulfilled', value: "a'" })
  const nowhere = createDatabase({ host: '127.0.0.1', port: 1, startupTimeout: 0.3, log: memoryLog() })
  await t.rejects(nowhere.fetchVal("SELECT 'a\\'"), { code: 'FST_PG_STARTUP' })
  const later = createDatabase({ host: '127.0.0.1', port: 1, required: false, acquireTimeout: 0.3, log: memoryLog() })
  t.teardown(() => later.close())
  await t.rejects(later.fetchVal("SELECT 'a\\''"), { code: 'FST_PG_ACQUIRE_TIMEOUT' })
})
