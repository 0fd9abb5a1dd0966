import t from 'tap'
import { overArrays, readInsertValues } from '../../src/sql/insert-statement.js'
import { tokenize } from '../../src/sql/tokenizer.js'

t.test('an INSERT of parameters is turned into one over arrays', async (t) => {
  const cases: Array<[text: string, over: string]> = [
    ['INSERT INTO t (a, b) VALUES ($1, $2)', 'INSERT INTO t (a, b) SELECT p.p1, p.p2 FROM (SELECT pg_catalog.unnest($1::t1), pg_catalog.unnest($2::t2)) AS p (p1, p2)'],
    ['insert into S."T x" values($2::int,$1 :: "char" , CAST ( $3 AS varchar(3) )) returning *;', 'insert into S."T x" SELECT p.p2 :: int, p.p1 :: "char", CAST ( p.p3 AS varchar ( 3 ) ) FROM (SELECT pg_catalog.unnest($1::t1), pg_catalog.unnest($2::t2), pg_catalog.unnest($3::t3)) AS p (p1, p2, p3) returning *;'],
    ['INSERT INTO t VALUES ($1, \'a\', 1.5, true, NULL) ON CONFLICT (a, "b") DO NOTHING -- x', 'INSERT INTO t SELECT p.p1, \'a\', 1.5, true, NULL FROM (SELECT pg_catalog.unnest($1::t1)) AS p (p1) ON CONFLICT (a, "b") DO NOTHING -- x'],
    ['INSERT INTO t VALUES ($1::timestamp(3) with time zone, $2::double precision, $3::numeric(5,2)) ON CONFLICT ON CONSTRAINT k DO NOTHING RETURNING a AS b, c',
      'INSERT INTO t SELECT p.p1 :: timestamp ( 3 ) with time zone, p.p2 :: double precision, p.p3 :: numeric ( 5 , 2 ) FROM (SELECT pg_catalog.unnest($1::t1), pg_catalog.unnest($2::t2), pg_catalog.unnest($3::t3)) AS p (p1, p2, p3) ON CONFLICT ON CONSTRAINT k DO NOTHING RETURNING a AS b, c'],
  ]
  for (const [text, over] of cases) {
    const insert = readInsertValues(text)
    t.equal(insert && overArrays(insert, Array.from({ length: insert.parameters }, (_, index) => `t${index + 1}`)), over)
  }
  t.equal(readInsertValues('INSERT INTO "S"."T" VALUES ($1)')?.table, '"S"."T"')
  t.strictSame(readInsertValues("INSERT INTO t VALUES ($1, 'a', NULL, $1)")?.constants, [])
  t.strictSame(readInsertValues('INSERT INTO t VALUES ($1, FALSE, 1.5, 2, true)')?.constants, [16, 23, 20, 1700])
})

