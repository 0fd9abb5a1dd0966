import { runner, type RunnerOption } from 'node-pg-migrate'
import t from 'tap'
import type { Database } from '../../src/index.js'
import { freshDatabase, openDatabase, until } from '../support/database.js'

const MIGRATIONS = {
  '1_users.js': `export const up = (pgm) => {
    pgm.createType('mood', ['ok', 'happy'])
    pgm.createTable('users', { id: 'id', name: { type: 'text', notNull: true }, mood: { type: 'mood', default: 'ok' } })
    pgm.createIndex('users', 'name')
    pgm.sql("INSERT INTO users (name) VALUES ('Ada'); INSERT INTO {name} (name) VALUES ('Grace')", { name: 'users' })
  }
  export const down = (pgm) => { pgm.dropTable('users'); pgm.dropType('mood') }`,
  '2_rows.js': `export const up = async (pgm) => {
    const rows = await pgm.db.select('SELECT $1::int + $2::int AS sum', [1, 2])
    pgm.sql('CREATE TABLE sum AS SELECT ' + rows[0].sum + ' AS n')
  }
  export const down = (pgm) => { pgm.dropTable('sum') }`,
  '3_index.sql': `-- Up Migration
    CREATE FUNCTION two() RETURNS int LANGUAGE plpgsql AS $$ BEGIN RETURN 2; END $$;
    CREATE VIEW names AS SELECT name FROM users;
    -- Down Migration
    DROP VIEW names; DROP FUNCTION two()`,
}

const CONCURRENTLY = `export const up = (pgm) => {
  pgm.noTransaction()
  pgm.createIndex('users', 'mood', { concurrently: true })
}
export const down = false`

const quiet = { info () {}, warn () {}, error () {} }

type Options = Partial<Omit<RunnerOption, 'dbClient' | 'databaseUrl'>>

/** On a connection of its own: it locks by its session, and begins and ends transactions by hand. */
async function migrate (db: Database, dir: string, options: Options = {}): Promise<string[]> {
  const lease = await db.acquire()
  try {
    const client = { query: async (text: string, values?: unknown[]) => ({ rows: [...await lease.sql.unsafe(text, values).timeout(0)] }) }
    const done = await runner({ dbClient: client as never, dir, direction: 'up', migrationsTable: 'pgmigrations', logger: quiet, ...options })
    return done.map(({ name }) => name)
  } finally {
    await lease.release()
  }
}

async function open (t: import('tap').Test, migrations: Record<string, string> = MIGRATIONS) {
  const observer = await freshDatabase(t)
  const relations = async (): Promise<string[]> => (await observer.rows("SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'v') ORDER BY relname")).map(({ relname }) => relname)
  const locks = async (): Promise<number> => (await observer.rows("SELECT FROM pg_locks WHERE locktype = 'advisory'")).length
  return { observer, relations, locks, dir: t.testdir(migrations), db: await openDatabase(t, observer) }
}

t.test('migrations of SQL and of code go up and down', async (t) => {
  const { db, dir, relations, locks } = await open(t)
  t.strictSame(await migrate(db, dir), ['1_users', '2_rows', '3_index'])
  t.strictSame(await relations(), ['names', 'pgmigrations', 'sum', 'users'])
  t.strictSame(await db.fetchAll('SELECT id, name, mood FROM users ORDER BY id'), [{ id: 1, name: 'Ada', mood: 'ok' }, { id: 2, name: 'Grace', mood: 'ok' }])
  t.strictSame([await db.fetchVal('SELECT n FROM sum'), await db.fetchVal('SELECT two()')], [3, 2])
  t.strictSame(await migrate(db, dir), [], 'again there is nothing to do')
  t.strictSame(await migrate(db, dir, { direction: 'down', count: 2 }), ['3_index', '2_rows'])
  t.strictSame(await relations(), ['pgmigrations', 'users'])
  t.equal(await locks(), 0)
  await until(() => db.stats().busy === 0) // what cleans a session is behind its last call
  t.match(db.stats(), { busy: 0, waiting: 0 })
})

t.test('one that has to be outside of a transaction', async (t) => {
  const { db, dir, observer } = await open(t, { ...MIGRATIONS, '4_mood.js': CONCURRENTLY })
  t.strictSame(await migrate(db, dir, { singleTransaction: false }), ['1_users', '2_rows', '3_index', '4_mood'])
  t.match(await observer.rows("SELECT indisvalid FROM pg_index WHERE indexrelid = 'users_mood_index'::regclass"), [{ indisvalid: true }])
})

for (const singleTransaction of [true, false]) {
  t.test(`one that fails ${singleTransaction ? 'undoes all of them' : 'undoes itself alone'}, and leaves neither a lock nor a transaction`, async (t) => {
    const { db, dir, relations, locks, observer } = await open(t, { ...MIGRATIONS, '4_bad.sql': 'CREATE TABLE more (); INSERT INTO nowhere VALUES (1)' })
    await t.rejects(migrate(db, dir, { singleTransaction }), { code: '42P01' })
    t.strictSame(await relations(), singleTransaction ? ['pgmigrations'] : ['names', 'pgmigrations', 'sum', 'users'])
    await until(() => db.stats().busy === 0)
    t.equal(await locks(), 0)
    t.strictSame((await observer.backends()).filter(({ state }) => state !== 'idle'), [])
    t.equal(await db.transaction((tx) => tx.fetchVal('SELECT 1')), 1, 'the connection is as new')
    await t.rejects(migrate(db, dir, { singleTransaction }), { code: '42P01' }, 'and the lock can be taken again')
  })
}

t.test('of several processes that start at once, one migrates', async (t) => {
  const { db, dir, observer, locks } = await open(t)
  const other = await openDatabase(t, observer)
  const waiting = await Promise.all([db, other, db].map((db) => migrate(db, dir, { advisoryLockMode: 'wait' })))
  t.strictSame(waiting.flat(), ['1_users', '2_rows', '3_index'])
  const lease = await db.acquire()
  await lease.fetchVal('SELECT pg_advisory_lock(7241865325823964)')
  await t.rejects(migrate(other, dir), /Another migration is already running/)
  await lease.release()
  await until(async () => await locks() === 0)
})

t.test('a schema that it sets is not that of whoever has the connection next', async (t) => {
  const { db, dir, observer } = await open(t, { '1_users.js': MIGRATIONS['1_users.js'] })
  t.strictSame(await migrate(db, dir, { schema: 'app', createSchema: true }), ['1_users'])
  t.strictSame(await observer.rows("SELECT table_schema FROM information_schema.tables WHERE table_name = 'users'"), [{ table_schema: 'app' }])
  await until(() => db.stats().busy === 0)
  t.equal(await db.fetchVal("SELECT current_setting('search_path')"), '"$user", public')
})
