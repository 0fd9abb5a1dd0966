import Fastify, { type FastifyInstance, type FastifyRequest } from 'fastify'
import { get as httpGet } from 'node:http'
import t, { type Test } from 'tap'
import postgresJs, { type FastifyPostgresJsOptions } from '../../plugins/db.js'
import { freshDatabase, memoryLog, type Observer, uniqueName, until } from '../support/database.js'

type Options = Pick<FastifyPostgresJsOptions, 'settings' | 'max' | 'log'>
const tenantOf = (request: FastifyRequest): string => String((request.query as { tenant?: string }).tenant)

/** Notes of three tenants, of which a role sees only those of its own. */
async function setUp (t: Test, options: Options, routes: (app: FastifyInstance) => void): Promise<{ app: FastifyInstance, observer: Observer, role: string }> {
  const observer = await freshDatabase(t)
  const role = uniqueName('tenant')
  await observer.rows(`CREATE TABLE notes (tenant text NOT NULL, body text NOT NULL);
    INSERT INTO notes SELECT t, t || ' ' || n FROM unnest('{a,b,c}'::text[]) AS t, generate_series(1, 20) AS n;
    CREATE ROLE ${role}; GRANT USAGE ON SCHEMA public TO ${role}; GRANT SELECT, INSERT ON notes TO ${role};
    ALTER TABLE notes ENABLE ROW LEVEL SECURITY;
    CREATE POLICY own ON notes USING (tenant = current_setting('app.tenant')) WITH CHECK (tenant = current_setting('app.tenant'))`)
  t.teardown(async () => { await observer.rows(`DROP OWNED BY ${role}; DROP ROLE ${role}`) })
  const app = Fastify()
  t.teardown(() => app.close())
  app.register(postgresJs, {
    url: observer.url, min: 1, max: 4, log: memoryLog(), settings: (request) => ({ 'app.tenant': tenantOf(request), role }), ...options
  })
  routes(app)
  await app.ready()
  return { app, observer, role }
}

t.test('every call of a request begins with its settings', async (t) => {
  const { app } = await setUp(t, {}, (app) => {
    const tenants = 'SELECT array_agg(DISTINCT tenant) FROM notes'
    app.get('/single', (request) => request.db.fetchVal(tenants))
    app.get('/detached', (request) => request.db.detached.fetchVal(tenants))
    app.get('/function', (request) => request.db.transaction((tx) => tx.fetchVal(tenants)))
    app.get('/more', (request) => request.db.transaction((tx) => tx.fetchVal("SELECT current_setting('app.tenant') || current_setting('app.more')"), { settings: { 'app.more': '+' } }))
    app.get('/other', (request) => request.db.transaction((tx) => tx.fetchVal(tenants), { settings: { 'app.tenant': 'b' } }))
    app.get('/batch', (request) => request.db.executeManyWithReturning('INSERT INTO notes VALUES ($1, $2) RETURNING tenant', [[tenantOf(request), 'new']]))
    app.get('/foreign', (request) => request.db.execute("INSERT INTO notes VALUES ('b', 'not mine')"))
    app.get('/transaction', { config: { db: { transaction: true } } }, (request) => request.db.fetchVal(tenants))
    app.get('/route', { config: { db: { settings: () => ({ 'app.tenant': 'c' }) } } }, (request) => request.db.fetchVal(tenants))
    app.get('/none', { config: { db: { settings: false } } }, (request) => request.db.fetchVal(tenants))
    app.get('/none-transaction', { config: { db: { settings: false, transaction: true } } }, (request) => request.db.fetchVal(tenants))
    app.get('/app', () => app.db.fetchVal("SELECT current_setting('app.tenant', true)"))
  })
  for (let round = 0; round < 3; round++) { // the first time they are not prepared
    for (const path of ['single', 'detached', 'function', 'transaction']) t.strictSame((await app.inject(`/${path}?tenant=a`)).json(), ['a'], path)
    t.equal((await app.inject('/more?tenant=a')).body, 'a+')
    const other = await app.inject('/other?tenant=a')
    t.strictSame([other.statusCode, other.json().code], [500, 'FST_PG_OPTION'], 'a transaction cannot take the place of a setting of the request')
    t.strictSame((await app.inject('/batch?tenant=a')).json(), [{ tenant: 'a' }])
    t.equal((await app.inject('/foreign?tenant=a')).json().code, '42501')
    t.strictSame((await app.inject('/route?tenant=a')).json(), ['c'])
    for (const path of ['none', 'none-transaction']) t.strictSame((await app.inject(`/${path}?tenant=a`)).json().sort(), ['a', 'b', 'c'])
    t.equal((await app.inject('/app')).body, '', 'outside of a request nothing is set: a custom setting that was reads as an empty text')
  }
})

