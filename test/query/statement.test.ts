import t from 'tap'
import { StatementCache } from '../../src/query/statement.js'

const statementOf = (text: string) => new StatementCache().get(text)

/** What leaves nothing in the session. */
const NOTHING = [
  'SELECT 1', "INSERT INTO a VALUES (';')", 'UPDATE a SET b = 1', 'DELETE FROM a', 'MERGE INTO a USING b ON true WHEN MATCHED THEN DO NOTHING',
  'WITH a AS (SELECT 1) SELECT * FROM a', 'VALUES (1)', 'TABLE a', 'SHOW work_mem', 'EXPLAIN SELECT 1', 'NOTIFY a', 'VACUUM a', 'ANALYZE a', 'TRUNCATE a',
  "COPY a TO '/dev/null'", 'ALTER TABLE a ADD b int', 'DROP TABLE a', "COMMENT ON TABLE a IS 'b'", 'GRANT SELECT ON a TO b',
  'REVOKE SELECT ON a FROM b', 'REINDEX TABLE a', 'REFRESH MATERIALIZED VIEW a', 'CLUSTER a', "SECURITY LABEL ON TABLE a IS 'b'", 'REASSIGN OWNED BY a TO b',
  '(SELECT 1) UNION (SELECT 2)', '/* SET */ SELECT 1', 'SELECT 1; SELECT 2', '', '-- only a comment', 'LOCK TABLE a', 'FETCH 10 FROM a', 'DECLARE a CURSOR FOR SELECT 1',
  'BEGIN', 'BEGIN ISOLATION LEVEL SERIALIZABLE; COMMIT', 'SAVEPOINT a', 'RELEASE a', 'ROLLBACK TO a', "PREPARE TRANSACTION 'a'", 'SET TRANSACTION READ ONLY', 'SET CONSTRAINTS ALL DEFERRED',
  'SET LOCAL a.b = 1', 'SET LOCAL search_path TO a; SELECT 1', "SELECT set_config('a.b', $1, true)", "SELECT pg_catalog.set_config('a.b', coalesce($1, ''), /* local */ TRUE)",
  'SELECT template', 'SELECT temp_of_day', 'SELECT temp FROM a', 'SELECT temporary, listen FROM a', 'INSERT INTO temp VALUES (1)', 'INSERT INTO temp (a) VALUES (1)',
  'UPDATE temp SET temp = 1', 'SELECT 1 /* set_config(a, b, false); SET ROLE a */', "SELECT 'pg_advisory_lock(1)', \"pg_advisory_lock\" FROM a", 'SELECT * FROM pg_settings',
  'INSERT INTO a.b (c, d) VALUES ($1, lower($2)) ON CONFLICT (c) DO UPDATE SET (d) = ROW (excluded.d) RETURNING (c), d', 'INSERT INTO "A" (b) SELECT a(b) FROM c'.replace('a(b)', 'abs(b)'),
  'SELECT t.a FROM unnest($1::int[]) WITH ORDINALITY t (a, b)', 'SELECT * FROM (VALUES (1)) v (a)', 'WITH a (b) AS (SELECT 1) SELECT b FROM a', 'SELECT pg_advisory_xact_lock(1)',
  "SELECT pg_notify('a', 'b')", 'SELECT sum(a) FILTER (WHERE b) OVER (PARTITION BY c) FROM d', 'EXPLAIN (ANALYZE, FORMAT JSON) SELECT count(*) FROM a', 'SELECT a FROM b TABLESAMPLE system (10)',
]
/** What may leave something, although its text does not show what. */
const PERHAPS = [
  'SELECT bump()', 'SELECT 1 FROM a JOIN b ON conflict(c)', 'INSERT INTO t SELECT 1 FROM a JOIN b ON conflict(c) WHERE d ON CONFLICT (c) DO NOTHING', 'INSERT INTO t SELECT 1 FROM a JOIN b ON conflict(c)', 'SELECT NOT materialized($1)', 'SELECT bump ($1)', 'SELECT a.bump(1)', 'SELECT public.lower($1)', 'SELECT "lower"($1)', 'SELECT * FROM bump() AS b (c)', 'SELECT DISTINCT ON (a) bump(b) FROM c',
  'INSERT INTO a (b) VALUES (bump($1))', 'UPDATE a SET b = bump(b)', 'DELETE FROM a WHERE bump(b)', 'CALL a()', 'DO $$ BEGIN END $$', 'EXPLAIN ANALYZE SELECT bump()', 'COPY (SELECT bump()) TO \'/dev/null\'',
  'ALTER TABLE a ADD b int DEFAULT bump()', 'CREATE TABLE a AS SELECT bump()', 'CREATE TABLE a (b int)', 'CREATE EXTENSION a', "SELECT nextval('a')", "SELECT setval('a', 1)", 'SELECT similarity(a, $1) FROM b',
  "SELECT query_to_xml('SELECT 1', true, true, '')", "SELECT ts_stat('SELECT 1')", 'SELECT * INTO a FROM b', 'DECLARE a CURSOR FOR SELECT bump()', 'SELECTED', 'EXPLAIN ANALYZE CREATE TEMP TABLE a AS SELECT 1',
  'SELECT U&"\\0062ump"(1)', 'UPDATE U&"pg\\005fsettings" SET setting = 1', 'SELECT lower(bump($1))', 'SELECT 1; SELECT bump()',
]
/** What is made to leave something. */
const SOMETHING = [
  "SELECT set_config('a.b', '', false)", 'SET local.a = 1', 'SET transaction.a TO 1', 'SET constraints.a = 1', 'SET local . a = 1', "SELECT set_config('a.b', '', $1)", "SELECT set_config('a.b', '', not true)", "SELECT set_config('a.b', '', true and false)",
  'SELECT pg_advisory_lock(1)', 'SELECT pg_try_advisory_lock_shared(1)', 'CREATE TEMP TABLE a ()', 'CREATE TEMPORARY TABLE a ()', 'CREATE GLOBAL TEMP TABLE a ()', 'CREATE OR REPLACE TEMP VIEW a AS SELECT 1',
  'SELECT 1 INTO TEMP a', 'SELECT 1 INTO TEMPORARY TABLE a', 'CREATE TABLE pg_temp.a ()', 'CREATE FUNCTION "pg_temp".a () RETURNS int RETURN 1', "SELECT dblink_connect('a', '')", 'SELECT lo_open(1, 262144)',
  'SET work_mem = 1', 'SET SESSION a.b = 1', 'SET ROLE a', 'SET SESSION AUTHORIZATION a', 'SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY', 'RESET ALL', 'DISCARD ALL', 'DISCARD PLANS', 'LISTEN a', 'UNLISTEN a',
  'PREPARE a AS SELECT 1', 'EXECUTE a', 'DEALLOCATE a', 'DECLARE a CURSOR WITH HOLD FOR SELECT 1', "LOAD 'a'", 'SELECT 1; SET a.b = 1', "UPDATE pg_settings SET setting = '1' WHERE name = 'a.b'",
  'WITH a AS (UPDATE pg_catalog."pg_settings" SET setting = 1 RETURNING 1) SELECT * FROM a', 'SELECT set_limit(0.9)', 'SELECT setseed(0.5)', 'SET LOCAL a.b = 1; SET a.b = 2', '-- comment\rSET a.b = 1',
]

