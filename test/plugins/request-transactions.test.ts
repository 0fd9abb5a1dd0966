import { once } from 'node:events'
import { get as httpGet } from 'node:http'
import { Socket } from 'node:net'
import { Readable } from 'node:stream'
import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify'
import t, { type Test } from 'tap'
import postgresJs, { type RouteDatabases } from '../../plugins/db.js'
import { freshDatabase, memoryLog, type Observer, until } from '../support/database.js'

interface Setup { app: FastifyInstance, observer: Observer }

const insert = (request: FastifyRequest): Promise<unknown> => request.db.execute('INSERT INTO items VALUES (1)')
const transaction: { db: RouteDatabases } = { db: { transaction: true } }
const UNIQUE = '23505'

/** An app on a database with an empty table `items`, whose second row of one number is refused at COMMIT. */
async function setUp (t: Test, routes: (app: FastifyInstance) => void, max = 3): Promise<Setup> {
  const observer = await freshDatabase(t)
  await observer.rows('CREATE TABLE items (n int UNIQUE DEFERRABLE INITIALLY DEFERRED)')
  const app = Fastify()
  t.teardown(() => app.close())
  app.register(postgresJs, { url: observer.url, min: 0, max, log: memoryLog() })
  routes(app)
  await app.ready()
  return { app, observer }
}

const items = async (observer: Observer): Promise<number[]> => (await observer.rows('SELECT n FROM items ORDER BY n')).map(({ n }) => n)

/** Nothing is held, and nothing is open. */
async function isIdle ({ app, observer }: Setup): Promise<boolean> {
  const states = await observer.rows("SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle in%'")
  return app.db.stats().busy === 0 && states.length === 0
}

