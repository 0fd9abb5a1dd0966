import Fastify from 'fastify'
import t, { type Test } from 'tap'
import postgresJs from '../../plugins/db.js'
import { camel, type Database, type Queryable } from '../../src/index.js'
import { useSandbox } from '../../testing/index.js'
import { freshDatabase, memoryLog, type Observer, openDatabase } from '../support/database.js'
import { PLACES } from '../support/places.js'

const SETUP = `CREATE TYPE mood AS ENUM ('sad', 'happy'); CREATE DOMAIN price AS numeric;
  CREATE TABLE items (id int PRIMARY KEY, unit_price numeric, moods mood[], data jsonb, cost price)`

class Amount {
  readonly text: string
  constructor (text: string) { this.text = text }
}
class Mood {
  readonly name: string
  constructor (name: string) { this.name = name }
}
const options = {
  types: {
    numeric: { decode: (text: string) => new Amount(text), encode: (value: unknown) => (value as Amount).text },
    mood: { decode: (text: string) => new Mood(text), encode: (value: unknown) => (value as Mood).name },
    int8: 'string',
  },
  json: { parse: (text: string): unknown => JSON.parse(text, (_, value: unknown) => typeof value === 'number' ? `#${value}` : value), stringify: (value: unknown) => `{"wrapped": ${JSON.stringify(value)}}` },
  transform: { ...camel, undefined: null },
} as const

const [price, sad] = [new Amount('1.50'), new Mood('sad')]
const insert = 'INSERT INTO items VALUES ($1, $2, $3, $4, $5)'
const list = (id: number): unknown[] => [id, price, [sad, null], [id], undefined]
const read = (id: number): object => ({ id, unitPrice: price, moods: [sad, null], data: { wrapped: [`#${id}`] }, cost: null })

/** Every helper, each as often as it takes for its statement to go each way. */
async function everyHelper (t: Test, q: Queryable, prepare?: false): Promise<void> {
  const of = (text: string): { text: string, prepare?: false } => ({ text, ...prepare === false && { prepare } })
  await q.execute('DELETE FROM items')
  for (let run = 0; run < 4; run++) {
    const id = run * 1000
    t.match(await q.execute(of(insert), ...list(id)), { count: 1 })
    const all = of('SELECT * FROM items WHERE id >= $1 AND unit_price = $2 ORDER BY id')
    t.strictSame(await q.fetchOne(all, id, price), read(id))
    t.strictSame(await q.fetchExactlyOne(all, id, price), read(id))
    t.strictSame(await q.fetchAll(all, id, price), [read(id)])
    t.strictSame(await q.fetchAll({ ...all, limit: 1 }, id, price), [read(id)])
    t.strictSame(await q.fetchOne({ ...all, rows: 'array' }, id, price), Object.values(read(id)))
    t.strictSame(await q.fetchAll({ ...all, rows: 'array', limit: 5 }, id, price), [Object.values(read(id))])
    t.match(await q.query(all, id, price), { rows: [read(id)], count: 1, columns: [{ name: 'id' }, { name: 'unitPrice', type: 1700 }, {}, {}, {}] })
    t.strictSame(await q.fetchVal(of('SELECT unit_price FROM items WHERE id = $1'), id), price)
    t.strictSame(await q.fetchColumn(of('SELECT moods FROM items WHERE id = $1'), id), [[sad, null]])
    t.strictSame(await q.fetchVal(of('SELECT count(*) FROM items WHERE id = $1'), id), '1')
    t.strictSame(await q.executeWithReturning(of(`${insert} RETURNING *`), ...list(id + 1)), read(id + 1))
    for (const batch of ['auto', 'pipeline'] as const) {
      const first = id + (batch === 'auto' ? 100 : 300)
      const lists = Array.from({ length: 60 }, (_, index) => list(first + index))
      const rows = lists.map((_, index) => read(first + index))
      t.strictSame(await q.executeMany({ ...of(insert), batch }, lists), { count: 60 })
      t.strictSame(await q.fetchAll(of('SELECT * FROM items WHERE id BETWEEN $1 AND $2 ORDER BY id'), first, first + 59), rows, batch)
      t.strictSame(await q.executeManyWithReturning({ ...of(`${insert} RETURNING *`), batch }, lists.map((_, index) => list(first + 60 + index))), lists.map((_, index) => read(first + 60 + index)))
    }
    const { sql } = q
    t.strictSame([...await sql`SELECT * FROM items WHERE unit_price = ${price} AND id = ${id}`], [read(id)])
    t.strictSame([...await sql`SELECT * FROM items WHERE id = ${id}`.values()], [Object.values(read(id))])
    t.strictSame([...await sql`INSERT INTO items ${sql({ id: id + 2, unitPrice: price, moods: [sad], data: sql.jsonText('{"as": "it is"}'), cost: undefined })} RETURNING id, data`], [{ id: id + 2, data: { as: 'it is' } }])
    t.strictSame(await q.fetchOne`SELECT unit_price, ${undefined}::text AS nothing FROM items WHERE id = ${id}`, { unitPrice: price, nothing: null })
    t.strictSame(await q.execute('UPDATE items SET data = $1 WHERE id = $2', sql.jsonText('[1]'), id), { status: 'UPDATE 1', command: 'UPDATE', count: 1 })
    t.strictSame(await q.fetchVal(of('SELECT data FROM items WHERE id = $1'), id), ['#1'])
  }
}

