import { once } from 'node:events'
import PgBoss from 'pg-boss'
import t from 'tap'
import { type Queryable, ServerError } from '../../src/index.js'
import { freshDatabase, openDatabase, until } from '../support/database.js'

/** What pg-boss asks for: undefined for NULL, JSON that is text, and the server's own words in an error, as `pg` has them. */
function bossDb (place: Queryable): PgBoss.Db {
  const sql = place.createSql({
    transform: { undefined: null },
    json: { stringify: (value) => typeof value === 'string' ? value : JSON.stringify(value) },
  })
  return {
    async executeSql (text, values) {
      try {
        return { rows: await sql.unsafe(text, values) }
      } catch (error) {
        throw error instanceof ServerError ? new Error(error.serverMessage, { cause: error }) : error
      }
    },
  }
}

async function open (t: import('tap').Test, options: PgBoss.ConstructorOptions = {}) {
  const observer = await freshDatabase(t)
  const db = await openDatabase(t, observer)
  const boss = new PgBoss({ db: bossDb(db), ...options })
  boss.on('error', (error) => t.fail(String(error)))
  t.teardown(() => boss.stop({ graceful: false }))
  await boss.start()
  return { observer, db, boss }
}

t.test('it makes its schema, and jobs go through it with their data', async (t) => {
  const { db, boss } = await open(t)
  t.equal(await boss.isInstalled(), true)
  await boss.createQueue('mails', { name: 'mails', policy: 'standard', retryLimit: 1 })
  const data = { to: 'ada@example.com', list: ['x', 1, null], text: '"quoted" \\ \'' }
  const id = await boss.send('mails', data)
  t.type(id, 'string')
  await boss.insert([{ name: 'mails', data: { n: 1 } }, { name: 'mails', data: { n: 2 }, priority: 5 }])
  t.equal(await boss.getQueueSize('mails'), 3)
  const jobs = await boss.fetch('mails', { batchSize: 5 })
  const [mine, ...others] = [...jobs].sort((a, b) => Number(b.id === id) - Number(a.id === id))
  const [first] = others
  if (mine === undefined || first === undefined) throw new Error('there are no jobs')
  t.strictSame(mine.data, data)
  t.same(new Set(others.map(({ data }) => data)), new Set([{ n: 1 }, { n: 2 }]))
  await boss.complete('mails', mine.id, { done: ['yes'] })
  await boss.fail('mails', first.id, new Error('not now'))
  t.match(await boss.getJobById('mails', mine.id), { state: 'completed', output: { done: ['yes'] }, data, createdOn: Date })
  t.match(await boss.getJobById('mails', first.id), { state: 'retry', output: { message: 'not now' } })
  t.equal(await db.fetchVal('SELECT jsonb_typeof(data) FROM pgboss.job WHERE id = $1', id), 'object')
  t.match(await boss.getQueue('mails'), { name: 'mails', retryLimit: 1 })
})

t.test('workers get jobs, also those that a transaction sends when it is committed', async (t) => {
  const { db, boss } = await open(t)
  await boss.createQueue('orders')
  const seen: unknown[] = []
  await boss.work('orders', { pollingIntervalSeconds: 0.5 }, async ([job]) => { seen.push(job?.data) })
  await db.transaction(async (tx) => {
    await boss.send('orders', { order: 1 }, { db: bossDb(tx) })
    throw new Error('undo it')
  }).catch(() => {})
  await db.transaction((tx) => boss.send('orders', { order: 2 }, { db: bossDb(tx) }))
  await until(() => seen.length > 0, 30)
  t.strictSame(seen, [{ order: 2 }])
  const stopped = once(boss, 'stopped')
  await boss.stop()
  await stopped
  await until(() => db.stats().busy === 0)
  t.equal(await db.fetchVal('SELECT 1'), 1, 'the pool goes on')
})

t.test('schedules, singletons and delays', async (t) => {
  const { boss } = await open(t)
  await boss.createQueue('reports')
  await boss.schedule('reports', '0 3 * * *', { kind: 'daily' }, { tz: 'Europe/Oslo' })
  t.match(await boss.getSchedules(), [{ name: 'reports', cron: '0 3 * * *', data: { kind: 'daily' } }])
  t.type(await boss.send('reports', { a: 1 }, { singletonKey: 'one', singletonSeconds: 600 }), 'string')
  t.equal(await boss.send('reports', { a: 2 }, { singletonKey: 'one', singletonSeconds: 600 }), null)
  await boss.send('reports', {}, { startAfter: 3600 })
  await boss.sendAfter('reports', {}, {}, new Date(Date.now() + 3_600_000))
  t.equal((await boss.fetch('reports', { batchSize: 10 })).length, 1)
})

t.test('instances that start at once make the schema once', async (t) => {
  const observer = await freshDatabase(t)
  const all = await Promise.all([1, 2, 3].map(async () => {
    const db = await openDatabase(t, observer)
    const boss = new PgBoss({ db: bossDb(db) })
    boss.on('error', (error) => t.fail(String(error)))
    t.teardown(() => boss.stop({ graceful: false }))
    return boss
  }))
  await Promise.all(all.map((boss) => boss.start()))
  await all[0]?.createQueue('once')
  t.match(await all[1]?.getQueue('once'), { name: 'once' })
})