t.test('what a statement may leave in the session is told by its text', async (t) => {
  for (const text of NOTHING) t.equal(statementOf(text).leaves, 'nothing', text)
  for (const text of PERHAPS) t.equal(statementOf(text).leaves, 'perhaps', text)
  for (const text of SOMETHING) t.equal(statementOf(text).leaves, 'something', text)
  for (const text of [...PERHAPS, ...SOMETHING]) t.equal(statementOf(text).mayBePipelined, false, `${text}: not sent together with others`)
})

t.test('a statement that begins or ends a transaction is known, and whether it leaves one open', async (t) => {
  const open: Array<[text: string, controls: boolean, leavesOpen: boolean]> = [
    ['BEGIN', true, true], ['begin isolation level serializable', true, true], ['START  TRANSACTION', true, true], ['COMMIT', true, false], ['END', true, false],
    ['ABORT', true, false], ["PREPARE TRANSACTION 'a'", true, false], ['ROLLBACK', true, false], ['ROLLBACK WORK', true, false], ['ROLLBACK TRANSACTION', true, false],
    ["ROLLBACK PREPARED 'a'", true, false], ['ROLLBACK TO a', false, false], ['ROLLBACK TO SAVEPOINT a', false, false], ['ROLLBACK WORK TO a', false, false],
    ['ROLLBACK TRANSACTION TO SAVEPOINT a', false, false], ['ROLLBACK AND CHAIN', true, true], ['COMMIT AND  CHAIN', true, true], ['COMMIT AND NO CHAIN', true, false],
    ['BEGIN; SELECT 1; COMMIT', true, false], ['COMMIT; BEGIN', true, true], ['SELECT 1; COMMIT', true, false], ['SAVEPOINT a', false, false], ['RELEASE a', false, false],
    ['PREPARE a AS SELECT 1', false, false], ["SELECT '; COMMIT'", false, false], ['SELECT 1 -- ; COMMIT', false, false], ['BEGINNING', false, false], ['ENDING', false, false],
  ]
  for (const [text, controls, leavesOpen] of open) {
    t.match(statementOf(text), { controlsTransaction: controls, leavesTransactionOpen: leavesOpen }, text)
  }
})