t.test('bad settings are one coded error, and nothing is run', async (t) => {
  const bad: Record<string, unknown> = {
    undefined: { 'app.tenant': undefined },
    number: { 'app.tenant': 7 },
    'no name': { 'app tenant': 'a' },
    'no object': 'a',
    promise: Promise.resolve({ 'app.tenant': 'a' }),
    null: null,
    map: new Map([['app.tenant', 'a']]),
  }
  const { app, observer } = await setUp(t, { settings: (request) => bad[tenantOf(request)] as never }, (app) => {
    app.get('/single', (request) => request.db.execute("INSERT INTO notes VALUES ('a', 'never')"))
    app.get('/batch', (request) => request.db.executeMany("INSERT INTO notes VALUES ('a', $1)", [['never']]))
    app.get('/function', (request) => request.db.transaction((tx) => tx.execute("INSERT INTO notes VALUES ('a', 'never')")))
    app.get('/transaction', { config: { db: { transaction: true } } }, (request) => request.db.execute("INSERT INTO notes VALUES ('a', 'never')"))
    app.get('/route', { config: { db: { settings: () => ({ 'app.more': 'x' }) } } }, (request) => request.db.execute("INSERT INTO notes VALUES ('a', 'never')"))
  })
  for (const path of ['single', 'batch', 'function', 'transaction', 'route']) {
    for (const kind of Object.keys(bad)) {
      const { statusCode, body } = await app.inject(`/${path}?tenant=${encodeURIComponent(kind)}`)
      t.match([statusCode, JSON.parse(body)], [500, { code: 'FST_PG_OPTION', message: /settings/ }], `${path}: ${kind}`)
    }
  }
  t.strictSame(await observer.rows("SELECT FROM notes WHERE body = 'never'"), [])
  t.match(app.db.stats(), { busy: 0 })
})

t.test('an error of the function itself is what the call rejects with', async (t) => {
  const { app } = await setUp(t, { settings: () => { throw Object.assign(new Error('who are you?'), { statusCode: 401 }) } }, (app) => {
    app.get('/single', (request) => request.db.fetchVal('SELECT 1'))
    app.get('/transaction', { config: { db: { transaction: true } } }, (request) => request.db.fetchVal('SELECT 1'))
  })
  for (const path of ['/single', '/transaction']) t.match((await app.inject(path)).json(), { statusCode: 401, message: 'who are you?' })
})

t.test('300 mixed requests, with kills and clients that leave: none sees a row of another tenant', async (t) => {
  const seen: Array<[string, string[] | null]> = []
  const { app, observer } = await setUp(t, {}, (app) => {
    const note = async (request: FastifyRequest, work: Promise<string[] | null>): Promise<string> => { seen.push([tenantOf(request), await work]); return 'done' }
    const tenants = 'SELECT array_agg(DISTINCT tenant) FROM notes'
    app.get('/0', (request) => note(request, request.db.fetchVal(tenants)))
    app.get('/1', (request) => note(request, request.db.transaction((tx) => tx.fetchVal(tenants))))
    app.get('/2', { config: { db: { transaction: true } } }, (request) => note(request, request.db.fetchVal(tenants)))
    app.get('/3', (request) => note(request, request.db.fetchVal(`${tenants}, pg_sleep(0.05)`)))
    app.get('/4', { config: { db: { transaction: true } } }, async (request) => { await note(request, request.db.fetchVal(tenants)); throw new Error('undone') })
    app.get('/5', (request) => note(request, request.db.fetchVal({ text: `${tenants}, pg_sleep(5)`, timeout: 0.02 })))
    app.get('/plain', () => app.db.fetchVal("SELECT concat(current_setting('app.tenant', true), current_setting('role'))"))
  })
  const url = await app.listen({ port: 0, host: '127.0.0.1' })
  const plain: string[] = []
  await Promise.all(Array.from({ length: 300 }, async (_, n) => {
    if (n % 60 === 59) await observer.kill()
    if (n % 10 === 9) {
      const response = await fetch(`${url}/plain`)
      const body = await response.text()
      if (response.ok) plain.push(body)
      return body
    }
    const path = `${url}/${n % 6}?tenant=${'abc'[n % 3]}`
    if (n % 7 !== 0) return await (await fetch(path)).text()
    await new Promise<void>((resolve) => {
      const client = httpGet(path).on('error', () => {}).on('close', resolve)
      setImmediate(() => client.destroy())
    })
    return 'left'
  }))
  await until(() => app.db.stats().busy === 0)
  t.ok(seen.length > 100, `${seen.length} answers`)
  t.strictSame(seen.filter(([tenant, rows]) => rows?.length !== 1 || rows[0] !== tenant), [])
  t.ok(plain.length > 5)
  t.strictSame(plain.filter((text) => text !== 'none'), [])
})
