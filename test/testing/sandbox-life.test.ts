import Fastify, { type FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import { fastifyPostgresJs } from '../../plugins/plugin.js'
import { createDatabase, Database } from '../../src/index.js'
import { useSandbox } from '../../testing/index.js'
import { freshDatabase, memoryLog, openDatabase, until } from '../support/database.js'

const observer = await freshDatabase(t)
await observer.rows('CREATE TABLE items (id int PRIMARY KEY)')
const INSERT = 'INSERT INTO items VALUES ($1)'
const sessions = async (): Promise<number> => (await observer.backends()).length

async function buildApp (t: Test, names: string[], options = {}): Promise<FastifyInstance> {
  const app = Fastify()
  t.teardown(() => app.close())
  for (const name of names) app.register(fastifyPostgresJs, { name, url: observer.url, min: 1, max: 2, log: memoryLog(), ...options })
  await app.ready()
  return app
}

const dbOf = (app: FastifyInstance, name: string): Database => {
  const db: unknown = Reflect.get(app, name)
  if (!(db instanceof Database)) throw new Error('no database')
  return db
}

t.test('several databases have a sandbox each, by their names', async (t) => {
  const app = await buildApp(t, ['db', 'archive'])
  const [db, archive] = [dbOf(app, 'db'), dbOf(app, 'archive')]
  const first = await useSandbox(app)
  await db.execute(INSERT, 1)
  t.equal(await archive.fetchVal('SELECT count(*) FROM items'), 0)
  const second = await useSandbox(app, { name: 'archive' })
  await first.close()
  await archive.execute(INSERT, 2)
  t.equal(await db.fetchVal('SELECT count(*) FROM items'), 0)
  // A transaction of one around a transaction of the other, around one of the first again.
  await archive.transaction(async () => {
    await db.transaction(async () => { await archive.execute(INSERT, 3) })
  })
  t.equal(await archive.fetchVal('SELECT count(*) FROM items'), 2)
  await second.close()
  t.equal(await archive.fetchVal('SELECT count(*) FROM items'), 0)
})

t.test('what is no database, or has a sandbox already, is a coded error', async (t) => {
  const app = await buildApp(t, ['db'])
  const refused = { code: 'FST_PG_SANDBOX' }
  for (const wrong of [undefined, null, 1, 'db', {}, Fastify(), { hasDecorator: () => true, db: {} }]) await t.rejects(useSandbox(wrong as never), refused)
  await t.rejects(useSandbox(app, { name: 'archive' }), refused)
  await t.rejects(useSandbox(app, { nam: 'db' } as never), { code: 'FST_PG_OPTION', message: /name/ })
  await t.rejects(useSandbox(app, { name: 1 } as never), { code: 'FST_PG_OPTION' })
  await t.rejects(useSandbox(app, null as never), { code: 'FST_PG_OPTION' })
  const throwing = { hasDecorator: () => true, get db (): unknown { throw new Error('no') } }
  await t.rejects(useSandbox(throwing), { code: 'FST_PG_OPTION' })
  const db = dbOf(app, 'db')
  const opening = useSandbox(app)
  await t.rejects(useSandbox(db), { code: 'FST_PG_SANDBOX', message: /already/ })
  const sandbox = await opening
  await t.rejects(useSandbox(app), { code: 'FST_PG_SANDBOX', message: /already/ })
  await sandbox.close()
  await (await useSandbox(app)).close()
  t.match(db.stats(), { size: 1 })
})

t.test('close and reset in any order', async (t) => {
  const db = await openDatabase(t, observer)
  const sandbox = await useSandbox(db)
  await db.execute(INSERT, 1)
  await Promise.all([sandbox.reset(), sandbox.reset()])
  await db.transaction(async () => {
    await t.rejects(sandbox.reset(), { code: 'FST_PG_SANDBOX', message: /outside/ })
    await t.rejects(sandbox.close(), { code: 'FST_PG_SANDBOX', message: /outside/ })
  })
  const calls = [db.execute(INSERT, 1), db.transaction((tx) => tx.execute(INSERT, 2))]
  const resetting = sandbox.reset()
  const behind = db.fetchVal('SELECT count(*) FROM items')
  await Promise.all(calls)
  await resetting
  t.equal(await behind, 0, 'it waits for the calls before, and those behind wait for it')
  const last = db.execute(INSERT, 5)
  const ends = [sandbox.close(), sandbox.close()]
  const outside = db.execute(INSERT, 1)
  await Promise.all([last, ...ends, outside])
  await sandbox.close()
  await sandbox[Symbol.asyncDispose]()
  await t.rejects(sandbox.reset(), { code: 'FST_PG_SANDBOX', message: /closed/ })
  t.same(await observer.rows('SELECT id FROM items'), [{ id: 1 }])
  await observer.rows('TRUNCATE items')
  await until(() => db.stats().free === db.stats().size)
})

t.test('a lease that nobody releases is ended with its connection when the sandbox is closed', async (t) => {
  const db = await openDatabase(t, observer, { acquireTimeout: 0.1 })
  const sandbox = await useSandbox(db)
  const lease = await db.acquire()
  await lease.execute(INSERT, 1)
  await sandbox.close()
  await t.rejects(lease.fetchVal('SELECT 1'), { code: 'FST_PG_CONNECTION_LOST' })
  await lease.release()
  t.equal(await db.fetchVal('SELECT count(*) FROM items'), 0)
})

t.test('an app that is not ready: the pool is opened', async (t) => {
  const db = createDatabase({ url: observer.url, min: 1, max: 1, log: memoryLog() }, {})
  t.teardown(() => db.close())
  const sandbox = await useSandbox(db)
  t.equal(await db.fetchVal('SELECT 1'), 1)
  t.match(db.stats(), { size: 1, busy: 1, free: 0, waiting: 0 })
  t.match(await db.health(), { database: { pool_size: 1, free_connections: 0 } })
  await sandbox.close()
  t.match(db.stats(), { busy: 0 })
})

t.test('a database that cannot be reached', async (t) => {
  const db = createDatabase({ host: '127.0.0.1', port: 1, min: 1, max: 1, startupTimeout: 0.2, log: memoryLog() }, {})
  t.teardown(() => db.close())
  await t.rejects(useSandbox(db), { code: /FST_PG_(STARTUP|CONNECT)/ })
  await t.rejects(useSandbox(db), { code: /FST_PG_(STARTUP|CONNECT)/ }, 'it has no sandbox')
})

t.test('closing the app closes the sandbox, without waiting', async (t) => {
  const app = await buildApp(t, ['db'], { closeTimeout: 60 })
  const db = dbOf(app, 'db')
  const sandbox = await useSandbox(app)
  await db.execute(INSERT, 1)
  await app.close()
  t.equal(await sessions(), 0)
  t.same(await observer.rows('SELECT id FROM items'), [])
  await t.rejects(db.fetchVal('SELECT 1'), { code: 'FST_PG_CLOSED' })
  await t.rejects(db.acquire(), { code: 'FST_PG_CLOSED' })
  await t.rejects(db.transaction(async () => {}), { code: 'FST_PG_CLOSED' })
  await t.rejects(sandbox.reset(), { code: 'FST_PG_CLOSED' })
  await sandbox.close()
  await sandbox.close()
  await t.rejects(useSandbox(app), { code: 'FST_PG_CLOSED' })
})

t.test('closing the app while calls run: they end, and those that wait are rejected', async (t) => {
  const app = await buildApp(t, ['db'], { closeTimeout: 60 })
  const db = dbOf(app, 'db')
  const sandbox = await useSandbox(app)
  const running = db.transaction(async (tx) => {
    await tx.execute(INSERT, 1)
    await tx.fetchVal('SELECT pg_sleep(0.1)')
    return await db.fetchVal('SELECT count(*) FROM items')
  })
  const waiting = db.fetchVal('SELECT 1')
  const reset = sandbox.reset()
  await until(async () => (await observer.backends()).some(({ state, query }) => state === 'active' && /sleep/.test(query)))
  const closed = app.close()
  await t.rejects(waiting, { code: 'FST_PG_CLOSED' })
  await t.rejects(reset, { code: 'FST_PG_CLOSED' })
  t.equal(await running, 1)
  await closed
  t.equal(await sessions(), 0)
  t.same(await observer.rows('SELECT id FROM items'), [])
})

t.test('closed while it is opened', async (t) => {
  for (let times = 0; times < 4; times++) {
    const db = await openDatabase(t, observer, { closeTimeout: 60 })
    const opening = useSandbox(db)
    if (times % 2 === 1) await Promise.resolve()
    if (times > 1) await until(async () => (await observer.backends()).some(({ state }) => state === 'idle in transaction'), 0.05).catch(() => {})
    await Promise.all([opening.catch(() => {}), db.close()])
    t.match(db.stats(), { size: 0 })
  }
})
