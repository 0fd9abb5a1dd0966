import t from 'tap'
import { splitScript } from '../../src/sql/split-script.js'
import { StatementCache } from '../../src/query/statement.js'

t.test('a script is split at the semicolons between statements', async (t) => {
  const cases: Array<[text: string, parts: number]> = [
    ['SELECT 1', 1], ['SELECT 1;', 1], ['SELECT 1; SELECT 2', 2], [' ; ;; SELECT 1 ; ', 1], ['', 0], ['-- only a comment;', 0],
    ["SELECT ';'; SELECT 2", 2], ["SELECT 'it''s;'", 1], ["SELECT 'a\\'; SELECT 2", 2], ["SELECT E'a\\';'; SELECT 2", 2], ["SELECT e'\\\\'; SELECT 2", 2],
    ["SELECT typE';'", 1], ['SELECT ";" FROM "a"";b"; SELECT 2', 2],
    ['SELECT $$;$$; SELECT 2', 2], ['SELECT $a$ ; $$ ; $a$; SELECT 2', 2], ['SELECT $1; SELECT $2', 2], ['SELECT a$b; SELECT c$d', 2],
    ['/* ; /* ; */ ; */ SELECT 1; -- ;\nSELECT 2', 2], ["SELECT 'open ; ", 1], ['SELECT $$ open ; ', 1], ['/* open ; /* */', 0],
    ['CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; SELECT CASE WHEN true THEN 1 END; END; SELECT 2', 2],
    ['CREATE TABLE begin_atomic (a int); SELECT 2', 2],
  ]
  for (const [text, parts] of cases) t.equal(splitScript(text).length, parts, text)
})

t.test('what a text may do to its session and transaction', async (t) => {
  const cache = new StatementCache()
  const is = (text: string): string => {
    const { isScript, leaves, controlsTransaction, leavesTransactionOpen } = cache.get(text)
    return Object.entries({ isScript, leavesState: leaves !== 'nothing', controlsTransaction, leavesTransactionOpen }).filter(([, value]) => value).map(([name]) => name).join(' ')
  }
  t.equal(is('SELECT 1'), '')
  t.equal(is('(SELECT 1) UNION (SELECT 2)'), '')
  t.equal(is('/* begin */ WITH a AS (SELECT 1) SELECT * FROM a'), '')
  t.equal(is("INSERT INTO a VALUES ('; commit')"), '')
  t.equal(is('DROP TABLE a; DROP TABLE b'), 'isScript')
  t.equal(is('SET a.b = 1'), 'leavesState')
  t.equal(is('SELECT pg_try_advisory_lock(1)'), 'leavesState')
  t.equal(is('CREATE TEMPORARY TABLE a (b int)'), 'leavesState')
  t.equal(is('SET a.b = 1; INSERT INTO a VALUES (1)'), 'isScript leavesState')
  t.equal(is('SAVEPOINT a'), '')
  t.equal(is('rollback to a'), '')
  t.equal(is('BEGIN'), 'controlsTransaction leavesTransactionOpen')
  t.equal(is('-- x\n start  transaction read only'), 'controlsTransaction leavesTransactionOpen')
  t.equal(is('BEGIN; SELECT 1; END'), 'isScript controlsTransaction')
  t.equal(is('COMMIT AND CHAIN'), 'controlsTransaction leavesTransactionOpen')
  t.equal(is('COMMIT AND NO CHAIN'), 'controlsTransaction')
})

t.test('texts made up at run time do not pile up, and known ones stay known', async (t) => {
  const cache = new StatementCache()
  const kept = cache.get('SELECT 0')
  for (let i = 1; i < 3000; i++) {
    cache.get(`SELECT ${i}`)
    if (cache.get('SELECT 0') !== kept) t.fail('forgotten')
  }
  const first = cache.get('SELECT 1')
  t.equal(cache.get('SELECT 1'), first)
  for (let i = 0; i < 5000; i++) cache.get(`SELECT '${i}'`)
  t.not(cache.get('SELECT 1'), first)
})