t.test('a plain read is told from what may have an effect, or wait for a lock of others', async (t) => {
  const plain = [
    'SELECT 1', "SELECT 'FOR UPDATE'", 'SELECT updated FROM a', 'SELECT share FROM a', 'TABLE a', 'VALUES ($1, $2)', '(SELECT 1) UNION (SELECT 2);',
    'SELECT a.*, count(*) AS n FROM a JOIN b USING (id) WHERE b.c IN ($1, $2) AND lower(b.d) LIKE $3 GROUP BY a.id HAVING max(b.e) > 1 ORDER BY n LIMIT (5)',
    'WITH a AS (SELECT 1), b AS MATERIALIZED (SELECT 2) SELECT * FROM a, b', 'SELECT pg_catalog.lower($1)', 'SELECT "update", "f" FROM "into"',
    'SELECT $1::numeric(10, 2), $2::varchar(5), CAST($3 AS char(1)), COALESCE($4, now())', 'SELECT row_number() OVER (PARTITION BY a ORDER BY b) FROM c',
    'SELECT x FROM unnest($1::int[]) AS u(x)', 'SELECT EXISTS (SELECT FROM a WHERE b = ANY ($1))', 'SELECT jsonb_build_object($1, $2)', 'SELECT 1 -- nextval(1)',
    'SELECT count(*) FILTER (WHERE a) FROM b', 'SELECT $1::int FROM pg_sleep($2)', "SELECT date_trunc('day', a) FROM b", 'SELECT (SELECT max(a) FROM b)',
  ]
  for (const text of plain) t.equal(statementOf(text).mayBePipelined, true, text)
  const others = [
    'INSERT INTO a VALUES (1)', 'UPDATE a SET b = 1', 'DELETE FROM a', 'MERGE INTO a USING b ON true WHEN MATCHED THEN DO NOTHING', 'SELECT 1 FROM a FOR UPDATE',
    'SELECT 1 FROM a FOR NO KEY UPDATE', 'SELECT 1 FROM a FOR SHARE', 'SELECT 1 FROM a FOR  KEY  SHARE', 'WITH a AS (DELETE FROM b RETURNING c) SELECT * FROM a',
    "SELECT nextval('a')", 'SELECT bump($1)', 'SELECT bump ($1)', 'SELECT bump/* */($1)', 'SELECT public.lower($1)', 'SELECT "lower"($1)', 'SELECT public . "bump" ($1)',
    'SELECT lower(bump($1))', 'SELECT * FROM bump($1)', 'SELECT * INTO b FROM a', 'SELECT lower($1) FROM a, LATERAL bump(a.b)', "SELECT pg_notify('a', '')",
    'SELECT pg_advisory_xact_lock(1)', 'SELECT pg_terminate_backend(1)', 'SELECT txid_current()', 'SELECT dblink($1, $2)', 'SHOW work_mem', 'EXPLAIN ANALYZE SELECT 1',
    'SELECT next()', 'SELECT range(1)', 'SELECT rows($1)', 'SELECT bump\f(1)', 'SELECT bump\v(1)', "SELECT E'a'\n'\\'', bump(), '\\'", "SELECT '\\'', bump(), '\\''", 'SELECT timestamptz(bump(1))',
    'CALL a()', 'SELECT 1; SELECT 2', 'SELECT 1 -- x\r, bump($1)',
  ]
  for (const text of others) t.equal(statementOf(text).mayBePipelined, false, text)
})

t.test('a statement of the planner is known, and the number of its parameters', async (t) => {
  const planned: Array<[text: string, parameters: number]> = [
    ['WITH a AS (SELECT $2::int) SELECT $1::int FROM a', 2], ['SELECT $1, $10, $2', 10], ['INSERT INTO a VALUES ($1)', 1], ['UPDATE a SET b = $1', 1], ['DELETE FROM a', 0],
    ['MERGE INTO a USING b ON a.c = $1 WHEN MATCHED THEN DO NOTHING', 1], ['VALUES ($1, $2)', 2], ['TABLE a', 0], [' ( (SELECT $1))', 1],
    ["SELECT '$3', \"$4\", $1 /* $5 */ -- $6", 1], ['SELECT a$3, $1', 1],
  ]
  for (const [text, parameters] of planned) t.match(statementOf(text), { isPlanned: true, parameters }, text)
  for (const text of ['CREATE FUNCTION f (int) RETURNS int RETURN $1', 'CALL a($1)', 'VACUUM a', 'EXPLAIN SELECT $1', 'SHOW work_mem', 'SELECT $1; SELECT $2', 'TABLES']) {
    const { isPlanned, mayBePipelined, parameters } = statementOf(text)
    t.strictSame({ isPlanned, mayBePipelined, parameters }, { isPlanned: false, mayBePipelined: false, parameters: undefined }, text)
  }
  t.equal(statementOf("SELECT E'\\'', $1").parameters, undefined, 'a backslash may hide the end of a string')
})

t.test('COPY that would be a stream is refused, and COPY of files is not', async (t) => {
  for (const text of ['COPY a FROM STDIN', 'copy a (b)\n from\n stdin', 'COPY (SELECT 1) TO STDOUT', 'COPY a TO  STDOUT WITH CSV', 'SELECT 1; COPY a FROM STDIN']) {
    t.throws(() => statementOf(text), { code: /^FST_PG_QUERY$/, message: /COPY/ }, text)
  }
  for (const text of ["COPY a FROM '/tmp/from stdin'", "COPY a TO '/tmp/a'", 'SELECT 1 AS copy']) t.equal(statementOf(text).text, text)
})
