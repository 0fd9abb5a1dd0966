import t, { type Test } from 'tap'
import type { Database } from '../../src/index.js'
import { freshDatabase, openDatabase, type Observer } from '../support/database.js'

/** Prepared statements that a change of the schema made stale (design/driver-traps.md). All on one connection. */
async function open (t: Test, table: string): Promise<{ db: Database, observer: Observer }> {
  const observer = await freshDatabase(t)
  await observer.rows(table)
  return { observer, db: await openDatabase(t, observer, { max: 1, commandTimeout: 5 }) }
}

type After = ReadonlyArray<readonly [value: unknown, text: string]>

/** The column's type, how it changes, what was sent before, and what after: [sent, held by the server as text]. */
const CHANGES: ReadonlyArray<readonly [from: string, to: string, before: unknown, after: After]> = [
  ['int', 'text', 1, [['abc', 'abc'], [5, '5'], [true, 'true']]],
  ['int', 'bigint', 1, [[3_000_000_000, '3000000000'], [2n ** 60n, '1152921504606846976'], [1, '1']]],
  ['int', 'numeric', 1, [['1.5', '1.5'], [2.5, '2.5']]],
  ['int', 'jsonb', 1, [[{ a: 1 }, '{"a": 1}'], ['text', '"text"'], ['1', '"1"'], [true, 'true']]],
  ['int', 'int[]', 1, [[[1, 2], '{1,2}']]],
  ['text', 'jsonb', '1', [['1', '"1"'], ['text', '"text"'], [{ a: 1 }, '{"a": 1}'], [[true], '[true]']]],
  ['text', 'int', '1', [[5, '5'], ['6', '6']]],
  ['text', 'bytea', '1', [[Buffer.from([1]), '\\x01']]],
  ['text', 'document', '1', [['1', '"1"'], [{ a: 1 }, '{"a": 1}']]],
  ['jsonb', 'int', 1, [[5, '5'], ['6', '6']]],
  ['float4', 'float8', 0.5, [[1e300, '1e+300']]],
  ['timestamp', 'timestamptz', new Date(0), [[new Date(Date.UTC(2024, 0, 2, 12)), '2024-01-02 12:00:00+00']]],
  ['numeric', 'int', '1', [[5, '5']]],
]

/**
 * Here the old parameter type can still be assigned to the new column: the server converts and gives no sign, so only
 * new connections help (docs/patterns.md).
 */
const WITHOUT_A_SIGN: typeof CHANGES = [
  ['int', 'text', 1, [['007', '007']]],
  ['jsonb', 'text', 'abc', [['abc', 'abc'], ['"abc"', '"abc"'], ['', '']]],
  ['bool', 'text', true, [['yes', 'yes']]],
  ['float4', 'float8', 0.5, [[0.1, '0.1']]],
  ['date', 'timestamptz', '2024-01-01', [[new Date(Date.UTC(2024, 0, 2, 12)), '2024-01-02 12:00:00+00']]],
]

function alter (from: string, to: string): string {
  const using = to.endsWith('[]') ? `ARRAY[v::text::${to.slice(0, -2)}]` : from === 'text' && ['jsonb', 'document'].includes(to) ? 'to_jsonb(v)' : `v::text::${to}`
  return `ALTER TABLE held ALTER v TYPE ${to} USING ${using}`
}

const isJson = (type: string): boolean => type === 'jsonb' || type === 'document'

