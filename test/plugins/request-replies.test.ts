import { once } from 'node:events'
import { get as httpGet } from 'node:http'
import { connect as connectHttp2 } from 'node:http2'
import { type AddressInfo, connect } from 'node:net'
import { Readable } from 'node:stream'
import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify'
import t, { type Test } from 'tap'
import postgresJs, { type FastifyPostgresJsOptions, type RouteDatabases } from '../../plugins/db.js'
import { freshDatabase, memoryLog, type MemoryLog, type Observer, until } from '../support/database.js'

interface Setup { app: FastifyInstance, observer: Observer, log: MemoryLog }
type Routes = (app: FastifyInstance, observer: Observer) => void

const transaction: { db: RouteDatabases } = { db: { transaction: true } }
const insert = (request: FastifyRequest): Promise<unknown> => request.db.execute('INSERT INTO items VALUES (1)')
const bytes = (source: Readable): never => Readable.toWeb(source.map((text: string) => Buffer.from(text))) as never

/** An app on a database with an empty table `items`, whose second row of one number is refused at COMMIT. */
async function setUp (t: Test, routes: Routes, { app = Fastify(), ...options }: FastifyPostgresJsOptions & { app?: FastifyInstance } = {}): Promise<Setup> {
  const observer = await freshDatabase(t)
  await observer.rows('CREATE TABLE items (n int UNIQUE DEFERRABLE INITIALLY DEFERRED)')
  const log = memoryLog()
  t.teardown(() => app.close())
  app.register(postgresJs, { url: observer.url, min: 0, max: 3, log, ...options })
  routes(app, observer)
  await app.ready()
  return { app, observer, log }
}

const items = async (observer: Observer): Promise<number[]> => (await observer.rows('SELECT n FROM items ORDER BY n')).map(({ n }) => n)

/** Nothing is held, and nothing is open. */
async function isIdle ({ app, observer }: Setup): Promise<boolean> {
  const states = await observer.rows("SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle in%'")
  return app.db.stats().busy === 0 && states.length === 0
}

t.test('what is sent, returned or thrown behind a reply whose transaction is being committed does not overtake it', async (t) => {
  const outcomes: Record<string, { handler: (request: FastifyRequest, reply: FastifyReply) => unknown, reply: [number, string], commits: boolean, warns: boolean }> = {
    'nothing returned': { handler: async (request, reply) => { await insert(request); reply.send('first') }, reply: [200, 'first'], commits: true, warns: false },
    returned: { handler: async (request, reply) => { await insert(request); reply.send('first'); return 'second' }, reply: [200, 'first'], commits: true, warns: true },
    'sent twice': { handler: (request, reply) => { insert(request).then(() => { reply.send('first'); reply.send('second') }) }, reply: [200, 'first'], commits: true, warns: true },
    thrown: { handler: async (request, reply) => { await insert(request); reply.send('first'); throw new Error('late') }, reply: [200, 'first'], commits: true, warns: true },
    'an error returned': { handler: async (request, reply) => { await insert(request); reply.send('first'); return new Error('late') }, reply: [200, 'first'], commits: true, warns: true },
    'behind an error': { handler: async (request, reply) => { await insert(request); reply.send(new Error('first')); return 'second' }, reply: [500, 'error'], commits: false, warns: true },
    'not to be committed': {
      handler: async (request, reply) => { await insert(request); await insert(request); reply.send('first'); return 'second' },
      reply: [500, 'error'],
      commits: false,
      warns: true
    },
  }
  const setup = await setUp(t, (app) => {
    for (const [n, { handler }] of Object.values(outcomes).entries()) app.get(`/${n}`, { config: transaction }, handler as never)
    app.setErrorHandler((_error, _request, reply) => { reply.code(500).send('error') })
  })
  const { app, observer, log } = setup
  for (const [n, [name, { reply, commits, warns }]] of Object.entries(outcomes).entries()) {
    const { statusCode, body } = await app.inject(`/${n}`)
    t.strictSame([statusCode, body, await items(observer)], [...reply, commits ? [1] : []], name)
    await until(() => isIdle(setup))
    t.strictSame(log.lines.splice(0).filter(({ level }) => level === 'warn').map(({ object }) => Reflect.get(object, 'event')), warns ? ['request.reply_dropped'] : [], name)
    await observer.rows('DELETE FROM items')
  }
})

