import { asc, DrizzleQueryError, eq, sql, TransactionRollbackError } from 'drizzle-orm'
import t from 'tap'
import { ServerError } from '../../../src/index.js'
import { until } from '../../support/database.js'
import { outcomesOf } from '../both-drivers.js'
import { open, over, overPostgresJs } from './drizzle.js'
import type { Drizzle } from './programs.js'
import { TABLES, tags, users } from './schema.js'

const ada = { name: 'Ada again', email: 'ada@example.com' }
const labels = async (orm: Pick<Drizzle, 'select'>): Promise<string[]> =>
  (await orm.select({ label: tags.label }).from(tags).orderBy(asc(tags.id))).map(({ label }) => label)
const causeOf = (error: unknown): unknown => error instanceof DrizzleQueryError ? error.cause : error

t.test('a transaction commits what returns, and rolls back what throws, in savepoints too: as with postgres.js', async (t) => {
  const { outcomes } = await outcomesOf(t, { over, overPostgresJs, tables: TABLES }, async (orm) => {
    const seen: unknown[] = []
    seen.push(await orm.transaction(async (tx) => {
      await tx.insert(tags).values({ id: 10, label: 'outer' })
      await tx.transaction(async (tx) => {
        await tx.insert(tags).values({ id: 11, label: 'inner' })
        await tx.transaction(async (tx) => {
          await tx.insert(tags).values({ id: 12, label: 'innermost' })
          tx.rollback()
        }).catch((error) => seen.push(error instanceof TransactionRollbackError))
        seen.push(await labels(tx))
      })
      await tx.transaction(async (tx) => await tx.insert(users).values(ada)).catch((error) => seen.push(causeOf(error) instanceof Error && Reflect.get(Object(causeOf(error)), 'code')))
      return await Promise.all([tx.$count(tags), tx.insert(tags).values({ id: 13, label: 'last' }).returning()])
    }))
    await orm.transaction(async (tx) => {
      await tx.insert(tags).values({ id: 14, label: 'gone' })
      throw new Error('mine')
    }).catch((error: Error) => seen.push(error.message))
    await orm.transaction(async (tx) => {
      await tx.delete(tags)
      tx.rollback()
    }).catch((error) => seen.push(error instanceof TransactionRollbackError))
    return [seen, await labels(orm)] as const
  })
  t.strictSame(outcomes[1], outcomes[0])
  t.match(outcomes[1]?.[1], ['new', 'old', 'outer', 'inner', 'last'])
})

t.test('isolation, access and deferrable are those that were asked for', async (t) => {
  const { orm } = await open(t)
  const settings = sql`SELECT current_setting('transaction_isolation') AS i, current_setting('transaction_read_only') AS r, current_setting('transaction_deferrable') AS d`
  const shown = async (config?: Parameters<Drizzle['transaction']>[1]): Promise<unknown> =>
    await orm.transaction(async (tx) => [...await tx.execute(settings)], config)
  t.strictSame(await shown(), [{ i: 'read committed', r: 'off', d: 'off' }])
  t.strictSame(await shown({ isolationLevel: 'serializable', accessMode: 'read only', deferrable: true }), [{ i: 'serializable', r: 'on', d: 'on' }])
  t.strictSame(await shown({ isolationLevel: 'repeatable read' }), [{ i: 'repeatable read', r: 'off', d: 'off' }])
  await t.rejects(orm.transaction((tx) => tx.insert(tags).values({ id: 9, label: 'x' }), { accessMode: 'read only' }), { cause: { code: '25006' } })
})

t.test('an error of the server is the cause of the one that Drizzle throws', async (t) => {
  const { orm, db } = await open(t)
  const error: unknown = await orm.insert(users).values(ada).catch((error: unknown) => error)
  t.ok(error instanceof DrizzleQueryError)
  const cause = causeOf(error)
  t.ok(cause instanceof ServerError)
  t.match(cause, { code: '23505', constraint_name: 'users_email_key', table_name: 'users', message: 'unique violation' })
  t.notMatch(JSON.stringify(cause), /ada@example/)
  await t.rejects(orm.execute(sql`SELECT * FROM nowhere`), { cause: { code: '42P01' } })
  await t.rejects(orm.insert(tags).values({ id: 2 ** 40, label: 'x' }), { cause: { code: /^(22003|FST_PG_VALUE)$/ } })
  t.strictSame(await labels(orm), ['new', 'old'], 'the connection is unharmed')
  await db.close()
  await t.rejects(orm.select().from(tags), { cause: { code: 'FST_PG_CLOSED' } })
})