for (const [changes, sign] of [[CHANGES, ''], [WITHOUT_A_SIGN, ', after expire() where the server gives no sign of it']] as const) {
  for (const [from, to, before, after] of changes) {
    t.test(`a column's type changes from ${from} to ${to}: prepared statements go on and store the right value${sign}`, async (t) => {
      const observer = await freshDatabase(t)
      await observer.rows('SET TimeZone TO UTC; CREATE DOMAIN document AS jsonb')
      for (const [value, text] of after) {
        await t.test(`${typeof value} for ${text}`, async (t) => {
          await observer.rows(`DROP TABLE IF EXISTS held; CREATE TABLE held (v ${from})`)
          const db = await openDatabase(t, observer, { max: 1, commandTimeout: 5 })
          // With = there is no operator for json, and none of text with int: the statement is refused, not the value.
          const find = isJson(from) || isJson(to) ? undefined : 'SELECT * FROM held WHERE v = $1'
          for (let use = 0; use < 4; use++) {
            await db.execute('INSERT INTO held VALUES ($1)', before)
            if (find !== undefined) t.ok(await db.fetchOne(find, before))
            t.ok(await db.fetchOne('SELECT * FROM held'))
          }
          await observer.rows('TRUNCATE held')
          await observer.rows(alter(from, to))
          if (sign !== '') db.expire()
          for (let use = 0; use < 4; use++) await t.resolves(db.execute('INSERT INTO held VALUES ($1)', value), `use ${use}`)
          t.strictSame(await observer.rows('SELECT v::text FROM held'), Array.from({ length: 4 }, () => ({ v: text })))
          for (let use = 0; use < 4; use++) {
            t.equal((await db.fetchAll('SELECT * FROM held')).length, 4)
            if (find !== undefined) t.equal((await db.fetchAll(find, value)).length, 4, `found, use ${use}`)
          }
          t.equal(db.stats().created, sign === '' ? 1 : 2)
        })
      }
    })
  }
}

t.test('a prepared SELECT goes on after columns were added, dropped and changed: cached plan must not change result type', async (t) => {
  const { db, observer } = await open(t, 'CREATE TABLE held (a int, b text); INSERT INTO held VALUES (1, 2)')
  const texts = ['SELECT * FROM held', 'SELECT * FROM held WHERE a IS NOT NULL OR $1 = 0']
  const args = [[], [0]]
  const see = async (expected: object): Promise<void> => {
    for (const [index, text] of texts.entries()) {
      for (let use = 0; use < 3; use++) t.strictSame(await db.fetchOne(text, ...args[index] ?? []), expected)
      t.strictSame(await db.fetchVal(text, ...args[index] ?? []), Object.values(expected)[0])
    }
  }
  await see({ a: 1, b: '2' })
  await observer.rows('ALTER TABLE held ADD c jsonb DEFAULT \'{"x": [1]}\'')
  await see({ a: 1, b: '2', c: { x: [1] } })
  await observer.rows('ALTER TABLE held DROP b')
  await see({ a: 1, c: { x: [1] } })
  await observer.rows("ALTER TABLE held ALTER a TYPE text USING 'one'")
  await see({ a: 'one', c: { x: [1] } })
  await observer.rows("CREATE DOMAIN document AS jsonb; ALTER TABLE held ALTER a TYPE document[] USING '{1}'")
  await see({ a: [1], c: { x: [1] } })
  t.equal(db.stats().created, 1)
})

t.test('in the middle of a transaction a stale statement is the server\'s error, the transaction is undone, and the next one works', async (t) => {
  const { db, observer } = await open(t, 'CREATE TABLE held (v int)')
  for (let use = 0; use < 3; use++) {
    await db.execute('INSERT INTO held VALUES ($1)', 1)
    await db.fetchAll('SELECT * FROM held')
  }
  await observer.rows('ALTER TABLE held ALTER v TYPE jsonb USING to_jsonb(v)')
  await t.rejects(db.transaction(async (tx) => {
    await tx.execute('DELETE FROM held')
    await tx.fetchAll('SELECT * FROM held')
  }), { code: '0A000' })
  await t.rejects(db.transaction(async (tx) => {
    await tx.execute('DELETE FROM held')
    await tx.execute('INSERT INTO held VALUES ($1)', 2)
  }), { code: '42804' })
  for (let use = 0; use < 3; use++) {
    await db.transaction(async (tx) => {
      t.equal((await tx.fetchAll('SELECT * FROM held')).length, 3 + use)
      await tx.execute('INSERT INTO held VALUES ($1)', { a: 1 })
    })
  }
  await db.executeMany('INSERT INTO held VALUES ($1)', [['text'], [true]])
  t.strictSame((await observer.rows('SELECT v::text FROM held OFFSET 3')).map(({ v }) => v), ['{"a": 1}', '{"a": 1}', '{"a": 1}', '"text"', 'true'])
  t.equal(db.stats().created, 1)
})

