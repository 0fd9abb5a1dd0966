import Fastify, { type FastifyInstance, type FastifyRequest } from 'fastify'
import t, { type Test } from 'tap'
import postgresJs, { type FastifyPostgresJsOptions } from '../../plugins/db.js'
import type { BoundDatabase } from '../../src/api/bound-database.js'
import type { Database } from '../../src/index.js'
import { useSandbox, type Sandbox } from '../../testing/index.js'
import { freshDatabase, memoryLog, type Observer, uniqueName } from '../support/database.js'

const observer = await freshDatabase(t)
await observer.rows('CREATE TABLE items (id int PRIMARY KEY)')
const ALL = 'SELECT id FROM items ORDER BY id'

async function setUp (t: Test, observer: Observer, options: FastifyPostgresJsOptions, routes: (app: FastifyInstance) => void): Promise<{ app: FastifyInstance, sandbox: Sandbox }> {
  const app = Fastify()
  t.teardown(() => app.close())
  app.register(postgresJs, { url: observer.url, min: 1, max: 4, log: memoryLog(), acquireTimeout: 5, ...options })
  routes(app)
  await app.ready()
  return { app, sandbox: await useSandbox(app) }
}

t.test('request.db runs in the sandbox, with and without a transaction of its route', async (t) => {
  const done: string[] = []
  const { app, sandbox } = await setUp(t, observer, {}, (app) => {
    app.get('/items', (request) => request.db.fetchColumn(ALL))
    app.post('/single/:id', (request: FastifyRequest<{ Params: { id: number } }>) => request.db.execute('INSERT INTO items VALUES ($1)', request.params.id))
    app.post('/batch', (request) => request.db.executeMany('INSERT INTO items VALUES ($1)', [[11], [12]]))
    app.post('/function', (request) => request.db.transaction(async (tx) => {
      tx.afterCommit(() => done.push('committed'))
      await tx.execute('INSERT INTO items VALUES (21)')
      await app.db.transaction(async (inner) => {
        inner.afterCommit(() => done.push('inner'))
        await inner.execute('INSERT INTO items VALUES (22)')
      })
      return 'done'
    }, { retries: 3 }))
    app.post('/route/:id', { config: { db: { transaction: true } } }, async (request: FastifyRequest<{ Params: { id: number } }>) => {
      request.db.afterCommit(() => done.push('route'))
      request.db.afterRollback(() => done.push('back'))
      await request.db.execute('INSERT INTO items VALUES ($1)', request.params.id)
      await request.db.execute('INSERT INTO items VALUES (31)')
      return 'done'
    })
    app.post('/hand', (request) => request.db.execute('BEGIN; SELECT 1; COMMIT'))
  })
  for (let times = 0; times < 3; times++) {
    const post = async (url: string): Promise<number> => (await app.inject({ method: 'POST', url })).statusCode
    t.equal(await post('/single/1'), 200)
    t.equal(await post('/single/1'), 500)
    t.equal(await post('/batch'), 200)
    t.equal(await post('/function'), 200)
    t.equal(await post('/route/30'), 200)
    t.equal(await post('/route/32'), 500)
    t.equal(await post('/hand'), 500)
    t.strictSame((await app.inject('/items')).json(), [1, 11, 12, 21, 22, 30, 31])
    t.strictSame(done.splice(0).sort(), ['back', 'committed', 'inner', 'route'])
    t.strictSame(await observer.rows(ALL), [])
    await sandbox.reset()
  }
  await sandbox.close()
  t.equal((await app.inject({ method: 'POST', url: '/single/1' })).statusCode, 200)
  t.strictSame(await observer.rows(ALL), [{ id: 1 }])
})