t.test('an error that is swallowed is no commit', async (t) => {
  const { orm, db } = await open(t)
  const failed = orm.transaction(async (tx) => {
    await tx.insert(tags).values({ id: 20, label: 'x' })
    await tx.insert(users).values(ada).catch(() => {})
    await t.rejects(tx.select().from(tags), { cause: { code: '25P02' } })
  })
  await t.rejects(failed, { code: 'FST_PG_TRANSACTION_ABORTED', cause: { code: '23505' } })
  t.strictSame(await labels(orm), ['new', 'old'])
  await until(() => db.stats().busy === 0) // what cleans a session is behind its last call
  t.match(db.stats(), { busy: 0, waiting: 0 })
})

t.test('while a savepoint is open, the outer transaction says so', async (t) => {
  const { orm } = await open(t)
  await orm.transaction(async (tx) => {
    await tx.transaction(async (inner) => {
      await inner.insert(tags).values({ id: 20, label: 'inner' })
      await t.rejects(tx.insert(tags).values({ id: 21, label: 'outer' }), { cause: { code: 'FST_PG_NESTED_TRANSACTION' } })
    })
  })
  t.strictSame(await labels(orm), ['new', 'old', 'inner'])
})

t.test('a transaction whose connection is killed leaves nothing, and the next one has another connection', async (t) => {
  const { orm, db, observer } = await open(t)
  const error = await orm.transaction(async (tx) => {
    await tx.insert(tags).values({ id: 20, label: 'x' })
    await observer.kill()
    await tx.insert(tags).values({ id: 21, label: 'y' })
  }).catch((error: unknown) => error)
  t.match(causeOf(error), { code: /^(FST_PG_CONNECTION_LOST|57P01)$/ })
  t.strictSame(await labels(orm), ['new', 'old'])
  await until(() => db.stats().busy === 0)
})

t.test('40 transactions at once on 4 connections leave nothing open', async (t) => {
  const { orm, db, observer } = await open(t)
  const outcomes = await Promise.allSettled(Array.from({ length: 40 }, (_, n) => orm.transaction(async (tx) => {
    await tx.insert(tags).values({ id: 100 + n, label: `${n}` })
    await tx.transaction(async (tx) => {
      await tx.insert(tags).values({ id: 200 + n, label: 'inner' })
      if (n % 3 === 0) tx.rollback()
    }).catch((error) => { if (!(error instanceof TransactionRollbackError)) throw error })
    if (n % 4 === 0) throw new Error('mine')
    if (n % 10 === 1) await tx.insert(users).values(ada)
    return (await tx.select().from(tags).where(eq(tags.id, 100 + n))).length
  })))
  const failed = (n: number): boolean => n % 4 === 0 || n % 10 === 1
  t.strictSame(outcomes.map(({ status }) => status), Array.from({ length: 40 }, (_, n) => failed(n) ? 'rejected' : 'fulfilled'))
  const kept = Array.from({ length: 40 }, (_, n) => n).filter((n) => !failed(n))
  t.strictSame((await observer.rows('SELECT id FROM tags WHERE id >= 100 ORDER BY id')).map(({ id }) => id),
    [...kept.map((n) => 100 + n), ...kept.filter((n) => n % 3 !== 0).map((n) => 200 + n)])
  await until(() => db.stats().busy === 0) // what cleans a session is behind its last call
  t.match(db.stats(), { busy: 0, waiting: 0, free: db.stats().size })
  t.strictSame((await observer.backends()).filter(({ state }) => state !== 'idle'), [])
  t.ok(db.stats().size <= 4)
})
