import t from 'tap'
import { createDatabase, type Database, ServerError } from '../../src/index.js'
import { freshDatabase, memoryLog, type Observer, openDatabase } from '../support/database.js'
import { column, complete, dataRow, FakeServer, int16, message, rowDescription } from '../support/fake-server.js'
import { shown } from '../support/shown.js'

/** Values that nobody may see, in whichever form the server repeats them: no row of code or process has these digits. */
const CANARY = /canary|98471|98-47-1|98:47:1|-\d\d-47/i
/** Where the code stands. */
const FRAMES = /(?:\\n|\n) *at [^\n]*?(?=\\n|\n|"|$)/g

async function leaks (error: unknown): Promise<string[]> {
  return Object.entries(await shown(error)).filter(([, text]) => CANARY.test(text.replace(FRAMES, ''))).map(([place]) => place)
}

type Provocation = readonly [sql: string, ...args: unknown[]]

/** Statements that the server refuses in words of its own, with a canary in them. */
const REFUSED: Readonly<Record<string, readonly Provocation[]>> = {
  numbers: [
    ['SELECT 98471::smallint'], ['SELECT $1::int::smallint', 98471], ["SELECT '98471'::text::smallint"], ['SELECT 1e98471::float8'],
    ['SELECT 9847198471984719::text::int4'],
    ["SELECT setval('small', 98471)"], ["SELECT get_byte('x'::bytea, 98471)"], ["SELECT set_bit('x'::bytea, 98471, 1)"],
    ["SELECT '98471x'::xid8"], ["SELECT '98471x'::text::xid"],
    ["SELECT '98471'::text::pg_lsn"], ["SELECT '98471x'::oid"], ['SELECT chr(984719847)'],
    ["SELECT to_hex(1) || repeat('x', 2147483647) || '98471'"], ['SELECT 98471.98471::numeric(3, 1)'],
    ["SELECT '98471'::bit(3)"], ['SELECT ln(-98471) / 0'], ['SELECT lo_get(98471)'], ['SELECT pg_terminate_backend(98471, -98471)'],
    ["SELECT '98471'::text::bool"], ["SELECT money '98471984719847198471'"],
    ['SELECT (ARRAY[1, 2])[$1::int8]', '98471984719'], ['SELECT array_fill(1, ARRAY[98471], ARRAY[1, 98471])'],
    ["SELECT '{1,2}'::int[98471] || '{98471'::int[]"], ['SELECT 1 FROM held ORDER BY 98471'],
    ['SELECT generate_series(1, 2, 0) + 98471'], ['SELECT width_bucket(98471, 1, 1, 98471)'], ['SELECT 98471 / 0'],
    ["SELECT to_number('98471', '98471canary9EEEE')"],
    ["SELECT set_config('work_mem', '98471GB', true)"], ["SELECT set_config('statement_timeout', '-98471', true)"],
    ['SET work_mem = 98471984719'], ['SELECT * FROM held LIMIT -98471'],
  ],
  times: [
    ['SELECT make_time(98, 47, 1)'], ['SELECT make_date(98471, 98, 47)'], ['SELECT make_timestamp(2024, 98, 47, 1, 1, 1)'],
    ["SELECT '2026-98-47'::text::date"], ["SELECT date '98471-13-45'"],
    ["SELECT to_timestamp('98471', 'Day YYYY')"], ["SELECT to_date('canary', 'YYYY')"], ["SELECT to_timestamp('2024-98', 'YYYY-MM')"],
    ["SELECT interval '98471 canary'"], ["SELECT now() AT TIME ZONE 'canary'"],
    ["SELECT date_trunc('canary', now())"], ["SELECT extract('canary' FROM now())"], ["SELECT time '98:47:1'"],
    ['SELECT make_interval(years => 984719847)'], ["SELECT timetz '1:1:1 canary'"],
    ["SELECT to_char(now(), 'x') FROM pg_sleep(0) WHERE date_bin('-98471 s', now(), now()) IS NULL"],
    ["SELECT to_timestamp(1e98)::timestamp + '98471 years'"],
  ],
  texts: [
    ["SELECT 'canary'::int"], ["SELECT 'canary'::text::uuid"], ["SELECT '{\"a\": canary}'::jsonb"], ["SELECT '[1, canary]'::text::json"],
    ["SELECT 'canary'::mood"], ["SELECT 'canary'::text::mood"], ['SELECT $1::mood', 'canary'],
    ["SELECT 'x' ~ 'canary('"], ["SELECT regexp_replace('x', 'canary[', '')"], ["SELECT regexp_matches('x', 'x', 'canary')"],
    ["SELECT format('%Canary', 1)"], ["SELECT format('%98471$s', 1)"], ["SELECT 'canaryx' LIKE 'canary\\'"],
    ["SELECT 'canary' SIMILAR TO '('"], ["SELECT encode('x', 'canary')"], ["SELECT decode('canary', 'hex')"],
    ["SELECT decode('canary!', 'base64')"], ["SELECT convert_from('x', 'canary')"], ["SELECT convert('x', 'utf8', 'canary')"],
    ["SELECT 'canary' COLLATE canary"], ["SELECT '(canary'::text::point"], ["SELECT 'canary'::inet"],
    ["SELECT '1.2.3.4/98471'::text::cidr"], ["SELECT 'canary'::macaddr"], ["SELECT '{canary'::text::text[]"],
    ["SELECT '[canary,)'::int4range"],
    ["SELECT '[98471,1)'::int4range"], ['SELECT int4range(98471, 1)'], ["SELECT '(canary'::text::tsquery"],
    ["SELECT to_tsquery('canary canary')"], ["SELECT to_tsvector('canary', 'x')"], ["SELECT 'canary:98471x'::tsvector"],
    ["SELECT '$.canary['::jsonpath"], ["SELECT jsonb_path_query('{}', ('strict $.canary')::jsonpath)"],
    ["SELECT jsonb_set('[1]', '{canary}', '1')"], ["SELECT jsonb_object('{canary}')"], ["SELECT ('{\"a\":\"canary\"}'::jsonb->'a')::int"],
    ["SELECT * FROM jsonb_to_record('{\"a\":\"canary\"}') AS x (a int)"],
    ["SELECT jsonb_populate_record(NULL::held, '{\"needed\": \"canary\"}')"], ["SELECT array_length('canary'::text::int[], 1)"],
    ['SELECT substring(\'canary\', 1, -98471)'],
    ["SELECT unistr('\\canary')"], ["SELECT U&'\\canary'"], ["SELECT E'\\xcanary\\u98'"],
    ["SELECT string_to_array('canary', ',')::int[]"], ["SELECT xmlparse(document '<canary')"], ["SELECT xml '<canary'"],
    ["SELECT overlay('canary' placing 'x' from -98471)"],
    ["SELECT parse_ident('canary.')"], ["SELECT pg_size_bytes('98471 canary')"], ["SELECT has_table_privilege('held', 'canary')"],
    ["SELECT row('canary')::held"], ["SELECT ROW(1, 'canary')::text::held"], ["SELECT lpad('canary', 2147483647)"],
    ["SELECT 'canary' AS x WHERE 'canary'"], ["SELECT bit '98471canary'"], ["SELECT B'10canary'"], ["SELECT '98471'::\"char\"::bool"],
    ["SELECT normalize('canary', canary)"], ["SELECT 'canary'::pg_snapshot"], ['SELECT $1::int4range', '[canary,'],
    ['SELECT $1::jsonpath', 'canary['], ['SELECT $1::int[]', '{canary'], ['SELECT $1::text::xml', '<canary'],
  ],
  'values that name something': [
    ["SELECT 'canary'::regclass"], ['SELECT $1::regclass', 'canary'], ["SELECT 'canary'::text::regclass"], ["SELECT 'canary'::regtype"],
    ['SELECT $1::text::regtype', 'canary'], ["SELECT 'canary'::regproc"], ["SELECT 'canary(int)'::regprocedure"],
    ["SELECT 'canary'::regrole"],
    ["SELECT 'canary'::regnamespace"], ["SELECT 'canary'::regoper"], ["SELECT 'canary'::regconfig"], ["SELECT 'canary'::regdictionary"],
    ["SELECT 'canary'::regcollation"], ["SELECT 'canary.canary'::regclass"], ["SELECT 'a.b.c.canary'::regclass"],
    ["SELECT nextval('canary')"],
    ['SELECT nextval($1)', 'canary'], ["SELECT currval('canary')"], ["SELECT pg_get_serial_sequence('held', 'canary')"],
    ["SELECT pg_get_serial_sequence('canary', 'x')"], ["SELECT has_table_privilege('canary', 'select')"],
    ["SELECT has_column_privilege('held', 'canary', 'select')"],
    ["SELECT has_function_privilege('canary()', 'execute')"], ["SELECT has_role('canary')"], ["SELECT pg_has_role('canary', 'usage')"],
    ["SELECT current_setting('canary.x')"], ["SELECT set_config('canary', 'x', true)"], ["SET LOCAL TIME ZONE 'canary'"],
    ["SET ROLE 'canary'"],
    ["SET LOCAL search_path = 'canary', '98471'; SELECT * FROM held"], ["SET LOCAL lc_messages = 'canary'"],
    ["SELECT table_to_xml('canary', true, true, '')"], ["SELECT schema_to_xml('canary', true, true, '')"],
    ["SELECT query_to_xml('SELECT canary', true, true, '')"],
    ["SELECT ts_rewrite('a', 'SELECT canary')"], ["SELECT * FROM ts_stat('SELECT canary')"], ['SELECT txid_status(984719847198471)'],
    ["SELECT pg_read_file('/canary')"], ["SELECT pg_ls_dir('/canary')"], ["COPY held FROM '/canary'"], ["SELECT lo_import('/canary')"],
    ["SELECT pg_export_snapshot(), pg_notify(repeat('canary', 20), 'x')"], ["SELECT pg_advisory_lock(98471, 'canary')"],
    ["SET TRANSACTION SNAPSHOT 'canary-98471'"], ["LOAD 'canary'"], ["SELECT run('SELECT ' || $1)", 'canary'],
    ['SELECT run($1)', 'canary 98471'],
    ["SELECT run('SELECT * FROM ' || $1)", 'canary'], ["SELECT run('EXECUTE ' || $1)", 'canary'],
    ["SELECT run('DROP TABLE ' || $1)", 'canary'], ["SELECT run('CREATE TABLE held (' || $1 || ' int)')", 'canary'],
    ["SELECT sql_run('canary')"], ["SELECT pg_stat_get_activity(98471), 'canary'::cid"],
    ["DO $$ BEGIN PERFORM 'canary'::regclass; END $$"], ['SELECT 1 "canary" canary'], ["SELECT 1 'canary'"], ['SELECT 98471canary'],
    ["SELECT 'canary"], ['SELECT /* canary'], ['SELECT $canary$ 98471'], ["INSERT INTO held (token) VALUES ('canary'"],
    ['CREATE TABLE p (a int) PARTITION BY RANGE (a); CREATE TABLE q PARTITION OF p FOR VALUES FROM (98471) TO (98471)'],
    ["CREATE TABLE p (a int) PARTITION BY LIST (a); CREATE TABLE q PARTITION OF p FOR VALUES IN ('canary')"],
    ["ALTER TYPE mood ADD VALUE 'good'; SELECT 'canary'::mood"], ["ALTER TYPE mood RENAME VALUE 'canary' TO 'x'"],
    ["CREATE TABLE x (a int DEFAULT 'canary')"], ["ALTER TABLE held ALTER token TYPE int USING 'canary'"], ['ALTER ROLE canary LOGIN'],
    ["ALTER SYSTEM SET canary = '98471'"],
  ],
  rows: [
    ["INSERT INTO held (token) VALUES ('canary')"], ['INSERT INTO held (token) VALUES ($1)', 'canary'],
    ["INSERT INTO held (short) VALUES ('canary')"], ['INSERT INTO held (short) VALUES ($1)', 'canary'],
    ["INSERT INTO held (token, needed) VALUES ('canary2', NULL)"],
    ["INSERT INTO held (checked) VALUES ('canary')"], ["INSERT INTO referring VALUES ('canary3')"],
    ["DELETE FROM held WHERE token = 'canary'"], ["INSERT INTO parted VALUES (98471, 'canary')"],
    ["INSERT INTO booked VALUES ('[98471,98479)')"], ['SELECT 98471::small_number'],
    ["SELECT ('canary' || $1)::text::small_number", 'x'], ['SELECT $1::small_number', 98471], ["INSERT INTO only_view VALUES ('canary')"],
    ['INSERT INTO held (row_id) VALUES (98471)'], ["INSERT INTO held (token) VALUES ('canary4') ON CONFLICT (checked) DO NOTHING"],
    ['SELECT (SELECT n FROM generate_series(98471, 98472) AS n)'], ['CREATE UNIQUE INDEX ON twice (token)'],
    ["ALTER TABLE twice ADD CHECK (token <> 'canary')"], ['ALTER TABLE twice ADD FOREIGN KEY (token) REFERENCES held (token)'],
    ["INSERT INTO held (token) SELECT repeat('canary', 10000) || string_agg(md5(n::text), '') FROM generate_series(1, 1000) AS n"],
  ],
  "functions' own words": [
    ["SELECT complain('canary')"], ["SELECT complain('canary', '23505')"], ["SELECT complain('canary', '42P01')"],
    ["SELECT complain('canary', '57014')"], ["SELECT complain('canary', '26000')"], ["SELECT complain('canary', '08006')"],
    ["SELECT complain('canary', '57P01')"],
    ["SELECT complain('canary', '25006')"], ["SELECT complain('canary', '53300')"], ["SELECT complain('canary', '28P01')"],
    ["SELECT complain('canary', 'AB123')"], ["SELECT name_it('canary')"], ["DO $$ BEGIN ASSERT false, 'canary'; END $$"],
    ["DO $$ DECLARE x int; BEGIN SELECT 1 INTO STRICT x WHERE 'canary' = ''; END $$"],
    ["DO $$ DECLARE x int := 'canary'; BEGIN END $$"], ["DO $$ DECLARE x held; BEGIN x.needed := 'canary'; END $$"],
    ['DO $$ BEGIN CASE 98471 WHEN 1 THEN NULL; END CASE; END $$'], ['DO $$ BEGIN FOR i IN 1..2 BY -98471 LOOP END LOOP; END $$'],
    ['DO $$ BEGIN canary; END $$'],
  ],
  'another server': [
    ["SELECT * FROM dblink('host=127.0.0.1 port=1 user=canary password=98471', 'SELECT 1') AS x (a int)"],
    ["SELECT * FROM dblink('canary', 'SELECT 98471') AS x (a int)"],
    ["SELECT * FROM dblink(here(), 'SELECT ''canary''::int') AS x (a int)"],
    ["SELECT * FROM dblink(here(), 'SELECT canary') AS x (a int)"],
    ["SELECT dblink_exec(here(), 'DO $$ BEGIN RAISE ''canary'' USING ERRCODE = ''42703''; END $$')"],
    ["SELECT * FROM dblink(here(), 'SELECT 98471/0') AS x (a int)"],
    ["INSERT INTO remote (token) VALUES ('canary')"], ["INSERT INTO remote (checked) VALUES ('canary')"],
    ["SELECT * FROM remote WHERE token = 'canary' AND needed / 0 = 98471"], ['SELECT * FROM remote_lost'], ['SELECT * FROM remote_wrong'],
  ],
}

async function prepare (observer: Observer): Promise<void> {
  const { hostname, port, username, password, pathname } = new URL(observer.url)
  const here = `host=${hostname} port=${port} user=${username} password=${password} dbname=${pathname.slice(1)}`
  await observer.rows(`
    CREATE EXTENSION dblink; CREATE EXTENSION postgres_fdw;
    CREATE TYPE mood AS ENUM ('good'); CREATE DOMAIN small_number AS int CHECK (VALUE < 100); CREATE DOMAIN short_text AS varchar(3);
    CREATE SEQUENCE small MAXVALUE 99;
    CREATE TABLE held (token text UNIQUE, short varchar(3), checked text CHECK (length(checked) < 3),
      needed int NOT NULL DEFAULT 1, row_id int GENERATED ALWAYS AS IDENTITY);
    INSERT INTO held VALUES ('canary'); CREATE TABLE referring (token text REFERENCES held (token));
    INSERT INTO referring VALUES ('canary');
    CREATE TABLE parted (a int, b text) PARTITION BY RANGE (a);
    CREATE TABLE booked (during int4range, EXCLUDE USING gist (during WITH &&)); INSERT INTO booked VALUES ('[98471,98479)');
    CREATE VIEW only_view AS SELECT DISTINCT token FROM held; CREATE TABLE twice AS SELECT 'canary' AS token UNION ALL SELECT 'canary';
    INSERT INTO twice VALUES ('canary5');
    CREATE FUNCTION run (value text) RETURNS void LANGUAGE plpgsql AS $$ BEGIN EXECUTE value; END $$;
    CREATE FUNCTION sql_run (value text) RETURNS int LANGUAGE sql AS $$ SELECT value::int $$;
    CREATE FUNCTION complain (value text, code text DEFAULT 'P0001') RETURNS void LANGUAGE plpgsql AS $$
      BEGIN RAISE EXCEPTION 'I do not like %', value USING ERRCODE = code, DETAIL = value, HINT = value; END $$;
    CREATE FUNCTION name_it (value text) RETURNS void LANGUAGE plpgsql AS $$
    BEGIN RAISE EXCEPTION 'no'
        USING ERRCODE = '23505', CONSTRAINT = value, TABLE = value, COLUMN = value, SCHEMA = value, DATATYPE = value; END $$;
    CREATE FUNCTION here () RETURNS text LANGUAGE sql AS $$ SELECT '${here}' $$;
    CREATE SERVER itself FOREIGN DATA WRAPPER postgres_fdw
      OPTIONS (host '${hostname}', port '${port}', dbname '${pathname.slice(1)}');
    CREATE SERVER lost FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host '127.0.0.1', port '1', dbname 'canary');
    CREATE USER MAPPING FOR CURRENT_USER SERVER itself OPTIONS (user '${username}', password '${password}');
    CREATE USER MAPPING FOR CURRENT_USER SERVER lost OPTIONS (user 'canary', password '98471');
    CREATE FOREIGN TABLE remote (token text, checked text, needed int) SERVER itself OPTIONS (table_name 'held');
    CREATE FOREIGN TABLE remote_lost (token text) SERVER lost;
    CREATE FOREIGN TABLE remote_wrong (token text) SERVER itself OPTIONS (table_name 'canary')`)
}

async function failure (db: Database, [sql, ...args]: Provocation): Promise<unknown> {
  return await db.transaction(async (tx) => {
    await (args.length === 0 && sql.includes('; ') ? tx.execute(sql) : tx.fetchVal(sql, ...args))
    await tx.execute('SET CONSTRAINTS ALL IMMEDIATE')
    throw new Error('it did not fail')
  }).catch((error: unknown) => error)
}

t.test('no words of the server that hold a value, as a word or a number, are in what is shown of an error', async (t) => {
  const observer = await freshDatabase(t)
  await prepare(observer)
  const db = await openDatabase(t, observer, { max: 1 })
  const codes = new Set<string>()
  let quoting = 0
  for (const [group, provocations] of Object.entries(REFUSED)) {
    await t.test(group, async (t) => {
      for (const provocation of provocations) {
        const error = await failure(db, provocation)
        const [sql] = provocation
        if (!(error instanceof ServerError)) {
          t.match(error, { code: /^FST_PG_/ }, sql)
          t.same(await leaks(error), [], sql)
          continue
        }
        codes.add(error.code)
        if (CANARY.test(error.serverMessage)) quoting++
        t.same(await leaks(error), [], `${sql}: ${error.message}`)
      }
    })
  }
  t.ok(codes.size >= 50, `${codes.size} codes`)
  t.ok(quoting >= 100, `${quoting} quote it`)
  t.same(db.stats().closed, {})
})

const ELSEWHERE = "the server's words are in error.serverMessage, and with the option debug in the log"
/** What a client reads, and what a developer reads in the log: names in the text of the statement, types, what was violated. */
const SAID: ReadonlyArray<readonly [message: string, advice: string, sql: string, ...args: unknown[]]> = [
  ['undefined table', 'relation "nothing" does not exist', 'SELECT * FROM nothing'],
  ['undefined table', 'relation "nothing.held" does not exist', 'SELECT * FROM nothing.held'],
  ['undefined table', 'missing FROM-clause entry for table "x"', 'SELECT x.token FROM held'],
  ['undefined column', 'column "nothing" does not exist', 'SELECT nothing FROM held'],
  ['undefined column', 'column "nothing" of relation "held" does not exist', 'INSERT INTO held (nothing) VALUES (1)'],
  ['ambiguous column', 'column reference "token" is ambiguous', 'SELECT token FROM held, referring'],
  ['undefined function', 'function nothing(integer) does not exist', 'SELECT nothing(1)'],
  ['undefined function', 'operator does not exist: text = integer', 'SELECT FROM held WHERE token = 1'],
  ['undefined object', 'type "nothing" does not exist', 'SELECT $1::nothing', 1],
  ['datatype mismatch', 'column "needed" is of type integer but expression is of type date', 'UPDATE held SET needed = current_date'],
  ['cannot coerce', 'cannot cast type date to integer', 'SELECT current_date::int'],
  ['indeterminate datatype', 'could not determine data type of parameter $1', 'SELECT FROM held WHERE $1 IS NULL', 1],
  ['invalid column reference', 'there is no unique or exclusion constraint matching the ON CONFLICT specification',
    'INSERT INTO held (token) VALUES ($1) ON CONFLICT (needed) DO NOTHING', 'x'],
  ['insufficient privilege', 'permission denied for table guarded', 'SET LOCAL ROLE pg_monitor; SELECT * FROM guarded'],
  ['read only sql transaction', 'cannot execute INSERT in a read-only transaction', "SET TRANSACTION READ ONLY; INSERT INTO held VALUES ('x')"],
  ['query canceled', 'canceling statement due to statement timeout', "SET LOCAL statement_timeout TO '1ms'; SELECT pg_sleep(60)"],
  ...([
    ['unique violation', 'constraint "held_token_key" of table "held"; ', "INSERT INTO held (token) VALUES ('canary')"],
    ['check violation', 'constraint "held_checked_check" of table "held"; ', "INSERT INTO held (checked) VALUES ('canary')"],
    ['not null violation', 'column "needed" of table "held"; ', 'INSERT INTO held (needed) VALUES (NULL)'],
    ['foreign key violation', 'constraint "referring_token_fkey" of table "referring"; ', "INSERT INTO referring VALUES ('none')"],
    ['invalid text representation', '', "SELECT 'canary'::int"],
    ['syntax error', '', 'SELEC 1'],
    ['the server raised an error', '', "SELECT complain('canary', '23505')"],
    ['the server raised an error', '', "SELECT complain('canary', 'AB123')"],
  ] as const).map(([message, names, sql]) => [message, `${names}${ELSEWHERE}`, sql] as const),
]

t.test('a message says what it means, and the advice names what was violated or is not there', async (t) => {
  const observer = await freshDatabase(t)
  await prepare(observer)
  await observer.rows('CREATE TABLE guarded ()')
  const db = await openDatabase(t, observer, { max: 1 })
  for (const [message, advice, ...provocation] of SAID) {
    const error = await failure(db, provocation)
    if (!(error instanceof ServerError)) throw new Error(advice, { cause: error })
    t.strictSame([error.message, error.advice], [message, advice])
    t.match(error.stack, `PostgresError: ${message}\n  advice: ${advice}\n`, 'both stand in the log')
    t.notMatch(JSON.stringify(error), /held|nothing/, 'and nothing of the database in what may be sent')
  }
  t.match(await failure(db, ["SELECT name_it('x-constraint')"]), { constraint_name: 'x-constraint', table_name: 'x-constraint' })
})

t.test('JSON that a server gives and that is none is not quoted', async (t) => {
  const server = await FakeServer.start(t, () => (sent) => {
    if (sent === 'D') return [message('t', int16(0)), rowDescription(column('document', 114))]
    return sent === 'B' ? [message('2'), dataRow('{"a": canary}'), complete('SELECT 1')] : undefined
  })
  const log = memoryLog()
  const db = createDatabase({ url: server.url, min: 1, max: 1, log }, {})
  t.teardown(() => db.close())
  const error = await db.fetchVal('SELECT document').catch((error: unknown) => error)
  t.match(error, { code: 'FST_PG_PROTOCOL' })
  for (const each of [error, ...log.lines.map(({ object }) => 'err' in object ? object.err : object)]) t.same(await leaks(each), [])
})
