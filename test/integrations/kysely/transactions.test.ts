import { FileMigrationProvider, Kysely, Migrator, sql } from 'kysely'
import { promises as fs } from 'node:fs'
import path from 'node:path'
import t from 'tap'
import { isUniqueViolation, ServerError } from '../../../src/index.js'
import { openDatabase, until } from '../../support/database.js'
import { outcomesOf } from '../both-drivers.js'
import { open, over, overPostgresJs, TABLES, type Orm } from './kysely.js'

const ada = { name: 'Ada again', email: 'ada@example.com' }
const names = async (orm: Orm): Promise<string[]> => (await orm.selectFrom('users').select('name').orderBy('id').execute()).map(({ name }) => name)
const insert = (orm: Orm, name: string) => orm.insertInto('users').values({ name, email: name }).executeTakeFirstOrThrow()

t.test('transactions commit what returns and roll back what throws, with savepoints by name: as with postgres.js', async (t) => {
  const { db, outcomes } = await outcomesOf(t, { over, overPostgresJs, tables: TABLES }, async (orm) => {
    const seen: unknown[] = []
    seen.push(await orm.transaction().execute(async (trx) => {
      await insert(trx, 'outer')
      return await names(trx)
    }))
    await orm.transaction().execute(async (trx) => {
      await insert(trx, 'gone')
      throw new Error('mine')
    }).catch((error: Error) => seen.push(error.message))
    await orm.transaction().execute(async (trx) => await trx.insertInto('users').values(ada).execute()).catch((error) => seen.push(error.code, error.constraint_name))
    const trx = await orm.startTransaction().execute()
    await insert(trx, 'kept')
    const inner = await trx.savepoint('one').execute()
    await insert(inner, 'undone')
    await inner.insertInto('users').values(ada).execute().catch((error) => seen.push(error.code))
    const back = await inner.rollbackToSavepoint('one').execute()
    await insert(back, 'later')
    await (await back.releaseSavepoint('one').execute()).commit().execute()
    const other = await orm.startTransaction().setIsolationLevel('serializable').setAccessMode('read only').execute()
    seen.push((await sql`SELECT current_setting('transaction_isolation') AS i, current_setting('transaction_read_only') AS r`.execute(other)).rows)
    await other.rollback().execute()
    seen.push(await orm.connection().execute(async (orm) => {
      await sql`SET application_name = 'mine'`.execute(orm)
      return (await sql`SHOW application_name`.execute(orm)).rows
    }))
    return [seen, await names(orm)] as const
  })
  t.strictSame(outcomes[1], outcomes[0])
  t.strictSame(outcomes[1]?.[1], ['Ada', 'Grace', 'Linus', 'outer', 'kept', 'later'])
  await until(() => db.stats().busy === 0)
  t.equal(await db.fetchVal('SHOW application_name'), 'fastify-postgres-js', 'what a connection was set to is reset')
})

t.test('an error is that of the server, and works with the predicates', async (t) => {
  const { orm } = await open(t)
  const error: unknown = await orm.insertInto('users').values(ada).execute().catch((error: unknown) => error)
  t.ok(error instanceof ServerError)
  t.ok(isUniqueViolation(error, 'users_email_key'))
  await t.rejects(sql`SELECT * FROM nowhere`.execute(orm), { code: '42P01' })
  t.equal((await names(orm)).length, 3, 'the connection is unharmed')
})

t.test('an error that is swallowed in a transaction is no commit', async (t) => {
  const { orm, db } = await open(t)
  await t.rejects(orm.transaction().execute(async (trx) => {
    await insert(trx, 'gone')
    await trx.insertInto('users').values(ada).execute().catch(() => {})
  }), { code: 'FST_PG_TRANSACTION_ABORTED' })
  t.equal((await names(orm)).length, 3)
  await until(() => db.stats().busy === 0)
})

t.test('a stream rejects with a coded error, and gives its connection back', async (t) => {
  const { orm, db } = await open(t, { max: 1 })
  await t.rejects(async () => { for await (const row of orm.selectFrom('users').selectAll().stream(1)) t.fail(JSON.stringify(row)) }, { code: 'FST_PG_QUERY' })
  t.equal((await names(orm)).length, 3)
  await until(() => db.stats().busy === 0)
})

t.test('destroy leaves the pool to the application', async (t) => {
  const { orm, db } = await open(t)
  await names(orm)
  await orm.destroy()
  t.equal(await db.fetchVal('SELECT 1'), 1)
})

