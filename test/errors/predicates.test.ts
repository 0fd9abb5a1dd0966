import pg from 'pg'
import postgres from 'postgres'
import t from 'tap'
import {
  errors, isCheckViolation, isDeadlock, isExclusionViolation, isForeignKeyViolation, isLockNotAvailable, isNotNullViolation, isRetryable,
  isSerializationFailure, isUniqueViolation, ServerError,
} from '../../src/index.js'
import { freshDatabase, openDatabase, until } from '../support/database.js'

const PREDICATES = {
  isCheckViolation,
  isDeadlock,
  isExclusionViolation,
  isForeignKeyViolation,
  isLockNotAvailable,
  isNotNullViolation,
  isRetryable,
  isSerializationFailure,
  isUniqueViolation,
}

/** The names of those that say yes. */
const kindsOf = (error: unknown): string[] => Object.entries(PREDICATES).filter(([, is]) => is(error)).map(([name]) => name)

t.test('each tells its own errors from all others', async (t) => {
  const observer = await freshDatabase(t)
  await observer.rows(`
    CREATE DOMAIN positive AS int CONSTRAINT is_positive CHECK (VALUE > 0);
    CREATE TABLE users (id int PRIMARY KEY, email text CONSTRAINT users_email_key UNIQUE, name text NOT NULL DEFAULT '',
      age int CONSTRAINT users_age_check CHECK (age > 0));
    CREATE TABLE posts (user_id int CONSTRAINT posts_user_fkey REFERENCES users, kept_by int CONSTRAINT posts_kept_fkey REFERENCES users ON DELETE RESTRICT);
    CREATE TABLE bookings (during int4range, CONSTRAINT no_overlap EXCLUDE USING gist (during WITH &&));
    CREATE UNIQUE INDEX users_lower ON users (lower(email));
    INSERT INTO users VALUES (1, 'ada'), (2, 'alan'), (3, 'grace'); INSERT INTO posts VALUES (1, NULL), (NULL, 2); INSERT INTO bookings VALUES ('[1,5)');
    CREATE FUNCTION complain (code text) RETURNS void LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no' USING ERRCODE = code; END $$`)
  const db = await openDatabase(t, observer, { max: 3 })
  const failure = (sql: string, ...args: unknown[]): Promise<unknown> => db.execute(sql, ...args).then(() => 'it did not fail', (error) => error)

  const cases: Array<[kinds: string[], sql: string, name?: string]> = [
    [['isUniqueViolation'], "INSERT INTO users VALUES (4, 'ada')", 'users_email_key'],
    [['isUniqueViolation'], 'INSERT INTO users VALUES (1)', 'users_pkey'],
    [['isUniqueViolation'], "INSERT INTO users VALUES (4, 'ADA')", 'users_lower'],
    [['isForeignKeyViolation'], 'INSERT INTO posts VALUES (9)', 'posts_user_fkey'],
    [['isForeignKeyViolation'], 'DELETE FROM users WHERE id = 1', 'posts_user_fkey'],
    [['isForeignKeyViolation'], 'DELETE FROM users WHERE id = 2', 'posts_kept_fkey'],
    [['isCheckViolation'], 'UPDATE users SET age = -1', 'users_age_check'],
    [['isCheckViolation'], 'SELECT (-1)::positive', 'is_positive'],
    [['isExclusionViolation'], "INSERT INTO bookings VALUES ('[4,7)')", 'no_overlap'],
    [['isNotNullViolation'], 'UPDATE users SET name = NULL', 'name'],
    [['isRetryable', 'isSerializationFailure'], "SELECT complain('40001')"],
    [['isDeadlock', 'isRetryable'], "SELECT complain('40P01')"],
    [['isLockNotAvailable', 'isRetryable'], "SELECT complain('55P03')"],
    [[], 'SELECT 1 / 0'],
    [[], 'SELECT * FROM nothing'],
    [[], "SELECT complain('57014')"],
    [[], "SELECT complain('23000')"],
  ]
  for (const [kinds, sql, name] of cases) {
    const error = await failure(sql)
    t.strictSame(kindsOf(error), kinds, sql)
    for (const is of [isUniqueViolation, isForeignKeyViolation, isCheckViolation, isExclusionViolation, isNotNullViolation]) {
      t.equal(is(error, name), kinds.includes(is.name), `${sql}: of ${name}`)
      t.equal(is(error, 'another'), false, `${sql}: of another`)
    }
  }

  const row = await db.executeMany('INSERT INTO users (id, email) VALUES ($1, $2)', [[7, 'x'], [8, 'ada']]).catch((error: unknown) => error)
  t.ok(isUniqueViolation(row, 'users_email_key'), 'of a batch')
  const deferred = await db.transaction(async (tx) => {
    await tx.execute('ALTER TABLE posts ALTER CONSTRAINT posts_user_fkey DEFERRABLE INITIALLY DEFERRED')
    await tx.execute('INSERT INTO posts VALUES (9)')
  }).catch((error: unknown) => error)
  t.ok(isForeignKeyViolation(deferred, 'posts_user_fkey'), 'of a COMMIT')
})