t.test('what a handler does is committed before its reply leaves, and not with an error', async (t) => {
  const outcomes: Record<string, { handler: (request: FastifyRequest, reply: FastifyReply) => unknown, status: number, commits: boolean, db?: RouteDatabases }> = {
    returned: { handler: async (request) => { await insert(request); return 'done' }, status: 200, commits: true },
    sent: { handler: (request, reply) => { insert(request).then(() => reply.send('done')) }, status: 200, commits: true },
    redirected: { handler: async (request, reply) => { await insert(request); return reply.redirect('/') }, status: 302, commits: true },
    'not modified': { handler: async (request, reply) => { await insert(request); return reply.code(304).send() }, status: 304, commits: true },
    'without content': { handler: async (request, reply) => { await insert(request); return reply.code(204).send() }, status: 204, commits: true },
    'without awaiting': { handler: async (request) => { insert(request); return 'done' }, status: 200, commits: true },
    thrown: { handler: async (request) => { await insert(request); throw new Error('thrown') }, status: 500, commits: false },
    'thrown, no error': { handler: async (request) => { await insert(request); throw 'text' }, status: 500, commits: false }, // eslint-disable-line no-throw-literal
    'error sent': { handler: async (request, reply) => { await insert(request); return reply.send(new Error('sent')) }, status: 500, commits: false },
    'status 404': { handler: async (request, reply) => { await insert(request); return reply.code(404).send('none') }, status: 404, commits: false },
    'status 500': { handler: async (request, reply) => { await insert(request); return reply.code(500).send('none') }, status: 500, commits: false },
    'not found': { handler: async (request, reply) => { await insert(request); return reply.callNotFound() }, status: 404, commits: false },
    'not to be serialized': { handler: async (request) => { await insert(request); return { get x () { throw new Error('x') } } }, status: 500, commits: false },
    'error swallowed': { handler: async (request) => { await insert(request); await request.db.execute('SELECT 1 / 0').catch(() => {}); return 'done' }, status: 500, commits: false },
    'first call refused': { handler: async (request) => { await request.db.execute('SELECT 1 / 0').catch(() => {}); return 'done' }, status: 500, commits: false },
    'undone in part': {
      handler: async (request) => {
        await insert(request)
        await request.db.transaction(async (tx) => { await tx.execute('INSERT INTO items VALUES (2)'); throw new Error() }).catch(() => {})
        return 'done'
      },
      status: 200,
      commits: true
    },
    'a batch': { handler: async (request) => await request.db.executeMany('INSERT INTO items VALUES ($1)', [[1]]), status: 200, commits: true },
    'commitOn a status': {
      handler: async (request, reply) => { await insert(request); return reply.code(409).send('x') },
      status: 409,
      commits: true,
      db: { transaction: true, commitOn: (status) => status === 409 }
    },
    'commitOn a thrown error': {
      handler: async (request) => { await insert(request); throw Object.assign(new Error('x'), { statusCode: 402 }) },
      status: 402,
      commits: true,
      db: { transaction: true, commitOn: (_status, error) => error instanceof Error && error.message === 'x' }
    },
    'commitOn says no': { handler: async (request) => { await insert(request); return 'x' }, status: 200, commits: false, db: { transaction: true, commitOn: () => false } },
    'commitOn throws': { handler: async (request) => { await insert(request); return 'x' }, status: 500, commits: false, db: { transaction: true, commitOn: () => { throw new Error('mine') } } },
    'commitOn, failed': {
      handler: async (request) => { await insert(request); await request.db.execute('SELECT 1 / 0') },
      status: 500,
      commits: false,
      db: { transaction: true, commitOn: () => true }
    },
    'read only': { handler: async (request) => await insert(request), status: 500, commits: false, db: { transaction: { readOnly: true } } },
    serializable: {
      handler: async (request) => { await insert(request); return await request.db.fetchVal("SELECT pg_catalog.current_setting('transaction_isolation')") === 'serializable' },
      status: 200,
      commits: true,
      db: { transaction: { isolation: 'serializable' } }
    },
  }
  const { app, observer } = await setUp(t, (app) => {
    for (const [n, { handler, db = { transaction: true } }] of Object.values(outcomes).entries()) {
      app.post(`/${n}`, { config: { db } }, handler as never)
    }
  })
  for (const [n, [name, { status, commits }]] of Object.entries(outcomes).entries()) {
    const { statusCode } = await app.inject({ method: 'POST', url: `/${n}` })
    t.strictSame([statusCode, await items(observer)], [status, commits ? [1] : []], name)
    await until(() => isIdle({ app, observer }))
    await observer.rows('DELETE FROM items')
  }
})

t.test('a commit that fails is what the client gets', async (t) => {
  const { app, observer } = await setUp(t, (app) => {
    const body = async function * (request: FastifyRequest) {
      yield 'some'
      await insert(request)
    }
    app.get('/twice', { config: transaction }, async (request) => { await insert(request); return await insert(request) })
    app.get('/stream', { config: transaction }, async (request) => { await insert(request); return Readable.from(body(request)) })
    app.setErrorHandler(async (error: { code?: string }, request, reply) => {
      reply.code(500)
      return { code: error.code, read: await request.db.fetchVal('SELECT count(*) FROM items') }
    })
  })
  const answer = await app.inject('/twice')
  t.strictSame([answer.statusCode, answer.json()], [500, { code: UNIQUE, read: 0 }], 'an error handler may read, in another transaction')
  const url = await app.listen({ port: 0, host: '127.0.0.1' })
  await t.rejects(fetch(`${url}/stream`).then((response) => response.text()), 'behind what was sent of a stream, the connection ends')
  t.strictSame(await items(observer), [])
  t.ok(await isIdle({ app, observer }))
})

