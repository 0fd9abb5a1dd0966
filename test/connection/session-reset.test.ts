import { Socket } from 'node:net'
import t, { type Test } from 'tap'
import type { Database, DatabaseOptions, Queryable } from '../../src/index.js'
import { freshDatabase, type Observer, openDatabase, until } from '../support/database.js'

/** What was written since the last look, one text for each write. */
const written: string[] = []
const { write } = Socket.prototype
Socket.prototype.write = function (this: Socket, bytes: string | Uint8Array, ...others: never[]) {
  if (this.remoteAddress !== undefined && typeof bytes !== 'string') written.push(Buffer.from(bytes).toString('latin1'))
  return write.call(this, bytes, ...others)
}

const FUNCTIONS = `
CREATE SEQUENCE counted;
CREATE FUNCTION set_tenant (t text) RETURNS void LANGUAGE plpgsql AS $$ BEGIN PERFORM set_config('app.tenant', t, false); END $$;
CREATE FUNCTION become (r text) RETURNS void LANGUAGE plpgsql AS $$ BEGIN EXECUTE format('SET ROLE %I', r); END $$;
CREATE FUNCTION lock_it () RETURNS void LANGUAGE sql AS 'SELECT pg_advisory_lock(42)';
CREATE FUNCTION make_temp () RETURNS void LANGUAGE plpgsql AS $$ BEGIN CREATE TEMP TABLE leftover (id int); END $$;
CREATE FUNCTION hold_cursor () RETURNS void LANGUAGE plpgsql AS $$ BEGIN EXECUTE 'DECLARE leftover CURSOR WITH HOLD FOR SELECT 1'; END $$;
CREATE FUNCTION listen_too () RETURNS void LANGUAGE plpgsql AS $$ BEGIN LISTEN somebody; END $$;
CREATE FUNCTION prepare_it () RETURNS void LANGUAGE plpgsql AS $$ BEGIN EXECUTE 'PREPARE "left ""over" AS SELECT 1'; END $$;
CREATE FUNCTION count_up () RETURNS bigint LANGUAGE sql AS $$ SELECT nextval('counted') $$;
CREATE FUNCTION drop_prepared () RETURNS void LANGUAGE plpgsql AS $$ BEGIN EXECUTE 'DEALLOCATE ALL'; END $$;
CREATE PROCEDURE call_tenant (t text) LANGUAGE plpgsql AS $$ BEGIN PERFORM set_config('app.tenant', t, false); END $$;
CREATE TABLE plain (id int);
`
/** Each leaves something: in what its text shows, or in what the functions do that it calls. */
const LEAVINGS = [
  "SELECT set_tenant('A')", "SELECT public.set_tenant('A')", "SELECT * FROM set_tenant('A') AS s (done)", "SELECT lower('A'), \"set_tenant\"('A')",
  "SELECT DISTINCT ON (id) set_tenant('A')::text FROM (VALUES (1)) v (id)", "WITH s AS (SELECT set_tenant('A')) SELECT * FROM s", "INSERT INTO plain SELECT 1 WHERE set_tenant('A') IS NULL",
  "SELECT set_config('app.tenant', 'A', false)", "SELECT set_config('app.tenant', 'A', (SELECT false))", "CALL call_tenant('A')", "EXPLAIN ANALYZE SELECT set_tenant('A')",
  "UPDATE pg_settings SET setting = 'A' WHERE name = 'app.tenant'", "SET app.tenant = 'A'", "SET SESSION app.tenant TO 'A'", "DO $$ BEGIN PERFORM set_tenant('A'); END $$",
  "-- a comment\rSET app.tenant = 'A'", "SELECT 1; SELECT set_tenant('A'); SELECT 2", "SELECT 'a'::text; SET app.tenant = 'A'", "COPY (SELECT set_tenant('A')) TO '/dev/null'",
  "SELECT become('pg_monitor')", 'SET ROLE pg_monitor', 'SELECT lock_it()', 'SELECT pg_try_advisory_lock(42)', 'SELECT pg_advisory_lock_shared(1, 2)', 'SELECT make_temp()',
  'SELECT 1 AS id INTO TEMP leftover', 'CREATE TEMP TABLE leftover AS SELECT 1', 'EXPLAIN ANALYZE CREATE TEMP TABLE leftover AS SELECT 1', 'SELECT hold_cursor()', 'SELECT listen_too()', 'SELECT prepare_it()',
  'PREPARE "left ""over" AS SELECT 1', 'SELECT count_up()', "SELECT nextval('counted')", "DO $$ BEGIN EXECUTE 'PREPARE p AS SELECT 1'; END $$",
]

