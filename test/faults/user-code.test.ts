import t, { type Test } from 'tap'
import { createDatabase, type Database, type DatabaseOptions, type Log } from '../../src/index.js'
import { freshDatabase, memoryLog, type Observer, until } from '../support/database.js'
import { unwatchCalls } from '../support/disclosure.js'
import { seeded } from '../support/random.js'

unwatchCalls() // which reads the arguments, and some of these cannot be read

const fail = (): never => { throw new Error('user code') }
const hang = (): Promise<never> => new Promise(() => {})

/** An error of which nothing can be read. */
const unreadable = new Proxy(new Error('unreadable'), { get: fail, getPrototypeOf: fail, has: fail, ownKeys: fail })

/** A database; the test sees that it was closed. */
function create (observer: Observer, options: DatabaseOptions = {}): Database {
  return createDatabase({ url: observer.url, min: 1, max: 2, acquireTimeout: 5, log: memoryLog(), health: { cache: 0 }, ...options }, {})
}

/** Whatever user code did: the next caller is served, the numbers are true, and closing comes to an end. */
async function worksOn (t: Test, observer: Observer, db: Database, what: string): Promise<void> {
  t.teardown(() => db.close())
  t.equal(await db.fetchVal('SELECT $1::int', 7), 7, `${what}: the next caller is served`)
  await until(() => db.stats().free === db.stats().size && db.stats().opening + db.stats().closing === 0)
  t.match(db.stats(), { busy: 0, waiting: 0 }, what)
  await until(async () => (await observer.backends()).length === db.stats().size)
  t.match(await db.health(), { status: 'healthy', database: { pool_size: db.stats().size, free_connections: db.stats().free, waiting: 0 } }, what)
  await closes(t, db, what)
}

async function closes (t: Test, db: Database, what: string): Promise<void> {
  await db.close()
  t.match(db.stats(), { size: 0, free: 0, busy: 0, opening: 0, closing: 0, waiting: 0 }, `${what}: closed`)
}

/** A log that does the same at each line. */
function logThat (write: () => unknown): Log {
  return { debug: write as () => void, info: write as () => void, warn: write as () => void, error: write as () => void }
}