t.test('a stream that nobody reads is committed with the reply that left in its place', async (t) => {
  const long = (): Readable => Readable.from(Array.from({ length: 50 }, () => 'x'.repeat(10_000)))
  const setup = await setUp(t, (app) => {
    const replaced = { config: transaction, onSend: async () => 'replaced' }
    app.get('/replaced', replaced, async (request) => { await insert(request); return long() })
    app.get('/replaced-web', replaced, async (request) => { await insert(request); return bytes(long()) })
    app.get('/replaced-response', replaced, async (request) => { await insert(request); return new Response(bytes(long())) })
    app.get('/refused', { ...replaced, onSend: async (_request, reply) => { reply.code(403); return 'refused' } }, async (request) => { await insert(request); return long() })
    app.get('/without-content', { config: transaction }, async (request, reply) => { await insert(request); return reply.code(204).send(bytes(long())) })
  })
  const { app, observer } = setup
  const url = await app.listen({ port: 0, host: '127.0.0.1' })
  for (const path of ['replaced', 'replaced-web', 'replaced-response', 'without-content', 'refused']) {
    await (await fetch(`${url}/${path}`)).text()
    await until(() => isIdle(setup))
    t.strictSame(await items(observer), path === 'refused' ? [] : [1], path)
    await observer.rows('DELETE FROM items')
  }
})

t.test('a stream that is the first to use request.db', async (t) => {
  const asked: number[] = []
  const commitOn = (status: number): boolean => { asked.push(status); return true }
  const setup = await setUp(t, (app) => {
    const body = (request: FastifyRequest, times = 1): Readable => Readable.from((async function * () {
      yield 'some,'
      for (let i = 0; i < times; i++) await insert(request)
      yield 'more'
    })())
    app.get('/first', { config: transaction }, async (request) => body(request))
    app.get('/first-web', { config: transaction }, async (request) => bytes(body(request)))
    app.get('/held', { config: transaction }, async (request) => typeof request.db.fetchOne === 'function' ? body(request) : undefined)
    app.get('/asked', { config: { db: { transaction: true, commitOn } } }, async (request) => { await request.db.execute('INSERT INTO items VALUES (2)'); return body(request) })
    app.get('/refused', { config: transaction }, async (request, reply) => reply.code(404).send(body(request)))
    app.get('/failing', { config: transaction }, async (request) => body(request, 2))
    app.setNotFoundHandler((request, reply) => { reply.code(404).send(body(request)) })
  })
  const url = await setup.app.listen({ port: 0, host: '127.0.0.1' })
  const outcomes: Record<string, number[]> = { first: [1], 'first-web': [1], held: [1], asked: [1, 2], refused: [], failing: [], nowhere: [1] }
  for (const [path, rows] of Object.entries(outcomes)) {
    const text = fetch(`${url}/${path}`).then((response) => response.text())
    if (path === 'failing') await t.rejects(text)
    else t.equal(await text, 'some,more', path)
    t.strictSame(await items(setup.observer), rows, path)
    await until(() => isIdle(setup))
    await setup.observer.rows('DELETE FROM items')
  }
  t.strictSame(asked, [200])
})

t.test('request.db that is used for the first time when the reply has left', async (t) => {
  const codes: unknown[] = []
  const setup = await setUp(t, (app) => {
    const late = async (request: FastifyRequest): Promise<void> => { codes.push(await insert(request).catch((error) => error.code)) }
    app.get('/handler', { config: transaction }, async (request, reply) => {
      const finished = once(reply.raw, 'finish')
      reply.send('done')
      await finished
      await late(request)
    })
    app.get('/hook', { config: transaction, onResponse: late }, async () => 'done')
  })
  for (const path of ['/handler', '/hook']) t.equal((await setup.app.inject(path)).body, 'done')
  await until(() => codes.length === 2)
  t.strictSame(codes, ['FST_PG_RELEASED', 'FST_PG_RELEASED'])
  t.ok(await isIdle(setup))
})

t.test('a client that leaves before the first use of request.db', async (t) => {
  const codes: unknown[] = []
  let closed: Promise<unknown>
  const routes: Routes = (app) => {
    const after = (work: (request: FastifyRequest) => Promise<unknown>) => async (request: FastifyRequest, reply: FastifyReply): Promise<string> => {
      closed = once(reply.raw, 'close')
      app.server.emit('handling')
      await closed
      codes.push(await work(request).catch((error) => error.code))
      app.server.emit('handled')
      return 'done'
    }
    app.get('/write', { config: transaction }, after(insert))
    app.get('/read', after((request) => request.db.fetchVal('SELECT 1')))
  }
  const one = await setUp(t, routes)
  const url = await one.app.listen({ port: 0, host: '127.0.0.1' })
  const two = await setUp(t, routes, { app: Fastify({ http2: true }) as never })
  const session = connectHttp2(await two.app.listen({ port: 0, host: '127.0.0.1' }))
  t.teardown(() => session.destroy())
  for (const path of ['/write', '/read']) {
    for (const { setup, leave } of [
      { setup: one, leave: () => { const client = httpGet(url + path).on('error', () => {}); return () => client.destroy() } },
      { setup: two, leave: () => { const client = session.request({ ':path': path }).on('error', () => {}); return () => client.close(8) } },
    ]) {
      const { server } = setup.app
      const [handling, handled] = [once(server, 'handling'), once(server, 'handled')]
      const go = leave()
      await handling
      go()
      await handled
      await until(() => isIdle(setup))
      t.strictSame(await items(setup.observer), [], path)
    }
  }
  t.strictSame(codes, Array(4).fill('FST_PG_ABORTED'))
})