t.test('executeMany of a statement that is stale stores all or nothing, and works when it is repeated', async (t) => {
  const { db, observer } = await open(t, 'CREATE TABLE held (v text)')
  for (let use = 0; use < 2; use++) await db.executeMany('INSERT INTO held VALUES ($1)', [['1'], ['2']])
  await observer.rows('TRUNCATE held')
  await observer.rows('ALTER TABLE held ALTER v TYPE jsonb USING to_jsonb(v)')
  await db.executeMany('INSERT INTO held VALUES ($1)', [['1'], ['2']]).catch(async () => {
    t.strictSame(await observer.rows('SELECT * FROM held'), [])
    await db.executeMany('INSERT INTO held VALUES ($1)', [['1'], ['2']])
  })
  t.strictSame(await observer.rows('SELECT v::text FROM held'), [{ v: '"1"' }, { v: '"2"' }])
})

t.test('a table that was dropped and created again', async (t) => {
  const { db, observer } = await open(t, 'CREATE TABLE held (v int)')
  for (let use = 0; use < 3; use++) await db.fetchVal('INSERT INTO held VALUES ($1) RETURNING v', 1)
  await observer.rows('DROP TABLE held')
  await t.rejects(db.fetchVal('INSERT INTO held VALUES ($1) RETURNING v', 1), { code: '42P01' })
  await observer.rows('CREATE TABLE held (v jsonb)')
  for (let use = 0; use < 3; use++) t.strictSame(await db.fetchVal('INSERT INTO held VALUES ($1) RETURNING v', { a: 1 }), { a: 1 })
})

t.test('statements that others deallocated are prepared again', async (t) => {
  const { db } = await open(t, 'CREATE TABLE held (v int)')
  for (let use = 0; use < 3; use++) await db.execute('INSERT INTO held VALUES ($1)', 1)
  await db.execute('DEALLOCATE ALL')
  for (let use = 0; use < 3; use++) await db.execute('INSERT INTO held VALUES ($1)', 2)
  t.equal(await db.fetchVal('SELECT sum(v) FROM held'), 9)
})

const AUDIT = `CREATE TABLE held (v int); CREATE TABLE audit (note int);
  CREATE FUNCTION to_audit () RETURNS trigger LANGUAGE plpgsql AS $$ DECLARE note text := 'x'; BEGIN INSERT INTO audit VALUES (note); RETURN NULL; END $$;
  CREATE CONSTRAINT TRIGGER audited AFTER INSERT ON held DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION to_audit()`

t.test('an error like that of a stale statement, from a trigger at COMMIT, is no reason to commit again', async (t) => {
  const { db, observer } = await open(t, AUDIT)
  for (let use = 0; use < 3; use++) await db.transaction((tx) => tx.fetchVal('SELECT 1'))
  for (let use = 0; use < 3; use++) await t.rejects(db.transaction((tx) => tx.execute('INSERT INTO held VALUES ($1)', 1)), { code: '42804' })
  t.strictSame(await observer.rows('SELECT * FROM held'), [])
})

t.test('a procedure that commits and then fails like a stale statement is called once', async (t) => {
  const { db, observer } = await open(t, `${AUDIT}; CREATE TABLE calls (n int);
    CREATE PROCEDURE call_it (fails int) LANGUAGE plpgsql AS $$ DECLARE note text := 'x'; BEGIN
      INSERT INTO calls VALUES (fails); COMMIT; IF fails = 1 THEN INSERT INTO audit VALUES (note); END IF; END $$`)
  for (let use = 0; use < 3; use++) await db.execute('CALL call_it($1)', 0)
  await t.rejects(db.execute('CALL call_it($1)', 1), { code: '42804' })
  t.strictSame(await observer.rows('SELECT n FROM calls WHERE n = 1'), [{ n: 1 }])
})