t.test('what is anything else is left alone', async (t) => {
  const values = ['DEFAULT', '$1 + 1', '-$1', '($1)', 'lower($1)', 'now()', 'CURRENT_DATE', '$1::int[]', '$1::int::text', '$1 COLLATE "C"', '$1::interval day', '$1::t%TYPE', 'ARRAY[$1]', 'ROW($1)',
    '(SELECT $1)', "E'a'", "U&'a'", "b'1'", "date '2024-01-01'", "'a' 'b'", '1e5', '0x10', '$1::numeric(x)', 'CAST($1 + 1 AS int)', '$1.a', '$1[1]', '']
  const texts = [
    ...values.map((value) => `INSERT INTO t VALUES ($1, ${value})`),
    'INSERT INTO t VALUES ($1::int, $1::text)', 'INSERT INTO t VALUES ($1, CAST($1 AS text))', 'INSERT INTO t VALUES (1)', 'INSERT INTO t VALUES ($2)', 'INSERT INTO t VALUES ($1, $3)', 'INSERT INTO t VALUES ($0)', 'INSERT INTO t DEFAULT VALUES', 'INSERT INTO t VALUES ($1), ($2)', 'INSERT INTO t VALUES ($1) x',
    'INSERT INTO t SELECT $1', 'INSERT INTO t AS x VALUES ($1)', 'INSERT INTO t x VALUES ($1)', 'INSERT INTO a.b.c VALUES ($1)', 'INSERT INTO ONLY t VALUES ($1)', 'INSERT INTO t (a.b) VALUES ($1)', 'INSERT INTO t (a[1]) VALUES ($1)', 'INSERT INTO t () VALUES ($1)',
    'INSERT INTO t OVERRIDING USER VALUE VALUES ($1)', 'INSERT INTO U&"t" VALUES ($1)', 'INSERT INTO t VALUES ($1); SELECT 1', 'INSERT INTO t VALUES ($1);;', 'WITH x AS (SELECT 1) INSERT INTO t VALUES ($1)', 'EXPLAIN INSERT INTO t VALUES ($1)',
    'INSERT INTO t VALUES ($1) ON CONFLICT (a) DO UPDATE SET a = $1', 'INSERT INTO t VALUES ($1) ON CONFLICT (lower(a)) DO NOTHING', 'INSERT INTO t VALUES ($1) ON CONFLICT (a) WHERE b DO NOTHING', 'INSERT INTO t VALUES ($1) ON CONFLICT (a COLLATE "C") DO NOTHING',
    'INSERT INTO t VALUES ($1) RETURNING a + 1', 'INSERT INTO t VALUES ($1) RETURNING t.a', 'INSERT INTO t VALUES ($1) RETURNING f(a)', 'INSERT INTO t VALUES ($1) RETURNING a::text', 'INSERT INTO t VALUES ($1) RETURNING $1', 'INSERT INTO t VALUES ($1) RETURNING (SELECT 1)',
    'INSERT INTO t VALUES ($1) RETURNING CTID', 'INSERT INTO t VALUES ($1) RETURNING "xmin"', 'INSERT INTO t VALUES ($1) RETURNING WITH (OLD AS o) a', 'INSERT INTO t VALUES ($1) RETURNING a b',
    'INSERT INTO t VALUES ($1', 'INSERT INTO t VALUES', 'INSERT INTO', 'INSERT', '', "INSERT INTO t VALUES ($1, 'a\\')", 'UPDATE t SET a = $1', 'SELECT $1', 'MERGE INTO t USING u ON true WHEN NOT MATCHED THEN INSERT VALUES ($1)',
  ]
  for (const text of texts) t.equal(readInsertValues(text), undefined, text)
})

t.test('a text is cut into tokens, with nothing left out', async (t) => {
  const tokens = (text: string): string[] => [...tokenize(text)].filter(({ kind }) => kind !== 'space').map(({ kind, start, end }) => `${kind} ${text.slice(start, end)}`)
  t.same(tokens('SELECT a$1, $1::int /* b /* c */ */ + .5'), ['word SELECT', 'word a$1', 'symbol ,', 'parameter $1', 'symbol ::', 'word int', 'comment /* b /* c */ */', 'symbol +', 'number .5'])
  t.same(tokens("'it''s' E'\\'' e'a' U&'b' n'c' type'd' \"q\"\"r\" U&\"s\""), ["string 'it''s'", "string E'\\''", "string e'a'", "string U&'b'", "string n'c'", 'word type', "string 'd'", 'name "q""r"', 'name U&"s"'])
  t.same(tokens('$$a$b$$ $c$ $$ $c$ $1$$x$$ é$d$'), ['string $$a$b$$', 'string $c$ $$ $c$', 'parameter $1', 'string $$x$$', 'word é$d$'])
  t.same(tokens("-- a\nb'1' x -'open"), ['comment -- a\n', "string b'1'", 'word x', 'symbol -', "string 'open"])
  for (const text of ['SELECT \u{1f600} \0 ; ( ) $ $x 1.5.2 "open', '/* open', '$a$ open', "E'\\"]) {
    t.equal([...tokenize(text)].map(({ start, end }) => text.slice(start, end)).join(''), text)
  }
})
