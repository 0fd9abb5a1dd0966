import { readdir, readFile } from 'node:fs/promises'
import { Writable } from 'node:stream'
import Fastify from 'fastify'
import { pino } from 'pino'
import t, { type Test } from 'tap'
import ts from 'typescript'
import postgresJs from '../../plugins/db.js'
import { createDatabase, type Database, type DatabaseOptions } from '../../src/index.js'
import { FaultProxy } from '../../tools/fault-proxy.js'
import { startEmbeddedPostgres } from '../../tools/embedded-postgres/embedded-postgres.js'
import { freshDatabase, memoryLog, type MemoryLog, type Observer, openDatabase, until } from '../support/database.js'
import { faultOf, LOG_TABLE } from '../support/log-table.js'

const SIZE = 25

interface Line { level: string, message: string, [field: string]: unknown }

/** What the log has by now, of the given events, or from `info` on. */
function linesOf (log: MemoryLog, ...events: string[]): Line[] {
  const lines = log.lines.map(({ level, object, message }) => ({ level, message, ...object }) as Line)
  return lines.filter(({ level, event }) => events.length === 0 ? level !== 'debug' : events.includes(String(event)))
}

const hasRecovered = (log: MemoryLog, times = 1) => (): boolean => linesOf(log, 'pool.recovered').length === times

async function crowd (t: Test, observer: Observer, options: DatabaseOptions = {}): Promise<{ db: Database, log: MemoryLog }> {
  const log = memoryLog()
  const db = await openDatabase(t, observer, { min: SIZE, max: SIZE, log, ...options })
  await until(() => log.lines.at(-1)?.message === 'database pool is open')
  log.lines.length = 0
  return { db, log }
}

const pidsOf = async (observer: Observer): Promise<number[]> => (await observer.backends()).map(({ pid }) => pid)

t.test('an outage is one line with a count, and one when it is over', async (t) => {
  const observer = await freshDatabase(t)

  t.test('all at once, idle and busy ones', async (t) => {
    const { db, log } = await crowd(t, observer)
    const running = Promise.allSettled(Array.from({ length: 10 }, () => db.fetchVal('SELECT pg_sleep(60)')))
    await until(() => db.stats().busy === 10)
    await observer.kill()
    await running
    await until(hasRecovered(log))
    t.match(linesOf(log), [
      { level: 'warn', event: 'connection.lost', pool: 'db', count: SIZE, reason: 'lost', err: { code: '57P01' }, backendPid: Number },
      { level: 'info', event: 'pool.recovered', pool: 'db', count: SIZE, failures: 0, seconds: Number, size: SIZE },
    ])
    t.equal(linesOf(log).length, 2)
    t.equal(log.lines.filter(({ object }) => 'err' in object).length, 1, 'one stack, at any level')
  })

  t.test('over some moments, while calls come and lost ones are replaced', async (t) => {
    const { db, log } = await crowd(t, observer)
    const victims = await pidsOf(observer)
    const end = new AbortController()
    const workers = Array.from({ length: 5 }, async () => {
      while (!end.signal.aborted) await db.fetchVal('SELECT 1 FROM pg_sleep(0.005)').catch(() => {})
    })
    while (victims.length > 0) {
      await observer.kill(victims.splice(0, 4))
      await until(() => db.stats().size === SIZE) // whole again in between
    }
    await until(hasRecovered(log))
    end.abort()
    await Promise.all(workers)
    t.match(linesOf(log), [{ event: 'connection.lost', count: SIZE }, { event: 'pool.recovered', count: SIZE }])
    t.equal(linesOf(log).length, 2)
  })

  t.test('found out by checks and timeouts, where nothing says that it has ended', async (t) => {
    const proxy = await FaultProxy.start(t, observer.url)
    const { db, log } = await crowd(t, observer, { url: proxy.url, commandTimeout: 0.3, connectTimeout: 1 })
    const running = Promise.allSettled(Array.from({ length: 5 }, () => db.fetchVal('SELECT pg_sleep(60)')))
    await until(() => db.stats().busy === 5)
    await proxy.set('black-hole')
    await running
    await until(() => db.stats().size === 0, 20)
    await observer.kill()
    await proxy.set('forward')
    await until(hasRecovered(log), 20)
    const [lost, recovered, ...more] = linesOf(log)
    t.match(lost, { level: 'warn', event: 'connection.lost', count: SIZE })
    t.match(recovered, { level: 'info', event: 'pool.recovered', count: SIZE })
    t.strictSame(more, [])
  })

  t.test('and when it happens again later, it is told again', async (t) => {
    const { db, log } = await crowd(t, observer)
    for (const round of [1, 2]) {
      await until(() => db.stats().free === SIZE)
      await observer.kill()
      await until(hasRecovered(log, round))
    }
    t.match(linesOf(log).map(({ event, count }) => [event, count]), [['connection.lost', SIZE], ['pool.recovered', SIZE], ['connection.lost', SIZE], ['pool.recovered', SIZE]])
  })

  t.test('one connection is an outage of one', async (t) => {
    const { log } = await crowd(t, observer)
    const [victim = 0] = await pidsOf(observer)
    await observer.kill([victim])
    await until(hasRecovered(log))
    t.match(linesOf(log), [{ event: 'connection.lost', count: 1, backendPid: victim, size: SIZE }, { event: 'pool.recovered', count: 1 }])
  })

  t.test('a pool that closes in the meantime says what it has lost', async (t) => {
    const { db, log } = await crowd(t, observer)
    await observer.kill((await pidsOf(observer)).slice(0, 3))
    await until(() => db.stats().closed.lost === 3)
    await db.close()
    t.match(linesOf(log).filter(({ event }) => event !== 'pool.recovered'), [{ event: 'connection.lost', count: 3 }, { event: 'pool.closed' }])
  })

  t.test('of a pool that keeps no connections open', async (t) => {
    const { db, log } = await crowd(t, observer, { min: 0, max: 5 })
    const leases = await Promise.all(Array.from({ length: 5 }, () => db.acquire()))
    await observer.kill()
    await until(() => db.stats().size === 0)
    await Promise.all(leases.map((lease) => lease.release()))
    await until(() => linesOf(log).length > 0)
    t.match(linesOf(log), [{ event: 'connection.lost', count: 5 }])
    t.equal(await db.fetchVal('SELECT 1'), 1)
    await until(hasRecovered(log))
    t.equal(linesOf(log).length, 2)
  })
})

