import t, { type Test } from 'tap'
import type { DatabaseOptions } from '../../src/index.js'
import { freshDatabase, openDatabase, until } from '../support/database.js'

const open = async (t: Test, script: string, options: DatabaseOptions = {}) => {
  const observer = await freshDatabase(t)
  const db = await openDatabase(t, observer, { max: 1, ...options })
  await db.execute(script)
  return { observer, db }
}

t.test('executeMany with a type that is unknown and NULL in its first row', async (t) => {
  const { observer, db } = await open(t, "CREATE TYPE mood AS ENUM ('sad', 'fine'); CREATE TABLE held (n int, v mood)", { commandTimeout: 5 })
  t.strictSame(await db.executeMany('INSERT INTO held VALUES ($1, $2)', [[0, null], [1, 'sad'], [2, 'fine']]), { count: 3 })
  t.strictSame(await observer.rows('SELECT n, v FROM held ORDER BY n'), [{ n: 0, v: null }, { n: 1, v: 'sad' }, { n: 2, v: 'fine' }])
  t.equal(db.stats().created, 1)
})

t.test('a statement that was described before another connection learned its types', async (t) => {
  const { observer, db } = await open(t, "CREATE DOMAIN number AS int; CREATE TABLE held (n int, v number[]); INSERT INTO held VALUES (1, '{1,2}')", { min: 2, max: 2 })
  await observer.rows('BEGIN; LOCK TABLE held IN ROW EXCLUSIVE MODE; SELECT * FROM held FOR UPDATE')
  const first = { text: 'SELECT v FROM held WHERE n = $1 FOR UPDATE', prepare: true }
  const lease = await db.acquire()
  t.teardown(() => lease.release())
  const late = lease.fetchVal(first, 1)
  await until(async () => (await observer.rows("SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'")).length === 1)
  t.strictSame(await db.fetchVal('SELECT v FROM held'), [1, 2])
  await observer.rows('COMMIT')
  t.strictSame(await late, [1, 2])
  for (let use = 0; use < 3; use++) t.strictSame(await lease.fetchVal(first, 1), [1, 2])
})

t.test('a type that was made, dropped and created again with another base', async (t) => {
  const { observer, db } = await open(t, 'CREATE DOMAIN thing AS int; CREATE TABLE held (v thing)')
  for (let use = 0; use < 3; use++) await db.execute('INSERT INTO held VALUES ($1)', 1)
  await observer.rows('DROP TABLE held; DROP DOMAIN thing; CREATE DOMAIN thing AS jsonb; CREATE TABLE held (v thing)')
  for (const value of [{ a: 1 }, 'text', [1]]) {
    await db.execute('INSERT INTO held VALUES ($1)', value)
    t.strictSame(await db.fetchVal('DELETE FROM held RETURNING v'), value)
  }
})

t.test('a type that a transaction makes and undoes', async (t) => {
  const { db } = await open(t, 'SELECT 1')
  await t.rejects(db.transaction(async (tx) => {
    await tx.execute('CREATE DOMAIN thing AS jsonb')
    for (let use = 0; use < 3; use++) t.strictSame(await tx.fetchVal('SELECT $1::thing', ['a']), ['a'])
    throw new Error('undo')
  }), { message: 'undo' })
  await db.execute('CREATE DOMAIN thing AS int')
  for (let use = 0; use < 3; use++) t.equal(await db.fetchVal('SELECT $1::thing', 5), 5)
})

t.test('a type that others made after the snapshot of a repeatable read transaction is still read rightly by all', async (t) => {
  const { observer, db } = await open(t, 'SELECT 1')
  await db.transaction(async (tx) => {
    await tx.fetchVal('SELECT count(*) FROM pg_class') // takes the snapshot
    await observer.rows('CREATE DOMAIN thing AS jsonb; CREATE TABLE held (v thing)')
    await tx.execute('INSERT INTO held VALUES ($1)', { a: 1 })
  }, { isolation: 'repeatable read' }).catch(() => {}) // it may be refused, but nobody else may pay for it
  await db.execute('DELETE FROM held')
  await db.execute('INSERT INTO held VALUES ($1)', { a: 1 })
  t.strictSame(await db.fetchVal('SELECT $1::thing', { a: 1 }), { a: 1 })
  t.strictSame(await observer.rows('SELECT v::text FROM held'), [{ v: '{"a": 1}' }])
})

t.test('box[] has a delimiter of its own, with bounds and nesting too', async (t) => {
  const { observer, db } = await open(t, 'CREATE TABLE held (v box[])')
  const value = ['(2,2),(1,1)', null, '(4,4),(3,3)']
  for (let use = 0; use < 3; use++) {
    await db.execute('INSERT INTO held VALUES ($1)', value)
    t.strictSame(await db.fetchVal('SELECT v FROM held'), value)
    t.strictSame(await observer.rows('DELETE FROM held RETURNING v::text'), [{ v: '{(2,2),(1,1);NULL;(4,4),(3,3)}' }])
    t.strictSame(await db.fetchVal("SELECT '[0:1]={(2,2),(1,1);(4,4),(3,3)}'::box[]"), ['(2,2),(1,1)', '(4,4),(3,3)'])
    t.strictSame(await db.fetchVal('SELECT $1::box[]', [['(2,2),(1,1)'], [null]]), [['(2,2),(1,1)'], [null]])
    t.strictSame(await db.fetchVal('SELECT $1::box[]', []), [])
  }
  t.equal(db.stats().created, 1)
})

