/** How a batch got to the server: as arrays, as executions, or as executions after the arrays failed. */
export type Path = 'arrays' | 'pipeline' | 'arrays, then pipeline'

/** A kind of statement that a batch may be of. */
export interface Kind {
  name: string
  /** What has to be there before. */
  setup: string
  text: string
  lists: unknown[][]
  path: Path
}

/** As many lists as it takes for arrays to be worth it, and some more. */
const COUNT = 60
export const lists = (list: (i: number) => unknown[]): unknown[][] => Array.from({ length: COUNT }, (_, i) => list(i))
/** The same, with one list of another kind. */
const butOne = (at: number, odd: unknown[], list: (i: number) => unknown[]): unknown[][] => lists((i) => i === at ? odd : list(i))

const T = 'CREATE TABLE t (a int, b text);'
const KEYED = 'CREATE TABLE t (a int PRIMARY KEY, b text);'
const FILLED = `${KEYED} INSERT INTO t SELECT i, 'old ' || i FROM generate_series(0, 40) AS i;`
const PAIR = lists((i) => [i, `b${i}`])
const INSERT = 'INSERT INTO t (a, b) VALUES ($1, $2)'
const COUNTING = "CREATE FUNCTION counted () RETURNS bigint LANGUAGE sql VOLATILE AS 'SELECT count(*) FROM t';"
const trigger = (when: string, body: string): string => `CREATE FUNCTION noted () RETURNS trigger LANGUAGE plpgsql AS $f$ BEGIN ${body} END $f$; CREATE TRIGGER noted ${when} EXECUTE FUNCTION noted();`
const NOTES = 'CREATE TABLE notes (at serial, what text, seen bigint);'
const NOTE = 'INSERT INTO notes (what, seen) VALUES (TG_OP, (SELECT count(*) FROM t));'

const kind = (path: Path, name: string, setup: string, text: string, lists: unknown[][]): Kind => ({ name, setup, text, lists, path })

/** Types with values that an array has to quote, and NULL. */
const TYPES: ReadonlyArray<[type: string, values: unknown[], path?: Path]> = [
  ['boolean', [true, false, 't', 'off']],
  ['smallint', [1, -32768, '7']],
  ['int', [0, -1, '2147483647']],
  ['bigint', [1, 2n ** 60n, '-9223372036854775808']],
  ['real', [1.5, 'NaN', Infinity, -0]],
  ['double precision', [0.1, -Infinity, '1e300', NaN]],
  ['numeric', ['123456789012345678901234567890.5', 'NaN', 1e21]],
  ['numeric(6, 2)', [1.005, '9999.994', -3]],
  ['text', ['', ' ', 'NULL', 'null', '"', '\\', '\\"', '{}', '{a,b}', ',', "it's", 'ünï©ode 😀', '\n\t\r', '\\N', 'a\u00a0b']],
  ['varchar', ['', 'x'.repeat(2000)]],
  ['varchar(5)', ['short', 'ab   ', 'trail   ']],
  ['char(4)', ['a', 'abcd', '']],
  ['"char"', ['a', '']],
  ['name', ['some_name', 'x'.repeat(80)]],
  ['bytea', [Buffer.from([0, 1, 255, 92, 34]), Buffer.alloc(0), '\\x00ff']],
  ['date', ['2024-02-29', new Date(0), Infinity, '0044-03-15 BC']],
  ['timestamp', [new Date(1e12), '2024-01-01 12:00:00.123456', -Infinity]],
  ['timestamptz', [new Date(1e12), '2024-01-01 12:00:00.123456+05']],
  ['timestamptz(0)', ['2024-01-01 12:00:00.5+00', '2024-01-01 12:00:00.4+00']],
  ['time', ['12:34:56.789', '24:00']],
  ['timetz', ['12:34:56+02']],
  ['interval', ['1 day 2 hours', '-1 mon', 'P1Y']],
  ['interval day to second', ['1 day 2 hours 3.456 seconds']],
  ['uuid', ['a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', '{A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11}']],
  ['json', [{ a: [1, 'x"y\\'] }, 'text', 'NULL', 1, true, [null, [1]], []]],
  ['jsonb', [{ a: [1, 'x"y\\'] }, 'text', 'NULL', 0, false, ['a', { b: null }], {}]],
  ['inet', ['10.0.0.1/8', '::1']],
  ['cidr', ['10.0.0.0/8']],
  ['macaddr', ['08:00:2b:01:02:03']],
  ['bit(3)', ['101', '000']],
  ['bit varying(5)', ['1', '10101']],
  ['money', ['$1,234.50', '-2']],
  ['xml', ['<a b="c">d</a>', 'text']],
  ['int4range', ['[1,5)', 'empty', '(,)']],
  ['nummultirange', ['{[1,2],[5,6)}', '{}']],
  ['point', ['(1,2)', '3.5,4']],
  ['polygon', ['((0,0),(1,1),(2,0))']],
  ['tsvector', ["'a':1 'b c':2"]],
  ['oid', [1, '4294967295']],
  ['regclass', ['pg_class', '"pg_type"']],
  ['mood', ['sad', 'so, so', '"ok"', 'NULL']],
  ['word', ['a,b', 'NULL', '"x"']],
  ['small', [1, 9, '5']],
  // An array has another delimiter for boxes, cannot hold arrays as elements, and unnest makes columns of composites.
  ['box', ['(1,1),(0,0)'], 'pipeline'],
  ['int[]', [[1, null, 3], [], [[1, 2], [3, 4]], '{5,6}'], 'pipeline'],
  ['text[]', [['a', 'NULL', '', '"'], []], 'pipeline'],
  ['jsonb[]', [[{ a: 1 }, [1, 2], null]], 'pipeline'],
  ['mood[]', [['sad', 'NULL']], 'pipeline'],
  ['words', [['a', 'b,c'], []], 'pipeline'],
  ['pair', ['(1,"x,y")', '(,)'], 'pipeline'],
  ['int2vector', ['1 2 3'], 'pipeline'],
]
const OWN_TYPES = `CREATE TYPE mood AS ENUM ('sad', 'so, so', '"ok"', 'NULL'); CREATE DOMAIN word AS varchar(10) CHECK (length(VALUE) < 9);
  CREATE DOMAIN small AS int NOT NULL CHECK (VALUE BETWEEN 1 AND 9); CREATE DOMAIN words AS text[] CHECK (cardinality(VALUE) < 5); CREATE TYPE pair AS (a int, b text);`

