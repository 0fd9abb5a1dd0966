import { and, asc, count, desc, eq, gt, inArray, isNull, lt, max, min, or, sql, sum } from 'drizzle-orm'
import type { PostgresJsDatabase } from 'drizzle-orm/postgres-js'
import type postgres from 'postgres'
import * as schema from './schema.js'

const { orders, orderTags, tags, things, users } = schema

export type Drizzle = PostgresJsDatabase<typeof schema> & { $client: postgres.Sql }

/** A value of each kind, one that is at its edge, and none. */
const THING = {
  small: -32768,
  int: 2147483647,
  bigNumber: Number.MAX_SAFE_INTEGER,
  bigBigint: 9223372036854775807n,
  amount: '12345678901234567890.0123456789',
  amountNumber: 1.5,
  amountBigint: 123456789012345678901234567890n,
  single: 1.5,
  double: 0.1,
  flag: false,
  body: 'a\'b"c\\d\n{e},ø😀',
  short: '',
  fixed: 'ab ',
  json: { b: [1, 'x', null, { c: true }], a: 'ø' },
  jsonb: [1, '2', { three: 3 }],
  day: new Date('2024-02-29'),
  dayText: '0001-01-01',
  at: new Date('2026-03-29T02:30:00.123Z'),
  atText: '2026-03-29 02:30:00.123456',
  atZone: new Date('1969-12-31T23:59:59.999Z'),
  atZoneText: '2026-03-29 02:30:00.123456+00',
  clock: '23:59:59.999999',
  lasts: '1 day 02:03:04',
  uuid: '7f5a3b3e-0000-4000-8000-00000000abcd',
  bytes: Buffer.from([0, 1, 92, 255]),
  vector: [1, 2.5, -3],
  address: '10.0.0.1',
  net: '10.0.0.0/8',
  place: { x: 1.5, y: -2 },
  mood: 'sad, "quoted"',
  moods: ['ok', 'sad, "quoted"'],
  tags: ['', 'a,b', '{c}', '"d"', 'null', 'e\\f'],
  matrix: [[1, 2], [3, 4]],
  flags: [true, false],
  bigs: [1n, -9223372036854775808n],
  amounts: ['0.10', '12345678901234567890'],
  days: [new Date('2024-02-29'), new Date('1970-01-01')],
  ats: [new Date(0), new Date('2026-03-29T02:30:00.123Z')],
  atTexts: ['2026-03-29 02:30:00.123456'],
  jsons: [{ a: 1 }, { b: ['x'] }],
  uuids: ['7f5a3b3e-0000-4000-8000-00000000abcd'],
} satisfies typeof things.$inferInsert