async function prepareDatabase (t: Test): Promise<Observer> {
  const observer = await freshDatabase(t)
  await observer.rows(FUNCTIONS)
  return observer
}

/** Says what the session holds that a new one would not. */
const REMAINS = `SELECT concat_ws(', ',
  nullif(current_setting('app.tenant', true), 'nobody'), (SELECT 'role' WHERE current_user <> session_user), (SELECT 'temp' WHERE to_regclass('pg_temp.leftover') IS NOT NULL),
  (SELECT string_agg('lock', ',') FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()), (SELECT string_agg(name, ',') FROM pg_cursors WHERE name <> ''),
  (SELECT string_agg('listens', ',') FROM pg_listening_channels()), (SELECT string_agg(name, ',') FROM pg_prepared_statements WHERE from_sql))`
const remains = async (db: Database): Promise<unknown> => {
  const [text] = [await db.fetchVal(REMAINS)]
  const used = await db.fetchVal("SELECT currval('counted')").then(() => 'sequence', () => '')
  return `${String(text)}${used}`
}
const withParameter = (options: DatabaseOptions = {}): DatabaseOptions => ({ min: 1, max: 1, parameters: { 'app.tenant': 'nobody' }, ...options })

t.test('what a call leaves in its session, the next caller does not meet', async (t) => {
  const observer = await prepareDatabase(t)
  const ways: Record<string, (db: Database, text: string) => Promise<unknown>> = {
    'a single call': (db, text) => db.execute(text),
    'a lease': async (db, text) => { await using lease = await db.acquire(); await lease.execute(text) },
    'a transaction': (db, text) => db.transaction((tx) => tx.execute(text)),
    'a savepoint': (db, text) => db.transaction((tx) => tx.transaction((inner) => inner.execute(text))),
    'a transaction that fails': (db, text) => db.transaction(async (tx) => { await tx.execute(text); throw new Error('undone') }).catch(() => {}),
    'a batch': (db, text) => db.executeMany(text, [[], []]).catch(() => {}),
    'a batch in a transaction': (db, text) => db.transaction((tx) => tx.executeMany(text, [[]])).catch(() => {}),
  }
  for (const [way, run] of Object.entries(ways)) {
    for (const reset of ['auto', 'always'] as const) {
      const db = await openDatabase(t, observer, withParameter({ reset }))
      for (const text of LEAVINGS) {
        await run(db, text).catch((error) => t.match(error, { code: /^(42601|25001)$/ }, `${way}: ${text}`))
        t.equal(await remains(db), '', `${way}, ${reset}: ${text}`)
      }
      t.match(db.stats(), { created: 1, size: 1 }, way)
    }
  }
})

t.test('row level security by a setting: with always, no tenant reads what is another one\'s, whatever hides the setting', async (t) => {
  const observer = await prepareDatabase(t)
  await observer.rows(`CREATE TABLE notes (tenant text, note text); INSERT INTO notes VALUES ('A', 'secret of A'), ('B', 'secret of B');
    ALTER TABLE notes ENABLE ROW LEVEL SECURITY; CREATE POLICY own ON notes USING (tenant = current_setting('app.tenant', true));
    CREATE VIEW enter_a AS SELECT set_config('app.tenant', 'A', false) AS tenant;
    CREATE FUNCTION enter () RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM set_config('app.tenant', 'A', false); RETURN NEW; END $$;
    CREATE TABLE entered (id int); CREATE TRIGGER enter BEFORE INSERT ON entered FOR EACH ROW EXECUTE FUNCTION enter();
    CREATE FUNCTION enter_by (text, text) RETURNS bool LANGUAGE sql AS $$ SELECT set_config('app.tenant', $1, false) IS NOT NULL $$;
    CREATE OPERATOR ~~~> (FUNCTION = enter_by, LEFTARG = text, RIGHTARG = text);
    GRANT ALL ON notes, entered, enter_a TO pg_monitor`)
  const db = await openDatabase(t, observer, withParameter({ reset: 'always', max: 2, parameters: { role: 'pg_monitor', 'app.tenant': 'nobody' } }))
  for (const text of ['SELECT * FROM enter_a', 'INSERT INTO entered VALUES (1)', "SELECT 'A' ~~~> 'x'", "SELECT set_tenant('A')"]) {
    await Promise.all(Array.from({ length: 8 }, async (_, i) => {
      if (i % 2 === 0) await db.execute(text)
      else t.same(await db.fetchAll('SELECT note FROM notes'), [], text)
    }))
  }
  t.same(await db.transaction(async (tx) => {
    await tx.fetchVal("SELECT set_tenant('B')")
    return await tx.fetchAll('SELECT note FROM notes')
  }), [{ note: 'secret of B' }])
  t.same(await db.fetchAll('SELECT note FROM notes'), [])
})