const ofTypes = TYPES.map(([type, values, path = 'arrays']): Kind => kind(path, `INSERT of ${type}`, `${OWN_TYPES} CREATE TABLE t (n int, v ${type});`,
  'INSERT INTO t VALUES ($1, $2) RETURNING v, n', lists((i) => [i, i % 7 === 6 && type !== 'small' ? null : values[i % values.length]])))

const inserts: Kind[] = [
  kind('arrays', 'INSERT', T, INSERT, PAIR),
  kind('arrays', 'INSERT without columns', T, 'INSERT INTO t VALUES ($1, $2)', PAIR),
  kind('arrays', 'INSERT of fewer values than columns', T, 'insert into t values ($1)', lists((i) => [i])),
  kind('arrays', 'INSERT with comments and a semicolon', T, '/* one /* two */ */ INSERT INTO t -- into\n (a, /* , c */ b) VALUES ( -- these\n $1, $2 /* $3 */ ) ; -- done', PAIR),
  kind('arrays', 'INSERT with quoted names', 'CREATE SCHEMA "S x"; CREATE TABLE "S x"."t""(;" ("A b" int, "values" text);', 'INSERT INTO "S x" . "t""(;" ("A b", "values") VALUES ($1, $2) RETURNING "A b" AS "a", "values"', PAIR),
  kind('arrays', 'INSERT into a schema', 'CREATE SCHEMA s; CREATE TABLE s.t (a int, b text);', 'INSERT INTO S.T (A, B) VALUES ($1, $2)', PAIR),
  kind('arrays', 'INSERT with parameters in another order', T, 'INSERT INTO t (b, a) VALUES ($2, $1)', PAIR),
  kind('arrays', 'INSERT of one parameter twice', 'CREATE TABLE t (a int, b int, c text);', 'INSERT INTO t VALUES ($1, $1, $2)', PAIR),
  kind('arrays', 'INSERT with casts', T, 'INSERT INTO t (a, b) VALUES ($1::smallint, CAST($2 AS varchar(2)))', PAIR),
  kind('arrays', 'INSERT with a cast that the column casts again', 'CREATE TABLE t (a numeric(4, 1), b varchar(30));', 'INSERT INTO t VALUES ($1::double precision, $2::timestamp with time zone)', lists((i) => [i + 0.06, new Date(i * 1e9)])),
  kind('arrays', 'INSERT with constants', 'CREATE TABLE t (a int, b text, c boolean, d numeric, e date, f text);', "INSERT INTO t VALUES ($1, 'it''s $1', true, 1.50, '2024-01-01', $$x$$)", lists((i) => [i])),
  kind('arrays', 'INSERT with NULL', 'CREATE TABLE t (a int, b text);', 'INSERT INTO t VALUES ($1, NULL)', lists((i) => [i % 2 === 0 ? null : i])),
  kind('arrays', 'INSERT RETURNING *', 'CREATE TABLE t (id serial, a int, b text);', `${INSERT} RETURNING *`, PAIR),
  kind('arrays', 'INSERT RETURNING columns', T, `${INSERT} RETURNING b AS "B b", a, t.*`, PAIR),
  kind('arrays', 'INSERT with defaults', "CREATE TABLE t (a int, b text, c timestamptz DEFAULT date_trunc('century', now()), d text DEFAULT 'x' || upper('y'), e jsonb DEFAULT '{}', f boolean DEFAULT true);", INSERT, PAIR),
  kind('arrays', 'INSERT with a serial', 'CREATE TABLE t (id bigserial PRIMARY KEY, a int, b text);', `${INSERT} RETURNING id, a`, PAIR),
  kind('arrays', 'INSERT with identities', 'CREATE TABLE t (id int GENERATED ALWAYS AS IDENTITY (START 100 MAXVALUE 100 MINVALUE -1000 INCREMENT -2), a int, b text, i2 int GENERATED BY DEFAULT AS IDENTITY);', `${INSERT} RETURNING *`, PAIR),
  kind('arrays', 'INSERT with two defaults of one sequence', "CREATE SEQUENCE s; CREATE TABLE t (x int DEFAULT nextval('s'), a int, b text, y int DEFAULT nextval('s'));", `${INSERT} RETURNING *`, PAIR),
  kind('arrays', 'INSERT with generated columns', 'CREATE TABLE t (a int, b text, c int GENERATED ALWAYS AS (a * 2) STORED, d text GENERATED ALWAYS AS (lower(b)) STORED);', `${INSERT} RETURNING *`, PAIR),
  kind('arrays', 'INSERT with checks and indexes', 'CREATE TABLE t (a int CHECK (a >= 0), b text CHECK (length(b) > 1 AND b ~ \'^b\')); CREATE UNIQUE INDEX ON t (lower(b)) WHERE a > 5;', INSERT, PAIR),
  kind('arrays', 'INSERT ON CONFLICT DO NOTHING', FILLED, `${INSERT} ON CONFLICT DO NOTHING RETURNING *`, PAIR),
  kind('arrays', 'INSERT ON CONFLICT DO NOTHING with a key that comes twice', KEYED, `${INSERT} ON CONFLICT (a) DO NOTHING RETURNING b`, lists((i) => [i % 20, `b${i}`])),
  kind('arrays', 'INSERT ON CONFLICT ON CONSTRAINT DO NOTHING', FILLED, `${INSERT} ON CONFLICT ON CONSTRAINT t_pkey DO NOTHING`, PAIR),
  kind('arrays', 'INSERT ON CONFLICT DO NOTHING with a sequence', 'CREATE TABLE t (id serial, a int UNIQUE, b text);', `${INSERT} ON CONFLICT DO NOTHING RETURNING *`, lists((i) => [i % 7, 'x'])),
  kind('arrays', 'INSERT ON CONFLICT DO NOTHING with an exclusion', 'CREATE TABLE t (r int4range, EXCLUDE USING gist (r WITH &&));', 'INSERT INTO t VALUES ($1) ON CONFLICT DO NOTHING RETURNING r', lists((i) => [`[${i},${i + 3})`])),
  kind('arrays', 'INSERT with a foreign key', 'CREATE TABLE p (id int PRIMARY KEY); INSERT INTO p SELECT generate_series(0, 99); CREATE TABLE t (a int REFERENCES p, b text);', INSERT, PAIR),
  kind('arrays', 'INSERT with deferred keys', 'CREATE TABLE p (id int PRIMARY KEY); INSERT INTO p SELECT generate_series(0, 99); CREATE TABLE t (a int REFERENCES p DEFERRABLE INITIALLY DEFERRED, b text UNIQUE DEFERRABLE);', INSERT, PAIR),
  kind('arrays', 'INSERT into a table that inherits', 'CREATE TABLE top (a int, b text); CREATE TABLE t (c int) INHERITS (top); ', INSERT, PAIR),
  kind('arrays', 'INSERT into an unlogged table', 'CREATE UNLOGGED TABLE t (a int, b text);', INSERT, PAIR),
  kind('arrays', 'INSERT with triggers for UPDATE and DELETE only', `${T} ${NOTES} ${trigger('AFTER UPDATE OR DELETE ON t FOR EACH ROW', `${NOTE} RETURN NULL;`)}`, INSERT, PAIR),
  kind('arrays', 'INSERT of large values', T, INSERT, lists((i) => [i, 'x'.repeat(10_000)])),
  kind('pipeline', 'INSERT of a few rows', T, INSERT, PAIR.slice(0, 49)),
  kind('pipeline', 'INSERT with DEFAULT', 'CREATE TABLE t (a int, b text DEFAULT \'d\');', 'INSERT INTO t VALUES ($1, DEFAULT)', lists((i) => [i])),
  kind('pipeline', 'INSERT with arithmetic', T, 'INSERT INTO t VALUES ($1 + 1, $2)', PAIR),
  kind('pipeline', 'INSERT with functions', T, 'INSERT INTO t VALUES (abs($1), lower($2))', PAIR),
  kind('pipeline', 'INSERT with a subquery of the table', T, 'INSERT INTO t VALUES ((SELECT count(*) FROM t) + $1, $2) RETURNING a', PAIR),
  kind('pipeline', 'INSERT of two rows', T, 'INSERT INTO t VALUES ($1, $2), ($1 + 100, $2) RETURNING a', PAIR),
  kind('pipeline', 'INSERT … SELECT', T, 'INSERT INTO t SELECT $1::int, $2 WHERE NOT EXISTS (SELECT FROM t WHERE a = $1::int)', lists((i) => [i % 30, 'x'])),
  kind('pipeline', 'INSERT with a cast to an array', 'CREATE TABLE t (a int[], b text);', 'INSERT INTO t VALUES ($1::int[], $2)', lists((i) => [[i, i], 'x'])),
  kind('pipeline', 'INSERT into elements of an array', 'CREATE TABLE t (a int[]);', 'INSERT INTO t (a[2], a[1]) VALUES ($1, $2) RETURNING a', lists((i) => [i, -i])),
  kind('pipeline', 'INSERT OVERRIDING SYSTEM VALUE', 'CREATE TABLE t (a int GENERATED ALWAYS AS IDENTITY, b text);', 'INSERT INTO t (a, b) OVERRIDING SYSTEM VALUE VALUES ($1, $2)', PAIR),
  kind('pipeline', 'INSERT AS', T, 'INSERT INTO t AS x (a, b) VALUES ($1, $2) RETURNING x.a', PAIR),
  kind('pipeline', 'INSERT RETURNING a subquery', T, `${INSERT} RETURNING (SELECT count(*) FROM t)`, PAIR),
  kind('pipeline', 'INSERT RETURNING a function of the row', `${T} CREATE FUNCTION total (t) RETURNS bigint LANGUAGE sql AS 'SELECT count(*) FROM t';`, `${INSERT} RETURNING t.total`, PAIR),
  kind('pipeline', 'INSERT RETURNING a command number', T, `${INSERT} RETURNING cmin`, PAIR),
  kind('pipeline', 'WITH … INSERT', T, 'WITH x AS (SELECT $1::int AS a) INSERT INTO t SELECT a, $2 FROM x RETURNING a', PAIR),
  kind('pipeline', 'INSERT ON CONFLICT DO UPDATE', FILLED, `${INSERT} ON CONFLICT (a) DO UPDATE SET b = t.b || excluded.b RETURNING *`, lists((i) => [i % 20 + 30, `b${i}`])),
  kind('pipeline', 'INSERT ON CONFLICT DO NOTHING with a condition', KEYED, `${INSERT} ON CONFLICT (a) WHERE a > 3 DO NOTHING`, lists((i) => [i % 20, 'x'])),
  kind('pipeline', 'INSERT with a backslash in a string', T, "INSERT INTO t VALUES ($1, 'a\\')", lists((i) => [i])),
  kind('pipeline', 'INSERT with a Unicode string', T, "INSERT INTO t VALUES ($1, U&'d!0061t' UESCAPE '!')", lists((i) => [i])),
  kind('pipeline', 'INSERT with a default of a user', `CREATE TABLE t (a int, b text, c bigint); ${COUNTING} ALTER TABLE t ALTER c SET DEFAULT counted();`, `${INSERT} RETURNING c`, PAIR),
  kind('pipeline', 'INSERT with a default that quotes the statement', 'CREATE TABLE t (a int, b text, c text DEFAULT current_query());', `${INSERT} RETURNING c`, PAIR),
  kind('pipeline', 'INSERT with a default that looks at the sequence', 'CREATE TABLE t (id serial, a int, b text, c int DEFAULT lastval());', `${INSERT} RETURNING id, c`, PAIR),
  kind('pipeline', 'INSERT with a check of a user', `CREATE TABLE t (a int, b text); ${COUNTING} ALTER TABLE t ADD CHECK (counted() < 30);`, INSERT, PAIR),
  kind('pipeline', 'INSERT with a check that exports the table', "CREATE TABLE t (a int, b text CHECK (length(table_to_xml('pg_class'::regclass, true, false, '')::text) > 1));", INSERT, PAIR.slice(0, 55)),
  kind('pipeline', 'INSERT with a generated column of a user', `CREATE TABLE t (a int, b text); ${COUNTING} ALTER FUNCTION counted() IMMUTABLE; ALTER TABLE t ADD c bigint GENERATED ALWAYS AS (a + counted()) STORED;`, `${INSERT} RETURNING c`, PAIR),
  kind('pipeline', 'INSERT with an index of a user', `${T} CREATE FUNCTION same (x int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN x; END'; CREATE UNIQUE INDEX ON t (same(a));`, INSERT, PAIR),
  kind('pipeline', 'INSERT with an index of an operator class of a user', `CREATE FUNCTION cmp (int, int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT btint4cmp($2, $1)';
    CREATE OPERATOR CLASS odd FOR TYPE int USING btree AS OPERATOR 1 >, OPERATOR 2 >=, OPERATOR 3 =, OPERATOR 4 <=, OPERATOR 5 <, FUNCTION 1 cmp(int, int); ${T} CREATE UNIQUE INDEX ON t (a odd);`, INSERT, PAIR),
  kind('pipeline', 'INSERT with a domain of a user', "CREATE FUNCTION few (x int) RETURNS boolean LANGUAGE plpgsql AS 'BEGIN RETURN (SELECT count(*) < 30 FROM t); END'; CREATE DOMAIN d AS int CHECK (few(VALUE)); CREATE TABLE t (a d, b text);", INSERT, PAIR),
  kind('pipeline', 'INSERT with a check of a domain of a user', "CREATE FUNCTION few (x int) RETURNS boolean LANGUAGE plpgsql AS 'BEGIN RETURN (SELECT count(*) < 30 FROM t); END'; CREATE DOMAIN d AS int CHECK (few(VALUE)); CREATE TABLE t (a int CHECK (a::d IS NOT NULL), b text);", INSERT, PAIR),
  kind('pipeline', 'INSERT with a cast of a user', `CREATE TYPE mood AS ENUM ('x', 'y'); ${T} CREATE FUNCTION counted_mood (mood) RETURNS int LANGUAGE sql AS 'SELECT count(*)::int FROM t'; CREATE CAST (mood AS int) WITH FUNCTION counted_mood(mood) AS ASSIGNMENT;`, 'INSERT INTO t (a, b) VALUES ($1::mood, $2) RETURNING a', lists(() => ['x', 'b'])),
  kind('pipeline', 'INSERT with a row trigger that looks at the table', `${T} ${NOTES} ${trigger('BEFORE INSERT ON t FOR EACH ROW', 'NEW.b := (SELECT count(*) FROM t); RETURN NEW;')}`, `${INSERT} RETURNING b`, PAIR),
  kind('pipeline', 'INSERT with a row trigger that comes after', `${T} ${NOTES} ${trigger('AFTER INSERT ON t FOR EACH ROW', `${NOTE} RETURN NULL;`)}`, INSERT, PAIR),
  kind('pipeline', 'INSERT with a row trigger that is disabled', `${T} ${NOTES} ${trigger('AFTER INSERT ON t FOR EACH ROW', `${NOTE} RETURN NULL;`)} ALTER TABLE t DISABLE TRIGGER noted;`, INSERT, PAIR),
  kind('pipeline', 'INSERT with a statement trigger before', `${T} ${NOTES} ${trigger('BEFORE INSERT ON t FOR EACH STATEMENT', `${NOTE} RETURN NULL;`)}`, INSERT, PAIR),
  kind('pipeline', 'INSERT with a statement trigger over the rows', `${T} ${NOTES} ${trigger('AFTER INSERT ON t REFERENCING NEW TABLE AS fresh FOR EACH STATEMENT', 'INSERT INTO notes (what, seen) SELECT string_agg(b, \',\'), count(*) FROM fresh; RETURN NULL;')}`, INSERT, PAIR),
  kind('pipeline', 'INSERT with a constraint trigger', `${T} ${NOTES} CREATE FUNCTION noted () RETURNS trigger LANGUAGE plpgsql AS $f$ BEGIN ${NOTE} RETURN NULL; END $f$; CREATE CONSTRAINT TRIGGER noted AFTER INSERT ON t DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION noted();`, INSERT, PAIR),
  kind('pipeline', 'INSERT with a trigger that skips rows', `${T} ${NOTES} ${trigger('BEFORE INSERT ON t FOR EACH ROW', 'IF NEW.a % 2 = 0 THEN RETURN NULL; END IF; RETURN NEW;')}`, `${INSERT} RETURNING a`, PAIR),
  kind('pipeline', 'INSERT with a rule that does more', `${T} ${NOTES} CREATE RULE r AS ON INSERT TO t DO ALSO INSERT INTO notes (what) VALUES (NEW.b);`, INSERT, PAIR),
  kind('pipeline', 'INSERT with a rule that does nothing', `${T} CREATE RULE r AS ON INSERT TO t WHERE NEW.a > 30 DO INSTEAD NOTHING;`, INSERT, PAIR),
  kind('pipeline', 'INSERT into a view', 'CREATE TABLE base (a int, b text); CREATE VIEW t AS SELECT a, b FROM base WHERE a >= 0 WITH CHECK OPTION;', `${INSERT} RETURNING *`, PAIR),
  kind('pipeline', 'INSERT into a view with a trigger', `${NOTES} CREATE TABLE base (a int, b text); CREATE VIEW t AS SELECT a, b FROM base; ${trigger('INSTEAD OF INSERT ON t FOR EACH ROW', 'INSERT INTO base VALUES (NEW.a, (SELECT count(*) FROM base)::text); RETURN NEW;')}`, `${INSERT} RETURNING *`, PAIR),
  kind('pipeline', 'INSERT into a partitioned table', 'CREATE TABLE t (a int, b text) PARTITION BY RANGE (a); CREATE TABLE low PARTITION OF t FOR VALUES FROM (0) TO (30); CREATE TABLE high PARTITION OF t FOR VALUES FROM (30) TO (100);', `${INSERT} RETURNING *`, PAIR),
  kind('pipeline', 'INSERT into a partition', 'CREATE TABLE top (a int, b text) PARTITION BY RANGE (a); CREATE TABLE t PARTITION OF top FOR VALUES FROM (0) TO (50);', INSERT, PAIR),
  kind('pipeline', 'INSERT into a table with row level security', `${T} ALTER TABLE t ENABLE ROW LEVEL SECURITY; ALTER TABLE t FORCE ROW LEVEL SECURITY; CREATE POLICY few ON t USING (true) WITH CHECK ((SELECT count(*) FROM t) < 30);`, INSERT, PAIR),
  kind('pipeline', 'INSERT of a tree whose parents come first', 'CREATE TABLE t (a int PRIMARY KEY, b int REFERENCES t);', 'INSERT INTO t (a, b) VALUES ($1, $2)', lists((i) => [i, i === 0 ? null : i - 1])),
  kind('pipeline', 'INSERT of a tree whose parents come later', 'CREATE TABLE t (a int PRIMARY KEY, b int REFERENCES t);', 'INSERT INTO t (a, b) VALUES ($1, $2)', lists((i) => [i, i === 30 ? 31 : null])),
  kind('pipeline', 'INSERT of a tree whose parents may come later', 'CREATE TABLE t (a int PRIMARY KEY, b int REFERENCES t DEFERRABLE INITIALLY DEFERRED);', 'INSERT INTO t (a, b) VALUES ($1, $2)', lists((i) => [i, i === 59 ? null : i + 1])),
]