t.test('the server restarts: one line with a count, and one when it is over; each time', async (t) => {
  const server = await startEmbeddedPostgres()
  t.teardown(() => server.close())
  const log = memoryLog()
  const db = createDatabase({ url: server.url, min: SIZE, max: SIZE, log }, {})
  t.teardown(() => db.close())
  await db.open()
  const codes = ['57P01', '57P02'] // or whatever the system says of the socket
  for (const [index, mode] of (['fast', 'immediate'] as const).entries()) {
    log.lines.length = 0
    const running = Promise.allSettled(Array.from({ length: 10 }, () => db.fetchVal('SELECT pg_sleep(60)')))
    await until(() => db.stats().busy === 10)
    await server.stop(mode)
    await running
    await until(() => db.stats().connectFailures > 0)
    await server.start()
    await until(hasRecovered(log), 20)
    const [lost, recovered, ...more] = linesOf(log)
    t.match(lost, { level: 'warn', event: 'connection.lost', count: SIZE, err: { code: String } }, mode)
    if (mode === 'fast') t.match(lost, { err: { code: codes[index] } })
    t.match(recovered, { level: 'info', event: 'pool.recovered', count: SIZE, size: SIZE })
    t.ok(Number(recovered?.['failures']) > 0)
    t.strictSame(more, [])
    t.ok(linesOf(log, 'connect.failed').length > 0, 'what the pool tries is told at debug')
  }
})

t.test('connects that fail are told once, and once more where the server refuses', async (t) => {
  const observer = await freshDatabase(t)
  const proxy = await FaultProxy.start(t, observer.url)
  await proxy.set('refuse')
  const log = memoryLog()
  const db = createDatabase({ url: proxy.url, min: 3, max: 3, required: false, log, health: { cache: 0 } }, {})
  t.teardown(() => db.close())
  await db.open()
  await until(() => db.stats().connectFailures > 3)
  await proxy.set('forward')
  await until(hasRecovered(log))
  t.match(linesOf(log), [
    { level: 'warn', event: 'connect.failed', message: 'cannot connect to the database: trying again', err: Error },
    { level: 'warn', event: 'startup.deferred', message: /^the database is not there yet: going on without it$/ },
    { level: 'info', event: 'pool.recovered', count: 0, size: 3 },
  ])
  t.equal(linesOf(log).length, 3)
})

