import t from 'tap'
import { createDatabase } from '../../src/index.js'
import { freshDatabase, memoryLog, openDatabase, until } from '../support/database.js'
import { Bouncer } from '../support/pgbouncer.js'

t.test('through PgBouncer in transaction mode', async (t) => {
  const observer = await freshDatabase(t)
  const bouncer = await Bouncer.start(t, observer.url)
  const { url } = bouncer
  const refusals = (): number => bouncer.log.split('closing because: unsupported startup parameter').length - 1

  t.test('the start-up parameters that it refuses are left out, and the pool pays for it once', async (t) => {
    const log = memoryLog()
    const db = await openDatabase(t, observer, { url, prepare: false, min: 1, max: 3, log })
    t.equal(await db.fetchVal('SELECT $1::int', 7), 7)
    await until(() => refusals() === 2)
    db.expire()
    await Promise.all([1, 2, 3].map(() => db.fetchVal('SELECT 1 FROM pg_sleep(0.05)')))
    t.ok(db.stats().created > 2)
    t.equal(refusals(), 2)
    t.match(db.stats(), { connectFailures: 0, errors: 0 })
    t.strictSame(log.lines.filter(({ level }) => level !== 'debug' && level !== 'info'), [])
  })

  t.test('a setting that the user asked for and it refuses is an error that says what to do, at once', async (t) => {
    for (const [name, value] of [['search_path', 'private_schema'], ['statement_timeout', '1234567']] as const) {
      const db = createDatabase({ url, prepare: false, parameters: { [name]: value }, log: memoryLog() }, {})
      t.teardown(() => db.close())
      const start = performance.now()
      const error = await db.open().catch((error) => error)
      t.ok(performance.now() - start < 4000, 'long before startupTimeout')
      t.match(error, { code: /^FST_PG_CONNECT$/, cause: { code: 'REFUSED_PARAMETER', cause: { code: '08P01' } } })
      t.match(error.cause.message, new RegExp(`parameters: .*takes no ${name} .*ALTER ROLE … SET`))
      t.notMatch(JSON.stringify(error) + error.message + error.cause.message, value)
    }
  })

  t.test('where arrays could not hold NULL, connecting fails and says what to do', async (t) => {
    const name = new URL(observer.url).pathname.slice(1)
    await observer.rows(`ALTER DATABASE ${name} SET array_nulls = off`)
    await bouncer.command('RECONNECT')
    const db = createDatabase({ url, prepare: false, log: memoryLog() }, {})
    t.teardown(() => db.close())
    await t.rejects(db.open(), { code: 'FST_PG_CONNECT', cause: { code: 'ARRAY_NULLS', message: /ALTER ROLE … SET/ } })
    await observer.rows(`ALTER DATABASE ${name} RESET array_nulls`)
    await bouncer.command('RECONNECT')
  })

  t.test('settings that it tracks arrive, for each session that it hands out', async (t) => {
    await observer.rows(`ALTER DATABASE ${new URL(observer.url).pathname.slice(1)} SET DateStyle = 'SQL, DMY'`)
    await bouncer.command('RECONNECT')
    const db = await openDatabase(t, observer, { url, prepare: false, min: 4, max: 4, parameters: { TimeZone: 'Asia/Tokyo' }, applicationName: 'tracked' })
    const read = (): Promise<unknown> => db.fetchOne(`SELECT current_setting('TimeZone') AS zone, current_setting('application_name') AS name,
      timestamp '2024-02-03 04:05:06' AS at FROM pg_sleep(0.01)`)
    const seen = await Promise.all(Array.from({ length: 40 }, read))
    const first = seen[0]
    t.match(first, { zone: 'Asia/Tokyo', name: 'tracked' })
    t.match(JSON.stringify(first), /2024-02-03/)
    for (const row of seen) t.strictSame(row, first)
    // What a lease leaves behind is not cleaned away on whichever session comes next: its connection is replaced.
    const lease = await db.acquire()
    await lease.execute("SET TimeZone = 'Europe/Oslo'")
    await lease.release()
    t.equal(db.stats().closed.cleaning, 1)
    for (const row of await Promise.all(Array.from({ length: 40 }, read))) t.strictSame(row, first)
  })

  t.test('the connections of the server are not held against the size of the pool, which are those of the pooler', async (t) => {
    const log = memoryLog()
    const direct = memoryLog()
    await openDatabase(t, observer, { url, prepare: false, max: 9000, log })
    await openDatabase(t, observer, { max: 9000, log: direct })
    const warned = ({ lines }: typeof log): boolean => lines.some(({ message }) => message.includes('more connections than the server has'))
    t.notOk(warned(log))
    t.ok(warned(direct))
  })

  t.test('as many clients as it takes: who gets no connection has a coded error, others work, and it passes', async (t) => {
    const small = await Bouncer.start(t, observer.url, { max_client_conn: 3 })
    const first = await openDatabase(t, observer, { url: small.url, prepare: false, min: 3, max: 3 })
    const second = createDatabase({ url: small.url, prepare: false, min: 0, max: 2, acquireTimeout: 0.5, log: memoryLog() }, {})
    t.teardown(() => second.close())
    await t.rejects(second.fetchVal('SELECT 1'), { code: 'FST_PG_ACQUIRE_TIMEOUT', advice: /08P01/ })
    t.equal(await first.fetchVal('SELECT 2'), 2)
    await first.close()
    t.equal(await second.fetchVal('SELECT 3'), 3)
  })
})