t.test('a stream is committed after its last byte', async (t) => {
  const phases: string[] = []
  const setup = await setUp(t, (app) => {
    async function * body (request: FastifyRequest, fails = false) {
      yield 'some,'
      await insert(request)
      phases.push(...(await items(setup.observer)).length === 0 ? ['open'] : ['committed'])
      if (fails) throw new Error('mine')
      yield 'more'
    }
    const route = (url: string, handler: (request: FastifyRequest, reply: FastifyReply) => unknown): unknown =>
      app.get(url, { config: transaction }, async (request, reply) => { await request.db.fetchVal('SELECT 1'); return handler(request, reply) })
    route('/node', (request) => Readable.from(body(request)))
    route('/web', (request) => Readable.toWeb(Readable.from(body(request)).map((text: string) => Buffer.from(text))))
    route('/response', (request) => new Response(Readable.toWeb(Readable.from(body(request)).map((text: string) => Buffer.from(text))) as never, { status: 201, headers: { 'x-own': 'yes' } }))
    route('/failing', (request) => Readable.from(body(request, true)))
    route('/failing-web', (request) => Readable.toWeb(Readable.from(body(request, true)).map((text: string) => Buffer.from(text))))
    route('/not-found', (_request, reply) => reply.code(404).send(Readable.from(['none'])))
    route('/refused-response', () => new Response('none', { status: 403 }))
    route('/endless', (request, reply) => { reply.raw.once('close', () => { phases.push('closed') }); return Readable.from((async function * () { await insert(request); for (;;) yield 'x'.repeat(65_536) })()) })
  })
  const { app, observer } = setup
  const url = await app.listen({ port: 0, host: '127.0.0.1' })
  for (const path of ['node', 'web', 'response']) {
    const response = await fetch(`${url}/${path}`)
    t.strictSame([response.status, await response.text()], [path === 'response' ? 201 : 200, 'some,more'], path)
    await until(async () => (await items(observer)).length === 1 && await isIdle(setup))
    if (path === 'response') t.equal(response.headers.get('x-own'), 'yes')
    await observer.rows('DELETE FROM items')
  }
  t.strictSame(phases.splice(0), ['open', 'open', 'open'])
  const head = await fetch(`${url}/node`, { method: 'HEAD' })
  t.equal(head.status, 200)
  await until(async () => (await items(observer)).length === 1 && await isIdle(setup))
  await observer.rows('DELETE FROM items')
  for (const path of ['failing', 'failing-web']) {
    await t.rejects(fetch(`${url}/${path}`).then((response) => response.text()), path)
    await until(() => isIdle(setup))
    t.strictSame(await items(observer), [])
  }
  for (const path of ['not-found', 'refused-response']) t.equal(await (await fetch(`${url}/${path}`)).text(), 'none')
  const client = httpGet(`${url}/endless`)
  const [response] = await once(client, 'response')
  await once(response, 'data')
  client.destroy()
  await until(() => phases.includes('closed') && app.db.stats().busy === 0)
  t.strictSame(await items(observer), [])
  t.ok(await isIdle(setup))
})

t.test('a request that queries nothing takes no connection', async (t) => {
  let hooks = 0
  const { app } = await setUp(t, (app) => {
    const schema = { params: { type: 'object', properties: { n: { type: 'integer' } } } }
    app.get('/none', { config: transaction }, async (request) => typeof request.db.fetchOne)
    app.get('/valid/:n', { config: transaction, schema }, insert)
    app.get('/early', { config: transaction, preHandler: (_request, reply) => { reply.code(401).send('who?') } }, insert)
    app.addHook('onSend', async () => { hooks++ })
  })
  const before = app.db.stats()
  t.equal((await app.inject('/none')).body, 'function')
  t.equal((await app.inject('/valid/x')).statusCode, 400)
  t.equal((await app.inject('/early')).statusCode, 401)
  t.equal((await app.inject('/nowhere')).statusCode, 404)
  t.equal(hooks, 4)
  t.strictSame(app.db.stats(), before)
})