t.test('a permanent refusal is not called trying again', async (t) => {
  const observer = await freshDatabase(t)
  const refused: Record<string, DatabaseOptions> = {
    '3D000': { url: Object.assign(new URL(observer.url), { pathname: '/there_is_none' }).href },
    '28P01': { url: Object.assign(new URL(observer.url), { password: 'wrong' }).href },
    22023: { url: observer.url, parameters: { statement_timeout: 'never' } },
  }
  for (const [code, options] of Object.entries(refused)) {
    for (const required of [true, false]) {
      const log = memoryLog()
      const db = createDatabase({ min: 1, max: 2, log, required, ...options }, {})
      const outcome = await db.open().then(() => undefined, (error) => error)
      await until(() => linesOf(log, 'connect.failed').length > 0)
      t.match(linesOf(log, 'connect.failed'), [{ level: 'warn', err: { code } }], code)
      t.equal(linesOf(log, 'startup.deferred').length, required ? 0 : 1)
      t.notMatch(JSON.stringify(log.lines.map(({ message }) => message)), /try|not there yet/)
      t.match(outcome, required ? { code: 'FST_PG_CONNECT' } : undefined)
      await db.close()
    }
  }
})

t.test('a refusal after another failure is news', async (t) => {
  const observer = await freshDatabase(t)
  const proxy = await FaultProxy.start(t, observer.url)
  await proxy.set('refuse')
  let password: string | undefined = 'wrong'
  const log = memoryLog()
  const db = createDatabase({ url: proxy.url, password: () => password ?? new URL(observer.url).password, min: 1, max: 1, required: false, log }, {})
  t.teardown(() => db.close())
  await db.open()
  await proxy.set('forward')
  const told = (): Line[] => linesOf(log, 'connect.failed').filter(({ level }) => level === 'warn')
  await until(() => told().length === 2)
  t.match(told(), [{ message: /trying again/ }, { message: /refuses connections/, err: { code: '28P01' } }])
  password = undefined
  t.equal(await db.fetchVal('SELECT 1'), 1)
  await until(hasRecovered(log))
})

t.test('openings and closings are told at one level: of the pool at info, of connections at debug', async (t) => {
  const observer = await freshDatabase(t)
  const log = memoryLog()
  const db = createDatabase({ url: observer.url, min: 2, max: 2, log, name: 'archive' }, {})
  await db.open()
  const pids = await pidsOf(observer)
  await db.close()
  const told = (event: string): unknown[] => linesOf(log, event).map(({ level, pool, backendPid }) => [level, pool, backendPid])
  t.strictSame(told('pool.open'), [['info', 'archive', undefined]])
  t.strictSame(told('pool.closed'), [['info', 'archive', undefined]])
  for (const event of ['connection.opened', 'connection.closed']) {
    t.same(linesOf(log, event).map(({ backendPid }) => backendPid).sort(), pids.sort(), event)
    t.ok(linesOf(log, event).every(({ level, pool }) => level === 'debug' && pool === 'archive'), event)
  }
})

t.test('no line that pino prints has a key twice, and each names its event and the pool', async (t) => {
  const observer = await freshDatabase(t)
  const printed: string[] = []
  const stream = new Writable({ write (chunk, _encoding, done) { printed.push(...String(chunk).trim().split('\n')); done() } })
  const proxy = await FaultProxy.start(t, observer.url)
  const options = { url: proxy.url, log: pino({ level: 'debug', name: 'app' }, stream), min: 1, max: 2, instances: 10_000, leakWarning: 0.02, name: 'main' }
  const db = createDatabase({ ...options, health: { cache: 0 } }, {})
  t.teardown(() => db.close())
  const lease = await db.acquire()
  await until(() => printed.some((line) => line.includes('leak.suspected')))
  await lease.release()
  await observer.kill()
  await until(() => printed.some((line) => line.includes('pool.recovered')))
  await proxy.set('refuse')
  await observer.kill()
  await until(() => printed.some((line) => line.includes('connect.failed')))
  await db.health()
  await proxy.set('forward')
  await until(async () => (await db.health()).status === 'healthy')
  await db.close()
  const seen = new Set<string>()
  for (const line of printed) {
    const keys = keysOf(line)
    t.strictSame(keys, [...new Set(keys)], line)
    const { event, pool, pid } = JSON.parse(line)
    seen.add(event)
    t.equal(pool, 'main', line)
    t.equal(pid, process.pid, line)
  }
  const expected = ['capacity.exceeded', 'connect.failed', 'connection.closed', 'connection.lost', 'connection.opened', 'health.failed', 'health.recovered', 'leak.returned', 'leak.suspected', 'pool.closed', 'pool.open', 'pool.recovered']
  t.strictSame([...seen].sort(), expected)
})