t.test('a log', async (t) => {
  const observer = await freshDatabase(t)
  let db: Database
  const LOGS: Record<string, () => Log> = {
    throws: () => logThat(fail),
    'throws nothing': () => logThat(() => { throw undefined }), // eslint-disable-line no-throw-literal
    rejects: () => logThat(async () => fail()),
    'never settles': () => logThat(hang),
    'returns a thenable that throws': () => logThat(() => ({ then: fail })),
    'returns an object that throws': () => logThat(() => new Proxy({}, { get: fail })),
    'has getters that throw from the second time on': () => {
      const log = logThat(() => {})
      for (const level of ['debug', 'info', 'warn', 'error'] as const) {
        let reads = 0
        Object.defineProperty(log, level, { get: () => reads++ === 0 ? () => {} : fail() })
      }
      return log
    },
    'calls the database': () => logThat(() => db.fetchVal('SELECT 1').catch(() => {})),
    'looks at the numbers, which are true': () => logThat(() => {
      const { size, free, busy, opening, closing, max } = db.stats()
      if (size !== free + busy || size + opening + closing > max) t.fail('the numbers are not true')
    }),
  }

  for (const [what, logOf] of Object.entries(LOGS)) {
    t.test(`that ${what}: at each of its lines`, async (t) => {
      const log = logOf()
      db = create(observer, { log, instances: 10_000, leakWarning: 0.05, maxQueries: 5 }) // warns of max_connections
      await db.open()
      const running = db.fetchVal('SELECT pg_sleep(60)')
      const lost = t.rejects(running, { code: 'FST_PG_CONNECTION_LOST' })
      await until(async () => (await observer.backends()).some(({ state, query }) => state === 'active' && query.includes('pg_sleep')))
      await observer.kill() // warn
      await lost
      for (let count = 0; count < 12; count++) t.equal(await db.fetchVal('SELECT $1::int', count), count) // debug, by uses
      const lease = await db.acquire()
      const since = performance.now()
      await until(() => performance.now() - since > 200) // is reported
      await lease.release() // info
      db.expire()
      await worksOn(t, observer, db, what)
      const gone = create(observer, { log: logOf(), required: false, url: 'postgres://127.0.0.1:1/none' })
      await gone.open() // warn
      t.equal((await gone.health()).status, 'unavailable') // error
      await closes(t, gone, what)
    })
  }

  t.test('whose methods throw when they are first looked at: a coded error', async (t) => {
    const log = Object.defineProperty(logThat(() => {}), 'info', { get: fail })
    t.throws(() => create(observer, { log }), { code: 'FST_PG_OPTION', message: /option log/ })
  })

  t.test('keeps its own level, and its own this', async (t) => {
    class Leveled implements Log {
      level = 'silent'
      lines: string[] = []
      get debug (): Log['debug'] { return this.level === 'debug' ? (_, message) => { this.lines.push(message) } : () => {} }
      info (_: object, message: string): void { this.lines.push(message) }
      warn (): void {}
      error (): void {}
    }
    const log = new Leveled()
    const db = create(observer, { log })
    await db.open()
    t.same(log.lines, ['database pool is open'])
    log.level = 'debug'
    await closes(t, db, 'a level')
    t.ok(log.lines.includes('database connection closed'))
    t.equal(log.lines.at(-1), 'database pool is closed', 'said before the caller goes on')
  })

  t.test('that throws at every n-th line, under load, while connections are killed', async (t) => {
    const random = seeded('throwing log')
    for (const n of [1, 2, 3, 5]) {
      let lines = 0
      let thrown = 0
      const db = create(observer, {
        min: 2,
        max: 4,
        maxQueries: 20,
        log: logThat(() => {
          if (++lines % n !== 0) return
          thrown++
          fail()
        }),
      })
      await db.open()
      let settled = 0
      const workers = Array.from({ length: 8 }, async () => {
        for (let count = 0; count < 40; count++) {
          const call = random.integer(0, 3) === 0
            ? db.transaction(async (tx) => await tx.fetchVal('SELECT $1::int FROM pg_sleep(0.002)', count))
            : db.fetchVal('SELECT $1::int', count)
          await call.then((value) => t.equal(value, count), (error) => t.equal(error.code, 'FST_PG_CONNECTION_LOST'))
          settled++
        }
      })
      for (let round = 0; round < 6; round++) {
        const before = settled
        await until(() => settled >= before + 30 || settled === 320)
        await observer.kill()
      }
      await Promise.all(workers)
      await until(() => db.fetchVal('SELECT 1').then(() => true, () => false)) // the last to be killed may not be known yet
      t.ok(thrown > 3, `${thrown} lines`)
      await worksOn(t, observer, db, `every ${n}.`)
    }
  })
})

