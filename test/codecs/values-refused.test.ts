import { inspect } from 'node:util'
import t, { type Test } from 'tap'
import type { Database } from '../../src/index.js'
import { freshDatabase, openDatabase, type Observer } from '../support/database.js'

const SECRET = 'hunter2'
const circular: Record<string, unknown> = { [SECRET]: SECRET }
circular['self'] = circular
const circularArray: unknown[] = [SECRET]
circularArray.push(circularArray)
const sparse: number[] = [1]
sparse[2] = 3
const throwing = { toJSON () { throw new Error(SECRET) } }
const object = { [SECRET]: SECRET }

/** What cannot be sent as what, with a value that can. */
const REFUSED: ReadonlyArray<readonly [name: string, type: string, bad: unknown, good: unknown]> = [
  ['undefined', 'int', undefined, 1],
  ['undefined', 'jsonb', undefined, { a: 1 }],
  ['an Invalid Date', 'timestamptz', new Date(NaN), new Date(0)],
  ['an Invalid Date', 'timestamp', new Date(NaN), new Date(0)],
  ['an Invalid Date', 'date', new Date(NaN), '2024-01-01'],
  ['an Invalid Date inside an array', 'timestamptz[]', [new Date(NaN)], [new Date(0)]],
  ['a number', 'timestamptz', 1700000000000, new Date(0)],
  ['a circular object', 'jsonb', circular, { a: 1 }],
  ['a circular object', 'json', circular, { a: 1 }],
  ['a circular object inside an array', 'jsonb[]', [{}, circular], [{}]],
  ['a bigint inside JSON', 'jsonb', { [SECRET]: 1n }, 1],
  ['a bigint', 'jsonb', 7n, 7],
  ['NaN', 'jsonb', NaN, 7],
  ['Infinity', 'json', -Infinity, 7],
  ['a toJSON that throws', 'jsonb', throwing, {}],
  ['a function', 'jsonb', () => SECRET, {}],
  ['a symbol', 'jsonb', Symbol(SECRET), {}],
  ['a function', 'text', () => SECRET, 'x'],
  ['a symbol', 'text', Symbol(SECRET), 'x'],
  ['an object', 'text', object, 'x'],
  ['a Date', 'text', new Date(0), 'x'],
  ['an array', 'text', [SECRET], 'x'],
  ['a Buffer', 'text', Buffer.from(SECRET), 'x'],
  ['an object', 'uuid', object, 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'],
  ['a boolean', 'int', true, 1],
  ['an object', 'int', object, 1],
  ['an array', 'int8', [1], 1],
  ['an object', 'bool', object, true],
  ['a Date', 'float8', new Date(0), 1.5],
  ['a boolean', 'numeric', false, '1.5'],
  ['a string', 'bytea', SECRET, Buffer.from('x')],
  ['an odd number of digits', 'bytea', '\\xabc', Buffer.from('x')],
  ['an array of numbers', 'bytea', [1, 2], Buffer.from('x')],
  ['a number instead of an array', 'int[]', 5, [5]],
  ['an object instead of an array', 'jsonb[]', object, [{}]],
  ['a Set instead of an array', 'text[]', new Set([SECRET]), ['x']],
  ['undefined inside an array', 'int[]', [1, undefined], [1]],
  ['undefined inside a nested array', 'text[]', [['a'], [undefined]], ['x']],
  ['a sparse array', 'int[]', sparse, [1]],
  ['a boolean inside an array', 'int[]', [1, true], [1]],
  ['an object inside an array', 'text[]', [SECRET, object], ['x']],
  ['a string inside an array', 'bytea[]', [SECRET], [Buffer.from('x')]],
  ['a circular array', 'text[]', circularArray, ['x']],
]

const VALUE = { code: 'FST_PG_VALUE' }

for (const [name, type, bad, good] of REFUSED) {
  t.test(`${name} for ${type} is one coded error, and the connection goes on`, async (t) => {
    const observer = await freshDatabase(t)
    await observer.rows(`CREATE TABLE held (n int, v ${type})`)
    const db = await openDatabase(t, observer, { max: 1, commandTimeout: 5 })
    const pid = await db.fetchVal('SELECT pg_backend_pid()')

    for (const use of ['first', 'second', 'third', 'fourth']) {
      await refuses(t, db.execute('INSERT INTO held VALUES ($1, $2)', 0, bad), `at the ${use} use`)
      t.equal(await db.fetchVal('SELECT pg_backend_pid()'), pid)
    }
    for (const use of ['first', 'second', 'third']) {
      await db.execute('INSERT INTO held VALUES ($1, $2) /* good between bad ones */', 1, good)
      await refuses(t, db.execute('INSERT INTO held VALUES ($1, $2) /* good between bad ones */', 0, bad), `after the ${use} good one`)
    }

    const INSERT = 'INSERT INTO held VALUES ($1, $2) /* at once */'
    for (const use of ['first', 'second', 'third']) {
      const [one, two, three, four] = [db.execute(INSERT, 0, bad), db.execute(INSERT, 0, bad), db.execute(INSERT, 1, good), db.execute(INSERT, 0, bad)]
      await Promise.all([refuses(t, one, `at once, ${use} use`), refuses(t, two, 'the second'), refuses(t, four, 'the fourth')])
      t.equal((await three).count, 1)
    }

    for (const prepare of [true, false]) {
      await refuses(t, db.execute({ text: 'INSERT INTO held VALUES ($1, $2) /* options */', prepare }, 0, bad), `prepare: ${prepare}`)
    }

    const prepared = await db.fetchVal('SELECT count(*) FROM pg_prepared_statements')
    for (let use = 0; use < 10; use++) await refuses(t, db.execute(INSERT, 0, bad), `again, ${use}`)
    t.equal(await db.fetchVal({ text: 'SELECT count(*) FROM pg_prepared_statements', prepare: false }), prepared, 'the server keeps nothing of it')

    await testInTransaction(t, db, bad, good)
    await testInMany(t, db, observer, bad, good)
    t.equal(await db.fetchVal('SELECT pg_backend_pid()'), pid)
    t.equal(db.stats().created, 1)
    t.strictSame(await observer.rows('SELECT n, count(*)::int FROM held GROUP BY n'), [{ n: 1, count: 10 }])
  })
}

async function testInTransaction (t: Test, db: Database, bad: unknown, good: unknown): Promise<void> {
  const INSERT = 'INSERT INTO held VALUES ($1, $2) /* in a transaction */'
  await db.transaction(async (tx) => {
    for (const use of ['first', 'second', 'third']) await refuses(t, tx.execute(INSERT, 0, bad), `in a transaction, ${use} use`)
    for (let use = 0; use < 4; use++) await tx.execute(INSERT, 1, good)
    await refuses(t, tx.execute(INSERT, 0, bad), 'in a transaction, after good ones')
  })
}

async function testInMany (t: Test, db: Database, observer: Observer, bad: unknown, good: unknown): Promise<void> {
  const before = await observer.rows('SELECT count(*) FROM held')
  const INSERT = 'INSERT INTO held VALUES ($1, $2) /* many */'
  for (const [length, at] of [[3, 0], [3, 1], [3, 2], [600, 550]] as const) {
    const lists = Array.from({ length }, (_, row) => [1, row === at ? bad : good])
    await refuses(t, db.executeMany(INSERT, lists), `in executeMany, row ${at}`, `row ${at}, parameter $2`)
  }
  t.strictSame(await observer.rows('SELECT count(*) FROM held'), before)
}

async function refuses (t: Test, call: Promise<unknown>, name: string, names = 'parameter $2'): Promise<void> {
  try {
    await call
    t.fail(`${name}: it was accepted`)
  } catch (error) {
    t.match(error, VALUE, name)
    t.match(error, { message: new RegExp(`^${names.replaceAll('$', '\\$')} cannot be sent$`) }, name)
    t.notMatch(inspect(error, { depth: 9, showHidden: true }), SECRET, `${name}, without the value`)
  }
}
