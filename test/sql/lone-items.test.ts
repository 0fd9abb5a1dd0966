import t from 'tap'
import { loneItems } from '../../src/sql/lone-items.js'
import { castOf, withCasts } from '../../src/sql/lone-values.js'

const found = (text: string): number[] => loneItems(text).map(({ index, end }) => {
  if (!text.slice(0, end).endsWith(`$${index + 1}`)) throw new Error(`${end} is not behind a parameter`)
  return index + 1
})

t.test('items of a select list that are nothing but a parameter', async (t) => {
  const cases: Array<[text: string, parameters: number[]]> = [
    ['SELECT $1', [1]], ['select $1, $2', [1, 2]], ['SELECT ALL $1', [1]], ['-- hello\n/* SELECT */ SELECT $1 AS a, b, $2 as c FROM t WHERE d = $3', [1, 2]],
    ['SELECT $1 /* AS */ FROM t', [1]], ['SELECT $1 -- , a\n, $2 + 1', [1]], ['SELECT $1;', [1]], ['SELECT\n\t$1\n\tAS "a",\n\t$2', [1, 2]],
    ['SELECT count(*), $1 AS a FROM t GROUP BY b, $2', [1]], ['SELECT (SELECT 1 UNION SELECT $1), $2 AS a', [2]], ['SELECT ARRAY[1, $1], f(2, $2), $3', [3]],
    ['SELECT DISTINCT a, $1 AS b FROM t', [1]], ["SELECT ' FROM ', $1 AS a", [1]], ['SELECT "from", $1', [1]], ['SELECT $1 AS into_it FROM t', [1]],
    ['SELECT x IN (1, $1), $2 AS b FROM t', [2]], ['SELECT now()::timestamp with time zone, $1 AS a', [1]], ['SELECT $12', [12]],
    // Too little is found where a word may end the list, and where a keyword is a name.
    ['SELECT a IS DISTINCT FROM b, $1 AS c', []], ['SELECT a AS into, $1 AS b', []], ['SELECT t.union, $1 AS b FROM t', []],
  ]
  for (const [text, parameters] of cases) t.strictSame(found(text), parameters, text)
})

t.test('what is anything else, or in another statement, is none', async (t) => {
  const none = [
    '', ' ', '-- SELECT $1', 'SELECT 1', 'SELECT $1::date', 'SELECT $1 + 1', 'SELECT 1 + $1', 'SELECT - $1', 'SELECT ($1)', 'SELECT f($1)', 'SELECT f(a, $1, b)', 'SELECT ARRAY[$1, $2]', 'SELECT a[$1], ($2, $3)',
    'SELECT $1 a', 'SELECT $1 "a"', 'SELECT $1 WHERE true', 'SELECT $1 IS NULL', 'SELECT $1 IN (1)', "SELECT $1 || 'x'", 'SELECT $1 AT TIME ZONE $2', 'SELECT $1 BETWEEN $2 AND $3', "SELECT '$1', \"$2\", $$ $3 $$",
    'SELECT CASE WHEN a THEN $1 ELSE $2 END', 'SELECT DISTINCT $1', 'SELECT DISTINCT ON ($1) a', 'SELECT a FROM t WHERE b = $1', 'SELECT a FROM t, f($1), $2', 'SELECT a FROM t ORDER BY a, $1', 'SELECT a FROM t LIMIT $1', 'SELECT a WHERE b, $1',
    'SELECT a FROM (SELECT $1 AS a, $2) AS t', 'SELECT EXISTS (SELECT $1), (SELECT $2)',
    'SELECT $1 UNION SELECT 2', 'SELECT 1 UNION ALL SELECT $1', 'SELECT $1 AS a FROM t INTERSECT SELECT 1', 'SELECT $1 EXCEPT SELECT 1', 'SELECT $1 AS a INTO t', 'SELECT $1 AS a, 2 INTO TEMPORARY t FROM u', 'SELECT 1 GROUP BY a, $1', 'SELECT 1 HAVING a, $1', 'SELECT 1 FOR UPDATE, $1',
    'INSERT INTO t SELECT $1', 'INSERT INTO t SELECT $1 AS a, $2', 'WITH a AS (SELECT 1) SELECT $1', 'WITH a AS (SELECT $1) SELECT 1', 'VALUES ($1)', '(SELECT $1)', '(SELECT $1) UNION SELECT 2', 'TABLE t', 'EXPLAIN SELECT $1', 'CREATE TABLE t AS SELECT $1', 'UPDATE t SET a = $1', 'DELETE FROM t RETURNING $1', 'SELECTED $1', '"select" $1',
    'SELECT $1, $1', 'SELECT $1 AS a FROM t WHERE b = $1', 'SELECT $1 AS a, f($1)',
  ]
  for (const text of none) t.strictSame(found(text), [], text)
  t.strictSame(found('SELECT $1, ) $2 FROM'), [1], 'brackets that are not opened')
})

t.test('the casts, by what JavaScript knows of a value', async (t) => {
  const type = (name: string): string => `pg_catalog."${name}"`
  const endless: unknown[] = []
  endless.push(endless)
  class Bytes extends Uint8Array {}
  const cases: Array<[value: unknown, cast: string | undefined]> = [
    [true, type('bool')], [false, type('bool')], [0n, type('int8')], [new Date(0), type('timestamptz')], [new Date(NaN), type('timestamptz')], [Buffer.of(1), type('bytea')], [new Bytes(1), type('bytea')],
    ['true', undefined], [1, undefined], [null, undefined], [undefined, undefined], [{}, undefined], [Symbol('s'), undefined], [() => {}, undefined], [new Float64Array(1), undefined], [Object(true), undefined],
    [[], `${type('text')}[]`], [[null], `${type('text')}[]`], [['a'], `${type('text')}[]`], [[1, true], `${type('text')}[]`], [[null, true], `${type('bool')}[]`], [[[[new Date(0)]]], `${type('timestamptz')}[]`], [[Buffer.of(1)], `${type('bytea')}[]`], [[[], [1n]], `${type('text')}[]`], [[null, [null, 1n]], `${type('int8')}[]`],
    [[{}], undefined], [[Symbol('s')], undefined], [[[[[[[[true]]]]]]], undefined], [endless, undefined],
  ]
  for (const [value, cast] of cases) t.equal(castOf(value), cast)
  const text = 'SELECT $1 AS a, $2, $3 FROM t'
  t.equal(withCasts(text, loneItems(text), [true, 'x', 1n]), 'SELECT $1::pg_catalog."bool" AS a, $2, $3::pg_catalog."int8" FROM t')
  t.equal(withCasts(text, loneItems(text), ['x', 1, null]), text)
})