t.test('functions that run on each connect', async (t) => {
  const observer = await freshDatabase(t)
  const { password } = new URL(observer.url)
  const withoutPassword = Object.assign(new URL(observer.url), { password: '' }).href
  const cause = new Error('the cause')

  const THROWS: Array<[what: string, run: () => unknown, cause: unknown]> = [
    ['throws', () => { throw cause }, cause],
    ['rejects', () => Promise.reject(cause), cause],
    ['rejects with a text', () => Promise.reject('text'), 'text'], // eslint-disable-line prefer-promise-reject-errors
    ['rejects with null', () => Promise.reject(null), null], // eslint-disable-line prefer-promise-reject-errors
    ['rejects with nothing', () => Promise.reject(undefined), { message: /nothing that can be read/ }], // eslint-disable-line prefer-promise-reject-errors
    ['rejects with what cannot be read', () => Promise.reject(unreadable), { message: /nothing that can be read/ }],
    ['returns a thenable that throws', () => ({ then () { throw cause } }), cause],
    ['never settles', hang, { code: 'CONNECT_TIMEOUT' }],
  ]

  for (const [name, options] of [['onConnect', {}], ['password', { url: withoutPassword }]] as const) {
    for (const [what, run, cause] of THROWS) {
      t.test(`${name} ${what}: that is why the connect failed, and the pool works on when it does not any more`, async (t) => {
        let fails = true
        const once = name === 'onConnect' ? { onConnect: () => fails ? run() : undefined } : { password: () => fails ? run() as string : password }
        const db = create(observer, { ...options, ...once, required: false, connectTimeout: 0.3, acquireTimeout: 0.6 })
        await db.open()
        await until(() => db.stats().connectFailures > 0)
        t.match(db.stats(), { size: 0, busy: 0 })
        const error = await db.fetchVal('SELECT 1').then(() => undefined, (error: Error) => error)
        t.match(error, { code: /^FST_PG_(ACQUIRE_TIMEOUT|CONNECT)$/ })
        t.match(error?.cause, cause)
        t.equal((await db.health()).status, 'unavailable')
        fails = false
        await until(async () => (await db.health()).status === 'healthy')
        await worksOn(t, observer, db, what)
      })
    }
  }

  t.test('a password that is no text', async (t) => {
    for (const value of [7, undefined, null, {}, new Proxy({}, { get: (_, name) => name === 'then' ? undefined : fail() })]) {
      const db = create(observer, { url: withoutPassword, password: () => value as string, startupTimeout: 0.3 })
      await t.rejects(db.open(), { code: 'FST_PG_STARTUP', cause: { code: 'FST_PG_OPTION' } })
      await closes(t, db, String(typeof value))
    }
  })

  t.test('onConnect calls the database itself, releases its connection, uses it after its end, leaves calls behind', async (t) => {
    const kept: Array<Promise<unknown>> = []
    const WAYS: Record<string, (connection: { fetchVal (text: string): Promise<unknown> }, db: Database) => unknown> = {
      'calls the database': (_, db) => { db.fetchVal('SELECT 1').catch(() => {}) },
      'waits for the database': (_, db) => db.fetchVal({ text: 'SELECT 1', timeout: 1 }),
      'looks at it': (_, db) => { db.stats(); db.expire(); return db.health() },
      releases: async (connection) => { await (connection as unknown as { release (): Promise<void> }).release() },
      'uses it later': (connection) => { setTimeout(() => kept.push(t.rejects(connection.fetchVal('SELECT 1'), { code: 'FST_PG_RELEASED' })), 20) },
      'leaves a call behind': (connection) => { connection.fetchVal('SELECT pg_sleep(0.05)').catch(() => {}) },
      'leaves a call behind that fails': (connection) => { connection.fetchVal('SELECT 1 / 0').catch(() => {}) },
    }
    for (const [what, way] of Object.entries(WAYS)) {
      let runs = 0
      const db: Database = create(observer, { connectTimeout: 1, onConnect: (connection) => runs++ === 0 ? way(connection as never, db) : undefined })
      await db.open()
      await worksOn(t, observer, db, what)
    }
    await until(() => kept.length > 0)
    await Promise.all(kept)
  })

  t.test('either closes the database and waits for that', async (t) => {
    for (const name of ['onConnect', 'password'] as const) {
      const end: DatabaseOptions = { [name]: async () => { await db.close() } }
      const db: Database = create(observer, { ...(name === 'password' && { url: withoutPassword }), ...end, closeTimeout: 1 })
      await t.rejects(db.open(), { code: 'FST_PG_CLOSED' })
      await closes(t, db, name)
    }
  })
})

