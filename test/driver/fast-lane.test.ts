import { once } from 'node:events'
import net, { type AddressInfo, type Socket } from 'node:net'
import t, { type Test } from 'tap'
import type { Database, DatabaseOptions } from '../../src/index.js'
import { freshDatabase, openDatabase, until } from '../support/database.js'
import { seeded } from '../support/random.js'

/** A proxy that hands on what the server sends in pieces of so many bytes, each by itself. */
async function cutter (t: Test, url: string, size: () => number): Promise<string> {
  const { hostname, port } = new URL(url)
  const sockets = new Set<Socket>()
  const server = net.createServer({ noDelay: true }, (near) => {
    const far = net.connect({ host: hostname, port: Number(port), noDelay: true })
    for (const socket of [near, far]) sockets.add(socket.on('error', () => {}))
    near.pipe(far)
    far.on('data', async (bytes) => {
      far.pause()
      for (let at = 0; at < bytes.length && !near.destroyed;) {
        const end = at + size()
        near.write(bytes.subarray(at, end))
        at = end
        await new Promise(setImmediate)
      }
      far.resume()
    }).on('end', () => near.end())
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(async () => {
    for (const socket of sockets) socket.destroy()
    server.close()
    await once(server, 'close')
  })
  return Object.assign(new URL(url), { port: String((server.address() as AddressInfo).port) }).href
}

type Outcome = { readonly value: unknown } | { readonly name: string, readonly code: unknown, readonly message: string, readonly says: unknown }

/** How a call ended, as far as its caller may tell. */
async function outcomeOf (call: () => Promise<unknown>): Promise<Outcome> {
  try {
    return { value: await call() }
  } catch (error) {
    const { name, code, message, serverMessage } = error as Error & { code: unknown, serverMessage: unknown }
    return { name, code, message, says: serverMessage }
  }
}

const circular: unknown[] = []
circular.push(circular)
const VALUES: ReadonlyArray<() => unknown> = [
  () => null, () => undefined, () => 0, () => -0, () => 1, () => 1.5, () => -7, () => NaN, () => Infinity, () => -Infinity, () => 1e21, () => 2 ** 53,
  () => 10n, () => -(2n ** 70n), () => true, () => false, () => '', () => 'x', () => '1', () => ' 1 ', () => '-0', () => 'ü', () => '😀', () => '\ud800', () => 'a\udc00b',
  () => 'a\0b', () => '\\x41', () => '\\x4', () => '{1,2}', () => '{"a":1}', () => 'null', () => '2026-01-01', () => 'infinity', () => "it's", () => 'x'.repeat(41),
  () => 'ü'.repeat(41), () => 'x'.repeat(1000), () => 'ü'.repeat(999), () => '😀'.repeat(20), () => `${'x'.repeat(39)}ü`, () => new Date(0), () => new Date(NaN), () => new Date(-1e14),
  () => new Date(8.64e15), () => Buffer.from('ab'), () => new Uint8Array([1, 255]), () => Buffer.alloc(0), () => new Float64Array([1]), () => [], () => [1, 2], () => ['a', null],
  () => [undefined], () => [[1], [2]], () => [[1], 2], () => new Array(3), () => circular, () => ['\ud800'], () => [new Date(0)], () => [Buffer.from('a')],
  () => ({}), () => ({ a: 1n }), () => ({ a: undefined }), () => ({ toJSON: () => 'json' }), () => ({ toJSON: () => undefined }), () => ({ toJSON () { throw new Error('secret') } }),
  () => ({ a: '\ud800' }), () => Symbol('s'), () => () => 1, () => new Map([[1, 2]]), () => new Set([1]), () => Object.create(null), () => new Proxy({}, {}),
  () => ({ [Symbol.toPrimitive]: () => 1 }), () => ({ toString: () => '1' }), () => new (class extends String {})('x'), () => /x/, () => new Error('e'), () => 'f', () => 'nan',
]

const TYPES = ['int4', 'int8', 'int2', 'oid', 'float8', 'float4', 'numeric', 'bool', 'text', 'varchar(20)', 'char(3)', 'bytea', 'json', 'jsonb', 'date', 'timestamp', 'timestamptz', 'time', 'interval',
  'uuid', 'inet', 'point', 'int4[]', 'text[]', 'jsonb[]', 'bytea[]', 'timestamptz[]', 'numeric[]', 'int4range', 'name', 'xml', 'mood', 'mood[]', 'positive', 'pair', 'bit(4)', 'money', '"char"'] as const

t.test('the fast lane', async (t) => {
  const observer = await freshDatabase(t)
  await observer.rows("CREATE TYPE mood AS ENUM ('x', 'glad'); CREATE DOMAIN positive AS int CHECK (VALUE > 0); CREATE TYPE pair AS (a int, b text)")

  async function open (t: Test, options: DatabaseOptions = {}): Promise<Database> {
    return await openDatabase(t, observer, { min: 1, max: 1, ...options })
  }

  t.test('refuses and gives what the way by the driver does, for any value and type', async (t) => {
    const [slow, fast] = [await open(t, { prepare: false }), await open(t)]
    for (const type of TYPES) {
      const text = `SELECT $1::${type} AS v, $2::text AS w`
      for (let n = 0; n < 3; n++) await fast.fetchOne({ text, prepare: true }, null, null)
      const [first, third] = await Promise.all([slow, fast].map((db) => Promise.all(VALUES.flatMap((value) =>
        [outcomeOf(() => db.query(text, value(), null)), outcomeOf(() => db.query(text, null, value()))]))))
      t.strictSame(third, first, type)
      for (const args of [[], [1], [1, 2, 3], [undefined, undefined]]) {
        t.strictSame(await outcomeOf(() => fast.query(text, ...args)), await outcomeOf(() => slow.query(text, ...args)), `${type}, ${args.length} arguments`)
      }
    }
    t.equal(fast.stats().errors, slow.stats().errors)
    t.match(fast.stats(), { created: 1, size: 1, free: 1 })
  })

  t.test('reads answers that come in pieces of any size', async (t) => {
    const { integer, pick } = seeded('pieces')
    for (const size of [() => 1, () => 2, () => integer(1, 7), () => pick([1, 4, 5, 6, 64, 65_535, 65_536, 65_537])]) {
      const db = await open(t, { url: await cutter(t, observer.url, size) })
      const text = 'SELECT $1::int AS n, repeat($2, $1) AS s, null AS nothing, ARRAY[$1, null] AS list'
      await db.fetchOne({ text, prepare: true }, 1, 'x')
      for (let round = 0; round < 3; round++) {
        const rows = await Promise.all(Array.from({ length: 20 }, (_, n) => n === 7
          ? db.fetchVal('SELECT 1 / $1::int', 0).catch((error) => error.code)
          : db.fetchOne(text, n, round % 2 === 0 ? 'a' : 'ü😀')))
        for (const [n, row] of rows.entries()) {
          t.strictSame(row, n === 7 ? '22012' : { n, s: (round % 2 === 0 ? 'a' : 'ü😀').repeat(n), nothing: null, list: [n, null] })
        }
      }
      t.match(db.stats(), { created: 1 })
      await db.close()
    }
  })

  t.test('a row and a parameter of 50 MB, among small ones', async (t) => {
    const db = await open(t)
    const text = 'SELECT $1::text AS s'
    for (let n = 0; n < 3; n++) await db.fetchVal({ text, prepare: true }, 'x')
    const texts = ['a', 'b'.repeat(50_000_000), 'ü', '€'.repeat(20_000_000), '', 'x'.repeat(65_536), '😀'.repeat(16_384)]
    const values = await Promise.all(texts.map((value) => db.fetchVal<string>(text, value)))
    t.ok(values.every((value, index) => value === texts[index]))
    t.match(db.stats(), { created: 1, errors: 0 })
  })

  t.test('60,000 parameters', async (t) => {
    const db = await open(t)
    const text = `SELECT cardinality(ARRAY[${Array.from({ length: 60_000 }, (_, n) => `$${n + 1}`).join(',')}]::int[])`
    const values = Array.from({ length: 60_000 }, (_, n) => n)
    for (let n = 0; n < 3; n++) t.equal(await db.fetchVal({ text, values, prepare: true }), 60_000)
    await t.rejects(db.fetchVal({ text, values: values.slice(1), prepare: true }), { code: 'FST_PG_PARAMETER_COUNT' })
    t.equal(await db.fetchVal({ text, values, prepare: true }), 60_000)
    t.match(db.stats(), { created: 1 })
  })

  t.test('more statements than are kept prepared, all at once', async (t) => {
    const db = await open(t, { max: 2 })
    const { integer } = seeded('many texts')
    const texts = Array.from({ length: 300 }, (_, n) => `SELECT $1::int + ${n} AS n`)
    for (let round = 0; round < 12; round++) {
      const asked = Array.from({ length: 400 }, () => ({ text: integer(0, 299), n: integer(0, 1000) }))
      const rows = await Promise.all(asked.map(({ text, n }) => db.fetchVal(texts[text] ?? '', n)))
      t.strictSame(rows, asked.map(({ text, n }) => text + n))
    }
    t.match(db.stats(), { errors: 0, created: db.stats().size })
  })

  t.test('statements that others take away, under load', async (t) => {
    await observer.rows('CREATE TABLE moving (id int PRIMARY KEY, v int); INSERT INTO moving SELECT n, n FROM generate_series(1, 40) n')
    const text = 'SELECT id, v FROM moving WHERE id = $1'
    const db = await open(t, { max: 3 })
    for (let n = 0; n < 5; n++) await db.fetchOne({ text, prepare: true }, 1)
    const disturb: ReadonlyArray<() => Promise<unknown>> = [
      () => db.execute('DISCARD ALL'), () => db.execute('DEALLOCATE ALL'), () => db.execute('SET search_path = pg_catalog'),
      () => db.transaction(async (tx) => { await tx.execute('DEALLOCATE ALL') }),
      () => observer.rows('ALTER TABLE moving ALTER v TYPE text'), () => observer.rows('ALTER TABLE moving ALTER v TYPE int USING v::int'),
      () => observer.rows('ALTER TABLE moving ADD COLUMN IF NOT EXISTS more int'), () => observer.rows('ALTER TABLE moving RENAME TO moved; ALTER TABLE moved RENAME TO moving'),
      async () => {
        const lease = await db.acquire()
        await lease.execute('DEALLOCATE ALL')
        await lease.release()
      },
    ]
    for (let round = 0; round < 45; round++) {
      const disturbance = disturb[round % disturb.length]?.()
      const rows = await Promise.all(Array.from({ length: 30 }, (_, n) => db.fetchOne<{ id: number, v: number | string }>(text, n + 1)))
      await disturbance
      for (const [n, row] of rows.entries()) t.strictSame({ id: row?.id, v: Number(row?.v) }, { id: n + 1, v: n + 1 })
      for (const [n, row] of (await Promise.all(Array.from({ length: 30 }, (_, n) => db.fetchOne<{ id: number, v: number }>(text, n + 1)))).entries()) t.equal(row?.id, n + 1)
    }
    t.match(db.stats(), { errors: 0, closed: {} })
  })

  t.test('both lanes on one connection: each is answered what it asked, in the order in which it asked', async (t) => {
    const db = await open(t)
    const prepared = 'SELECT $1::int + 0 AS n'
    for (let n = 0; n < 3; n++) await db.fetchVal({ text: prepared, prepare: true }, 1)
    await observer.rows('CREATE SEQUENCE steps; CREATE TABLE noted (step int DEFAULT nextval(\'steps\'), n int)')
    const { pick, integer } = seeded('both lanes')
    let fresh = 0
    const lease = await db.acquire()
    for (let round = 0; round < 40; round++) {
      const expected: unknown[] = []
      const calls = Array.from({ length: integer(2, 12) }, (_, index): Promise<unknown> => {
        const n = round * 100 + index
        expected.push(n)
        return pick<() => Promise<unknown>>([
          () => lease.fetchVal(prepared, n),
          () => lease.fetchVal({ text: prepared, prepare: false }, n),
          () => lease.fetchVal(`SELECT $1::int AS fresh${fresh++}`, n),
          () => lease.fetchVal({ text: `SELECT $1::int AS fresh${fresh++}`, prepare: true }, n),
          () => lease.execute(`SELECT 1; INSERT INTO noted (n) VALUES (${n}); SELECT ${n}`).then(() => n),
          () => lease.fetchVal('INSERT INTO noted (n) VALUES ($1) RETURNING n', n),
          () => lease.execute('SET work_mem = \'8MB\'').then(() => n),
          () => lease.fetchVal('SELECT 1 / ($1::int - $1)', n).catch(() => n),
          () => lease.fetchVal(prepared, 'x').catch(() => n),
          () => lease.fetchColumn({ text: prepared, limit: 1 }, n).then(([value]) => value),
        ])()
      })
      // While it is open, nothing else may run on the lease.
      const last = round * 100 + 99
      expected.push(last)
      calls.push(pick<() => Promise<unknown>>([
        () => lease.executeMany('INSERT INTO noted (n) VALUES ($1)', [[last], [last]]).then(() => last),
        () => lease.transaction(async (tx) => await tx.fetchVal(prepared, last)),
        () => lease.transaction(async (tx) => await tx.fetchVal(`SELECT $1::int AS fresh${fresh++}`, last)),
      ])())
      t.strictSame(await Promise.all(calls), expected)
    }
    await lease.release()
    const noted = await observer.rows('SELECT n FROM noted ORDER BY step')
    t.strictSame(noted.map(({ n }) => n), noted.map(({ n }) => n).toSorted((a, b) => a - b), 'in the order in which they were sent')
    t.equal(await db.fetchVal("SELECT current_setting('work_mem')"), (await observer.rows('SHOW work_mem'))[0]?.['work_mem'])
    t.match(db.stats(), { created: 1, size: 1, free: 1 })
  })

  t.test('an argument that aborts its own call when it is read, alone and among others', async (t) => {
    const db = await open(t)
    const text = 'SELECT $1::int AS n, $2::json AS j'
    for (let n = 0; n < 5; n++) await db.fetchOne({ text, prepare: true }, 1, 1)
    for (const aborting of [[0], [3], [7], [0, 1, 2, 3, 4, 5, 6, 7]]) {
      const calls = Array.from({ length: 8 }, (_, n) => {
        const controller = new AbortController()
        const j = { toJSON: () => { if (aborting.includes(n)) controller.abort(); return n } }
        return db.fetchOne({ text, signal: controller.signal }, n, j).catch((error) => error.code)
      })
      t.strictSame(await Promise.all(calls), Array.from({ length: 8 }, (_, n) => aborting.includes(n) ? 'FST_PG_ABORTED' : { n, j: n }))
    }
    await until(() => db.stats().free === 1)
    t.match(db.stats(), { created: 1, busy: 0 })
  })

  t.test('an argument that makes calls when it is read', async (t) => {
    const db = await open(t, { max: 2 })
    const text = 'SELECT $1::int AS n, $2::json AS j'
    for (let n = 0; n < 5; n++) await db.fetchOne({ text, prepare: true }, 1, 1)
    const inner: Array<Promise<unknown>> = []
    const calls = Array.from({ length: 20 }, (_, n) => db.fetchOne(text, n, {
      toJSON: () => {
        inner.push(db.fetchOne(text, 1000 + n, n % 3 === 0 ? undefined : n).catch((error) => error.code))
        if (n % 5 === 0) inner.push(db.fetchOne('SELECT $1::int / $2::int AS n', n, 0).catch((error) => error.code))
        return n
      }
    }))
    t.strictSame(await Promise.all(calls), Array.from({ length: 20 }, (_, n) => ({ n, j: n })))
    for (const outcome of await Promise.all(inner)) {
      if (typeof outcome === 'string') t.match(outcome, /^(22012|FST_PG_VALUE)$/)
      else {
        const { n, j } = outcome as { n: number, j: number }
        t.equal(n, 1000 + j)
      }
    }
    await until(() => db.stats().free === db.stats().size)
  })

  t.test('limits of single calls, shorter and longer than the usual one, on one connection', async (t) => {
    const db = await open(t, { commandTimeout: 0.3 })
    const text = 'SELECT $1::int FROM pg_sleep($2)'
    for (let n = 0; n < 3; n++) await db.fetchVal({ text, prepare: true }, n, 0)
    const lease = await db.acquire()
    const run = (seconds: number, timeout?: number): Promise<unknown> =>
      lease.fetchVal(timeout === undefined ? text : { text, timeout }, 1, seconds).catch((error) => error.code)
    t.equal(await run(0.6, 30), 1, 'longer')
    t.equal(await run(30), 'FST_PG_QUERY_TIMEOUT')
    t.equal(await run(30, 0.1), 'FST_PG_QUERY_TIMEOUT')
    t.equal(await run(0.6, 0), 1, 'none')
    t.equal(await run(30), 'FST_PG_QUERY_TIMEOUT')
    t.strictSame(await Promise.all([run(0), run(0.6, 30), run(30, 0.1), run(0), run(30), run(0.6, 0)]),
      [1, 1, 'FST_PG_QUERY_TIMEOUT', 1, 'FST_PG_QUERY_TIMEOUT', 1], 'one behind the other')
    await lease.release()
    t.match(db.stats(), { created: 1 })
  })

  t.test('a short limit holds on a connection whose other calls have a long one', async (t) => {
    const db = await open(t, { commandTimeout: 60 })
    const text = 'SELECT $1::int FROM pg_sleep($2)'
    for (let n = 0; n < 3; n++) t.equal(await db.fetchVal({ text, prepare: true }, n, 0), n)
    await t.rejects(db.fetchVal({ text, timeout: 0.1 }, 1, 5), { code: 'FST_PG_QUERY_TIMEOUT' })
    t.match(db.stats(), { created: 1, queryTimeouts: 1 })
  })

  t.test('nothing is sent of a call that one of its arguments has aborted', async (t) => {
    await observer.rows('CREATE TABLE given (v json)')
    const db = await open(t)
    const text = 'INSERT INTO given (v) VALUES ($1)'
    for (let n = 0; n < 3; n++) await db.execute({ text, prepare: true }, n)
    for (let n = 0; n < 20; n++) {
      const controller = new AbortController()
      const toJSON = (): string => {
        controller.abort()
        return 'aborted'
      }
      await t.rejects(db.execute({ text, signal: controller.signal }, { toJSON }), { code: 'FST_PG_ABORTED' })
    }
    t.equal(await db.fetchVal('SELECT count(*)::int FROM given'), 3)
    t.match(db.stats(), { created: 1 })
  })
})