t.test('hooks before and after the handler belong to the transaction', async (t) => {
  const seen: unknown[] = []
  const { app, observer } = await setUp(t, (app) => {
    app.get('/hooks', {
      config: transaction,
      onRequest: insert,
      preHandler: async (request) => { await request.db.execute('INSERT INTO items VALUES (2)') },
      preSerialization: async (request, _reply, payload) => { await request.db.execute('INSERT INTO items VALUES (4)'); return payload },
      onSend: async (request) => { seen.push(await request.db.fetchVal('SELECT 1').catch((error) => error.code), await items(observer)) },
    }, async (request) => { await request.db.execute('INSERT INTO items VALUES (3)'); return {} })
    app.get('/guard', { config: transaction, preHandler: async (request, reply) => { await insert(request); return reply.code(403).send('no') } }, insert)
    app.get('/failing-hook', { config: transaction, preHandler: async (request) => { await insert(request); throw new Error('hook') } }, insert)
    app.setNotFoundHandler(async (request) => ({ one: await request.db.fetchVal('SELECT 1') }))
  })
  t.equal((await app.inject('/hooks')).statusCode, 200)
  t.strictSame(seen, ['FST_PG_RELEASED', [1, 2, 3, 4]], 'an onSend hook behind ours comes after the commit')
  await observer.rows('DELETE FROM items')
  t.equal((await app.inject('/guard')).statusCode, 403)
  t.equal((await app.inject('/failing-hook')).statusCode, 500)
  t.strictSame(await items(observer), [])
  t.strictSame((await app.inject('/nowhere')).json(), { one: 1 })
})

t.test('an error handler', async (t) => {
  const { app, observer } = await setUp(t, (app) => {
    app.get('/failed', { config: transaction }, async (request) => { await insert(request); await request.db.execute('SELECT 1 / 0') })
    app.get('/thrown', { config: transaction }, async (request) => { await insert(request); throw new Error('x') })
    app.get('/late', { config: transaction }, async (request) => { setImmediate(() => { insert(request).catch(() => {}) }); await insert(request); throw new Error('x') })
    app.setErrorHandler(async (error: { code?: string }, request, reply) => {
      reply.code(200)
      const written = await insert(request).catch((error: { code?: string }) => error.code)
      await request.db.detached.execute('INSERT INTO items VALUES (7)')
      return { code: error.code, written }
    })
  })
  t.strictSame((await app.inject('/failed')).json(), { code: '22012', written: '25006' })
  t.strictSame(await items(observer), [7], 'what was thrown is rolled back whatever the reply; detached, it stays')
  await observer.rows('DELETE FROM items')
  t.equal((await app.inject('/thrown')).json().written, '25006')
  await observer.rows('DELETE FROM items')
  t.equal((await app.inject('/late')).statusCode, 200)
  t.ok(await isIdle({ app, observer }))
})

t.test('handlerTimeout is answered at once, and what the handler reads ends then', async (t) => {
  const codes: unknown[] = []
  const { app, observer } = await setUp(t, (app) => {
    app.get('/', { config: transaction, handlerTimeout: 100 }, async (request) => {
      await insert(request)
      await request.db.fetchVal('SELECT 1 FROM pg_sleep(60)').catch((error) => { codes.push(error.code) })
      return 'too late'
    })
  })
  const { statusCode, body } = await app.inject('/')
  t.match([statusCode, JSON.parse(body)], [503, { code: 'FST_ERR_HANDLER_TIMEOUT' }])
  await until(() => isIdle({ app, observer }))
  t.strictSame([codes, await items(observer)], [['FST_PG_ABORTED'], []])
})