t.test('what a call is given', async (t) => {
  const observer = await freshDatabase(t)
  await observer.rows('CREATE TABLE items (id int, data jsonb, list int[])')
  const CODED = { code: /^FST_PG_(QUERY|OPTION|VALUE|PARAMETER_COUNT)$/ }
  const arrayThatThrows = (): unknown[] => Object.defineProperty([1, 2], 1, { get: fail })

  const VALUES: Record<string, unknown> = {
    'toJSON throws': { toJSON: fail },
    'a getter in JSON throws': { get a () { return fail() } },
    'a Proxy': new Proxy({}, { get: fail, ownKeys: fail, getPrototypeOf: fail, has: fail }),
    'an array with a getter': arrayThatThrows(),
    'a Date whose toISOString throws': Object.assign(new Date(), { toISOString: fail }),
  }
  for (const [what, value] of Object.entries(VALUES)) {
    t.test(`an argument: ${what}`, async (t) => {
      const db = create(observer)
      const text = 'INSERT INTO items (data) VALUES ($1)'
      const textOf = what.startsWith('a Date') ? 'SELECT $1::timestamptz' : text
      for (let round = 0; round < 3; round++) {
        await t.rejects(db.execute(textOf, value), { code: 'FST_PG_VALUE' })
        await t.rejects(db.transaction((tx) => tx.execute(textOf, value)), { code: 'FST_PG_VALUE' })
        await t.rejects(db.executeMany(textOf, [[null], [value]]), { code: 'FST_PG_VALUE', message: /row 1/ })
        await t.rejects(db.executeMany(textOf, [...Array(60).fill([null]), [value]]), { code: 'FST_PG_VALUE', message: /row 60/ })
      }
      await worksOn(t, observer, db, what)
    })
  }

  t.test('a value whose text form is no text', async (t) => {
    const db = create(observer)
    await t.rejects(db.fetchVal('SELECT $1::date', Object.assign(new Date(), { toISOString: () => ({ slice: () => 7, indexOf: () => 0 }) })), CODED)
    await worksOn(t, observer, db, 'no text')
  })

  t.test('an argument that calls the database, aborts the call or closes the pool while it is written', async (t) => {
    const db = create(observer)
    const inner: Array<Promise<unknown>> = []
    const calls = (): object => ({
      toJSON () {
        inner.push(db.fetchVal('SELECT $1::int', 3))
        return 1
      }
    })
    for (let round = 0; round < 4; round++) t.equal(await db.fetchVal('SELECT $1::jsonb', calls()), 1)
    t.equal(await db.transaction((tx) => tx.fetchVal('SELECT $1::jsonb', calls())), 1)
    t.same(new Set(await Promise.all(inner)), new Set([3]))
    for (let round = 0; round < 4; round++) {
      const controller = new AbortController()
      const aborts = { toJSON () { controller.abort(); return 1 } }
      await t.rejects(db.fetchVal({ text: 'SELECT $1::jsonb', signal: controller.signal }, aborts), { code: 'FST_PG_ABORTED' })
    }
    // The first call of a transaction carries its BEGIN: given up while it is written, it has none, and nothing may run behind it.
    const text = 'INSERT INTO items (data) VALUES ($1)'
    for (let round = 0; round < 4; round++) await db.execute(text, 1)
    const controller = new AbortController()
    const aborts = { toJSON () { controller.abort(); return 2 } }
    await t.rejects(db.transaction(async (tx) => {
      await t.rejects(tx.execute({ text, signal: controller.signal }, aborts), { code: 'FST_PG_ABORTED' })
      await tx.execute(text, 3).catch(() => {})
      throw new Error('undone')
    }), { message: 'undone' })
    t.same(await observer.rows('SELECT DISTINCT data FROM items'), [{ data: 1 }], 'nothing was left by it')
    // Each with other connections idle, on which the inner call is sent while the outer one is being written for the first time.
    await Promise.all([db.execute('SELECT pg_sleep(0.05)'), db.execute('SELECT pg_sleep(0.05)')])
    for (let round = 0; round < 20; round++) {
      const outer = { toJSON () { inner.push(db.fetchVal(`SELECT $1::int + ${round}`, 3)); return round } }
      t.equal(await db.fetchVal(`SELECT $1::jsonb -- ${round}`, outer), round)
      t.equal(await inner.at(-1), 3 + round)
    }
    // An array inside of an array that is just being written.
    const nested: unknown[] = []
    Object.defineProperty(nested, 0, { enumerable: true, get () { inner.push(db.fetchVal('SELECT $1::int[]', [[1], [2]])); return 5 } })
    t.same(await db.fetchVal('SELECT $1::int[]', nested), [5])
    t.same(await db.fetchVal('SELECT $1::int[]', nested), [5])
    t.same(await inner.at(-1), [[1], [2]])
    await worksOn(t, observer, db, 'reentrant')
    const closing = create(observer)
    const call = closing.fetchVal('SELECT $1::jsonb', { toJSON () { closing.close(); return 1 } })
    await call.then((value) => t.equal(value, 1), (error) => t.equal(error.code, 'FST_PG_CLOSED'))
    await closes(t, closing, 'closing')
  })

  t.test('options with getters that throw, at once or at the second time', async (t) => {
    const db = create(observer)
    const lease = await db.acquire()
    for (const name of ['text', 'timeout', 'signal', 'prepare', 'batch', 'onProgress']) {
      const query = Object.defineProperty({ text: 'SELECT 1' }, name, { enumerable: true, get: fail }) as { text: string }
      for (const target of [db, lease]) {
        await t.rejects(target.fetchVal(query), CODED, name)
        await t.rejects(target.executeMany(query, [[]]), CODED, name)
      }
      await t.rejects(db.transaction((tx) => tx.execute(query)), CODED, name)
      let reads = 0
      const value = name === 'text' ? 'SELECT 1' : undefined
      const later = Object.defineProperty({ text: 'SELECT 1' }, name, { enumerable: true, get: () => reads++ === 0 ? value : fail() }) as { text: string }
      if (!['batch', 'onProgress'].includes(name)) t.equal(await db.fetchVal(later), 1, name)
    }
    const proxy = new Proxy({ text: 'SELECT 1' }, { get: fail, has: fail, ownKeys: fail, getPrototypeOf: fail })
    await t.rejects(db.fetchVal(proxy), CODED)
    for (const name of ['isolation', 'readOnly', 'deferrable']) {
      const options = Object.defineProperty({}, name, { enumerable: true, get: fail })
      await t.rejects(db.transaction(() => 1, options), CODED)
      await t.rejects(lease.transaction(() => 1, options), CODED)
      await t.rejects(lease.transaction((tx) => tx.transaction(() => 1, options)), CODED)
    }
    await t.rejects(db.acquire({ get signal () { return fail() } }), CODED)
    await lease.release()
    await worksOn(t, observer, db, 'options')
  })

  t.test('signals: a reason or a state that throws, a Proxy, listeners that abort others', async (t) => {
    const db = create(observer, { max: 1 })
    for (const name of ['reason', 'aborted']) {
      const controller = new AbortController()
      const signal = Object.defineProperty(controller.signal, name, { get: fail })
      t.equal(await db.fetchVal({ text: 'SELECT 1', signal }), 1)
      const running = t.rejects(db.fetchVal({ text: 'SELECT pg_sleep(60)', signal }), { code: 'FST_PG_ABORTED' })
      const waiting = t.rejects(db.acquire({ signal }), { code: 'FST_PG_ABORTED' })
      const batch = t.rejects(db.executeMany({ text: 'SELECT $1::int', signal }, [[1]]), { code: 'FST_PG_ABORTED' })
      await until(async () => (await observer.backends()).some(({ state }) => state === 'active'))
      controller.abort()
      await Promise.all([running, waiting, batch])
      await t.rejects(db.fetchVal({ text: 'SELECT 1', signal }), { code: 'FST_PG_ABORTED' }, 'aborted before')
    }
    const proxy = new Proxy(new AbortController().signal, { get: fail })
    await t.rejects(db.fetchVal({ text: 'SELECT 1', signal: proxy }), { code: 'FST_PG_OPTION' })
    await t.rejects(db.acquire({ signal: proxy }), { code: 'FST_PG_OPTION' })
    const controllers = Array.from({ length: 5 }, () => new AbortController())
    controllers.forEach(({ signal }, index) => signal.addEventListener('abort', () => controllers[index + 1]?.abort()))
    const calls = controllers.map(({ signal }) => t.rejects(db.fetchVal({ text: 'SELECT pg_sleep(60)', signal }), { code: 'FST_PG_ABORTED' }))
    controllers[0]?.abort()
    await Promise.all(calls)
    await worksOn(t, observer, db, 'signals')
  })
})