const COUNTED = `${T} ${COUNTING}`
const CAST_FROM = (type: string): string => `${T} CREATE TYPE mood AS ENUM ('few', 'many'); CREATE FUNCTION to_mood (x ${type}) RETURNS mood LANGUAGE plpgsql AS $f$ BEGIN
  RETURN CASE WHEN (SELECT count(*) FROM t) < 30 THEN 'few' ELSE 'many' END; END $f$; CREATE CAST (${type} AS mood) WITH FUNCTION to_mood(${type}) AS ASSIGNMENT; ALTER TABLE t ADD c mood, ADD d mood;`
const HIDDEN = "CREATE FUNCTION few (x int) RETURNS boolean LANGUAGE plpgsql AS 'BEGIN RETURN (SELECT count(*) < 30 FROM t); END'; CREATE DOMAIN d AS int CHECK (few(VALUE));"

/** What runs although the statement does not name it. */
const hidden: Kind[] = [
  kind('pipeline', 'INSERT with a default of a domain, of a user', `${COUNTED} CREATE DOMAIN d AS bigint DEFAULT counted(); ALTER TABLE t ADD c d;`, `${INSERT} RETURNING c`, PAIR),
  kind('pipeline', 'INSERT with a default that a domain has of another', `${COUNTED} CREATE DOMAIN base AS bigint DEFAULT counted(); CREATE DOMAIN d AS base; ALTER TABLE t ADD c d;`, `${INSERT} RETURNING c`, PAIR),
  kind('pipeline', 'INSERT with a default of a domain that was set later', `${COUNTED} CREATE DOMAIN d AS bigint; ALTER TABLE t ADD c d; ALTER DOMAIN d SET DEFAULT counted() + 1;`, `${INSERT} RETURNING c`, PAIR),
  kind('pipeline', 'INSERT with a default of a domain that quotes the statement', 'CREATE DOMAIN d AS text DEFAULT current_query(); CREATE TABLE t (a int, b text, c d);', `${INSERT} RETURNING c`, PAIR),
  kind('pipeline', 'INSERT with a default of a domain that looks at the sequence', 'CREATE DOMAIN d AS int DEFAULT lastval(); CREATE TABLE t (id serial, a int, b text, c d);', `${INSERT} RETURNING id, c`, PAIR),
  kind('pipeline', 'INSERT with a default of a domain that sets a parameter', "CREATE DOMAIN d AS text DEFAULT set_config('my.last', coalesce(current_setting('my.last', true), '') || 'x', true); CREATE TABLE t (a int, b text, c d);", `${INSERT} RETURNING c`, PAIR),
  kind('arrays', 'INSERT with harmless defaults of domains', "CREATE SEQUENCE s; CREATE DOMAIN d AS int DEFAULT nextval('s'); CREATE DOMAIN e AS d; CREATE DOMAIN f AS text DEFAULT 'f' CHECK (VALUE <> ''); CREATE TABLE t (a int, b text, c d, d e, e f);", `${INSERT} RETURNING *`, PAIR),
  kind('pipeline', 'INSERT of a domain over a domain of a user', `${HIDDEN} CREATE DOMAIN e AS d; CREATE TABLE t (a int, b text, c e);`, 'INSERT INTO t (a, b, c) VALUES ($1, $2, 1)', PAIR),
  kind('pipeline', 'INSERT with a check that makes an array of a domain of a user', `${HIDDEN} ${T} ALTER TABLE t ADD CHECK (ARRAY[a]::d[] IS NOT NULL);`, INSERT, PAIR),
  kind('pipeline', 'INSERT with a composite that holds a domain', `${HIDDEN} CREATE TYPE pair AS (x d, y text); ${T} ALTER TABLE t ADD c pair;`, "INSERT INTO t (a, b, c) VALUES ($1, $2, '(1,y)')", PAIR),
  ...([['int', '5'], ['bigint', '5000000000'], ['numeric', '1.5'], ['boolean', 'true']] as const).map(([type, constant]) =>
    kind('pipeline', `INSERT with a constant that a cast of a user takes from ${type}`, CAST_FROM(type), `INSERT INTO t VALUES ($1, $2, ${constant}) RETURNING c`, PAIR)),
  kind('pipeline', 'INSERT with a cast of a user to a column', CAST_FROM('int'), 'INSERT INTO t (a, c) VALUES ($1, $1) RETURNING c', lists((i) => [i])),
  kind('pipeline', 'INSERT with a second cast, of a user', CAST_FROM('int'), 'INSERT INTO t (a, c) VALUES ($1::int, $1::mood) RETURNING c', lists((i) => [i])),
  kind('pipeline', 'INSERT with a cast of a user from a domain', `${CAST_FROM('int')} CREATE DOMAIN d AS int;`, 'INSERT INTO t (a, c) VALUES ($2, $1::d) RETURNING c', lists((i) => [i, i])),
  kind('arrays', 'INSERT beside casts of a user', CAST_FROM('boolean'), "INSERT INTO t VALUES ($1, $2, 'few', $3) RETURNING c, d", lists((i) => [i, 'b', 'many'])),
  kind('arrays', 'INSERT of a domain over a range', 'CREATE DOMAIN d AS int4range CHECK (NOT isempty(VALUE)); CREATE TABLE t (a d);', 'INSERT INTO t VALUES ($1)', lists((i) => [`[${i},${i + 2})`])),
  kind('pipeline', 'INSERT into a range type of a user', `CREATE TYPE span AS RANGE (subtype = int); ${T} ALTER TABLE t ADD c span;`, "INSERT INTO t VALUES ($1, $2, '[1,2)')", PAIR),
]

