import { writeFile } from 'node:fs/promises'
import Postgrator from 'postgrator'
import t from 'tap'
import type { Database } from '../../src/index.js'
import { freshDatabase, openDatabase, until } from '../support/database.js'
import { found } from '../support/disclosure.js'

const MIGRATIONS = {
  '001.do.users.sql': "CREATE TABLE users (id int PRIMARY KEY, name text);\nINSERT INTO users VALUES (1, 'Ada; Lovelace');\n",
  '001.undo.users.sql': 'DROP TABLE users;',
  '002.do.function.sql': 'CREATE FUNCTION two() RETURNS int LANGUAGE plpgsql AS $$ BEGIN RETURN 1 + 1; END $$; CREATE INDEX ON users (name);',
  '002.undo.function.sql': 'DROP FUNCTION two',
  '003.do.code.js': "export const generateSql = () => 'INSERT INTO users VALUES (3, \\'Linus\\')'",
  '003.undo.code.js': "export const generateSql = () => 'DELETE FROM users WHERE id = 3'",
}

/** Each script and its entry by itself. */
function plain (db: Database, folder: string): Postgrator {
  return new Postgrator({
    driver: 'pg',
    migrationPattern: `${folder}/*`,
    execQuery: async (text) => ({ rows: await db.fetchAll(text) }),
    execSqlScript: async (text) => { await db.execute(text) },
  })
}

/** All of them or none, by one process at a time. */
async function migrate (db: Database, folder: string, target?: string): Promise<number[]> {
  return await db.transaction(async (tx) => {
    await tx.execute('SELECT pg_advisory_xact_lock(73)')
    const migrations = await new Postgrator({
      driver: 'pg',
      migrationPattern: `${folder}/*`,
      execQuery: async (text) => ({ rows: await tx.fetchAll(text) }),
      execSqlScript: async (text) => { await tx.execute({ text, timeout: 0 }) },
    }).migrate(target)
    return migrations.map(({ version }) => version)
  })
}

async function open (t: import('tap').Test, migrations: Record<string, string> = MIGRATIONS) {
  const observer = await freshDatabase(t)
  const folder = t.testdir(migrations)
  const versions = async (): Promise<unknown[]> => (await observer.rows('SELECT version FROM schemaversion ORDER BY version')).map(({ version }) => Number(version))
  return { observer, folder, versions, db: await openDatabase(t, observer) }
}

t.test('scripts of SQL and of code go up and down, on the pool', async (t) => {
  const { db, folder, versions } = await open(t)
  const postgrator = plain(db, folder)
  t.strictSame((await postgrator.migrate()).map(({ version }) => version), [1, 2, 3])
  t.strictSame(await db.fetchAll('SELECT id, name FROM users ORDER BY id'), [{ id: 1, name: 'Ada; Lovelace' }, { id: 3, name: 'Linus' }])
  t.equal(await db.fetchVal('SELECT two()'), 2)
  t.equal(await postgrator.getDatabaseVersion(), 3)
  t.strictSame(await plain(db, folder).migrate(), [], 'again there is nothing to do')
  t.strictSame((await plain(db, folder).migrate('001')).map(({ version }) => version), [3, 2])
  t.strictSame(await versions(), [0, 1])
  t.equal(await plain(db, folder).getDatabaseVersion(), 1)
  await writeFile(`${folder}/001.do.users.sql`, 'SELECT 1')
  await t.rejects(plain(db, folder).migrate(), /MD5/, 'what was changed since is found')
})

t.test('in a transaction a script that fails undoes all of them', async (t) => {
  const { db, folder, observer } = await open(t, { ...MIGRATIONS, '004.do.bad.sql': 'CREATE TABLE more (); INSERT INTO nowhere VALUES (1);' })
  await t.rejects(migrate(db, folder), { code: '42P01', appliedMigrations: [{ version: 1 }, { version: 2 }, { version: 3 }] })
  found.length = 0 // it hangs the MD5 of its files on the error, which look like passwords
  t.strictSame(await observer.rows("SELECT relname FROM pg_class WHERE relname IN ('users', 'more', 'schemaversion')"), [])
  await writeFile(`${folder}/004.do.bad.sql`, 'CREATE TABLE more ()')
  await writeFile(`${folder}/004.undo.bad.sql`, 'DROP TABLE more')
  t.strictSame(await migrate(db, folder), [1, 2, 3, 4])
  t.strictSame(await migrate(db, folder, '2'), [4, 3])
  await until(() => db.stats().busy === 0) // what cleans a session is behind its last call
  t.match(db.stats(), { busy: 0, waiting: 0 })
})

t.test('on the pool a script that fails leaves nothing of itself, and those before it stay', async (t) => {
  const { db, folder, versions, observer } = await open(t, { ...MIGRATIONS, '004.do.bad.sql': 'CREATE TABLE more (); INSERT INTO nowhere VALUES (1);' })
  await t.rejects(plain(db, folder).migrate(), { code: '42P01' })
  t.strictSame(await versions(), [0, 1, 2, 3])
  t.strictSame(await observer.rows("SELECT relname FROM pg_class WHERE relname = 'more'"), [])
})

t.test('of several processes that start at once, each script runs in one', async (t) => {
  const { db, folder, observer, versions } = await open(t)
  const other = await openDatabase(t, observer)
  const all = await Promise.all([db, other, db, other].map((db) => migrate(db, folder)))
  t.strictSame(all.flat(), [1, 2, 3])
  t.strictSame(await versions(), [0, 1, 2, 3])
})

t.test('with a schema of its own it needs one session, whose search_path nobody else gets', async (t) => {
  const { db, folder, observer } = await open(t, { '001.do.users.sql': 'CREATE TABLE inside (id int)' })
  await observer.rows('CREATE SCHEMA app')
  const lease = await db.acquire()
  try {
    await new Postgrator({
      driver: 'pg',
      currentSchema: 'app',
      migrationPattern: `${folder}/*`,
      execQuery: async (text) => ({ rows: await lease.fetchAll(text) }),
    }).migrate()
  } finally {
    await lease.release()
  }
  t.strictSame(await observer.rows("SELECT table_schema, table_name FROM information_schema.tables WHERE table_name IN ('inside', 'schemaversion') ORDER BY table_name"),
    [{ table_schema: 'app', table_name: 'inside' }, { table_schema: 'app', table_name: 'schemaversion' }])
  await until(() => db.stats().busy === 0)
  t.equal(await db.fetchVal("SELECT current_setting('search_path')"), '"$user", public')
})