t.test('a client that leaves', async (t) => {
  const results: unknown[] = []
  const note = (work: Promise<unknown>): Promise<unknown> => work.then((value) => { results.push(value) }, (error) => { results.push(error.code); throw error })
  const setup = await setUp(t, (app) => {
    app.get('/read', (request) => note(request.db.fetchVal('SELECT pg_sleep(60)')))
    app.get('/in-transaction', (request) => request.db.transaction((tx) => note(tx.fetchVal('SELECT pg_sleep(60)'))))
    app.get('/write', (request) => note(request.db.fetchVal('INSERT INTO items SELECT 5 FROM pg_sleep(0.3) RETURNING n')))
    app.get('/detached', (request) => note(request.db.detached.fetchVal('SELECT 6 FROM pg_sleep(0.3)')))
    app.get('/transaction', { config: transaction }, async (request) => { await insert(request); await note(request.db.fetchVal('SELECT pg_sleep(60)')) })
    app.get('/idle', { config: transaction }, async (request, reply) => { await insert(request); if (!reply.raw.closed) await once(reply.raw, 'close'); await note(insert(request)) })
  })
  const { app, observer } = setup
  const url = await app.listen({ port: 0, host: '127.0.0.1' })
  for (const [path, result, rows] of [
    ['read', 'FST_PG_ABORTED', []], ['in-transaction', 'FST_PG_ABORTED', []], ['write', 5, [5]], ['detached', 6, [5]],
    ['transaction', 'FST_PG_ABORTED', [5]], ['idle', 'FST_PG_ABORTED', [5]],
  ] as const) {
    const client = httpGet(`${url}/${path}`).on('error', () => {})
    await until(async () => (await observer.backends()).some(({ state }) => state !== 'idle'))
    client.destroy()
    await until(() => results.length === 1)
    t.equal(results.pop(), result, path)
    await until(() => isIdle(setup))
    t.strictSame(await items(observer), rows, path)
  }
})

t.test('a client that leaves while its read waits for a connection', async (t) => {
  const codes: unknown[] = []
  const { app } = await setUp(t, (app) => {
    app.get('/read', (request) => request.db.fetchVal('SELECT 1').catch((error) => { codes.push(error.code) }))
  })
  const url = await app.listen({ port: 0, host: '127.0.0.1' })
  const leases = await Promise.all([1, 2, 3].map(() => app.db.acquire()))
  const client = httpGet(`${url}/read`).on('error', () => {})
  await until(() => app.db.stats().waiting === 1)
  client.destroy()
  await until(() => app.db.stats().waiting === 0)
  t.strictSame(codes, ['FST_PG_ABORTED'])
  for (const lease of leases) await lease.release()
})

t.test('a batch that waits for a connection ends with its signal', async (t) => {
  const controller = new AbortController()
  const { app } = await setUp(t, (app) => {
    app.get('/batch', (request) => request.db.executeMany({ text: 'INSERT INTO items VALUES ($1)', signal: controller.signal }, [[1]]))
  })
  const leases = await Promise.all([1, 2, 3].map(() => app.db.acquire()))
  const answer = app.inject('/batch')
  await until(() => app.db.stats().waiting === 1)
  controller.abort()
  t.equal((await answer).json().code, 'FST_PG_ABORTED')
  t.equal(app.db.stats().waiting, 0)
  for (const lease of leases) await lease.release()
})

t.test('a reply that the handler sends itself', async (t) => {
  const setup = await setUp(t, (app) => {
    app.get('/ok', { config: transaction }, async (request, reply) => { await insert(request); reply.hijack(); reply.raw.end('raw') })
    app.get('/bad', { config: transaction }, async (request, reply) => { await insert(request); reply.hijack(); reply.raw.writeHead(500).end('raw') })
    app.get('/gone', { config: transaction }, async (request, reply) => { await insert(request); reply.hijack(); reply.raw.destroy() })
  })
  for (const [path, rows] of [['ok', [1]], ['bad', [1]]] as const) {
    t.equal((await setup.app.inject(`/${path}`)).body, 'raw')
    await until(() => isIdle(setup))
    t.strictSame(await items(setup.observer), rows)
  }
  const url = await setup.app.listen({ port: 0, host: '127.0.0.1' })
  await t.rejects(fetch(`${url}/gone`))
  await until(() => isIdle(setup))
  t.strictSame(await items(setup.observer), [1])
})

