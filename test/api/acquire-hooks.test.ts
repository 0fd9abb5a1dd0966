import { AsyncLocalStorage } from 'node:async_hooks'
import t from 'tap'
import { Lease, type HookContext, type Queryable } from '../../src/index.js'
import { freshDatabase, memoryLog, openDatabase, until, type MemoryLog } from '../support/database.js'
import { failure } from '../support/failure.js'
import { FaultProxy } from '../../tools/fault-proxy.js'

/** A hook that notes when it runs. */
const noting = (notes: string[], name: string) => (_: Queryable, { holder }: HookContext): void => { notes.push(`${name} ${holder}`) }

const failures = (log: MemoryLog): unknown[] => log.lines.filter(({ object }) => Reflect.get(object, 'event') === 'release.failed')

const never = new Promise<never>(() => {})

t.test('hooks around leases and transactions', async (t) => {
  const observer = await freshDatabase(t)
  await observer.rows('CREATE TABLE rows (n int)')
  t.beforeEach(async () => { await observer.rows('TRUNCATE rows') })

  t.test('they run for leases, transactions and batches, and not for single statements', async (t) => {
    const notes: string[] = []
    const db = await openDatabase(t, observer, { max: 1, onAcquire: noting(notes, 'acquire'), onRelease: noting(notes, 'release') })
    await db.fetchVal('SELECT 1')
    await db.execute('SELECT 1; SELECT 2')
    await db.health()
    t.strictSame(notes, [])
    const lease = await db.acquire()
    t.strictSame(notes.splice(0), ['acquire lease'])
    await lease.transaction(() => notes.push('work'))
    await lease.executeMany('INSERT INTO rows VALUES ($1)', [[1]])
    await Promise.all([lease.release(), lease.release()])
    await lease.release()
    t.strictSame(notes.splice(0), ['work', 'release lease'])
    await db.transaction((tx) => tx.transaction(() => notes.push('work')))
    t.strictSame(notes.splice(0), ['acquire transaction', 'work', 'release transaction'])
    await db.executeMany('INSERT INTO rows VALUES ($1)', [[1], [2]])
    t.strictSame(notes.splice(0), ['acquire transaction', 'release transaction'])
    await t.rejects(db.transaction(() => { throw new Error('undo') }), { message: 'undo' })
    t.strictSame(notes.splice(0), ['acquire transaction', 'release transaction'])
    await t.rejects(db.transaction(() => 1, { isolation: 'none' as never }), { code: 'FST_PG_OPTION' })
    t.strictSame(notes, [], 'nothing was acquired')
    t.equal(db.stats().created, 1)
  })

  t.test('onAcquire comes before BEGIN, onRelease after COMMIT, on the same connection, and the next user waits for both', async (t) => {
    const seen: Array<[string, unknown]> = []
    const look = async (name: string, connection: Queryable): Promise<void> => {
      seen.push([name, connection instanceof Lease && connection.begun])
      seen.push([`${name} rows`, await connection.fetchVal('SELECT count(*) FROM rows')])
      await connection.fetchVal('SELECT pg_sleep(0.02)')
    }
    const db = await openDatabase(t, observer, { max: 1, onAcquire: (connection) => look('acquire', connection), onRelease: (connection) => look('release', connection) })
    const all = Promise.all([
      db.transaction(async (tx) => { seen.push(['first', await tx.fetchVal('INSERT INTO rows VALUES (1) RETURNING n')]) }).then(() => seen.push(['resolved', 1])),
      db.fetchVal('SELECT 7').then((value) => seen.push(['single', value])),
    ])
    await all
    t.strictSame(seen.slice(0, 5), [['acquire', false], ['acquire rows', 0], ['first', 1], ['release', false], ['release rows', 1]])
    t.strictSame(seen.slice(5).sort(), [['resolved', 1], ['single', 7]])
  })

  t.test('what onAcquire sets holds up to onRelease, and is reset for the next user', async (t) => {
    for (const onConnect of [undefined, (connection: Queryable) => connection.execute("SET application_name TO 'set up'")]) {
      const tenants: unknown[] = []
      const db = await openDatabase(t, observer, {
        max: 1,
        onConnect,
        onAcquire: (connection) => connection.execute("SET app.tenant TO 'seven'"),
        onRelease: async (connection) => {
          tenants.push(await connection.fetchVal("SELECT current_setting('app.tenant', true)"))
          await connection.execute("SET app.rest TO 'behind'")
        },
      })
      const tenant = "SELECT coalesce(current_setting('app.tenant', true), '') || coalesce(current_setting('app.rest', true), '')"
      const lease = await db.acquire()
      t.equal(await lease.fetchVal(tenant), 'seven')
      await lease.release()
      t.equal(await db.fetchVal(tenant), '')
      t.equal(await db.transaction((tx) => tx.fetchVal(tenant)), 'seven')
      t.equal(await db.fetchVal(tenant), '')
      t.equal(await db.fetchVal('SHOW application_name'), onConnect === undefined ? 'fastify-postgres-js' : 'set up')
      t.strictSame(tenants, ['seven', 'seven'])
      t.strictSame(db.stats().closed, {})
    }
  })

  t.test('either alone', async (t) => {
    const notes: string[] = []
    const before = await openDatabase(t, observer, { onAcquire: noting(notes, 'acquire') })
    const after = await openDatabase(t, observer, { onRelease: noting(notes, 'release') })
    await before.transaction(() => notes.push('before'))
    await after.transaction(() => notes.push('after'))
    t.strictSame(notes, ['acquire transaction', 'before', 'after', 'release transaction'])
  })

  t.test('they run in the context of the caller', async (t) => {
    const context = new AsyncLocalStorage<string>()
    const seen: unknown[] = []
    const note = (): void => { seen.push(context.getStore()) }
    const db = await openDatabase(t, observer, { max: 1, onAcquire: note, onRelease: note })
    await Promise.all(['a', 'b'].map((name) => context.run(name, () => db.transaction((tx) => tx.fetchVal('SELECT 1')))))
    t.strictSame(seen, ['a', 'a', 'b', 'b'], 'also where it had to wait for the connection')
  })

  t.test('the helpers end with the hook', async (t) => {
    const kept: Queryable[] = []
    const db = await openDatabase(t, observer, { max: 1, onAcquire: (connection) => { kept.push(connection) }, onRelease: (connection) => { kept.push(connection) } })
    const lease = await db.acquire()
    await lease.release()
    t.equal(kept.length, 2)
    for (const connection of kept) await t.rejects(connection.fetchVal('SELECT 1'), { code: 'FST_PG_RELEASED' })
  })

  t.test('what a hook does not await is over before the next user, also where it gave it up', async (t) => {
    const left = (connection: Queryable): void => { connection.execute('INSERT INTO rows SELECT 1 FROM pg_sleep(0.05)').catch(() => {}) }
    const db = await openDatabase(t, observer, { max: 1, onAcquire: left, onRelease: left })
    const lease = await db.acquire()
    t.equal(await lease.fetchVal('SELECT count(*) FROM rows'), 1)
    await lease.release()
    t.equal(await db.fetchVal('SELECT count(*) FROM rows'), 2)
    const brief = async (connection: Queryable): Promise<void> => { await connection.fetchVal({ text: 'SELECT pg_sleep(30)', timeout: 0.02 }).catch(() => {}) }
    const other = await openDatabase(t, observer, { max: 1, onAcquire: brief, onRelease: brief })
    t.equal(await other.transaction((tx) => tx.fetchVal('SELECT 2')), 2)
    t.equal(await other.fetchVal('SELECT 3'), 3)
    t.strictSame(other.stats().closed, {})
  })

  t.test('an error of onAcquire is the caller’s, and the connection is not given to anyone', async (t) => {
    const own = new Error('not today')
    const ways: Record<string, [hook: (connection: Queryable) => unknown, error: object | RegExp]> = {
      throws: [() => { throw own }, own],
      rejects: [async () => { throw own }, own],
      'a statement fails': [(connection) => connection.fetchVal('SELECT 1 / 0'), { code: '22012' }],
      'throws while a statement runs': [(connection) => { connection.fetchVal('SELECT pg_sleep(60)').catch(() => {}); throw own }, own],
      'throws nothing': [() => { throw undefined }, { message: 'onAcquire failed with nothing that can be read' }], // eslint-disable-line no-throw-literal
      'leaves a transaction open': [(connection) => connection.execute('BEGIN'), { code: 'FST_PG_QUERY', message: 'onAcquire left a transaction open' }],
      'leaves one open unawaited': [(connection) => { connection.execute('BEGIN').catch(() => {}) }, { code: 'FST_PG_QUERY' }],
      'ends its backend': [(connection) => connection.execute('SELECT pg_terminate_backend(pg_backend_pid())'), { code: /^FST_PG_CONNECTION_LOST$|^57P01$/ }],
      'ends its backend and does not care': [(connection) => connection.execute('SELECT pg_terminate_backend(pg_backend_pid())').catch(() => {}), { code: 'FST_PG_CONNECTION_LOST' }],
      'throws what cannot be read': [() => { throw new Proxy(own, { getPrototypeOf () { throw own } }) }, { message: /nothing that can be read/ }],
      'a thenable that throws': [() => ({ get then () { throw own } }), own],
    }
    for (const [way, [hook, error]] of Object.entries(ways)) {
      const notes: string[] = []
      let fails = true
      const db = await openDatabase(t, observer, { max: 1, onAcquire: (connection) => fails ? hook(connection) : undefined, onRelease: noting(notes, 'release') })
      const acquisitions = [() => db.acquire(), () => db.transaction(() => t.fail('it must not run')), () => db.executeMany('INSERT INTO rows VALUES ($1)', [[1]])]
      for (const acquire of acquisitions) {
        const found = await failure(acquire)
        if (error === own) t.equal(found, own, way)
        else t.match(found, error, way)
      }
      fails = false
      t.equal(await db.transaction((tx) => tx.fetchVal('SELECT 1')), 1, way)
      t.strictSame(notes, ['release transaction'], 'nothing is released that was not acquired')
      if (!way.startsWith('ends')) t.strictSame(db.stats().closed, { hook: 3 }, way)
      t.match(db.stats(), { size: 1, free: 1, busy: 0 }, way)
    }
    t.equal(await observer.rows('SELECT FROM rows').then(({ length }) => length), 0)
  })

  t.test('an error of onAcquire has the stack of where it was thrown', async (t) => {
    const db = await openDatabase(t, observer, { onAcquire: function inHere () { throw new Error('not today') } })
    t.match((await failure(() => db.acquire()) as Error).stack, /inHere/)
  })

  t.test('an error of onRelease is logged, the caller has its result, and the connection is discarded', async (t) => {
    const own = new Error('not today')
    const ways: Record<string, [hook: (connection: Queryable) => unknown, err: object]> = {
      throws: [() => { throw own }, { message: 'not today' }],
      'a statement fails': [(connection) => connection.fetchVal('SELECT 1 / 0'), { code: '22012' }],
      'throws while a statement runs': [(connection) => { connection.fetchVal('SELECT pg_sleep(60)').catch(() => {}); throw own }, { message: 'not today' }],
      'leaves a transaction open': [(connection) => connection.execute('BEGIN'), { code: 'FST_PG_QUERY' }],
      'throws what cannot be read': [() => { throw new Proxy(own, { getPrototypeOf () { throw own } }) }, { message: /nothing that can be read/ }],
      'throws nothing': [async () => { throw undefined }, { message: /onRelease failed/ }], // eslint-disable-line no-throw-literal
    }
    for (const [way, [hook, err]] of Object.entries(ways)) {
      const log = memoryLog()
      const db = await openDatabase(t, observer, { max: 1, log, onRelease: hook })
      t.equal(await db.transaction((tx) => tx.fetchVal('SELECT 1')), 1, way)
      t.match(await failure(() => db.transaction(() => { throw new Error('undo') })), { message: 'undo' }, way)
      const lease = await db.acquire()
      await lease.release()
      await t.rejects(lease.fetchVal('SELECT 1'), { code: 'FST_PG_RELEASED' })
      await until(() => failures(log).length === 3)
      t.match(failures(log)[0], { level: 'warn', object: { err, holder: 'transaction', backendPid: Number, pool: 'db' } }, way)
      t.strictSame(db.stats().closed, { hook: 3 }, way)
      t.equal(await db.fetchVal('SELECT 1'), 1, way)
    }
  })

  t.test('a hook that never settles is bounded: onAcquire by acquireTimeout and signal, onRelease by commandTimeout', async (t) => {
    const log = memoryLog()
    const acquires = await openDatabase(t, observer, { max: 1, acquireTimeout: 0.3, onAcquire: () => never })
    t.match(await failure(() => acquires.acquire()), { code: 'FST_PG_ACQUIRE_TIMEOUT', message: 'the database is busy', advice: /onAcquire has not settled/ })
    t.match(await failure(() => acquires.transaction(() => 1)), { code: 'FST_PG_ACQUIRE_TIMEOUT', stack: /acquire-hooks\.test/ })
    t.match(acquires.stats(), { acquireTimeouts: 2, errors: 2 })
    t.equal(await acquires.fetchVal('SELECT 1'), 1)
    const aborts = await openDatabase(t, observer, { max: 1, onAcquire: () => never })
    const reason = new Error('gone')
    const controller = new AbortController()
    const aborted = failure(() => aborts.acquire({ signal: controller.signal }))
    await until(() => aborts.stats().busy === 1)
    controller.abort(reason)
    t.match(await aborted, { code: 'FST_PG_ABORTED', cause: reason })
    const releases = await openDatabase(t, observer, { max: 1, log, commandTimeout: 0.05, onRelease: () => never })
    t.equal(await releases.transaction((tx) => tx.fetchVal('SELECT 1')), 1)
    await until(() => failures(log).length === 1)
    t.equal(await releases.fetchVal('SELECT 1'), 1)
  })

  t.test('a late rejection of a hook is nobody’s', async (t) => {
    let late: (error: Error) => void = () => {}
    const hook = (): Promise<void> => new Promise((_resolve, reject) => { late = reject })
    const db = await openDatabase(t, observer, { max: 1, acquireTimeout: 0.02, onAcquire: hook })
    await failure(() => db.acquire())
    late(new Error('too late'))
    await new Promise((resolve) => setImmediate(resolve))
    await until(() => db.fetchVal('SELECT 1').then((one) => one === 1, () => false)) // another connection may take longer than that
  })

  t.test('a lost connection: onAcquire that hangs rejects at once, onRelease is not run, or ends', async (t) => {
    const log = memoryLog()
    const notes: string[] = []
    let hangs = true
    const db = await openDatabase(t, observer, { min: 0, max: 1, log, acquireTimeout: 0, onAcquire: () => hangs ? never : undefined, onRelease: noting(notes, 'release') })
    const hanging = failure(() => db.acquire())
    await until(() => db.stats().busy === 1)
    await observer.kill()
    t.match(await hanging, { code: 'FST_PG_CONNECTION_LOST' })
    hangs = false
    const lease = await db.acquire()
    await observer.kill()
    await t.rejects(lease.fetchVal('SELECT 1'))
    await lease.release()
    await t.rejects(db.transaction((tx) => tx.execute('SELECT pg_terminate_backend(pg_backend_pid())')))
    t.strictSame(notes, [])
    const other = await openDatabase(t, observer, { max: 1, log, onRelease: () => never })
    const ends = other.transaction((tx) => tx.fetchVal('SELECT 5'))
    await until(() => other.stats().busy === 1)
    await until(async () => (await observer.backends()).some(({ query, state }) => query.includes('COMMIT') && state === 'idle'))
    await observer.kill()
    t.equal(await ends, 5)
    t.strictSame(failures(log), [], 'a lost connection is told of by itself')
  })

  t.test('a lease with an open or failed transaction is rolled back before onRelease', async (t) => {
    const counts: unknown[] = []
    const db = await openDatabase(t, observer, { max: 1, onRelease: async (connection) => { counts.push(await connection.fetchVal('SELECT count(*) FROM rows')) } })
    for (const text of ['INSERT INTO rows VALUES (1)', 'SELECT 1 / 0']) {
      const lease = await db.acquire()
      await lease.execute('BEGIN')
      await lease.execute(text).catch(() => {})
      await lease.release()
    }
    const lease = await db.acquire()
    const running = lease.transaction((tx) => tx.execute('INSERT INTO rows SELECT 1 FROM pg_sleep(0.05)'))
    running.catch(() => {})
    await until(() => observer.backends().then((backends) => backends.some(({ state }) => state === 'active')))
    await lease.release()
    await failure(() => running)
    t.strictSame(counts, [0, 0, 0])
    t.equal(db.stats().created, 1)
  })

  t.test('the pool closes while hooks hang', async (t) => {
    let begun = 0
    const hang = (): Promise<never> => { begun++; return never }
    const acquires = await openDatabase(t, observer, { max: 1, closeTimeout: 0.05, onAcquire: hang })
    const releases = await openDatabase(t, observer, { max: 1, closeTimeout: 0.05, onRelease: hang })
    const acquiring = failure(() => acquires.acquire())
    const releasing = releases.transaction(() => 'done')
    await until(() => begun === 2)
    await Promise.all([acquires.close(), releases.close()])
    t.match(await acquiring, { code: 'FST_PG_CONNECTION_LOST' })
    t.equal(await releasing, 'done')
  })

  t.test('a hook that closes the database, or releases its connection', async (t) => {
    const db = await openDatabase(t, observer, { max: 1, closeTimeout: 0.05, onRelease: () => db.close() })
    t.equal(await db.transaction(() => 1), 1)
    const other = await openDatabase(t, observer, { max: 1, onAcquire: (connection) => (connection as unknown as { release (): Promise<void> }).release() })
    t.equal(await other.transaction((tx) => tx.fetchVal('SELECT 1')), 1)
  })

  t.test('onAcquire that asks the pool for more than there is, is bounded too', async (t) => {
    const db = await openDatabase(t, observer, { max: 1, acquireTimeout: 0.1, onAcquire: () => db.fetchVal('SELECT 1') })
    t.match(await failure(() => db.acquire()), { code: 'FST_PG_ACQUIRE_TIMEOUT' })
    t.equal(await db.fetchVal('SELECT 1'), 1)
  })

  t.test('a network that swallows packets: statements of hooks have commandTimeout', async (t) => {
    const proxy = await FaultProxy.start(t, observer.url)
    const log = memoryLog()
    const db = await openDatabase(t, observer, { url: proxy.url, max: 1, log, commandTimeout: 0.2, onAcquire: (connection) => connection.fetchVal('SELECT 1') })
    await proxy.set('black-hole')
    t.match(await failure(() => db.acquire()), { code: 'FST_PG_QUERY_TIMEOUT' })
    await proxy.set('forward')
    await until(() => db.fetchVal('SELECT 1').then(() => true, () => false))
  })

  t.test('many at once, with hooks that fail now and then: the numbers stay true, and nothing leaks', async (t) => {
    let runs = 0
    const sometimes = async (connection: Queryable): Promise<void> => {
      await connection.fetchVal('SELECT 1')
      if (++runs % 7 === 0) throw new Error('now and then')
    }
    const db = await openDatabase(t, observer, { max: 4, onAcquire: sometimes, onRelease: sometimes })
    const outcomes = await Promise.allSettled(Array.from({ length: 120 }, async (_, i) => {
      if (i % 3 === 0) return await db.fetchVal('SELECT $1::int', i)
      if (i % 3 === 1) return await db.transaction((tx) => tx.fetchVal('SELECT $1::int', i))
      const lease = await db.acquire()
      try {
        return await lease.fetchVal('SELECT $1::int', i)
      } finally {
        await lease.release()
      }
    }))
    for (const [i, outcome] of outcomes.entries()) t.ok(outcome.status === 'fulfilled' ? outcome.value === i : outcome.reason.message === 'now and then')
    await until(() => { const { size, free, waiting, opening, closing } = db.stats(); return size === free && waiting + opening + closing === 0 })
    await until(async () => (await observer.backends()).length === db.stats().size)
  })
})