t.test('a type with a delimiter of its own, as PostGIS has', async (t) => {
  const { observer, db } = await open(t, `CREATE TYPE shape;
    CREATE FUNCTION shape_in(cstring) RETURNS shape LANGUAGE internal IMMUTABLE STRICT AS 'textin';
    CREATE FUNCTION shape_out(shape) RETURNS cstring LANGUAGE internal IMMUTABLE STRICT AS 'textout';
    CREATE TYPE shape (INPUT = shape_in, OUTPUT = shape_out, LIKE = text, DELIMITER = ':');
    CREATE TABLE held (v shape[])`)
  const value = ['0101', 'a,b', 'a:b', 'a;b', '"{\\}"', null, 'NULL', '']
  for (let use = 0; use < 3; use++) {
    t.strictSame(await db.fetchVal('INSERT INTO held VALUES ($1) RETURNING v', value), value)
    t.strictSame(await observer.rows('SELECT to_json(ARRAY(SELECT shape_out(x)::text FROM unnest(v) AS x)) AS v FROM held LIMIT 1'), [{ v: value }])
  }
})

t.test('arrays whose bounds do not start at 1', async (t) => {
  const { db } = await open(t, 'SELECT 1')
  for (let use = 0; use < 3; use++) {
    t.strictSame(await db.fetchVal("SELECT '[0:2]={1,NULL,3}'::int[]"), [1, null, 3])
    t.strictSame(await db.fetchVal("SELECT '[-1:0][5:6]={{a,b},{NULL,\"NULL\"}}'::text[]"), [['a', 'b'], [null, 'NULL']])
  }
})

t.test('arrays of zero length at every depth', async (t) => {
  const { db } = await open(t, 'SELECT 1')
  for (let use = 0; use < 3; use++) {
    for (const empty of [[], [[]], [[], []]]) t.strictSame(await db.fetchVal('SELECT $1::int[]', empty), [])
    t.strictSame(await db.fetchVal('SELECT $1::jsonb[]', [[], [[]]]), [[], [[]]])
  }
})

t.test('rows, regclass, void and other pseudo-types come as text', async (t) => {
  const { db } = await open(t, 'SELECT 1')
  for (let use = 0; use < 3; use++) {
    t.strictSame(await db.fetchOne("SELECT row(1, 'a b', NULL) AS r, 'pg_class'::regclass AS c, pg_sleep(0) AS v, 'x' AS u, ARRAY[row(1, 2)] AS rs"),
      { r: '(1,"a b",)', c: 'pg_class', v: '', u: 'x', rs: ['(1,2)'] })
  }
})

t.test('count(*) is a number, and sums are as their types', async (t) => {
  const { db } = await open(t, 'CREATE TABLE held AS SELECT i AS n FROM generate_series(1, 12) AS i')
  for (let use = 0; use < 3; use++) {
    t.strictSame(await db.fetchOne('SELECT count(*), sum(n), sum(n::int8) AS bigsum, avg(n) FROM held'),
      { count: 12, sum: 78, bigsum: '78', avg: '6.5000000000000000' })
    t.equal(await db.fetchVal('SELECT count(*) FROM held WHERE n > $1', 2), 10)
  }
})

t.test('every byte of a bytea is read right, in the escape format as in the hexadecimal one', async (t) => {
  const bytes = Buffer.from(Array.from({ length: 256 }, (_, i) => i))
  const values = [bytes, Buffer.alloc(0), Buffer.from('\\x00'), Buffer.from('\\\\'), Buffer.from([92, 0, 92, 92, 255]), ...Array.from(bytes, (byte) => Buffer.from([byte]))]
  const { db } = await open(t, 'CREATE TABLE held (v bytea)')
  const lease = await db.acquire()
  t.teardown(() => lease.release())
  for (const format of ['escape', 'hex']) {
    await lease.execute(`SET bytea_output = ${format}`)
    t.equal(await lease.fetchVal('SHOW bytea_output'), format)
    for (const value of values) t.same(await lease.fetchVal('SELECT $1::bytea', value), value, `${format}: ${value.toString('hex')}`)
    t.same(await lease.fetchVal('SELECT $1::bytea[]', values), values, `${format}: an array`)
    t.same(await lease.executeManyWithReturning('INSERT INTO held VALUES ($1) RETURNING v', values.map((v) => [v])), values.map((v) => ({ v })), `${format}: a batch`)
  }
})

t.test('columns of one name, of which one has a type that is yet to be learned: the last one counts', async (t) => {
  const observer = await freshDatabase(t)
  await observer.rows("CREATE TYPE mood AS ENUM ('glad')")
  const queries: Array<[text: string, rows: object[]]> = [
    ["SELECT array['glad']::mood[] AS s, 'plain' AS s", [{ s: 'plain' }]],
    ["SELECT array['glad']::mood[] AS s, '{1,2}'::text AS s", [{ s: '{1,2}' }]],
    ["SELECT '{1,2}'::text AS s, array['glad']::mood[] AS s", [{ s: ['glad'] }]],
    ["SELECT array['glad']::mood[] AS s, array['glad']::mood[] AS s", [{ s: ['glad'] }]],
  ]
  for (const [text, rows] of queries) {
    const db = await openDatabase(t, observer, { min: 1, max: 1 })
    for (let use = 0; use < 3; use++) t.strictSame(await db.fetchAll(text), rows, `${text}: use ${use}`)
    await db.close()
  }
})