t.test('the cleaning travels in the write of what was run last', async (t) => {
  const observer = await prepareDatabase(t)
  const db = await openDatabase(t, observer, withParameter())
  for (let i = 0; i < 3; i++) await db.fetchVal('SELECT set_tenant($1)', 'A')
  await until(() => db.stats().free === 1)
  const look = async (work: () => Promise<unknown>): Promise<string[]> => {
    written.length = 0
    await work()
    await until(() => db.stats().free === 1)
    return [...written]
  }
  const alone = await look(() => db.fetchVal('SELECT set_tenant($1)', 'B'))
  t.equal(alone.length, 1)
  t.match(alone[0], /DISCARD TEMP/)
  for (const end of ['COMMIT', 'ROLLBACK']) {
    const writes = await look(() => db.transaction(async (tx) => {
      await tx.fetchVal('SELECT set_tenant($1)', 'B')
      if (end === 'ROLLBACK') throw new Error('undone')
    }).catch(() => {}))
    t.equal(writes.length, 2, end)
    t.match(writes[1], new RegExp(`${end}[^]*RESET ALL`))
    t.notMatch(writes[1], /DISCARD (PLANS|ALL)|ROLLBACK;/)
  }
  // BEGIN goes with the first statement, and what cleans with COMMIT.
  for (const [text, cleans] of [['SELECT $1::text', false], ['SELECT set_tenant($1)', true]] as const) {
    const two = (): Promise<unknown> => db.transaction(async (tx) => [await tx.fetchVal(text, 'A'), await tx.fetchVal(text, 'B')])
    await two()
    const writes = await look(two)
    t.equal(writes.length, 3, text)
    t.match(writes[0], /BEGIN/)
    t.match(writes[2], /COMMIT/)
    t.equal(/RESET ALL/.test(writes[2] ?? ''), cleans)
  }
  const left = await look(async () => {
    const lease = await db.acquire()
    await lease.execute('BEGIN')
    await lease.release()
  })
  t.match(left.at(-1), /ROLLBACK; .*RESET ALL/, 'where a transaction is open')
})

t.test('what leaves nothing costs nothing', async (t) => {
  const observer = await prepareDatabase(t)
  const db = await openDatabase(t, observer, withParameter())
  const plain: Array<(db: Queryable) => Promise<unknown>> = [
    (q) => q.execute('INSERT INTO plain (id) VALUES ($1)', 1), (q) => q.fetchAll('SELECT id, lower($1) FROM plain WHERE id = ANY ($2)', 'A', [1]),
    (q) => q.execute("SET LOCAL app.tenant = 'A'"), (q) => q.fetchVal("SELECT set_config('app.tenant', $1, true)", 'A'), (q) => q.fetchAll('SELECT 1 AS temp /* SET ROLE a */'),
    (q) => q.fetchVal('SELECT pg_advisory_xact_lock($1)', 1), (q) => q.fetchVal('SELECT count(*) FILTER (WHERE id > $1) FROM plain', 0),
  ]
  for (const call of plain) {
    for (let i = 0; i < 3; i++) await call(db)
    written.length = 0
    await call(db)
    t.equal(db.stats().free, 1, 'free at once')
    t.equal(written.length, 1)
  }
  written.length = 0
  await db.transaction(async (tx) => { for (const call of plain) await call(tx) })
  t.equal(db.stats().free, 1, 'free at once')
  t.equal(written.length, plain.length + 1, 'BEGIN travels with the first')
  t.notMatch(written.join(''), /DISCARD|RESET/)
})