t.test('DEALLOCATE ALL inside a transaction does not keep it from committing', async (t) => {
  const { db } = await open(t, 'CREATE TABLE held (v int)')
  for (let use = 0; use < 3; use++) {
    await db.transaction(async (tx) => {
      await tx.execute({ text: 'INSERT INTO held VALUES ($1)', prepare: false }, 1)
      await tx.execute('DEALLOCATE ALL')
    })
  }
  t.equal(await db.fetchVal('SELECT count(*) FROM held'), 3)
})

t.test('a function that itself runs something stale is not run again', async (t) => {
  const observer = await freshDatabase(t)
  await observer.rows(`CREATE TABLE other (id int); CREATE SEQUENCE calls;
    CREATE FUNCTION peek(n int) RETURNS int LANGUAGE plpgsql AS $$ BEGIN
      PERFORM nextval('calls'); EXECUTE 'EXECUTE held'; RETURN n; END $$`)
  const db = await openDatabase(t, observer, { min: 1, max: 1 })
  const lease = await db.acquire()
  await lease.execute('PREPARE held AS SELECT * FROM other')
  const query = { text: 'SELECT peek($1)', prepare: true }
  t.equal(await lease.fetchVal(query, 1), 1)
  await observer.rows('ALTER TABLE other ADD COLUMN more int')
  await t.rejects(lease.fetchVal(query, 2), { code: '0A000', where: /PL\/pgSQL function/ })
  t.same(await observer.rows('SELECT last_value::int AS calls FROM calls'), [{ calls: 2 }])
  await lease.release()
})

t.test('statements that run only in transactions, where they cannot be described again', async (t) => {
  const reads: Array<[how: string, make: string, change: string, text: string, arg: unknown, now: unknown]> = [
    ['int to text', 'CREATE TABLE held (v int)', 'ALTER TABLE held ALTER v TYPE text', 'INSERT INTO held VALUES ($1) RETURNING v', 'abc', 'abc'],
    ['int to bigint', 'CREATE TABLE held (v int)', 'ALTER TABLE held ALTER v TYPE bigint', 'INSERT INTO held VALUES ($1) RETURNING v', 2 ** 40, 2 ** 40],
    ['int to numeric', 'CREATE TABLE held (v int)', 'ALTER TABLE held ALTER v TYPE numeric', 'UPDATE held SET v = $1 RETURNING v', '2.5', '2.5'],
    ['an enum made again', "CREATE TYPE mood AS ENUM ('a'); CREATE TABLE held (v mood)", `ALTER TABLE held ALTER v TYPE text; DROP TYPE mood;
      CREATE TYPE mood AS ENUM ('a', 'b'); ALTER TABLE held ALTER v TYPE mood USING v::mood`, 'INSERT INTO held VALUES ($1) RETURNING v', 'b', 'b'],
    ['a cast to an enum made again', "CREATE TYPE mood AS ENUM ('a')", "DROP TYPE mood; CREATE TYPE mood AS ENUM ('b')", 'SELECT $1::mood', 'b', 'b'],
    ['a domain made again', 'CREATE DOMAIN amount AS int; CREATE TABLE held (v amount)', `ALTER TABLE held ALTER v TYPE text; DROP DOMAIN amount;
      CREATE DOMAIN amount AS text; ALTER TABLE held ALTER v TYPE amount`, 'INSERT INTO held VALUES ($1) RETURNING v', 'x', 'x'],
    ['a column more', 'CREATE TABLE held (v int)', 'ALTER TABLE held ADD w int DEFAULT 2', 'INSERT INTO held VALUES ($1) RETURNING *', 1, 1],
    ['a table made again', 'CREATE TABLE held (v int)', 'DROP TABLE held; CREATE TABLE held (w int, v text)', 'INSERT INTO held (v) VALUES ($1) RETURNING v', 'x', 'x'],
  ]
  for (const [how, make, change, text, arg, now] of reads) {
    for (const position of ['first', 'later'] as const) {
      await t.test(`${how}, ${position} in its transaction`, async (t) => {
        const { db, observer } = await open(t, make)
        if (/^UPDATE/.test(text)) await observer.rows('INSERT INTO held VALUES (1)')
        const run = (value: unknown): Promise<unknown> => db.transaction(async (tx) => {
          if (position === 'later') await tx.fetchVal('SELECT 1')
          return await tx.fetchVal(text, value)
        })
        const old = ['an enum made again', 'a cast to an enum made again'].includes(how) ? 'a' : 1
        for (let use = 0; use < 3; use++) t.equal(await run(old), old)
        await observer.rows(change)
        // In the middle of a transaction, what was done before cannot be done again: one of them may fail.
        if (position === 'later') await run(arg).catch((error) => t.match(error, { code: /^(0A000|22|42|XX000)/ }))
        for (let use = 0; use < 3; use++) t.equal(await run(arg), now)
        t.equal(db.stats().created, 1)
        if (position === 'first') t.equal(db.stats().errors, 0)
      })
    }
  }
})