async function setUp (t: Test, more = {}): Promise<{ observer: Observer, db: Database }> {
  const observer = await freshDatabase(t)
  await observer.rows(SETUP)
  return { observer, db: await openDatabase(t, observer, { ...options, ...more }) }
}

for (const [place, within] of Object.entries(PLACES)) {
  t.test(`types and names of one's own on ${place}, by every helper`, async (t) => {
    const { db } = await setUp(t)
    await within(db, async (q) => {
      await everyHelper(t, q)
      await everyHelper(t, q, false)
    })
  })
}

t.test('in a sandbox', async (t) => {
  const { db } = await setUp(t)
  const sandbox = await useSandbox(db)
  t.teardown(() => sandbox.close())
  await everyHelper(t, db)
  await db.transaction((tx) => everyHelper(t, tx))
  const lease = await db.acquire()
  await everyHelper(t, lease).finally(() => lease.release())
})

t.test('request.db, with and without settings and a transaction of the route', async (t) => {
  const observer = await freshDatabase(t)
  await observer.rows(SETUP)
  const app = Fastify()
  t.teardown(() => app.close())
  app.register(postgresJs, { url: observer.url, max: 2, log: memoryLog(), ...options })
  app.register(postgresJs, { name: 'tenant', url: observer.url, max: 2, log: memoryLog(), ...options, settings: () => ({ 'app.tenant': '7' }) } as never)
  app.get('/plain', async (request) => { await everyHelper(t, request.db); return 'done' })
  app.get('/transaction', { config: { db: { transaction: true } } }, async (request) => { await everyHelper(t, request.db); return 'done' })
  app.get('/settings', async (request) => { await everyHelper(t, Reflect.get(request, 'tenant') as Queryable); return 'done' })
  for (const url of ['/plain', '/transaction', '/settings']) t.strictSame((await app.inject(url)).body, 'done', url)
})

t.test('behind a pooler nothing is prepared', async (t) => {
  const { db } = await setUp(t, { prepare: false })
  await everyHelper(t, db)
})

t.test('tags of scopes are as the tag that they come from', async (t) => {
  const { db } = await setUp(t)
  const sql = db.createSql({ types: { int4: 'string' }, transform: {} })
  const one = [{ one_x: '1', price }]
  const query = 'SELECT 1 AS one_x, 1.50::numeric AS price'
  t.strictSame([...await sql.begin((sql) => sql.savepoint((sql) => sql.unsafe(query)))], one)
  t.strictSame((await sql.begin((sql) => [sql.unsafe(query), sql.unsafe(query)])).map((rows) => [...rows]), [one, one])
  const reserved = await sql.reserve()
  t.strictSame([...await reserved.unsafe(query)], one)
  t.strictSame([...await reserved.begin((sql) => sql.unsafe(query))], one)
  await reserved.release()
  await db.transaction(async (tx) => t.strictSame([...await tx.createSql({ types: { int4: 'string' }, transform: {} }).unsafe(query)], one))
  t.strictSame([...await db.sql.begin((sql) => sql.unsafe(query))], [{ oneX: 1, price }])
  const seen: unknown[] = []
  await sql.unsafe(query).forEach((row) => { seen.push(row) })
  t.strictSame(seen, one)
  const [[bytes] = []] = await sql.unsafe(query).raw()
  t.strictSame(Buffer.from(bytes ?? []).toString(), '1', 'bytes stay bytes')
  t.match(await sql.unsafe(query).describe(), { columns: [{ name: 'one_x', type: 23 }, { name: 'price' }] })
  t.match(await db.sql`SELECT 1 AS one_x`.describe(), { columns: [{ name: 'oneX' }] })
})

t.test('neighbours of a pipeline have the values that they always have', async (t) => {
  const observer = await freshDatabase(t)
  await observer.rows(SETUP)
  const db = await openDatabase(t, observer, { min: 1, max: 1 })
  const ways: Array<[read: () => PromiseLike<unknown>, value: unknown]> = []
  const query = 'SELECT id::int8 AS id, unit_price, data, moods FROM items WHERE id = $1'
  const own = db.createSql(options)
  await own`INSERT INTO items VALUES (1, 1.50, ${[sad]}, ${[1]})`
  const kebab = db.createSql({ transform: { column: (name) => name.replaceAll('_', '-'), row: (row) => ({ ...row, last: true }) }, types: { numeric: 'number' } })
  const first = async (rows: PromiseLike<readonly unknown[]>): Promise<unknown> => (await rows)[0]
  ways.push([() => db.fetchOne(query, 1), { id: 1, unit_price: '1.50', data: { wrapped: [1] }, moods: ['sad'] }])
  ways.push([() => first(db.sql.unsafe(query, [1])), { id: 1, unit_price: '1.50', data: { wrapped: [1] }, moods: ['sad'] }])
  ways.push([() => first(own.unsafe(query, [1])), { id: '1', unitPrice: price, data: { wrapped: ['#1'] }, moods: [sad] }])
  ways.push([() => first(kebab.unsafe(query, [1])), { id: 1, 'unit-price': 1.5, data: { wrapped: [1] }, moods: ['sad'], last: true }])
  ways.push([() => db.fetchVal('SELECT unit_price FROM items WHERE id = $1', 1), '1.50'])
  for (let round = 0; round < 100; round++) {
    const asked = Array.from({ length: 12 }, () => ways[Math.floor(Math.random() * ways.length)] ?? ways[0])
    const answers = await Promise.all(asked.map((way) => way?.[0]()))
    for (const [index, answer] of answers.entries()) t.strictSame(answer, asked[index]?.[1])
  }
  t.match(db.stats(), { created: 1 })
})