t.test('what the handler of a transactional route asks of app.db runs in its transaction', async (t) => {
  const observer = await freshDatabase(t)
  await observer.rows('CREATE TABLE items (id int PRIMARY KEY)')
  const { app, sandbox } = await setUp(t, observer, {}, (app) => {
    app.post('/route/:n', { config: { db: { transaction: true } } }, async (request) => {
      const { n } = request.params as { n: string }
      await request.db.execute('INSERT INTO items VALUES ($1)', n)
      await app.db.execute('INSERT INTO items VALUES ($1)', n + '0')
      await app.db.transaction((tx) => tx.execute('INSERT INTO items VALUES ($1)', n + '1'))
      await request.db.detached.execute('INSERT INTO items VALUES ($1)', n + '2')
      if ('throw' in (request.query as object)) throw new Error('thrown')
      return await app.db.fetchColumn(ALL)
    })
    app.post('/plain/:n', async (request) => {
      await app.db.execute('INSERT INTO items VALUES ($1)', (request.params as { n: string }).n)
      return 'done'
    })
  })
  const post = async (url: string): Promise<number> => (await app.inject({ method: 'POST', url, payload: { some: 'body' } })).statusCode
  t.equal(await post('/route/1?throw'), 500)
  t.strictSame(await app.db.fetchColumn(ALL), [])
  t.strictSame(await Promise.all([post('/route/2'), post('/plain/7'), post('/route/3?throw'), post('/plain/8')]), [200, 200, 500, 200])
  t.strictSame(await app.db.fetchColumn(ALL), [2, 7, 8, 20, 21, 22], 'a request beside it is not part of it')
  await sandbox.reset()
  t.strictSame(await app.db.fetchColumn(ALL), [])
})

t.test('so it does where the sandbox is that of a database, a further one too', async (t) => {
  const observer = await freshDatabase(t)
  await observer.rows('CREATE TABLE items (id int PRIMARY KEY)')
  for (const name of ['db', 'archive'] as const) {
    const app = Fastify()
    t.teardown(() => app.close())
    const options = { url: observer.url, min: 1, max: 4, log: memoryLog(), acquireTimeout: 5 }
    app.register(postgresJs, { ...options, databases: { archive: options } })
    const database = (): Database => name === 'db' ? app.db : app.db.databases['archive'] as Database
    // A route that was there before the plugin was loaded: nothing is known of it until its first request.
    app.get('/route', { config: { db: name === 'db' ? { transaction: true } : { archive: { transaction: true } } } }, async (request) => {
      const own: BoundDatabase = name === 'db' ? request.db : Reflect.get(request.db, 'archive')
      await own.execute('INSERT INTO items VALUES (1)')
      return await database().fetchColumn(ALL)
    })
    await app.ready()
    await using sandbox = await useSandbox(database())
    t.strictSame((await app.inject('/route')).json(), [1], name)
    await sandbox.reset()
  }
})