/** What gives the same over both drivers. */
export const PROGRAMS: Readonly<Record<string, (db: Drizzle) => Promise<unknown>>> = {
  'all kinds of values, in and out': async (db) => [
    await db.insert(things).values(THING).returning(),
    await db.insert(things).values({}).returning(),
    await db.insert(things).values([{ ...THING, moods: [], tags: [], flags: [], jsons: [] }, { body: 'x' }]).returning({ id: things.id, moods: things.moods, jsons: things.jsons }),
    await db.select().from(things).orderBy(asc(things.id)),
    await db.query.things.findMany({ orderBy: asc(things.id) }),
    await db.update(things).set({ ...THING, body: 'again', flag: null, day: null, jsonb: { c: 1 } }).where(eq(things.body, 'x')).returning(),
  ],
  'JSON of each kind': async (db) => {
    const values = [{ a: { b: [] } }, [], [[1], 'x'], 'text', '"quoted"', '12', 12, true, false, 1e21]
    const rows = []
    for (const value of values) rows.push(...await db.insert(things).values({ json: value, jsonb: value }).returning({ json: things.json, jsonb: things.jsonb }))
    return [rows, await db.select({ kind: sql<string>`jsonb_typeof(${things.jsonb})`, path: sql<string>`${things.jsonb} #>> '{a,b}'` }).from(things).orderBy(things.id)]
  },
  'conditions on every kind': async (db) => {
    await db.insert(things).values(THING)
    const found = async (condition: ReturnType<typeof eq>): Promise<number> => (await db.select({ id: things.id }).from(things).where(condition)).length
    return [
      await found(eq(things.bigBigint, THING.bigBigint)), await found(eq(things.amount, THING.amount)), await found(eq(things.at, THING.at)),
      await found(eq(things.atZone, THING.atZone)), await found(eq(things.atText, THING.atText)), await found(eq(things.day, THING.day)),
      await found(eq(things.uuid, THING.uuid)), await found(eq(things.mood, 'sad, "quoted"')), await found(eq(things.bytes, THING.bytes)),
      await found(eq(things.tags, THING.tags)), await found(eq(things.days, THING.days)), await found(eq(things.flag, false)),
      await found(inArray(things.int, [1, THING.int])), await found(sql`${things.jsonb} @> ${JSON.stringify([{ three: 3 }])}::jsonb`),
      await found(sql`${'a,b'} = ANY (${things.tags})`), await found(sql`${things.mood} = ANY (${sql.param(THING.moods, things.moods)})`),
    ]
  },
  'joins, groups and subqueries': async (db) => {
    const totals = db.$with('totals').as(db.select({ userId: orders.userId, total: sum(orders.total).as('total'), n: count().as('n') }).from(orders).groupBy(orders.userId))
    const sub = db.select({ userId: orders.userId, last: max(orders.placed).as('last') }).from(orders).groupBy(orders.userId).as('sub')
    return [
      await db.select().from(users).leftJoin(orders, eq(users.id, orders.userId)).orderBy(users.id, orders.id),
      await db.select({ user: users.name, order: { id: orders.id, total: orders.total } }).from(orders).innerJoin(users, eq(users.id, orders.userId)).orderBy(desc(orders.id)),
      await db.with(totals).select().from(totals).orderBy(totals.userId),
      await db.select({ name: users.name, last: sub.last }).from(users).leftJoin(sub, eq(sub.userId, users.id)).orderBy(users.id),
      await db.select({ city: users.city, n: count(), first: min(users.createdAt) }).from(users).groupBy(users.city).orderBy(users.city),
      await db.select({ id: users.id }).from(users).where(or(isNull(users.city), and(gt(users.id, 1), lt(users.id, 3)))).orderBy(users.id).limit(5).offset(1),
      await db.$count(users), await db.$count(users, eq(users.city, 'Oslo')),
      await db.selectDistinct({ userId: orders.userId }).from(orders).orderBy(orders.userId),
      await db.select({ id: users.id }).from(users).union(db.select({ id: orders.id }).from(orders)).orderBy(sql`1`),
    ]
  },
  'relational queries': async (db) => [
    await db.query.users.findMany({ with: { orders: { with: { tags: { with: { tag: true } } }, orderBy: asc(orders.id) } }, orderBy: asc(users.id) }),
    await db.query.users.findFirst({ where: eq(users.name, 'Grace'), columns: { id: true, createdAt: true }, with: { orders: { columns: { total: true, placed: true } } } }),
    await db.query.orders.findMany({ with: { user: { columns: { name: true } } }, extras: { twice: sql<string>`${orders.total} * 2`.as('twice') }, orderBy: desc(orders.id), limit: 2 }),
    await db.query.users.findFirst({ where: eq(users.id, 99) }),
  ],
  'writes, upserts and counts': async (db) => {
    const plain = await db.insert(users).values({ name: 'Alan', email: 'alan@example.com', createdAt: new Date(0) })
    const updated = await db.update(users).set({ city: 'London' }).where(eq(users.name, 'Alan'))
    const removed = await db.delete(orderTags)
    return [
      [[...plain], plain.count, plain.command], [[...updated], updated.count, updated.command], [removed.count, removed.command],
      await db.insert(users).values({ name: 'Ada 2', email: 'ada@example.com' }).onConflictDoUpdate({ target: users.email, set: { name: sql`excluded.name` } }).returning({ id: users.id, name: users.name }),
      await db.insert(users).values({ name: 'Ada 3', email: 'ada@example.com' }).onConflictDoNothing().returning(),
      await db.insert(tags).values([{ id: 2, label: 'x' }, { id: 3, label: 'y' }]).onConflictDoUpdate({ target: tags.id, set: { seen: sql`${tags.seen} + 1` } }).returning(),
      await db.delete(users).where(eq(users.name, 'Alan')).returning(),
      await db.update(orders).set({ total: sql`${orders.total} + 1` }).from(users).where(and(eq(users.id, orders.userId), eq(users.name, 'Grace'))).returning({ id: orders.id, total: orders.total }),
      await db.insert(tags).select(db.select({ id: sql<number>`${users.id} + 10`.as('id'), label: users.name, seen: sql<number>`0`.as('seen') }).from(users)).returning(),
    ]
  },
  'prepared statements with placeholders': async (db) => {
    const byId = db.select().from(users).where(eq(users.id, sql.placeholder('id'))).prepare('by_id')
    const since = db.query.users.findMany({ where: gt(users.createdAt, sql.placeholder('since')), limit: sql.placeholder('limit'), columns: { name: true } }).prepare('since')
    const insert = db.insert(users).values({ name: sql.placeholder('name'), email: sql.placeholder('email') }).returning({ name: users.name }).prepare('insert')
    const results = []
    for (let id = 0; id < 4; id++) results.push(await byId.execute({ id }))
    for (const limit of [1, 2, 1]) results.push(await since.execute({ since: '2026-01-01T12:00:00Z', limit }))
    for (const name of ['a', 'b', 'c']) results.push(await insert.execute({ name, email: name }))
    return results
  },
  'the same statement many times, with and without rows': async (db) => {
    const results = []
    for (let id = 4; id >= 0; id--) results.push(await db.select({ at: users.createdAt, name: users.name }).from(users).where(eq(users.id, id)))
    results.push(await Promise.all(Array.from({ length: 20 }, async (_, n) => await db.select({ at: orders.placed }).from(orders).where(eq(orders.id, n % 4)))))
    return results
  },
  'SQL by hand': async (db) => {
    const rows = await db.execute(sql`SELECT id, name, created_at, ${5}::int AS five, ${'x'} AS x FROM ${users} WHERE ${users.name} <> ${'Linus'} ORDER BY id`)
    const at = await db.execute(sql`SELECT ${'2026-01-02 03:04:05.678901+00'}::timestamptz AS a, ${'2026-01-02'}::date AS b, '{2026-01-02}'::date[] AS c, '1.50'::numeric AS d, '{"a": 1}'::jsonb AS e`)
    return [[...rows], rows.count, rows.command, rows.columns.map(({ name }) => name), [...at], (await db.execute(sql`SELECT 1 AS a WHERE false`)).count]
  },
}