t.test('the pools of one app are told apart by the names of their decorators', async (t) => {
  const observer = await freshDatabase(t)
  const printed: string[] = []
  const stream = new Writable({ write (chunk, _encoding, done) { printed.push(...String(chunk).trim().split('\n')); done() } })
  const app = Fastify({ logger: { level: 'info', stream } })
  for (const name of ['db', 'archive']) app.register(postgresJs, { url: observer.url, min: 1, max: 1, name })
  await app.ready()
  await app.close()
  const lines = printed.map((line) => JSON.parse(line)).filter(({ event }) => event !== undefined)
  t.strictSame(lines.map(({ event, pool }) => `${event} ${pool}`).sort(), ['pool.closed archive', 'pool.closed db', 'pool.open archive', 'pool.open db'])
  for (const name of [5, '', null]) t.throws(() => createDatabase({ name: name as never }, {}), { code: 'FST_PG_OPTION', message: /option name/ })
})

/** The keys of the outermost object, each as often as it occurs: JSON.parse keeps the last of two. */
function keysOf (json: string): string[] {
  const keys: string[] = []
  let depth = 0
  for (const [, text, colon, mark] of json.matchAll(/"((?:[^"\\]|\\.)*)"(\s*:)?|([{}[\]])/g)) {
    if (mark === '{' || mark === '[') depth++
    else if (mark === '}' || mark === ']') depth--
    else if (depth === 1 && colon !== undefined) keys.push(text ?? '')
  }
  return keys
}

t.test('the table in docs/logging.md has every event of the code with its levels and fields, and no other', async (t) => {
  const emitted = new Map<string, Set<string>>()
  const files = await Promise.all(['src', 'plugins'].map(async (folder) => (await readdir(folder, { recursive: true })).map((file) => `${folder}/${file}`)))
  for (const file of files.flat()) {
    if (!file.endsWith('.ts')) continue
    for (const { level, event, fields } of linesIn(await readFile(file, 'utf8'))) {
      emitted.set(event, (emitted.get(event) ?? new Set()).add(level))
      t.strictSame(fields.filter((name) => !['event', ...LOG_TABLE.get(event)?.fields ?? []].includes(name)), [], `the fields of ${event} in ${file}`)
    }
  }
  const sorted = (entries: Iterable<readonly [string, Iterable<string>]>): unknown => [...entries].map(([event, levels]) => [event, [...levels].sort()]).sort()
  t.strictSame(sorted(emitted), sorted([...LOG_TABLE].map(([event, { levels }]) => [event, levels])))
  const known = /type LogEvent =([^/]+)\n\n/.exec(await readFile('src/config/event-log.ts', 'utf8'))?.[1]?.match(/'[^']+'/g) ?? []
  t.strictSame(known.map((name) => name.slice(1, -1)).sort(), [...emitted.keys()].sort(), 'and the type names them')
  t.ok(linesIn('log.warn({ event: "a.b", x }, "y")').length === 1, 'the search finds one')
  t.match(faultOf('info', { event: 'nothing.known', pool: 'db' }), /not documented/)
  t.match(faultOf('info', { event: 'pool.closed', pool: 'db', more: 1 }), /fields that are not documented: more/)
  t.match(faultOf('info', { event: 'pool.closed' }), /no pool/)
})

/** The lines that a source file writes to the log. */
function linesIn (source: string): Array<{ level: string, event: string, fields: string[] }> {
  const found: Array<{ level: string, event: string, fields: string[] }> = []
  const visit = (node: ts.Node): void => {
    ts.forEachChild(node, visit)
    if (!ts.isCallExpression(node) || !ts.isPropertyAccessExpression(node.expression)) return
    const [line] = node.arguments
    if (line === undefined || !ts.isObjectLiteralExpression(line)) return
    const event = line.properties.find((property) => ts.isPropertyAssignment(property) && property.name.getText() === 'event')
    if (event === undefined || !ts.isPropertyAssignment(event) || !ts.isStringLiteral(event.initializer)) return
    const fields = line.properties.flatMap(({ name }) => name === undefined ? [] : [name.getText()])
    found.push({ level: node.expression.name.text, event: event.initializer.text, fields })
  }
  visit(ts.createSourceFile('source.ts', source, ts.ScriptTarget.Latest, true))
  return found
}