t.test('transactions that meet each other, and locks', async (t) => {
  const observer = await freshDatabase(t)
  await observer.rows('CREATE TABLE counters (id int PRIMARY KEY, value int); INSERT INTO counters VALUES (1, 0), (2, 0)')
  const db = await openDatabase(t, observer, { max: 3 })
  const increase = 'UPDATE counters SET value = value + 1 WHERE id = $1'

  const refused = await db.transaction(async (tx) => {
    await tx.fetchAll('SELECT * FROM counters')
    await db.execute(increase, 1)
    await tx.execute(increase, 1)
  }, { isolation: 'repeatable read' }).catch((error: unknown) => error)
  t.ok(isSerializationFailure(refused) && isRetryable(refused))

  const locked = await db.transaction(async (tx) => {
    await tx.execute(increase, 1)
    await db.fetchAll('SELECT * FROM counters FOR UPDATE NOWAIT')
  }).catch((error: unknown) => error)
  t.ok(isLockNotAvailable(locked) && isRetryable(locked))

  let others = 0
  const cross = (first: number, second: number): Promise<void> => db.transaction(async (tx) => {
    await tx.execute("SET LOCAL deadlock_timeout TO '10ms'")
    await tx.execute(increase, first)
    others++
    await until(() => others === 2)
    await tx.execute(increase, second)
  })
  const outcomes = await Promise.allSettled([cross(1, 2), cross(2, 1)])
  t.equal(outcomes.filter((outcome) => outcome.status === 'rejected' && isDeadlock(outcome.reason) && isRetryable(outcome.reason)).length, 1)
})

t.test('of our own errors those are retryable of which nothing has happened', async (t) => {
  const made: Array<[error: unknown, isOne: boolean]> = [
    [new errors.QueueFullError(3), true],
    [new errors.AcquireTimeoutError(1, 'busy'), true],
    [new errors.ConnectionLostError('lost'), false],
    [new errors.QueryTimeoutError(1), false],
    [new errors.QueryTimeoutError(1, { cause: new ServerError({ message: 'x', code: '40001' }) }), false],
    [new errors.NestedAcquireError(1), false],
    [new errors.ClosedError(), false],
    [new errors.OptionError('x'), false],
  ]
  for (const [error, isOne] of made) t.equal(isRetryable(error), isOne, String(error))
})

t.test('whatever was thrown, they answer', async (t) => {
  const observer = await freshDatabase(t)
  await observer.rows('CREATE TABLE users (email text CONSTRAINT users_email_key UNIQUE)')
  await observer.rows("INSERT INTO users VALUES ('ada')")
  const sql = postgres(observer.url, { max: 1 })
  const foreign = [
    await observer.rows("INSERT INTO users VALUES ('ada')").catch((error: unknown) => error),
    await sql`INSERT INTO users VALUES ('ada')`.catch((error: unknown) => error),
  ]
  await sql.end()
  t.ok(foreign[0] instanceof pg.DatabaseError)
  t.match(foreign, [{ code: '23505' }, { code: '23505' }])
  const throwing = new Proxy({}, { get () { throw new Error('no') }, has () { throw new Error('no') }, getPrototypeOf () { throw new Error('no') } })
  const revocable = Proxy.revocable({}, {})
  revocable.revoke()
  const bad = Object.defineProperty(new ServerError({ message: 'x', code: '23505' }), 'code', { get () { throw new Error('no') } })
  const things = [undefined, null, 0, '23505', Symbol('x'), {}, [], () => {}, { code: '23505' }, new Error('23505'), Object.create(null),
    Object.assign(new Error('x'), { code: 'ECONNREFUSED' }), Object.assign(new Error('x'), { code: 23505 }), throwing, revocable.proxy, bad, ...foreign]
  for (const [index, thing] of things.entries()) t.strictSame(kindsOf(thing), [], `thing ${index}`)
})