t.test('a client of pipelined requests that leaves before the turn of the last ones', async (t) => {
  let begun = 0
  const setup = await setUp(t, (app) => {
    const body = async function * () { for (;;) yield 'x'.repeat(65_536) }
    app.get('/first', async (request) => { await once(request.raw.socket, 'close') })
    app.get('/stream', { config: transaction }, async (request) => { await insert(request); begun++; return Readable.from(body()) })
    app.get('/hijack', { config: transaction }, async (request, reply) => { await insert(request); begun++; reply.hijack() })
  })
  await setup.app.listen({ port: 0, host: '127.0.0.1' })
  const client = connect((setup.app.server.address() as AddressInfo).port, '127.0.0.1')
  client.write(['first', 'stream', 'hijack'].map((path) => `GET /${path} HTTP/1.1\r\nhost: x\r\n\r\n`).join(''))
  await until(() => begun === 2)
  client.destroy()
  await until(() => isIdle(setup))
  t.strictSame(await items(setup.observer), [])
})

t.test('a client that leaves while several databases are committed keeps none of them back', async (t) => {
  const left: unknown[] = []
  const { app, observer } = await setUp(t, (app, observer) => {
    app.register(postgresJs, { url: observer.url, name: 'archive', min: 0, log: memoryLog() })
    app.get('/', { config: { db: { transaction: true, archive: { transaction: true } } } }, async (request, reply) => {
      reply.raw.once('close', () => left.push('left'))
      await insert(request)
      return await (request as unknown as { archive: FastifyRequest['db'] }).archive.execute('INSERT INTO items VALUES (2)')
    })
  })
  await observer.rows('CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_advisory_xact_lock(7); RETURN NULL; END $$')
  await observer.rows('CREATE CONSTRAINT TRIGGER wait AFTER INSERT ON items DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (NEW.n = 1) EXECUTE FUNCTION wait()')
  await observer.rows('SELECT pg_advisory_lock(7)')
  const client = httpGet(await app.listen({ port: 0, host: '127.0.0.1' })).on('error', () => {})
  await until(async () => (await observer.backends()).some(({ query, state }) => state === 'active' && query.startsWith('COMMIT')))
  client.destroy()
  await until(() => left.length > 0)
  await observer.rows('SELECT pg_advisory_unlock(7)')
  await until(async () => (await items(observer)).length === 2)
  t.strictSame(await items(observer), [1, 2])
})

t.test('routes of a plugin that was registered before this one', async (t) => {
  const app = Fastify()
  app.register(async (child) => {
    child.get('/none', async () => 'done')
    child.get('/single', async (request) => await request.db.fetchVal("SELECT current_setting('app.own')"))
    child.get('/all', { config: transaction }, async (request) => { await insert(request); return 'done' })
    child.get('/thrown', { config: transaction }, async (request) => { await insert(request); throw Object.assign(new Error('mine'), { statusCode: 418 }) })
  })
  const { observer } = await setUp(t, () => {}, { app, settings: () => ({ 'app.own': 'set' }) })
  t.equal((await app.inject('/none')).body, 'done')
  t.equal((await app.inject('/single')).body, 'set')
  t.equal((await app.inject('/thrown')).statusCode, 418)
  t.strictSame(await items(observer), [])
  t.equal((await app.inject('/all')).body, 'done')
  t.strictSame(await items(observer), [1])
})

t.test('commitOn that returns a promise is an error, and nothing is committed', async (t) => {
  const { app, observer } = await setUp(t, (app) => {
    for (const [n, commitOn] of [async () => false, async () => { throw new Error('mine') }].entries()) {
      app.get(`/${n}`, { config: { db: { transaction: true, commitOn: commitOn as never } } }, async (request) => { await insert(request); return 'done' })
    }
  })
  for (const path of ['/0', '/1']) t.equal((await app.inject(path)).json().code, 'FST_PG_OPTION')
  t.strictSame(await items(observer), [])
})

t.test('a transaction that got no connection says so at each call', async (t) => {
  const { app } = await setUp(t, (app) => {
    app.get('/', { config: transaction }, async (request) => { await insert(request).catch(() => {}); return await insert(request) })
  }, { max: 1, acquireTimeout: 0.01 })
  const lease = await app.db.acquire()
  t.match((await app.inject('/')).json(), { statusCode: 503, code: 'FST_PG_ACQUIRE_TIMEOUT' })
  await lease.release()
})