t.test('statements that others have prepared are there, whoever drops them', async (t) => {
  const observer = await prepareDatabase(t)
  const db = await openDatabase(t, observer, withParameter())
  const use = async (): Promise<void> => {
    for (let i = 0; i < 3; i++) t.equal(await db.fetchVal('SELECT $1::int + 1', i), i + 1)
    t.equal(await db.transaction((tx) => tx.fetchVal('SELECT $1::int + 1', 1)), 2)
  }
  await use()
  for (const text of ['DISCARD ALL', 'DEALLOCATE ALL', 'SELECT drop_prepared()', "DO $$ BEGIN EXECUTE 'DEALLOCATE ALL'; END $$"]) {
    const lease = await db.acquire()
    await lease.execute(text)
    await lease.release()
    await use()
    await db.execute(text)
    await use()
  }
  t.match(db.stats(), { created: 1, errors: 0 })
})

t.test('after a cleaning, onConnect runs again on the same connection, before anyone gets it', async (t) => {
  const observer = await prepareDatabase(t)
  let runs = 0
  const onConnect = async (connection: Queryable): Promise<void> => {
    runs++
    await connection.execute("SET app.tenant = 'everyone'")
    await connection.execute("CREATE TEMP TABLE own AS SELECT 'own' AS mark")
  }
  const db = await openDatabase(t, observer, withParameter({ onConnect }))
  for (const [index, leave] of [() => db.fetchVal('SELECT set_tenant($1)', 'A'), () => db.transaction((tx) => tx.execute('SET ROLE pg_monitor'))].entries()) {
    await leave()
    t.equal(await db.fetchVal("SELECT current_setting('app.tenant') || mark FROM own"), 'everyoneown')
    t.equal(runs, index + 2)
  }
  t.match(db.stats(), { created: 1, closed: {} })

  await t.test('if it fails then, the connection is replaced', async (t) => {
    let fails = false
    const db = await openDatabase(t, observer, withParameter({ onConnect: () => { if (fails) { fails = false; throw new Error('not now') } } }))
    fails = true
    await db.fetchVal('SELECT set_tenant($1)', 'A')
    t.equal(await remains(db), '')
    t.match(db.stats(), { created: 2, closed: { cleaning: 1 } })
  })
})

t.test('never: what is left stays, but for a transaction', async (t) => {
  const observer = await prepareDatabase(t)
  const db = await openDatabase(t, observer, withParameter({ reset: 'never' }))
  await db.execute("SET app.tenant = 'kept'")
  const lease = await db.acquire()
  await lease.execute('BEGIN')
  await lease.execute('INSERT INTO plain VALUES (1)')
  await lease.release()
  t.equal(await remains(db), 'kept')
  t.equal(await db.fetchVal('SELECT count(*) FROM plain'), 0)
  t.match(db.stats(), { created: 1 })
})

t.test('a call that fails, is aborted or is sent again leaves nothing either', async (t) => {
  const observer = await prepareDatabase(t)
  await observer.rows("CREATE TYPE mood AS ENUM ('fine'); CREATE FUNCTION moody (m mood) RETURNS void LANGUAGE sql AS 'SELECT pg_advisory_lock(7); SELECT set_tenant(m::text)'")
  const db = await openDatabase(t, observer, withParameter())
  await t.rejects(db.fetchVal('SELECT pg_advisory_lock($1), 1 / ($2 - 1)', 1, 1), { code: '22012' })
  t.equal(await remains(db), '')
  for (let i = 0; i < 3; i++) {
    await db.fetchVal('SELECT moody($1)', 'fine')
    t.equal(await remains(db), '')
  }
  const controller = new AbortController()
  const call = db.fetchVal({ text: 'SELECT lock_it(), pg_sleep($1)', signal: controller.signal }, 60)
  await until(async () => (await observer.backends()).some(({ state, query }) => state === 'active' && query.includes('lock_it')))
  controller.abort()
  await t.rejects(call, { code: 'FST_PG_ABORTED' })
  t.equal(await remains(db), '')
  await t.rejects(db.fetchVal({ text: 'SELECT lock_it(), pg_sleep($1)', timeout: 0.2 }, 60), { code: 'FST_PG_QUERY_TIMEOUT' })
  t.equal(await remains(db), '')
  await observer.rows('DROP FUNCTION moody; ALTER TABLE plain ALTER id TYPE bigint')
  for (const type of ['bigint', 'text', 'int']) {
    await observer.rows(`ALTER TABLE plain ALTER id TYPE ${type} USING id::text::${type}`)
    for (let i = 0; i < 3; i++) await db.fetchAll('SELECT set_tenant($1), id FROM plain', 'A')
    t.equal(await remains(db), '')
  }
  t.match(db.stats(), { created: 1, size: 1 })
})