t.test('40 transactions at once on 4 connections leave nothing open, beside helpers and another tag', async (t) => {
  const { orm, db, observer } = await open(t)
  const text = over(db, { types: { timestamptz: 'string' } })
  const outcomes = await Promise.allSettled(Array.from({ length: 40 }, async (_, n) => {
    const done = orm.transaction().execute(async (trx) => {
      await insert(trx, `t${n}`)
      if (n % 4 === 0) throw new Error('mine')
      if (n % 10 === 1) await trx.insertInto('users').values(ada).execute()
      return (await trx.selectFrom('users').select('created_at').where('name', '=', 'Ada').executeTakeFirstOrThrow()).created_at
    })
    const [others] = await Promise.all([Promise.all([
      db.fetchVal('SELECT "created_at" FROM "users" WHERE "name" = $1', 'Ada'),
      text.selectFrom('users').select('created_at').where('name', '=', 'Ada').executeTakeFirstOrThrow(),
      db.sql`SELECT "created_at" FROM "users" WHERE "name" = ${'Ada'}`,
    ]), done.catch(() => {})])
    t.strictSame([others[0], String(others[1].created_at), [...others[2]]], [new Date('2026-01-01'), '2026-01-01 00:00:00+00', [{ created_at: new Date('2026-01-01') }]])
    return await done
  }))
  const failed = (n: number): boolean => n % 4 === 0 || n % 10 === 1
  t.strictSame(outcomes.map((outcome) => outcome.status === 'fulfilled' && outcome.value), Array.from({ length: 40 }, (_, n) => !failed(n) && new Date('2026-01-01')))
  t.equal((await observer.rows("SELECT FROM users WHERE name ~ '^t'")).length, outcomes.filter(({ status }) => status === 'fulfilled').length)
  await until(() => db.stats().busy === 0)
  await until(() => db.stats().busy === 0) // what cleans a session is behind its last call
  t.match(db.stats(), { busy: 0, waiting: 0, free: db.stats().size })
  t.strictSame((await observer.backends()).filter(({ state }) => state !== 'idle'), [])
})

t.test('a transaction whose connection is killed rejects, and gives its place back', async (t) => {
  const { orm, db, observer } = await open(t, { max: 1 })
  // With what, over any client: when its ROLLBACK fails, Kysely 0.28 calls a method that version 3 of this driver does not have.
  await t.rejects(orm.transaction().execute(async (trx) => {
    await insert(trx, 'gone')
    await observer.kill()
    await t.rejects(insert(trx, 'too'), { code: /^(FST_PG_CONNECTION_LOST|57P01)$/ })
    throw new Error('mine')
  }))
  t.equal((await names(orm)).length, 3)
  await until(() => db.stats().busy === 0)
})

t.test('migrations go up and down, once, also where several processes start at once', async (t) => {
  const { orm, db, observer } = await open(t)
  const migrationFolder = t.testdir({
    '1_books.js': `export const up = (db) => db.schema.createTable('books').addColumn('id', 'integer').execute()
      export const down = (db) => db.schema.dropTable('books').execute()`,
    '2_more.js': `export const up = (db) => db.insertInto('books').values([{ id: 1 }, { id: 2 }]).execute()
      export const down = (db) => db.deleteFrom('books').execute()`,
  })
  const migrator = (orm: Orm): Migrator => new Migrator({ db: orm, provider: new FileMigrationProvider({ fs, path, migrationFolder }) })
  const other = over(await openDatabase(t, observer))
  const all = await Promise.all([orm, other, orm].map((orm) => migrator(orm).migrateToLatest()))
  t.strictSame(all.map(({ error }) => error), [undefined, undefined, undefined])
  t.strictSame(all.flatMap(({ results = [] }) => results.map(({ migrationName, status }) => `${migrationName} ${status}`)), ['1_books Success', '2_more Success'])
  t.strictSame(await db.fetchColumn('SELECT id FROM books ORDER BY id'), [1, 2])
  t.match(await migrator(orm).migrateDown(), { results: [{ migrationName: '2_more', status: 'Success' }] })
  t.equal(await db.fetchVal('SELECT count(*) FROM books'), 0)
  await fs.writeFile(path.join(migrationFolder, '3_bad.js'), "import { sql } from 'kysely'\nexport const up = async (db) => { await sql`CREATE TABLE more ()`.execute(db); await sql`SELECT nothing`.execute(db) }")
  t.match(await migrator(orm).migrateToLatest(), { error: { code: '42703' } })
  t.strictSame(await observer.rows("SELECT relname FROM pg_class WHERE relname = 'more'"), [])
  await until(() => db.stats().busy === 0)
})

t.test('a Kysely that is made for one request, in its transaction', async (t) => {
  const { db } = await open(t)
  await t.rejects(db.transaction(async (tx) => {
    const dialect = { postgres: { reserve: async () => Object.assign(tx.createSql(), { release () {} }), end: async () => {} } }
    const { PostgresJSDialect } = await import('kysely-postgres-js')
    const orm: Orm = new Kysely({ dialect: new PostgresJSDialect({ postgres: () => dialect.postgres as never }) })
    await insert(orm, 'in it')
    t.equal(await tx.fetchVal("SELECT count(*) FROM users WHERE name = 'in it'"), 1)
    throw new Error('mine')
  }), /mine/)
  t.equal(await db.fetchVal("SELECT count(*) FROM users WHERE name = 'in it'"), 0)
})