const failing: Kind[] = [
  kind('arrays, then pipeline', 'a key that comes twice', KEYED, INSERT, butOne(37, [5, 'again'], (i) => [i, 'x'])),
  kind('arrays, then pipeline', 'a key that was there', 'CREATE TABLE t (a int PRIMARY KEY, b text); INSERT INTO t VALUES (50);', INSERT, PAIR),
  kind('arrays, then pipeline', 'two errors, of which the first counts', 'CREATE TABLE p (id int PRIMARY KEY); INSERT INTO p SELECT generate_series(0, 40); CREATE TABLE t (a int REFERENCES p, b text UNIQUE);', INSERT, lists((i) => [i, i === 55 ? 'b1' : `b${i}`])),
  kind('arrays, then pipeline', 'a NULL where none may be', 'CREATE TABLE t (a int NOT NULL, b text);', INSERT, butOne(20, [null, 'x'], (i) => [i, 'x'])),
  kind('arrays, then pipeline', 'a check that fails', 'CREATE TABLE t (a int CHECK (a < 40), b text);', INSERT, PAIR),
  kind('arrays, then pipeline', 'a text that is too long', 'CREATE TABLE t (a int, b varchar(3));', INSERT, butOne(59, [1, 'long'], (i) => [i, 'x'])),
  kind('arrays, then pipeline', 'a number that is too large for its precision', 'CREATE TABLE t (a numeric(3, 1), b text);', INSERT, butOne(7, [99.96, 'x'], () => [99.94, 'x'])),
  kind('arrays, then pipeline', 'a number that is too large', T, INSERT, butOne(8, ['2147483648', 'x'], (i) => [i, 'x'])),
  kind('arrays, then pipeline', 'a text that is no number', T, INSERT, butOne(0, ['x', 'x'], (i) => [i, 'x'])),
  kind('arrays, then pipeline', 'a text with a NUL', T, INSERT, butOne(9, [1, 'a\0b'], (i) => [i, 'x'])),
  kind('arrays, then pipeline', 'a label that an enum does not have', "CREATE TYPE mood AS ENUM ('sad'); CREATE TABLE t (a mood, b text);", INSERT, butOne(12, ['happy', ''], () => ['sad', ''])),
  kind('arrays, then pipeline', 'a value that a domain refuses', 'CREATE DOMAIN small AS int CHECK (VALUE < 40); CREATE TABLE t (a small, b text);', INSERT, PAIR),
  kind('arrays, then pipeline', 'a row that an exclusion refuses', 'CREATE TABLE t (r int4range, EXCLUDE USING gist (r WITH &&));', 'INSERT INTO t VALUES ($1)', butOne(33, ['[0,5)'], (i) => [`[${i},${i + 1})`])),
  kind('arrays, then pipeline', 'a foreign key that leads nowhere', 'CREATE TABLE p (id int PRIMARY KEY); INSERT INTO p SELECT generate_series(0, 40); CREATE TABLE t (a int REFERENCES p, b text);', INSERT, PAIR),
  kind('arrays, then pipeline', 'a date that is none, after one that is', 'CREATE TABLE t (a date);', 'INSERT INTO t VALUES ($1)', butOne(30, ['2024-02-30'], () => ['2024-02-29'])),
  kind('arrays', 'a deferred key, at the commit', 'CREATE TABLE t (a int UNIQUE DEFERRABLE INITIALLY DEFERRED, b text);', INSERT, lists((i) => [i % 50, 'x'])),
  kind('pipeline', 'a value that cannot be sent', T, INSERT, butOne(41, [1, {}], (i) => [i, 'x'])),
  kind('pipeline', 'a value that is undefined', T, INSERT, butOne(41, [undefined, 'x'], (i) => [i, 'x'])),
  kind('pipeline', 'a list where text is wanted', T, INSERT, butOne(41, [1, ['x', 'y']], (i) => [i, 'x'])),
  kind('pipeline', 'a list that is too short', T, INSERT, butOne(41, [1], (i) => [i, 'x'])),
  kind('pipeline', 'a list that is too long', T, INSERT, butOne(41, [1, 'x', 3], (i) => [i, 'x'])),
  kind('pipeline', 'a value that cannot be sent, after a row that the server refuses', KEYED, INSERT, lists((i) => i === 41 ? [{}, 'x'] : [i === 30 ? 1 : i, 'x'])),
  kind('pipeline', 'a parameter of two types', 'CREATE TABLE t (a int, b bigint, c text);', 'INSERT INTO t VALUES ($1, $1, $2)', PAIR),
  kind('pipeline', 'no such table', '', INSERT, PAIR),
  kind('pipeline', 'no such column', 'CREATE TABLE t (a int);', INSERT, PAIR),
  kind('pipeline', 'a syntax error', T, 'INSERT INTO t (a, b) VALUES ($1, $2', PAIR),
  kind('pipeline', 'a parameter without a type', T, 'INSERT INTO t (a) VALUES ($2)', PAIR),
  kind('pipeline', 'an identity that may not be given', 'CREATE TABLE t (a int GENERATED ALWAYS AS IDENTITY, b text);', INSERT, PAIR),
  kind('pipeline', 'a partition that does not exist', 'CREATE TABLE t (a int, b text) PARTITION BY RANGE (a); CREATE TABLE low PARTITION OF t FOR VALUES FROM (0) TO (30);', INSERT, PAIR),
  kind('pipeline', 'a key that comes twice in ON CONFLICT DO UPDATE of one row', KEYED, 'INSERT INTO t (a, b) VALUES ($1, $2), ($1, $2) ON CONFLICT (a) DO UPDATE SET b = excluded.b', PAIR),
  kind('pipeline', 'a division by zero', FILLED, 'UPDATE t SET b = 10 / ($1::int - 20) WHERE a = $1', lists((i) => [i])),
  kind('pipeline', 'a row that fails midway through the rows that it returns', T, 'SELECT 1 / ($1::int - i) AS x FROM generate_series(1, 10) AS i', lists((i) => [i === 25 ? 5 : 100 + i])),
]

