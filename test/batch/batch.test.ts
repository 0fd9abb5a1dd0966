import { Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { errors } from '../../src/index.js'
import { Checkout } from '../../src/transaction/checkout.js'
import { freshDatabase, openDatabase, until } from '../support/database.js'

const INSERT = 'INSERT INTO rows (n, s) VALUES ($1, $2)'
const pairs = (count: number, from = 0): Array<[number, string]> => Array.from({ length: count }, (_, i) => [from + i, `s${from + i}`])

/** How many chunks went as arrays, and how many as pipelines of executions. */
const taken = { arrays: 0, pipelines: 0 }
const { attemptParts, executeMany } = Checkout.prototype
Checkout.prototype.attemptParts = function (parts) {
  taken.arrays++
  return attemptParts.call(this, parts)
}
Checkout.prototype.executeMany = function (...args) {
  taken.pipelines++
  return executeMany.apply(this, args)
}
async function pathOf (work: () => Promise<unknown>): Promise<{ arrays: number, pipelines: number }> {
  Object.assign(taken, { arrays: 0, pipelines: 0 })
  await work()
  return { ...taken }
}

t.test('batches', async (t) => {
  const observer = await freshDatabase(t)
  const db = await openDatabase(t, observer, { min: 1, max: 2 })
  await observer.rows('CREATE TABLE rows (n int PRIMARY KEY, s text)')
  const count = async (): Promise<number> => Number((await observer.rows('SELECT count(*) FROM rows'))[0]?.['count'])
  t.beforeEach(() => observer.rows('TRUNCATE rows'))

  t.test('options that are wrong are refused by name', async (t) => {
    await t.rejects(db.executeMany({ text: INSERT, bach: 'pipeline' } as never, []), { code: 'FST_PG_OPTION', message: /query\.bach: did you mean query\.batch\?/ })
    await t.rejects(db.executeMany({ text: INSERT, onprogress: () => {} } as never, []), { code: 'FST_PG_OPTION', message: /did you mean query\.onProgress\?/ })
    await t.rejects(db.executeManyWithReturning({ text: INSERT, batch: 'unnest' } as never, []), { code: 'FST_PG_OPTION', message: /query\.batch takes 'auto' or 'pipeline'/ })
    await t.rejects(db.executeMany({ text: INSERT, onProgress: 5 } as never, []), { code: 'FST_PG_OPTION', message: /query\.onProgress/ })
    await t.rejects(db.executeMany({ text: INSERT, timeout: -1 }, []), { code: 'FST_PG_OPTION', message: /query\.timeout/ })
    for (const options of [{ batch: 'pipeline' }, { onProgress: () => {} }]) {
      await t.rejects(db.fetchOne({ text: 'SELECT 1', ...options } as never), { code: 'FST_PG_OPTION', message: /is for executeMany and executeManyWithReturning only/ })
    }
    t.same(await db.executeMany({ text: INSERT, batch: 'auto', prepare: undefined }, pairs(60)), { count: 60 })
  })

  t.test('an INSERT of many rows goes as arrays, in chunks, and gives its rows in order', async (t) => {
    const done: number[] = []
    const lists = pairs(22_345).map(([n, s]): [number, string] => [(n * 7919) % 22_345, s])
    t.same(await pathOf(async () => {
      const rows = await db.executeManyWithReturning<{ n: number }>({ text: `${INSERT} RETURNING n`, onProgress: (lists) => done.push(lists) }, lists)
      t.same(rows.map(({ n }) => n), lists.map(([n]) => n))
    }), { arrays: 3, pipelines: 0 })
    t.same(done, [10_000, 20_000, 22_345])
    t.equal(await count(), 22_345)
  })

  t.test("batch: 'pipeline' forces one execution for each list", async (t) => {
    t.same(await pathOf(() => db.executeMany({ text: INSERT, batch: 'pipeline' }, pairs(11_000))), { arrays: 0, pipelines: 2 })
    t.equal(await count(), 11_000)
  })

  t.test('few rows are executed without a look at the catalog', async (t) => {
    t.same(await pathOf(() => db.executeMany(INSERT, pairs(49))), { arrays: 0, pipelines: 1 })
    t.same(await pathOf(() => db.executeMany(INSERT, pairs(50, 100))), { arrays: 1, pipelines: 0 })
  })

  t.test('large values make small chunks', async (t) => {
    for (const batch of ['auto', 'pipeline'] as const) {
      const done: number[] = []
      const lists = pairs(30).map(([n]): [number, string] => [n, `${n}`.padEnd(300_000, 'é"\\')])
      const rows = await db.executeManyWithReturning<{ n: number, s: string }>({ text: `${INSERT} RETURNING n, s`, batch, onProgress: (lists) => done.push(lists) }, lists)
      t.same(rows.map(({ n, s }) => [n, s]), lists)
      t.same(done, [4, 8, 12, 16, 20, 24, 28, 30])
      await observer.rows('TRUNCATE rows')
    }
  })

  t.test('an error in a later chunk names its row, once, and leaves nothing', async (t) => {
    const { errors: before, created } = db.stats()
    for (const [index, text] of [INSERT, `${INSERT} RETURNING n`, 'INSERT INTO rows SELECT $1::int, $2'].entries()) {
      const lists = pairs(9000)
      lists[7000] = [3, 'again']
      await t.rejects(db.executeMany(text, lists), { code: '23505', row: 7000, constraint_name: 'rows_pkey' })
      t.equal(await count(), 0)
      t.equal(db.stats().errors, before + index + 1)
    }
    t.equal(db.stats().created, created)
    await until(() => db.stats().busy === 0)
  })

  t.test('the first list that fails is the one that is reported, whether it is refused here or by the server', async (t) => {
    for (const batch of ['auto', 'pipeline'] as const) {
      const lists: unknown[][] = pairs(200)
      lists[150] = [{}, 'x']
      await t.rejects(db.executeMany({ text: INSERT, batch }, lists), { code: 'FST_PG_VALUE', message: /row 150, parameter \$1/ })
      lists[140] = [5, 'again']
      await t.rejects(db.executeMany({ text: INSERT, batch }, lists), { code: '23505', row: 140 })
      t.equal(await count(), 0)
    }
  })

  t.test('errors show neither values nor SQL', async (t) => {
    const secret = 'very secret'
    for (const lists of [pairs(60).map(([n]) => [n === 30 ? secret : n, secret]), pairs(60).map(([n]) => [n % 50, secret]), pairs(60).map(([n]) => [n, n === 20 ? { secret } : secret])]) {
      const error = await db.executeMany(INSERT, lists).catch((error: unknown) => error)
      t.type(error, Error)
      t.notMatch(JSON.stringify(error) + (error as Error).message, /secret|INSERT|unnest/)
    }
  })

  t.test('in a transaction it is a savepoint, as arrays too', async (t) => {
    await db.transaction(async (tx) => {
      t.same(await pathOf(() => tx.executeMany(INSERT, pairs(100))), { arrays: 1, pipelines: 0 })
      await t.rejects(tx.executeMany(INSERT, [...pairs(6000, 100), [5, 'again']]), { code: '23505', row: 6000 })
      t.same(await tx.executeMany(INSERT, pairs(100, 200)), { count: 100 })
      await tx.transaction(async (inner) => {
        await inner.executeMany(INSERT, pairs(60, 1000))
        throw new Error('undo')
      }).catch(() => {})
    })
    t.equal(await count(), 200)
  })

  t.test('a value that cannot be sent is named by its row, wherever the batch is', async (t) => {
    for (const row of [0, 5, 2500, 25_001]) {
      const lists = pairs(25_002).map(([n, s], index) => index === row ? [n, Symbol('never')] : [n, s])
      for (const batch of ['auto', 'pipeline'] as const) {
        await t.rejects(db.executeMany({ text: INSERT, batch }, lists), { code: 'FST_PG_VALUE', message: new RegExp(`^row ${row}, parameter \\$2`) }, `${batch}: ${row}`)
      }
    }
    t.equal(await count(), 0)
  })

  t.test('on a lease, in a transaction that was begun by hand', async (t) => {
    const lease = await db.acquire()
    await lease.execute('BEGIN')
    t.same(await pathOf(() => lease.executeMany(INSERT, pairs(60))), { arrays: 1, pipelines: 0 })
    await t.rejects(lease.executeMany(INSERT, pairs(60)), { code: '23505', row: 0 })
    await lease.execute('COMMIT')
    t.same(await lease.executeMany(INSERT, pairs(60, 60)), { count: 60 })
    await lease.release()
    t.equal(await count(), 120)
  })

  t.test('where the snapshot is older than the catalog may be, rows are executed one by one', async (t) => {
    for (const isolation of ['repeatable read', 'serializable'] as const) {
      await db.transaction(async (tx) => t.same(await pathOf(() => tx.executeMany(INSERT, pairs(60))), { arrays: 0, pipelines: 1 }), { isolation })
      await observer.rows('TRUNCATE rows')
    }
  })

  t.test('in a transaction that may only read, the error is the one of the INSERT', (t) =>
    t.rejects(db.transaction((tx) => tx.executeMany(INSERT, pairs(60)), { readOnly: true }), { code: '25006', row: 0 }))

  t.test('a table of the session hides one of all', async (t) => {
    const lease = await db.acquire()
    await lease.execute('CREATE TEMP TABLE rows (n int, s text)')
    t.same(await pathOf(() => lease.executeMany(INSERT, pairs(60))), { arrays: 1, pipelines: 0 })
    t.equal(await lease.fetchVal('SELECT count(*) FROM pg_temp.rows'), 60)
    await lease.release()
    t.equal(await count(), 0)
  })

  t.test('a type that the pool learns from the batch', async (t) => {
    await observer.rows("CREATE TYPE mood AS ENUM ('sad', 'fine'); CREATE TABLE moods (m mood, ms mood[])")
    const lists = Array.from({ length: 60 }, (_, i) => [i < 55 ? null : 'sad', i < 55 ? null : ['fine', null]])
    t.strictSame((await db.executeManyWithReturning('INSERT INTO moods VALUES ($1, $2) RETURNING *', lists)).map((row) => Object.values(row)), lists)
    t.same(await pathOf(() => db.executeMany('INSERT INTO moods VALUES ($1)', lists.map(([m]) => [m]))), { arrays: 1, pipelines: 0 })
  })

  t.test('each list has the whole timeout, as arrays too', async (t) => {
    const impatient = await openDatabase(t, observer, { min: 1, max: 1, commandTimeout: 0.7 })
    await observer.rows("CREATE TABLE slow (n int CHECK (md5(repeat(n::text, 200000)) <> ''))")
    const lists = Array.from({ length: 1200 }, (_, i) => [i + 100_000])
    const from = performance.now()
    t.same(await pathOf(() => impatient.executeMany('INSERT INTO slow VALUES ($1)', lists)), { arrays: 1, pipelines: 1 })
    t.ok(performance.now() - from > 1400, 'all of it takes longer than the timeout')
    // A timeout that only our own clock knows, and that no list reaches.
    t.same(await db.executeMany({ text: 'INSERT INTO slow VALUES ($1)', timeout: 0.5 }, lists), { count: 1200 })
    t.equal(Number((await observer.rows('SELECT count(*) FROM slow'))[0]?.['count']), 2400)
  })

  t.test('a later chunk that takes too long over arrays is executed list by list, and the one before is not undone', async (t) => {
    const impatient = await openDatabase(t, observer, { min: 1, max: 1, commandTimeout: 0.7 })
    await observer.rows("CREATE TABLE late (n int CHECK (n < 20000 OR md5(repeat(n::text, 200000)) <> ''))")
    const lists = Array.from({ length: 21_200 }, (_, n) => [n])
    t.same(await pathOf(() => impatient.executeMany('INSERT INTO late VALUES ($1)', lists)), { arrays: 3, pipelines: 1 })
    t.same(await observer.rows('SELECT count(*)::int, count(DISTINCT n)::int AS numbers FROM late'), [{ count: 21_200, numbers: 21_200 }])
  })

  t.test('a small chunk in front, of large values, is not undone with one that takes too long over arrays', async (t) => {
    const impatient = await openDatabase(t, observer, { min: 1, max: 1, commandTimeout: 0.7 })
    await observer.rows("CREATE TABLE sizes (n int CHECK (n < 20000 OR md5(repeat(n::text, 200000)) <> ''), s text)")
    const lists = Array.from({ length: 1204 }, (_, n) => n < 4 ? [n, 'x'.repeat(300_000)] : [20_000 + n, 'x'])
    t.same(await pathOf(() => impatient.executeMany('INSERT INTO sizes VALUES ($1, $2)', lists)), { arrays: 1, pipelines: 2 })
    t.same(await observer.rows('SELECT count(*)::int, count(DISTINCT n)::int AS numbers FROM sizes'), [{ count: 1204, numbers: 1204 }])
  })

  t.test('lists that cannot be read are refused, wherever they are, and nothing stays open', async (t) => {
    const one = await openDatabase(t, observer, { min: 1, max: 1 })
    await t.rejects(one.executeMany(INSERT, [...pairs(60), 'none'] as never), { code: 'FST_PG_QUERY', message: /row 60/ })
    await t.rejects(one.executeMany('INSERT INTO nowhere VALUES ($1, $2)', [...pairs(60), 'none'] as never), { code: 'FST_PG_QUERY', message: /row 60/ })
    await t.rejects(one.executeMany('INSERT INTO nowhere VALUES ($1, $2)', pairs(60)), { code: '42P01', row: 0 })
    await t.rejects(one.executeMany(INSERT, [[1], ...pairs(60)]), { code: 'FST_PG_PARAMETER_COUNT', message: /row 0/ })
    t.equal(await one.fetchVal('SELECT count(*)::int FROM rows'), 0)
    t.same(await one.executeMany(INSERT, pairs(60)), { count: 60 })
  })

  t.test('once it is known, a batch begins, is described and sets its savepoint in one write', async (t) => {
    const one = await openDatabase(t, observer, { min: 1, max: 1 })
    for (let time = 0; time < 3; time++) await one.executeMany(INSERT, pairs(60, time * 60))
    const { write } = Socket.prototype
    let writes = 0
    t.teardown(() => { Socket.prototype.write = write })
    Socket.prototype.write = function (this: Socket, bytes: string | Uint8Array, ...others: never[]) {
      if (this.remoteAddress !== undefined && typeof bytes !== 'string') writes++
      return write.call(this, bytes, ...others)
    }
    await one.executeMany(INSERT, pairs(60, 1000))
    t.equal(writes, 4, 'the description, the proof, the arrays, COMMIT')
  })

  t.test('a batch counts as one use of its connection', async (t) => {
    const one = await openDatabase(t, observer, { min: 1, max: 1, maxQueries: 50 })
    const pid = await one.fetchVal('SELECT pg_backend_pid()')
    for (const batch of ['auto', 'pipeline'] as const) t.same(await one.executeMany({ text: INSERT, batch }, pairs(200, batch === 'auto' ? 0 : 200)), { count: 200 })
    t.equal(await one.fetchVal('SELECT pg_backend_pid()'), pid)
  })

  t.test('answers that come together, after this process was busy, do not make it send more than it can watch', async (t) => {
    const impatient = await openDatabase(t, observer, { min: 1, max: 1, commandTimeout: 0.3 })
    const busy = { toJSON: (): string => { setImmediate(() => { for (const from = performance.now(); performance.now() - from < 100;); }); return '' } }
    const lists = Array.from({ length: 80 }, (_, i) => [i < 40 ? 0.01 : 0.05, i === 40 ? busy : null])
    t.same(await impatient.executeMany('SELECT pg_sleep($1), $2::jsonb', lists), { count: 80 })
  })

  t.test('a timeout that is longer than the command timeout reaches the server', async (t) => {
    const impatient = await openDatabase(t, observer, { min: 1, max: 1, commandTimeout: 0.1 })
    for (const prepare of [true, false]) t.same(await impatient.executeMany({ text: 'SELECT pg_sleep($1)', timeout: 5, prepare }, [[0.2], [0.2]]), { count: 2 })
    await t.rejects(impatient.executeMany('SELECT pg_sleep($1)', [[0], [30]]), { code: 'FST_PG_QUERY_TIMEOUT' })
  })

  t.test('a list that is slow is found among quick ones', async (t) => {
    const lists = Array.from({ length: 3000 }, (_, i) => [i === 2500 ? 30 : 0])
    const from = performance.now()
    await t.rejects(db.executeMany({ text: 'SELECT pg_sleep($1)', timeout: 0.2 }, lists), { code: 'FST_PG_QUERY_TIMEOUT' })
    t.ok(performance.now() - from < 5000)
    t.equal(await db.fetchVal('SELECT 1'), 1)
  })

  t.test('onProgress is awaited, and what it throws undoes the batch', async (t) => {
    await t.rejects(db.executeMany({ text: INSERT, onProgress: async (done) => { await sleep(1); if (done === 10_000) throw new Error('enough') } }, pairs(12_000)), { message: 'enough' })
    t.equal(await count(), 0)
    const done: number[] = []
    t.same(await db.executeMany({ text: INSERT, onProgress: (lists) => done.push(lists) }, []), { count: 0 })
    t.same(done, [])
  })

  t.test('a server process that dies midway', async (t) => {
    const lists = pairs(3000)
    await t.rejects(db.executeMany('SELECT pg_terminate_backend(CASE WHEN $1 = 2000 THEN pg_backend_pid() ELSE 0 END), $2::text', lists), { code: /^(57P01|FST_PG_CONNECTION_LOST)$/ })
    await t.rejects(db.executeMany(INSERT, (async function * () {
      yield * pairs(5000)
      await observer.kill()
      yield * pairs(5000, 5000)
    })()), { code: /^(57P01|FST_PG_CONNECTION_LOST)$/ })
    t.same(await db.executeMany(INSERT, pairs(60)), { count: 60 })
    t.equal(await count(), 60)
  })
})

t.test('sources', async (t) => {
  const observer = await freshDatabase(t)
  await observer.rows('CREATE TABLE rows (n int PRIMARY KEY, s text)')
  const count = async (): Promise<number> => Number((await observer.rows('SELECT count(*) FROM rows'))[0]?.['count'])

  /** Gives some lists and then hangs, for ever, whatever it is told. */
  function hanging (some: number): AsyncIterable<[number, string]> & { returned: number } {
    let given = 0
    const source = {
      returned: 0,
      [Symbol.asyncIterator]: () => ({
        next: () => given++ < some ? Promise.resolve({ value: pairs(1, given)[0]!, done: false as const }) : new Promise<never>(() => {}),
        return: () => {
          source.returned++
          return new Promise<never>(() => {})
        },
      }),
    }
    return source
  }

  t.test('a source that fails undoes the batch', async (t) => {
    const db = await openDatabase(t, observer)
    for (const batch of ['auto', 'pipeline'] as const) {
      await t.rejects(db.executeMany({ text: INSERT, batch }, (async function * () { yield * pairs(6000); throw new Error('source') })()), { message: 'source' })
      await t.rejects(db.executeMany({ text: INSERT, batch }, (function * () { yield * pairs(6000); throw new Error('source') })()), { message: 'source' })
      t.equal(await count(), 0)
    }
    await until(() => db.stats().busy === 0)
  })

  t.test('a source is told when the batch ends before it', async (t) => {
    const db = await openDatabase(t, observer)
    const ends: string[] = []
    await t.rejects(db.executeMany(INSERT, (async function * () {
      try { for (;;) yield [1, 'x'] } finally { ends.push('async') }
    })()), { code: '23505', row: 1 })
    await t.rejects(db.executeMany(INSERT, (function * () {
      try { for (;;) yield [1, 'x'] } finally { ends.push('sync') }
    })()), { code: '23505', row: 1 })
    t.same(ends, ['async', 'sync'])
    t.equal(await count(), 0)
  })

  t.test('a signal is heard while the source hangs', async (t) => {
    const db = await openDatabase(t, observer)
    for (const some of [0, 100, 5050]) {
      const source = hanging(some)
      const from = performance.now()
      await t.rejects(db.executeMany({ text: INSERT, signal: AbortSignal.timeout(50) }, source), { code: 'FST_PG_ABORTED', cause: { name: 'TimeoutError' } })
      t.ok(performance.now() - from < 3000)
      t.equal(source.returned, 1)
    }
    await t.rejects(db.transaction((tx) => tx.executeMany({ text: INSERT, signal: AbortSignal.timeout(50) }, hanging(100))), { code: 'FST_PG_ABORTED' })
    await t.rejects(db.executeMany({ text: INSERT, signal: AbortSignal.abort() }, hanging(100)), { code: 'FST_PG_ABORTED' })
    await until(() => db.stats().busy === 0)
    t.equal(db.stats().closed.lost, undefined)
    t.equal(await count(), 0)
  })

  t.test('a list that fails is reported while the source hangs', async (t) => {
    const db = await openDatabase(t, observer)
    await observer.rows('INSERT INTO rows VALUES (4000)')
    for (const batch of ['auto', 'pipeline'] as const) {
      const source = hanging(5050)
      await t.rejects(db.executeMany({ text: INSERT, batch }, source), { code: '23505', row: 3999 })
      t.equal(source.returned, 1)
    }
    await observer.rows('TRUNCATE rows')
  })

  t.test('closing the pool does not wait for a source that hangs', async (t) => {
    const db = await openDatabase(t, observer, { closeTimeout: 0.2 })
    const batch = t.rejects(db.executeMany(INSERT, hanging(100)), errors.ConnectionLostError)
    const inTransaction = t.rejects(db.transaction((tx) => tx.executeMany(INSERT, hanging(5050))), { code: 'FST_PG_CONNECTION_LOST' })
    await until(() => db.stats().busy === 2)
    const from = performance.now()
    await db.close()
    t.ok(performance.now() - from < 2000)
    await batch
    await inTransaction
    t.equal(await count(), 0)
  })

  t.test('a connection that dies while the source hangs', async (t) => {
    const db = await openDatabase(t, observer)
    const batch = t.rejects(db.executeMany(INSERT, hanging(5050)), { code: 'FST_PG_CONNECTION_LOST' })
    await until(async () => (await observer.backends()).some(({ state }) => state === 'idle in transaction'))
    await observer.kill()
    await batch
    t.equal(await db.fetchVal('SELECT 1'), 1)
  })

  t.test('all kinds of sources', async (t) => {
    const db = await openDatabase(t, observer)
    const sources = [pairs(60), new Set(pairs(60, 60)), pairs(60, 120).values(), (async function * () { yield * pairs(60, 180) })(), ReadableStream.from(pairs(60, 240))]
    for (const source of sources) t.same(await db.executeMany(INSERT, source), { count: 60 })
    t.equal(await count(), 300)
    for (const source of [undefined, null, 5, {}, 'xy']) await t.rejects(db.executeMany(INSERT, source as never), { code: /^FST_PG_QUERY$/ })
    for (const odd of [null, 'x', {}, new Set([1])]) await t.rejects(db.executeMany(INSERT, [...pairs(70, 1000), odd] as never), { code: /^FST_PG_QUERY$/, message: /row 70/ })
    t.equal(await count(), 300)
  })
})