t.test('what fails first in its transaction for a reason of its own fails, and has its effects once', async (t) => {
  const { db, observer } = await open(t, 'CREATE TABLE held (v int CHECK (v > 0)); CREATE SEQUENCE calls; CREATE TABLE parts (n int)')
  await observer.rows("CREATE FUNCTION part (n int) RETURNS int LANGUAGE plpgsql AS $$ BEGIN PERFORM nextval('calls'); RETURN 1 / n; END $$")
  for (const [text, good, bad, code] of [
    ['INSERT INTO held VALUES ($1)', '1', '0', '23514'], ['INSERT INTO held VALUES (1 / $1::int)', '1', '0', '22012'],
    ['SELECT part($1)', 1, 0, '22012'], ['INSERT INTO held VALUES ($1::text::int)', '1', 'x', '22P02'],
  ] as const) {
    for (let use = 0; use < 3; use++) await db.transaction((tx) => tx.execute(text, good))
    const before = Number((await observer.rows('SELECT last_value FROM calls'))[0]?.['last_value'])
    for (let use = 0; use < 2; use++) {
      await t.rejects(db.transaction((tx) => tx.execute(text, bad)), { code }, text)
      await t.rejects(db.transaction(async (tx) => {
        await tx.execute(text, bad).catch(() => {})
        await tx.execute('INSERT INTO parts VALUES (1)').catch(() => {})
      }), { code: 'FST_PG_TRANSACTION_ABORTED', cause: { code } }, text)
    }
    if (text.includes('part(')) t.equal(Number((await observer.rows('SELECT last_value FROM calls'))[0]?.['last_value']), before + 4, 'each call of the function once')
  }
  t.same(await observer.rows('SELECT * FROM parts'), [])
  t.equal(db.stats().created, 1)
})

t.test('what a transaction changes itself is no change to its prepared statements', async (t) => {
  for (const change of ['ALTER TABLE held ADD w int DEFAULT 2', 'ALTER TABLE held ALTER v TYPE text', 'DROP TABLE held; CREATE TABLE held (w text, v int)', 'DROP VIEW seen; ALTER TABLE held RENAME v TO w']) {
    for (const end of ['commits', 'is undone']) {
      const { db, observer } = await open(t, 'CREATE TABLE held (v int); INSERT INTO held VALUES (1); CREATE VIEW seen AS SELECT 1 AS one')
      const text = 'SELECT * FROM held'
      for (let use = 0; use < 4; use++) await db.fetchAll(text)
      const undone = new Error('undo it')
      await db.transaction(async (tx) => {
        await tx.execute(change)
        const now = await tx.fetchAll(text)
        t.same(now, await tx.fetchAll({ text, prepare: false }), change)
        if (end === 'is undone') throw undone
      }).catch((error) => { if (error !== undone) throw error })
      for (let use = 0; use < 3; use++) t.same(await db.transaction((tx) => tx.fetchAll(text)), await observer.rows(text), `${change}, which ${end}`)
      t.equal(db.stats().created, 1)
    }
  }
})