t.test('the errors of another copy of the package are known', async (t) => {
  const observer = await freshDatabase(t)
  await observer.rows('CREATE TABLE users (email text CONSTRAINT users_email_key UNIQUE)')
  const copy: typeof import('../../src/index.js') = await import(`../../src/errors/server-error.js?${Math.random()}`)
  t.not(copy.ServerError, ServerError)
  const error = new copy.ServerError({ message: 'x', code: '23505', constraint_name: 'users_email_key' })
  t.ok(error instanceof ServerError)
  t.ok(isUniqueViolation(error, 'users_email_key'))
  t.notOk(isUniqueViolation(error, 'another'))
  class Own extends ServerError {}
  t.notOk(error instanceof Own, 'a class of the user’s own is another one')
  t.ok(new Own({ message: 'x', code: '23505' }) instanceof Own)
})

t.test('they are type guards', async (t) => {
  const error: unknown = new ServerError({ message: 'x', code: '23505', constraint_name: 'users_email_key' })
  const name: string | undefined = isUniqueViolation(error) ? error.constraint_name : undefined
  const code: string | undefined = isRetryable(error) ? error.code : undefined
  t.strictSame([name, code], ['users_email_key', undefined])
  // Those of an error of the server that say no leave one of the server.
  if (error instanceof ServerError && !isDeadlock(error) && !isRetryable(error)) t.equal(error.code, '23505')
})

t.test('the keys of an error are those that it has', async (t) => {
  const observer = await freshDatabase(t)
  await observer.rows('CREATE TABLE users (email text CONSTRAINT users_email_key UNIQUE, n int NOT NULL DEFAULT 1)')
  const db = await openDatabase(t, observer, { max: 1 })
  const keys = async (sql: string, ...args: unknown[]): Promise<string[]> => {
    const error = await db.execute(sql, ...args).catch((error: unknown) => error)
    if (!(error instanceof ServerError)) throw new Error(sql, { cause: error })
    for (const key of Object.keys(error)) t.not(Reflect.get(error, key), undefined, key)
    return Object.keys(error).sort()
  }
  t.strictSame(await keys('SELECT 1 / 0'), ['code', 'name', 'severity'])
  t.strictSame(await keys('SELECT * FROM nothing'), ['code', 'name', 'position', 'severity'])
  const all = ['code', 'constraint_name', 'name', 'schema_name', 'severity', 'table_name']
  t.strictSame(await keys("INSERT INTO users VALUES ('x'), ('x')"), all)
  t.strictSame(await keys('INSERT INTO users VALUES (NULL, NULL)'), ['code', 'column_name', 'name', 'schema_name', 'severity', 'table_name'])
})

t.test('what may have committed before it failed is not retryable', async (t) => {
  const observer = await freshDatabase(t)
  await observer.rows(`CREATE TABLE written (n int); CREATE PROCEDURE write () LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO written VALUES (1); COMMIT; RAISE EXCEPTION 'again' USING ERRCODE = '40001'; END $$`)
  const db = await openDatabase(t, observer, { min: 1, max: 1 })
  const raise = "DO $$ BEGIN RAISE EXCEPTION 'again' USING ERRCODE = '40001'; END $$"
  for (const text of ['CALL write()', '-- x\nCALL write()', `INSERT INTO written VALUES (2); COMMIT; ${raise}`, raise]) {
    t.equal(isRetryable(await db.execute(text).catch((error) => error)), false, text)
  }
  await observer.rows("CREATE FUNCTION again () RETURNS int LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'again' USING ERRCODE = '40001'; END $$")
  t.equal(isRetryable(await db.fetchVal('SELECT again()').catch((error) => error)), true)
})