t.test('settings hold up to the end of their transaction, and not beyond', async (t) => {
  const observer = await freshDatabase(t)
  const role = uniqueName('tenant')
  await observer.rows(`CREATE TABLE notes (tenant text NOT NULL); INSERT INTO notes VALUES ('a'), ('b');
    CREATE ROLE ${role}; GRANT USAGE ON SCHEMA public TO ${role}; GRANT SELECT, INSERT ON notes TO ${role};
    ALTER TABLE notes ENABLE ROW LEVEL SECURITY; CREATE POLICY own ON notes USING (tenant = current_setting('app.tenant'))`)
  t.teardown(async () => { await observer.rows(`DROP OWNED BY ${role}; DROP ROLE ${role}`) })
  const tenantOf = (request: FastifyRequest): string => String((request.query as { tenant?: string }).tenant)
  const settings = (request: FastifyRequest): Record<string, string> => ({ 'app.tenant': tenantOf(request), role })
  const { app, sandbox } = await setUp(t, observer, { settings }, (app) => {
    const tenants = 'SELECT array_agg(tenant) FROM notes'
    app.get('/single', (request) => request.db.fetchVal(tenants))
    app.get('/function', (request) => request.db.transaction((tx) => tx.fetchVal(tenants)))
    app.get('/route', { config: { db: { transaction: true } } }, (request) => request.db.fetchVal(tenants))
    app.get('/fails', (request) => request.db.fetchVal('SELECT 1 / 0'))
    app.get('/all', () => app.db.fetchVal(tenants))
  })
  for (let times = 0; times < 3; times++) {
    for (const tenant of ['a', 'b']) {
      for (const path of ['single', 'function', 'route']) t.strictSame((await app.inject(`/${path}?tenant=${tenant}`)).json(), [tenant], path)
      t.equal((await app.inject(`/fails?tenant=${tenant}`)).json().code, '22012')
      t.strictSame((await app.inject('/all')).json(), ['a', 'b'])
    }
    const { db } = app
    const who = "SELECT current_user || coalesce(current_setting('app.tenant', true), '')"
    const outside = await db.fetchVal<string>(who)
    t.equal(await db.transaction(async (tx) => {
      const inside = await tx.fetchVal(who)
      t.equal(await db.transaction((tx) => tx.fetchVal(who), { settings: { 'app.tenant': 'inner' } }), `${role}inner`)
      t.equal(await tx.fetchVal(who), inside)
      return inside
    }, { settings: { role, 'app.tenant': 'outer' } }), `${role}outer`)
    t.equal(await db.fetchVal(who), outside)
    const rights = "SELECT current_setting('log_min_messages')"
    const privileged = { settings: { log_min_messages: 'error', role } } // which the role must not set
    t.equal(await db.transaction((tx) => tx.fetchVal(rights), privileged), 'error')
    t.equal(await db.transaction(() => db.transaction((tx) => tx.fetchVal(rights), privileged)), 'error')
    t.not(await db.fetchVal(rights), 'error')
    t.equal(await db.fetchVal(who), outside)
    await t.rejects(db.transaction(() => 1, { settings: { work_mem: 'a lot' } }), { code: '22023' })
    await t.rejects(db.transaction(() => db.transaction(() => 1, { settings: { work_mem: 'a lot' } })), { code: '22023' })
    t.equal(await db.fetchVal(who), outside)
    await sandbox.reset()
  }
})

t.test('templates run in the sandbox', async (t) => {
  const observer = await freshDatabase(t)
  await observer.rows('CREATE TABLE items (id int PRIMARY KEY)')
  const { app, sandbox } = await setUp(t, observer, {}, (app) => {
    app.post('/:id', { config: { db: { transaction: true } } }, async (request) => {
      const { sql } = request.db
      await sql`INSERT INTO items ${sql([{ id: Number((request.params as { id: string }).id) }])}`
      return await sql`SELECT id FROM items ORDER BY id`
    })
  })
  const { sql } = app.db
  for (let times = 0; times < 3; times++) {
    t.strictSame((await app.inject({ method: 'POST', url: '/1' })).json(), [{ id: 1 }])
    t.equal((await app.inject({ method: 'POST', url: '/1' })).statusCode, 500)
    await t.rejects(sql`INSERT INTO items VALUES (${1})`, { code: '23505' })
    await t.rejects(sql.begin(async (sql) => { await sql`INSERT INTO items VALUES (${2})`; throw new Error('undone') }), { message: 'undone' })
    await sql.begin((sql) => [sql`INSERT INTO items VALUES (${3})`, sql`INSERT INTO items VALUES (${4})`])
    const reserved = await sql.reserve()
    await reserved`INSERT INTO items VALUES (${5})`
    await reserved.release()
    t.strictSame([...await sql`SELECT id FROM items WHERE id IN ${sql([1, 2, 3, 4, 5])} ORDER BY id`.values()], [[1], [3], [4], [5]])
    t.strictSame(await observer.rows(ALL), [])
    await sandbox.reset()
    t.strictSame([...await sql`SELECT id FROM items`], [])
  }
})