const others: Kind[] = [
  kind('pipeline', 'UPDATE by key', FILLED, 'UPDATE t SET b = $1 WHERE a = $2', lists((i) => [`new ${i}`, i])),
  kind('pipeline', 'UPDATE of one key many times', FILLED, 'UPDATE t SET b = b || $1 WHERE a = $2 RETURNING b', lists((i) => [`${i},`, i % 3])),
  kind('pipeline', 'UPDATE of a key that the next one finds', KEYED + 'INSERT INTO t VALUES (0);', 'UPDATE t SET a = a + 1 WHERE a = $1 RETURNING a', lists((i) => [i])),
  kind('pipeline', 'UPDATE of all rows, RETURNING many', FILLED, 'UPDATE t SET b = $1 WHERE a < 3 RETURNING a, b', lists((i) => [`${i}`])),
  kind('pipeline', 'UPDATE … FROM', `${FILLED} CREATE TABLE u AS SELECT i, i * 2 AS twice FROM generate_series(0, 40) AS i;`, 'UPDATE t SET b = twice FROM u WHERE u.i = t.a AND t.a = $1', lists((i) => [i])),
  kind('pipeline', 'UPDATE with a row and a statement trigger', `${FILLED} ${NOTES} ${trigger('AFTER UPDATE ON t FOR EACH STATEMENT', `${NOTE} RETURN NULL;`)}`, 'UPDATE t SET b = $1 WHERE a = $2', lists((i) => ['x', i])),
  kind('pipeline', 'UPDATE whose trigger notes the statement', `${FILLED} ${NOTES} ${trigger('AFTER UPDATE ON t FOR EACH ROW', 'INSERT INTO notes (what) VALUES (current_query()); RETURN NULL;')}`, 'UPDATE t SET b = $1 WHERE a = $2', lists((i) => ['x', i])),
  kind('pipeline', 'UPDATE of arrays and jsonb', 'CREATE TABLE t (a int, x int[], j jsonb); INSERT INTO t SELECT i FROM generate_series(0, 59) AS i;', 'UPDATE t SET x = x || $1::int, j = $2 WHERE a = $3 RETURNING x, j', lists((i) => [i, { i, x: [null, 'y'] }, i])),
  kind('pipeline', 'UPDATE that finds nothing', KEYED, 'UPDATE t SET b = $1 WHERE a = $2 RETURNING *', lists((i) => ['x', i])),
  kind('pipeline', 'DELETE', FILLED, 'DELETE FROM t WHERE a = $1', lists((i) => [i])),
  kind('pipeline', 'DELETE RETURNING', FILLED, 'DELETE FROM t WHERE a BETWEEN $1 AND $1 + 2 RETURNING a, b', lists((i) => [i])),
  kind('pipeline', 'DELETE with a cascade', `${FILLED} CREATE TABLE c (a int REFERENCES t ON DELETE CASCADE); INSERT INTO c SELECT i % 10 FROM generate_series(0, 30) AS i;`, 'DELETE FROM t WHERE a = $1', lists((i) => [i])),
  kind('pipeline', 'MERGE', FILLED, 'MERGE INTO t USING (SELECT $1::int AS k, $2::text AS v) AS s ON t.a = s.k WHEN MATCHED AND k % 2 = 0 THEN DELETE WHEN MATCHED THEN UPDATE SET b = v WHEN NOT MATCHED THEN INSERT VALUES (k, v)', lists((i) => [i % 50, `v${i}`])),
  kind('pipeline', 'SELECT', '', 'SELECT $1::int AS a, $2::text AS b', PAIR),
  kind('pipeline', 'SELECT of many rows and none', '', 'SELECT i FROM generate_series(1, $1::int) AS i', lists((i) => [i % 4])),
  kind('pipeline', 'SELECT of a function that writes', `${T} CREATE FUNCTION put (x int) RETURNS bigint LANGUAGE plpgsql AS $f$ BEGIN INSERT INTO t VALUES (x, current_query()); RETURN (SELECT count(*) FROM t); END $f$;`, 'SELECT put($1)', lists((i) => [i])),
  kind('pipeline', 'SELECT of a function that raises notices', "CREATE FUNCTION say (x int) RETURNS int LANGUAGE plpgsql AS $f$ BEGIN RAISE NOTICE 'x %', x; RETURN x; END $f$;", 'SELECT say($1)', lists((i) => [i])),
  kind('pipeline', 'SELECT of a function that changes a parameter', '', "SELECT set_config('application_name', $1, true), set_config('my.own', $1, true)", lists((i) => [`name ${i}`])),
  kind('pipeline', 'SELECT of a procedure', `${T} CREATE PROCEDURE put (x int) LANGUAGE sql AS 'INSERT INTO t VALUES (x)';`, 'CALL put($1)', lists((i) => [i])),
  kind('pipeline', 'SELECT of names that repeat', '', 'SELECT $1::int AS a, $2::text AS a', PAIR),
  kind('pipeline', 'VALUES', '', 'VALUES ($1::int, $2::text), (0, NULL)', PAIR),
  kind('pipeline', 'WITH that moves rows', `${FILLED} CREATE TABLE moved (a int, b text);`, 'WITH gone AS (DELETE FROM t WHERE a = $1 RETURNING *) INSERT INTO moved SELECT * FROM gone RETURNING a', lists((i) => [i])),
  kind('pipeline', 'SELECT FOR UPDATE', FILLED, 'SELECT * FROM t WHERE a = $1 FOR UPDATE', lists((i) => [i])),
  kind('pipeline', 'a statement without parameters', T, "INSERT INTO t VALUES (1, 'x')", lists(() => [])),
  kind('pipeline', 'nothing', '', '-- nothing', lists(() => [])),
]

export const KINDS: readonly Kind[] = [...ofTypes, ...inserts, ...hidden, ...failing, ...others]