t.test('kept after the reply, it refuses calls; detached it goes on', async (t) => {
  const kept: FastifyRequest[] = []
  const inOnResponse: unknown[] = []
  const { app } = await setUp(t, (app) => {
    app.addHook('onResponse', async (request) => { inOnResponse.push(await request.db.fetchVal('SELECT 1').catch((error) => error.code)) })
    app.get('/plain', async (request) => { kept.push(request); return await request.db.fetchVal('SELECT 1') })
    app.get('/transaction', { config: transaction }, async (request) => { kept.push(request); return await request.db.fetchVal('SELECT 1') })
  })
  for (const path of ['/plain', '/transaction']) {
    t.equal((await app.inject(path)).statusCode, 200)
    await until(() => inOnResponse.length === 1)
    t.equal(inOnResponse.pop(), 'FST_PG_RELEASED')
    const { db } = kept.pop() as FastifyRequest
    for (const call of [() => db.fetchVal('SELECT 1'), () => db.executeMany('SELECT $1::int', [[1]]), () => db.transaction(() => {})]) {
      await t.rejects(call(), { code: 'FST_PG_RELEASED', message: 'this request has ended' })
    }
    t.equal(await db.detached.fetchVal('SELECT 1'), 1)
  }
})

t.test('200 slow handlers on two connections hold none while they do not query', async (t) => {
  let reached = 0
  let go = (): void => {}
  const all = new Promise<void>((resolve) => { go = resolve })
  const { app } = await setUp(t, (app) => {
    app.get('/slow', async (request) => {
      await request.db.fetchVal('SELECT 1')
      if (++reached === 200) go()
      await all
      return await request.db.fetchVal('SELECT 2')
    })
  }, 2)
  const answers = await Promise.all(Array.from({ length: 200 }, () => app.inject('/slow')))
  t.ok(answers.every(({ body }) => body === '2'))
})

t.test('it sends what a transaction by hand sends, in as many writes', async (t) => {
  const { app, observer } = await setUp(t, (app) => {
    const work = async (tx: Pick<FastifyInstance['db'], 'fetchVal' | 'execute'>): Promise<unknown> => {
      await tx.execute('INSERT INTO items VALUES ($1)', 1)
      return await tx.fetchVal('DELETE FROM items WHERE n = $1 RETURNING n', 1)
    }
    app.get('/route', { config: transaction }, (request) => work(request.db))
    app.get('/hand', () => app.db.transaction(work))
  })
  const port = Number(new URL(observer.url).port)
  const { write } = Socket.prototype
  let written: Buffer[] = []
  t.teardown(() => { Socket.prototype.write = write })
  Socket.prototype.write = function (this: Socket, chunk: Buffer, ...rest: never[]) {
    if (this.remotePort === port) written.push(Buffer.from(chunk))
    return write.call(this, chunk, ...rest)
  } as typeof write
  const writesOf = async (path: string): Promise<string[]> => {
    for (let warm = 0; warm < 3; warm++) await app.inject(path)
    written = []
    t.equal((await app.inject(path)).body, '1')
    return written.map((chunk) => chunk.toString('latin1'))
  }
  const byHand = await writesOf('/hand')
  t.equal(byHand.length, 3)
  t.strictSame(await writesOf('/route'), byHand)
})

for (const method of ['GET', 'POST'] as const) {
  t.test(`${method} requests whose transactions hold all connections and which ask the database itself are told of it at once`, async (t) => {
    let begun = 0
    let go = (): void => {}
    const all = new Promise<void>((resolve) => { go = resolve })
    const { app } = await setUp(t, (app) => {
      app.route({
        method,
        url: '/',
        config: transaction,
        handler: async (request) => {
          await request.db.fetchVal('SELECT 1')
          if (++begun === 3) go() // as many as there are connections
          await all
          return await app.db.fetchVal('SELECT 2')
        },
      })
    })
    const payload = method === 'POST' ? { payload: { some: 'body' } } : {}
    const answers = await Promise.all(Array.from({ length: 3 }, () => app.inject({ method, url: '/', ...payload })))
    const codes = answers.map((answer) => answer.statusCode === 200 ? answer.body : answer.json().code)
    t.ok(codes.includes('FST_PG_NESTED_ACQUIRE'), codes.join())
    t.ok(codes.includes('2'), 'the others go on')
  })
}