t.test('user code in a batch', async (t) => {
  const observer = await freshDatabase(t)
  const cause = new Error('user code')

  t.test('onProgress throws, rejects, aborts, calls the database, never settles', async (t) => {
    const controller = new AbortController()
    const { signal } = controller
    const db: Database = create(observer)
    const WAYS: Array<[what: string, onProgress: () => unknown, outcome: Error | { code: string } | undefined]> = [
      ['throws', () => { throw cause }, cause],
      ['rejects', () => Promise.reject(cause), cause],
      ['thenable throws', () => ({ then () { throw cause } }), cause],
      ['calls', () => db.fetchVal('SELECT 1'), undefined],
      ['expires', () => db.expire(), undefined],
      ['aborts', () => { controller.abort() }, { code: 'FST_PG_ABORTED' }],
    ]
    for (const [what, onProgress, outcome] of WAYS) {
      const batch = db.executeMany({ text: 'SELECT $1::int', onProgress, ...(what === 'aborts' && { signal }) }, Array.from({ length: 20_001 }, (_, i) => [i]))
      if (outcome === undefined) t.same(await batch, { count: 20_001 }, what)
      else t.match(await batch.catch((error: unknown) => error), outcome, what)
    }
    const late = new AbortController()
    const hanging = t.rejects(db.executeMany({ text: 'SELECT $1::int', onProgress: hang, signal: late.signal }, [[1]]), { code: 'FST_PG_ABORTED' })
    await until(async () => (await observer.backends()).some(({ state, query }) => state === 'idle in transaction' && query.includes('$1')))
    late.abort()
    await hanging
    await worksOn(t, observer, db, 'onProgress')
    const closing = create(observer, { closeTimeout: 0.1 })
    const forced = t.rejects(closing.executeMany({ text: 'SELECT $1::int', onProgress: hang }, [[1]]), { code: 'FST_PG_CONNECTION_LOST' })
    await until(async () => (await observer.backends()).some(({ state }) => state === 'idle in transaction'))
    await closes(t, closing, 'a hanging onProgress')
    await forced
  })

  t.test('the lists: a source that throws, gives garbage, or cannot be left; lists that cannot be read', async (t) => {
    const db = create(observer)
    const asyncSource = (iterator: object): AsyncIterable<unknown[]> => ({ [Symbol.asyncIterator]: () => iterator as AsyncIterator<unknown[]> })
    const source = (iterator: object): Iterable<unknown[]> => ({ [Symbol.iterator]: () => iterator as Iterator<unknown[]> })
    const one = { done: false, value: [1] }
    const text = 'SELECT $1::int'
    for (const of of [asyncSource, source]) {
      for (const iterator of [{ next: fail }, { next: () => undefined }, { next: () => 7 }, {}, { get next () { return fail() } }, new Proxy({}, { get: fail })]) {
        await t.rejects(db.executeMany(text, of(iterator)), Error)
      }
      for (const value of [7, null, Proxy, new Proxy([1], { get: fail })]) {
        for (const end of [undefined, fail, () => 7, hang]) {
          await t.rejects(db.executeMany(text, of({ next: () => ({ done: false, value }), ...(end !== undefined && { return: end }) })), Error)
        }
      }
      for (const end of [fail, () => 7, hang]) {
        await t.rejects(db.executeMany('SELECT nonsense + $1', of({ next: () => one, return: end })), { code: '42703' })
      }
    }
    t.same(await db.executeMany(text, asyncSource({ next: () => ({ done: true }) })), { count: 0 }, 'without promises')
    const revocable = Proxy.revocable<unknown[]>([1], {})
    revocable.revoke()
    await t.rejects(db.executeMany(text, [revocable.proxy]), { code: 'FST_PG_QUERY', message: /row 0/ })
    const getter = Object.defineProperty([1], 0, { get: fail }) as unknown[]
    await t.rejects(db.executeMany(text, [[1], getter]), { code: 'FST_PG_VALUE', message: /row 1, parameter \$1/ })
    await worksOn(t, observer, db, 'lists')
  })
})
