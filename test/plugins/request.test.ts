import Fastify, { type FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import postgresJs, { type FastifyPostgresJsOptions, type RequestDatabase } from '../../plugins/db.js'
import { freshDatabase, memoryLog, type Observer } from '../support/database.js'

declare module 'fastify' {
  interface FastifyRequest { archive: RequestDatabase }
  interface FastifyPostgresDatabases { further: true }
}

function build (t: Test, { url }: Observer, ...registrations: FastifyPostgresJsOptions[]): FastifyInstance {
  const app = Fastify()
  t.teardown(() => app.close())
  for (const options of registrations) app.register(postgresJs, { url, min: 0, max: 2, log: memoryLog(), ...options })
  return app
}

t.test('request.db has the helpers of the database, for each request an object of its own', async (t) => {
  const app = build(t, await freshDatabase(t), {})
  const seen = new Set<RequestDatabase>()
  app.get('/', async ({ db }) => {
    seen.add(db)
    t.equal(db, db)
    t.equal(db.detached === db, false)
    const one = 'SELECT 1 AS one'
    return [
      await db.fetchOne(one), await db.fetchExactlyOne(one), await db.fetchAll(one), await db.fetchVal(one), await db.fetchColumn(one),
      (await db.query(one)).rows, (await db.execute(one)).count, await db.executeWithReturning(one), await db.executeMany('SELECT $1::int', [[1], [2]]),
      await db.executeManyWithReturning('SELECT $1::int AS n', [[1]]), await db.transaction((tx) => tx.fetchVal(one)),
    ]
  })
  const row = { one: 1 }
  for (let n = 0; n < 2; n++) t.strictSame((await app.inject('/')).json(), [row, row, [row], 1, [1], [row], 1, row, { count: 2 }, [{ n: 1 }], 1])
  t.equal(seen.size, 2)
})

t.test('it refuses what the database refuses', async (t) => {
  const app = build(t, await freshDatabase(t), {})
  app.get('/', async ({ db }) => await Promise.all([
    () => db.execute('BEGIN'), () => db.fetchOne(7 as never), () => db.fetchOne('SELECT $1::int'), () => db.transaction('x' as never),
    () => db.transaction(() => {}, { isolation: 'chaos' as never }), () => db.executeMany('SELECT $1::int', 7 as never),
  ].map((call) => call().then(() => 'none', (error) => error.code))))
  t.strictSame((await app.inject('/')).json(), [
    'FST_PG_QUERY', 'FST_PG_QUERY', 'FST_PG_PARAMETER_COUNT', 'FST_PG_QUERY', 'FST_PG_OPTION', 'FST_PG_QUERY',
  ])
})

t.test('a hook that comes before ours may query too', async (t) => {
  const observer = await freshDatabase(t)
  await observer.rows('CREATE TABLE items (n int)')
  const app = Fastify()
  t.teardown(() => app.close())
  const add = (n: number) => async ({ db }: { db: RequestDatabase }): Promise<unknown> => await db.execute('INSERT INTO items VALUES ($1)', n)
  app.addHook('onRequest', async (request) => add(1)(request))
  app.register(postgresJs, { url: observer.url, min: 0 })
  app.get('/plain', add(2))
  app.get('/transaction', { config: { db: { transaction: true } } }, add(3))
  app.get('/undone', { config: { db: { transaction: true } } }, async (request) => { await add(4)(request); throw new Error('undone') })
  for (const path of ['/plain', '/transaction', '/undone']) await app.inject(path)
  t.strictSame(await observer.rows('SELECT n FROM items'), [{ n: 1 }, { n: 2 }, { n: 1 }, { n: 3 }])
})

t.test('several databases, each with a transaction of its own', async (t) => {
  const [main, other] = [await freshDatabase(t), await freshDatabase(t)]
  for (const observer of [main, other]) await observer.rows('CREATE TABLE items (n int UNIQUE DEFERRABLE INITIALLY DEFERRED)')
  const app = build(t, main, {}, { name: 'archive', url: other.url })
  const config = { db: { transaction: true, archive: { transaction: true } } }
  app.get('/both', { config }, async ({ db, archive, query }) => {
    await db.execute('INSERT INTO items VALUES (1)')
    await archive.execute('INSERT INTO items VALUES (1)')
    if ('throw' in (query as object)) throw new Error('thrown')
    if ('twice' in (query as object)) await db.execute('INSERT INTO items VALUES (1)')
    return 'done'
  })
  app.get('/archive', { config: { db: { archive: { transaction: { readOnly: true } } } } }, async ({ db, archive }) => [
    await db.fetchVal("SELECT current_setting('transaction_read_only')"), await archive.fetchVal("SELECT current_setting('transaction_read_only')"),
  ])
  const rows = async (): Promise<number[]> => [(await main.rows('SELECT FROM items')).length, (await other.rows('SELECT FROM items')).length]
  t.equal((await app.inject('/both?throw')).statusCode, 500)
  t.strictSame(await rows(), [0, 0])
  t.equal((await app.inject('/both?twice')).json().code, '23505')
  t.strictSame(await rows(), [0, 0], 'those after the one that cannot be committed are rolled back')
  t.equal((await app.inject('/both')).statusCode, 200)
  t.strictSame(await rows(), [1, 1])
  t.strictSame((await app.inject('/archive')).json(), ['off', 'on'])
})

t.test('what a route may not say is one coded error, at the start or with the first use', async (t) => {
  const observer = await freshDatabase(t)
  const cases: Array<[unknown, RegExp]> = [
    [true, /config\.db of a route takes an object/],
    [{ transactions: true }, /unknown option config\.db\.transactions: did you mean config\.db\.transaction\?/],
    [{ transaction: 'yes' }, /config\.db\.transaction of a route takes true, false or/],
    [{ transaction: { isolation: 'chaos' } }, /isolation takes one of/],
    [{ transaction: { level: 1 } }, /unknown option/],
    [{ transaction: { retries: 3 } }, /config\.db\.transaction\.retries is no option of a route: a handler runs once/],
    [{ transaction: { settings: {} } }, /stands beside it, as config\.db\.settings/],
    [{ transaction: true, commitOn: 200 }, /config\.db\.commitOn of a route takes a function/],
    [{ settings: { 'app.tenant': 'a' } }, /config\.db\.settings of a route takes a function/],
    [{ archive: { transaction: true } }, /config\.db\.archive of a route is for a database that is not registered/],
    [{ get transaction () { throw new Error('x') } }, /config\.db cannot be read/],
  ]
  for (const [db, message] of cases) {
    const route = { config: { db: db as never } }
    const app = build(t, observer, {})
    await app.after()
    app.get('/', route, async () => 'x')
    await t.rejects(async () => { await app.ready() }, { code: 'FST_PG_OPTION', message }, 'a route behind the plugin')
    const early = build(t, observer, {})
    early.get('/', route, async (request) => request.db.fetchVal('SELECT 1'))
    t.match((await early.inject('/')).json(), { statusCode: 500, code: 'FST_PG_OPTION', message }, 'a route that was there before')
  }
})

t.test('with no database called db, config.db holds nothing but the names of others', async (t) => {
  const observer = await freshDatabase(t)
  const app = build(t, observer, { name: 'archive' })
  await app.after()
  app.get('/', { config: { db: { transaction: true } } }, async () => 'x')
  await t.rejects(async () => { await app.ready() }, { code: 'FST_PG_OPTION', message: /unknown option config\.db\.transaction/ })
  const right = build(t, observer, { name: 'archive' })
  right.get('/', { config: { db: { archive: { transaction: { readOnly: true } } } } }, ({ archive }) => archive.fetchVal("SELECT current_setting('transaction_read_only')"))
  t.equal((await right.inject('/')).body, 'on')
})

t.test('a request that has a decorator of that name keeps it', async (t) => {
  const { url } = await freshDatabase(t)
  const app = Fastify()
  t.teardown(() => app.close())
  app.decorateRequest('db', null as never)
  app.register(postgresJs, { url })
  await t.rejects(async () => { await app.ready() }, { code: 'FST_PG_ALREADY_REGISTERED', message: /request\.db/ })
})

t.test('further databases of the same registration are on request.db', async (t) => {
  const [main, other] = [await freshDatabase(t), await freshDatabase(t)]
  for (const observer of [main, other]) await observer.rows('CREATE TABLE items (n int)')
  const app = build(t, main, {
    settings: () => ({ 'app.who': 'main' }),
    databases: { further: { url: other.url, min: 0, settings: () => ({ 'app.who': 'further' }) } },
  })
  const WHO = "SELECT current_setting('app.who', true)"
  const READ_ONLY = "SELECT current_setting('transaction_read_only')"
  app.get('/', async ({ db }) => [await db.fetchVal(WHO), await db.further.fetchVal(WHO), await db.further.detached.fetchVal(WHO)])
  app.get('/transaction', { config: { db: { further: { transaction: { readOnly: true } } } } }, async ({ db }) => [await db.fetchVal(READ_ONLY), await db.further.fetchVal(READ_ONLY)])
  app.get('/both', { config: { db: { transaction: true, further: { transaction: true, settings: false } } } }, async ({ db, query }) => {
    await db.execute('INSERT INTO items VALUES (1)')
    await db.further.execute('INSERT INTO items VALUES (1)')
    if ('throw' in (query as object)) throw new Error('thrown')
    return [await db.fetchVal(WHO), await db.further.fetchVal(WHO)]
  })
  t.strictSame((await app.inject('/')).json(), ['main', 'further', 'further'])
  t.strictSame((await app.inject('/transaction')).json(), ['off', 'on'])
  t.equal((await app.inject('/both?throw')).statusCode, 500)
  t.strictSame([await main.rows('SELECT FROM items'), await other.rows('SELECT FROM items')], [[], []])
  t.match((await app.inject('/both')).json(), ['main', /^$|null/])
  t.strictSame([await main.rows('SELECT n FROM items'), await other.rows('SELECT n FROM items')], [[{ n: 1 }], [{ n: 1 }]])
  const wrong = build(t, main, { databases: { further: { url: other.url } } })
  wrong.get('/', { config: { db: { further: { transactions: true } as never } } }, async ({ db }) => await db.further.fetchVal(WHO))
  t.match((await wrong.inject('/')).json(), { code: 'FST_PG_OPTION', message: /config\.db\.further\.transactions/ })
  const bad = build(t, main, { databases: { further: { url: other.url, settings: {} as never } } })
  await t.rejects(async () => { await bad.ready() }, { code: 'FST_PG_OPTION', message: /databases\.further\.settings takes a function/ })
})
