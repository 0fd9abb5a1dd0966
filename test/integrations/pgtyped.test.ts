import { PreparedQuery, sql, type IDatabaseConnection } from '@pgtyped/runtime'
import t from 'tap'
import { isUniqueViolation, type Queryable } from '../../src/index.js'
import { freshDatabase, openDatabase } from '../support/database.js'

/** The connection that pgtyped's queries take. The types that it generates say what `pg` gives for 64 bits and dates. */
function connectionOf (place: Queryable): IDatabaseConnection {
  const client = place.createSql({ types: { int8: 'string', date: 'date' }, transform: { undefined: null } })
  return {
    query: async (text, values) => {
      const rows = await client.unsafe(text, values)
      return { rows, rowCount: rows.count ?? 0 }
    },
  }
}

const findUsers = sql<{ params: { ids: number[], name?: string | null }, result: { id: number, name: string, born: Date | null, points: string } }>`
  SELECT id, name AS "name!", born, points AS "points?" FROM users WHERE id IN $$ids AND (name = $name OR $name IS NULL) ORDER BY id`
const insertUsers = sql<{ params: { users: Array<{ name: string, points: number | string, data: unknown }> }, result: { id: number, data: unknown } }>`
  INSERT INTO users (name, points, data) VALUES $$users(name, points, data) RETURNING id, data`
const insertUser = sql<{ params: { user: { name: string, points: number } }, result: never }>`INSERT INTO users (name, points) VALUES $user(name, points)`

/** What pgtyped makes of a file of SQL. */
const COUNT = 'SELECT count(*) AS n FROM users WHERE points >= :least!'
const countUsers = new PreparedQuery<{ least: number }, { n: string }>(JSON.parse(JSON.stringify({
  usedParamSet: { least: true },
  params: [{ name: 'least', required: true, transform: { type: 'scalar' }, locs: [{ a: COUNT.indexOf(':'), b: COUNT.length - 1 }] }],
  statement: COUNT,
})))

async function open (t: import('tap').Test) {
  const observer = await freshDatabase(t)
  await observer.rows(`CREATE TABLE users (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text UNIQUE, born date, points bigint NOT NULL DEFAULT 0, data jsonb);
    INSERT INTO users (name, born, points) VALUES ('Ada', '1815-12-10', 9007199254740993), ('Grace', NULL, 5)`)
  return await openDatabase(t, observer)
}

t.test('rows, hints of columns, lists and values are those that its types promise', async (t) => {
  const db = await open(t)
  const connection = connectionOf(db)
  t.strictSame(await findUsers.run({ ids: [1, 2, 3] }, connection), [
    { id: 1, name: 'Ada', born: new Date('1815-12-10'), points: '9007199254740993' },
    { id: 2, name: 'Grace', born: null, points: '5' },
  ])
  t.strictSame((await findUsers.run({ ids: [1, 2], name: 'Grace' }, connection)).map(({ id }) => id), [2])
  const data = [{ a: ['x'] }, ['x', 1], 'text']
  const users = data.map((data, index) => ({ name: `u${index}`, points: index === 0 ? '9223372036854775807' : index, data }))
  t.strictSame(await insertUsers.run({ users }, connection), data.map((data, index) => ({ id: index + 3, data })))
  t.strictSame(await insertUser.run({ user: { name: 'Linus', points: 1 } }, connection), [])
  t.strictSame(await countUsers.runWithCounts({ least: 5 }, connection), { result: [{ n: '3' }], rowCount: 1 })
})

t.test('in transactions, with their errors', async (t) => {
  const db = await open(t)
  const failed = db.transaction(async (tx) => {
    const connection = connectionOf(tx)
    await insertUser.run({ user: { name: 'Linus', points: 1 } }, connection)
    t.equal((await findUsers.run({ ids: [3] }, connection)).length, 1)
    await insertUser.run({ user: { name: 'Linus', points: 1 } }, connection)
  })
  const error: unknown = await failed.catch((error: unknown) => error)
  t.ok(isUniqueViolation(error, 'users_name_key'))
  t.equal(await db.fetchVal('SELECT count(*) FROM users'), 2)
})

t.test('a stream is refused by pgtyped itself', async (t) => {
  const db = await open(t)
  t.throws(() => findUsers.stream({ ids: [1] }, connectionOf(db)), /doesn't support streaming/)
})
