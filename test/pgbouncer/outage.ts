import t from 'tap'
import { createDatabase } from '../../src/index.js'
import { freshDatabase, memoryLog, openDatabase, until } from '../support/database.js'
import { Bouncer } from '../support/pgbouncer.js'

t.test('PgBouncer and the server behind it fail', async (t) => {
  const observer = await freshDatabase(t)
  await observer.rows('CREATE TABLE marks (id int)')

  t.test('the sessions are killed behind it: each call on them gets a coded error, and the pool works again by itself', async (t) => {
    const bouncer = await Bouncer.start(t, observer.url)
    const db = await openDatabase(t, observer, { url: bouncer.url, prepare: false, min: 4, max: 4 })
    const running = [1, 2].map(() => db.fetchVal('SELECT pg_sleep(30)'))
    const moving = db.transaction(async (tx) => {
      await tx.execute('INSERT INTO marks VALUES (1)')
      await tx.fetchVal('SELECT pg_sleep(30)')
    })
    for (const call of [...running, moving]) call.catch(() => {})
    await until(async () => (await observer.backends()).filter(({ query }) => query.includes('pg_sleep(30)')).length === 3)
    await observer.kill()
    for (const outcome of await Promise.allSettled([...running, moving])) {
      if (outcome.status === 'fulfilled') throw new Error('it was killed')
      t.match(outcome.reason.code, /^(FST_PG_CONNECTION_LOST|08P01|57P01)$/)
    }
    t.same(await Promise.all([1, 2, 3, 4, 5, 6].map((n) => db.fetchVal('SELECT $1::int', n))), [1, 2, 3, 4, 5, 6])
    t.equal(await db.fetchVal('SELECT count(*)::int FROM marks'), 0)
    await until(() => db.stats().free === 4)
  })

  t.test('it is restarted: callers are settled, and the pool works again by itself', async (t) => {
    const bouncer = await Bouncer.start(t, observer.url)
    const db = await openDatabase(t, observer, { url: bouncer.url, prepare: false, min: 3, max: 3, acquireTimeout: 20 })
    const running = db.fetchVal('SELECT pg_sleep(30)')
    running.catch(() => {})
    await until(async () => (await observer.backends()).some(({ state, query }) => state === 'active' && query.includes('pg_sleep(30)')))
    await bouncer.stop()
    await t.rejects(running, { code: 'FST_PG_CONNECTION_LOST' })
    await until(() => db.stats().size === 0)
    await observer.kill() // a backend does not see that its client is gone before its statement is over
    const waiting = db.fetchVal('SELECT 8')
    await until(() => db.stats().connectFailures > 0)
    await bouncer.start()
    t.equal(await waiting, 8)
    await until(() => db.stats().free === 3)
    t.match(db.stats(), { size: 3, free: 3, waiting: 0 })
  })

  t.test('PAUSE: calls wait and time out as any others; RESUME: they are served', async (t) => {
    const bouncer = await Bouncer.start(t, observer.url)
    const db = await openDatabase(t, observer, { url: bouncer.url, prepare: false, min: 2, max: 2 })
    await bouncer.command('PAUSE')
    const served = db.fetchVal('SELECT 9')
    served.catch(() => {})
    await t.rejects(db.fetchVal({ text: 'SELECT 1', timeout: 0.2 }), { code: 'FST_PG_QUERY_TIMEOUT' })
    await bouncer.command('RESUME')
    t.equal(await served, 9)
    t.same(await Promise.all([1, 2, 3, 4].map((n) => db.fetchVal('SELECT $1::int', n))), [1, 2, 3, 4])
    await until(() => db.stats().free === db.stats().size)
  })

  t.test('it has no session within its query_wait_timeout: a coded error, and the pool works again by itself', async (t) => {
    const bouncer = await Bouncer.start(t, observer.url, { default_pool_size: 1, query_wait_timeout: 1 })
    const db = await openDatabase(t, observer, { url: bouncer.url, prepare: false, min: 2, max: 2, acquireTimeout: 20 })
    const lease = await db.acquire()
    await lease.execute('BEGIN')
    await lease.fetchVal('SELECT 1')
    await t.rejects(db.fetchVal('SELECT 1'), { code: 'FST_PG_CONNECTION_LOST' })
    t.match(bouncer.log, /query_wait_timeout/)
    await lease.execute('COMMIT')
    await lease.release()
    t.same(await Promise.all([1, 2, 3, 4].map((n) => db.fetchVal('SELECT $1::int', n))), [1, 2, 3, 4])
  })

  t.test('there is no server behind it at the start: a coded error within startupTimeout', async (t) => {
    const unreachable = Object.assign(new URL(observer.url), { port: '1' }).href
    const bouncer = await Bouncer.start(t, unreachable)
    const db = createDatabase({ url: bouncer.url, prepare: false, startupTimeout: 1, connectTimeout: 0.8, log: memoryLog() }, {})
    t.teardown(() => db.close())
    await t.rejects(db.open(), { code: 'FST_PG_STARTUP', statusCode: 503 })
  })
})
