import { once } from 'node:events'
import { Agent, request } from 'node:http'
import Fastify, { type FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import drain from '../../examples/drain.js'
import postgresJs, { type FastifyPostgresJsOptions } from '../../plugins/db.js'
import { freshDatabase, memoryLog, openDatabase, until, type Observer } from '../support/database.js'
import { runScript } from '../support/script.js'

interface Answer { status: number | undefined, body: { value?: number, code?: string } }

/** One request on a connection of its own, or of the given agent. Rejects if the answer is not complete. */
function get (url: string, agent: Agent | false = false): Promise<Answer> {
  return new Promise((resolve, reject) => {
    request(url, { agent }, (response) => {
      let text = ''
      response.setEncoding('utf8').on('data', (part) => { text += part }).on('error', reject)
        .on('end', () => resolve({ status: response.statusCode, body: JSON.parse(text) }))
    }).on('error', reject).end()
  })
}

interface Params { seconds: number, value: number }

/** An app that listens: `/sleep/:seconds/:value` answers with the value after a statement that takes as long, `/twice/…` after two. */
async function listen (t: Test, observer: Observer, options: FastifyPostgresJsOptions, drains = false): Promise<{ app: FastifyInstance, url: string, received: () => number }> {
  const app = Fastify({ return503OnClosing: !drains })
  t.teardown(() => app.close())
  if (drains) app.register(drain)
  let received = 0
  app.addHook('onRequest', async () => { received++ })
  app.register(postgresJs, { url: observer.url, min: 1, log: memoryLog(), ...options })
  const sleep = async ({ seconds, value }: Params) => ({ value: await app.db.fetchVal('SELECT $2::int FROM pg_sleep($1::float)', seconds, value) })
  app.get<{ Params: Params }>('/sleep/:seconds/:value', ({ params }) => sleep(params))
  app.get<{ Params: Params }>('/twice/:seconds/:value', async ({ params }) => await sleep(params) && await sleep(params))
  return { app, url: await app.listen({ port: 0, host: '127.0.0.1' }), received: () => received }
}

const upTo = (count: number): number[] => Array.from({ length: count }, (_, index) => index)

t.test('an app that closes', async (t) => {
  const observer = await freshDatabase(t)

  for (const [how, drains] of [['each on a connection of its own', false], ['on connections that are kept alive, with the demo\'s drain', true]] as const) {
    t.test(`answers all of 100 requests that are in flight, most of them in the pool's queue (${how})`, async (t) => {
      const { app, url, received } = await listen(t, observer, { max: 10 }, drains)
      const agent = drains && new Agent({ keepAlive: true })
      if (agent !== false) t.teardown(() => agent.destroy())
      const answers = upTo(100).map((value) => get(`${url}/twice/0.05/${value}`, agent))
      await until(() => received() === 100)
      t.ok(app.db.stats().waiting > 50)
      await app.close()
      t.strictSame(await Promise.all(answers), upTo(100).map((value) => ({ status: 200, body: { value } })))
      t.match(app.db.stats(), { size: 0, waiting: 0, errors: 0 })
      t.same(await observer.backends(), [], 'and then the pool is closed')
    })
  }

  t.test('answers what is not done within closeTimeout with a coded 503', async (t) => {
    const { app, url } = await listen(t, observer, { max: 4, closeTimeout: 0.7 })
    const quick = upTo(4).map((value) => get(`${url}/sleep/0.3/${value}`))
    await until(() => app.db.stats().busy === 4)
    const long = upTo(20).map((value) => get(`${url}/sleep/30/${value}`))
    await until(() => app.db.stats().waiting === 20)
    const start = performance.now()
    await app.close()
    t.ok(performance.now() - start < 15_000, 'it does not wait for those that take 30 s')
    t.match(await Promise.all(quick), upTo(4).map((value) => ({ status: 200, body: { value } })), 'what is done in time is answered')
    const codes = (await Promise.all(long)).map(({ status, body }) => `${status} ${body.code}`)
    t.same(codes.sort(), [...Array(16).fill('503 FST_PG_CLOSED'), ...Array(4).fill('503 FST_PG_CONNECTION_LOST')])
    await until(async () => (await observer.backends()).length === 0)
  })

  t.test('does not wait for a transaction that never ends', async (t) => {
    const { app, url } = await listen(t, observer, { max: 1, closeTimeout: 0.2 })
    app.db.transaction(() => new Promise(() => {})).catch(() => {})
    await until(() => app.db.stats().busy === 1)
    const answer = get(`${url}/sleep/0/1`)
    await until(() => app.db.stats().waiting === 1)
    await app.close()
    t.match(await answer, { status: 503, body: { code: 'FST_PG_CLOSED' } })
  })

  for (const [what, seconds, expected] of [['that end', 0.2, '200 undefined'], ['that do not end in time', 30, '503']] as const) {
    t.test(`ends by itself after SIGTERM with 100 requests ${what}, and loses none`, async (t) => {
      const script = `
        import Fastify from 'fastify'
        import postgresJs from './plugins/db.ts'
        const app = Fastify()
        app.register(postgresJs, { url: process.env.URL_OF_TEST, min: 1, max: 10, closeTimeout: ${seconds > 1 ? 0.5 : 10} })
        app.get('/', () => ++received && app.db.fetchVal('SELECT 1 FROM pg_sleep(${seconds})').then((value) => ({ value })))
        let received = 0
        app.get('/received', async () => ({ value: received }))
        console.log(await app.listen({ port: 0, host: '127.0.0.1' }))
        process.once('SIGTERM', () => app.close().then(() => console.log('closed')))`
      const child = runScript(script, { URL_OF_TEST: observer.url })
      child.stderr.pipe(process.stderr)
      t.teardown(() => child.kill('SIGKILL'))
      let output = ''
      child.stdout.setEncoding('utf8').on('data', (text) => { output += text })
      const exit = once(child, 'close')
      await until(() => output.includes('\n'))
      const url = output.trim()
      const answers = upTo(100).map(() => get(url))
      await until(async () => (await get(`${url}/received`)).body.value === 100)
      child.kill('SIGTERM')
      const codes = (await Promise.all(answers)).map(({ status, body }) => `${status} ${body.code}`)
      t.equal(codes.length, 100)
      t.ok(codes.every((code) => code.startsWith(expected)), [...new Set(codes)].join())
      t.same(await exit, [0, null])
      t.ok(output.endsWith('closed\n'))
      await until(async () => (await observer.backends()).length === 0)
    })
  }
})

t.test('a pool that drains', async (t) => {
  const observer = await freshDatabase(t)

  t.test('has only what is left of the grace when it is closed', async (t) => {
    const db = await openDatabase(t, observer, { min: 1, max: 1, closeTimeout: 2 })
    const held = t.rejects(db.fetchVal('SELECT pg_sleep(60)'), { code: 'FST_PG_CONNECTION_LOST' })
    const begun = performance.now()
    db.drain()
    await until(() => performance.now() - begun > 1500)
    await db.close()
    const took = performance.now() - begun
    t.ok(took >= 1990 && took < 3000, `${took} ms: a grace of its own would have made 3.5 s of it`)
    await held
  })

  t.test('goes on serving, and is closed when the grace is over', async (t) => {
    const db = await openDatabase(t, observer, { min: 1, max: 1, closeTimeout: 0.4 })
    db.drain()
    t.equal(await db.fetchVal('SELECT 1'), 1)
    const lease = await db.acquire()
    db.drain() // not a grace of its own
    const waiting = db.fetchVal('SELECT 2')
    await t.rejects(waiting, { code: 'FST_PG_CLOSED' })
    await until(() => db.stats().size === 0)
    await t.rejects(lease.fetchVal('SELECT 1'), { code: 'FST_PG_CONNECTION_LOST' })
    t.match(db.stats(), { closed: { forced: 1 } })
  })

  t.test('is closed earlier where that is asked for, and has what is left of the grace', async (t) => {
    const db = await openDatabase(t, observer, { min: 1, max: 1, closeTimeout: 10 })
    db.drain()
    const running = db.fetchVal('SELECT 3 FROM pg_sleep(0.1)')
    await Promise.all([db.close(), t.resolveMatch(running, 3)])
    t.match(db.stats(), { size: 0, closed: { close: 1 } })
    db.drain() // nothing is left to be ended
  })
})
