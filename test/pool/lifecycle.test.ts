import t from 'tap'
import { createDatabase } from '../../src/index.js'
import { freshDatabase, memoryLog, openDatabase, until } from '../support/database.js'
import { runScript } from '../support/script.js'

t.test('opening and closing', async (t) => {
  const observer = await freshDatabase(t)

  t.test('a pool opens, answers and closes', async (t) => {
    const db = await openDatabase(t, observer, { min: 2 })
    t.equal(await db.fetchVal('SELECT 1'), 1)
    t.equal((await observer.backends()).length, 2)
    await db.close()
    t.equal((await observer.backends()).length, 0)
  })

  t.test('close ends idle connections at once and gracefully, not by force when the grace is over', async (t) => {
    const db = createDatabase({ url: observer.url, min: 3, max: 3, log: memoryLog() }, {})
    await db.open()
    await db.close()
    t.strictSame({ ...db.stats().closed }, { close: 3 })
  })

  t.test('a short limit is looked after often, whatever the other limits are', async (t) => {
    const db = await openDatabase(t, observer, { min: 1, max: 2, idleTimeout: 0.05 })
    await Promise.all([db.fetchVal('SELECT pg_sleep(0.01)'), db.fetchVal('SELECT pg_sleep(0.01)')])
    await db.fetchVal('SELECT pg_sleep(0.6)') // looked after once a second, the other one would still be there
    t.equal(db.stats().closed.idle, 1)
  })

  t.test('opening again is the same opening; the first call opens too', async (t) => {
    const db = createDatabase({ url: observer.url, min: 2, max: 2, log: memoryLog() }, {})
    t.teardown(() => db.close())
    t.equal(await db.fetchVal('SELECT 1'), 1)
    await Promise.all([db.open(), db.open()])
    t.match(db.stats(), { created: 2, size: 2, free: 2 })
  })

  t.test('a pool that its first call opened goes on with what there is: only who waits for all of it hears that the start failed', async (t) => {
    const role = `one_${Date.now().toString(36)}`
    await observer.rows(`CREATE ROLE ${role} LOGIN PASSWORD 'one' CONNECTION LIMIT 1`)
    const url = Object.assign(new URL(observer.url), { username: role, password: 'one' }).href
    const options = { url, min: 2, max: 2, startupTimeout: 0.3, closeTimeout: 1 }
    const log = memoryLog()
    const db = createDatabase({ ...options, log }, {})
    t.teardown(() => db.close())
    t.equal(await db.fetchVal('SELECT 1'), 1)
    await until(() => log.lines.some(({ level, message }) => level === 'warn' && message.includes('going on without it')))
    t.equal(await db.fetchVal('SELECT 2'), 2)
    await db.open()
    t.equal(await db.fetchVal('SELECT 3'), 3)
    await observer.rows(`ALTER ROLE ${role} CONNECTION LIMIT 5`)
    await until(() => db.stats().free === 2)
    await db.close()
    await observer.rows(`ALTER ROLE ${role} CONNECTION LIMIT 1`)
    const awaited = createDatabase({ ...options, startupTimeout: 2, log: memoryLog() }, {})
    await t.rejects(awaited.open(), { code: 'FST_PG_STARTUP', cause: { code: '53300' } })
    t.equal(awaited.stats().size, 0)
    await observer.rows(`DROP ROLE ${role}`)
  })

  t.test('min 0 still finds out whether the server is there', async (t) => {
    const db = await openDatabase(t, observer, { min: 0 })
    t.equal(db.stats().size, 1)
    const nowhere = createDatabase({ host: '127.0.0.1', port: 1, min: 0, startupTimeout: 0.3, log: memoryLog() }, {})
    await t.rejects(nowhere.open(), { code: 'FST_PG_STARTUP', cause: { code: 'ECONNREFUSED' } })
  })

  t.test('close waits for a holder, turns waiters away, and is idempotent (case 35)', async (t) => {
    const db = await openDatabase(t, observer, { min: 1, max: 1 })
    const running = db.fetchVal('SELECT 7 FROM pg_sleep(0.2)')
    const waiting = db.fetchVal('SELECT 8')
    const closing = db.close()
    t.equal(db.close(), closing)
    await t.rejects(waiting, { code: 'FST_PG_CLOSED' })
    await t.rejects(db.fetchVal('SELECT 9'), { code: 'FST_PG_CLOSED', statusCode: 503 })
    await t.rejects(db.acquire(), { code: 'FST_PG_CLOSED' })
    await t.rejects(db.transaction(() => 1), { code: 'FST_PG_CLOSED' })
    t.equal(await running, 7)
    await closing
    await t.rejects(db.open().then(() => db.fetchVal('SELECT 1')), { code: 'FST_PG_CLOSED' })
    t.match(db.stats(), { size: 0, free: 0, busy: 0, closing: 0, waiting: 0 })
    t.same(await observer.backends(), [])
  })

  t.test('a call made after close is rejected, also in the same turn as one that is sent', async (t) => {
    const db = await openDatabase(t, observer, { min: 1, max: 1 })
    for (let use = 0; use < 5; use++) await db.fetchVal('SELECT $1::int', use)
    const before = db.fetchVal('SELECT $1::int', 7)
    const closed = db.close()
    await t.rejects(db.fetchVal('SELECT $1::int', 8), { code: 'FST_PG_CLOSED' })
    t.equal(await before, 7)
    await closed
  })

  t.test('a transaction goes on within the grace period', async (t) => {
    const db = await openDatabase(t, observer, { min: 1, max: 1 })
    let closing: Promise<void> | undefined
    const value = await db.transaction(async (tx) => {
      closing = db.close()
      return await tx.fetchVal('SELECT 1') === 1 ? await tx.fetchVal('SELECT 2') : null
    })
    t.equal(value, 2)
    await closing
  })

  t.test('after closeTimeout running work is ended, on the server as well (case 35)', async (t) => {
    const db = await openDatabase(t, observer, { min: 2, max: 2, closeTimeout: 0.2 })
    const running = db.fetchVal('SELECT pg_sleep(30)')
    running.catch(() => {})
    const lease = await db.acquire()
    await db.close()
    await t.rejects(running, { code: 'FST_PG_CONNECTION_LOST', advice: /forced/ })
    await t.rejects(lease.fetchVal('SELECT 1'), { code: 'FST_PG_CONNECTION_LOST' })
    await lease.release()
    t.match(db.stats(), { size: 0, closed: { forced: 2 } })
    await until(async () => (await observer.backends()).length === 0)
  })

  t.test('close without open, and closing what never could open', async (t) => {
    const unused = createDatabase({ url: observer.url, log: memoryLog() }, {})
    await unused.close()
    await t.rejects(unused.fetchVal('SELECT 1'), { code: 'FST_PG_CLOSED' })
    const refused = createDatabase({ url: observer.url, password: 'wrong', log: memoryLog() }, {})
    await t.rejects(refused.open(), { code: /^FST_PG_CONNECT$/, advice: /28P01/, cause: { code: '28P01' } })
    await t.rejects(refused.fetchVal('SELECT 1'), { code: /^FST_PG_CONNECT$/ }, 'later calls learn why')
    await refused.close()
    t.equal(refused.stats().connectFailures, 1)
  })

  t.test('a password function that fails is the cause', async (t) => {
    const db = createDatabase({ url: observer.url, min: 1, password: () => { throw new Error('vault is sealed') }, startupTimeout: 0.3, log: memoryLog() }, {})
    await t.rejects(db.open(), { code: 'FST_PG_STARTUP', cause: { message: 'vault is sealed' } })
  })

  t.test('a password function that returns no string is named', async (t) => {
    const db = createDatabase({ url: observer.url, min: 1, password: () => undefined as never, startupTimeout: 0.3, log: memoryLog() }, {})
    await t.rejects(db.open(), { code: 'FST_PG_STARTUP', cause: { code: 'FST_PG_OPTION', message: /password/ } })
  })

  t.test('settings that the driver would drop or split are refused', async (t) => {
    for (const parameters of [{ search_path: '' }, { search_path: 'a\0b' }, { 'a\0b': 'c' }]) {
      t.throws(() => createDatabase({ parameters, log: memoryLog() }, {}), { code: 'FST_PG_OPTION', message: /parameters/ })
    }
  })

  t.test('a script ends by itself when the pool is closed; and logs through pino, warnings only', async (t) => {
    const script = `
      import { createDatabase } from './src/index.ts'
      const db = createDatabase({ url: process.env.URL_OF_TEST, min: 2, max: 4 })
      console.log(await db.fetchVal('SELECT 40 + 2'))
      await db.fetchVal({ text: 'SELECT pg_sleep(30)', timeout: 0.05 }).catch((error) => console.log(error.code))
      await db.close()
      console.log('closed')`
    const child = runScript(script, { URL_OF_TEST: observer.url })
    child.stderr.pipe(process.stderr)
    let output = ''
    child.stdout.setEncoding('utf8').on('data', (text) => { output += text })
    const code = await new Promise((resolve) => child.once('close', resolve))
    t.equal(code, 0)
    t.equal(output, '42\nFST_PG_QUERY_TIMEOUT\nclosed\n')
  })
})
