import { sql } from 'kysely'
import { jsonArrayFrom, jsonObjectFrom } from 'kysely/helpers/postgres'
import type { Orm } from './kysely.js'

const THING = {
  small: -32768,
  amount: '12345678901234567890.0123456789',
  flag: false,
  data: { b: [1, 'x', null, { c: true }] },
  at: new Date('2026-03-29T02:30:00.123Z'),
  uuid: '7f5a3b3e-0000-4000-8000-00000000abcd',
  bytes: Buffer.from([0, 1, 92, 255]),
  tags: ['', 'a,b', '{c}', '"d"', 'null', 'e\\f'],
  mood: 'sad, "quoted"',
} as const

/** What gives the same over both drivers. */
export const PROGRAMS: Readonly<Record<string, (db: Orm) => Promise<unknown>>> = {
  'values of many kinds, in and out': async (db) => [
    await db.insertInto('things').values({ ...THING, tags: [...THING.tags] }).returningAll().executeTakeFirstOrThrow(),
    await db.insertInto('things').values([{ small: 1, flag: true }, { tags: [], data: { a: [] } }]).returning(['small', 'flag', 'tags', 'data']).execute(),
    await db.updateTable('things').set({ flag: null, at: new Date(0), data: { c: 1 } }).where('small', '=', 1).returningAll().execute(),
    await db.selectFrom('things').selectAll().orderBy('id').execute(),
    await db.selectFrom('things').select('id').where('uuid', '=', THING.uuid).where('at', '=', THING.at).where('mood', '=', THING.mood).where('bytes', '=', THING.bytes).execute(),
    await db.selectFrom('things').select('id').where(sql<boolean>`${'a,b'} = ANY (tags)`).execute(),
    await db.selectFrom('things').select('id').where('id', 'in', [1, 2, 99]).where('flag', 'is', false).execute(),
  ],
  'integers of 64 bits and dates, as text': async (db) => [
    await db.insertInto('things').values({ big: '9223372036854775807', small: 1 }).returning(['big', 'small']).execute(),
    await db.insertInto('things').values({ big: 9007199254740991n.toString() }).returning('big').execute(),
    await db.selectFrom('things').select(({ fn }) => [fn.countAll().as('n'), fn.sum('small').as('sum'), fn.max('big').as('max')]).executeTakeFirst(),
    await db.selectFrom('things').select('big').where('big', '=', '9223372036854775807').execute(),
  ],
  'joins, groups, subqueries and JSON of rows': async (db) => [
    await db.selectFrom('users').leftJoin('orders', 'orders.user_id', 'users.id').select(['users.name', 'orders.total', 'orders.placed']).orderBy('users.id').orderBy('orders.id').execute(),
    await db.selectFrom('orders').innerJoin('users', 'users.id', 'orders.user_id').select(({ fn }) => ['name', fn.sum('total').as('sum'), fn.max('placed').as('last')]).groupBy('name').orderBy('name').execute(),
    await db.with('big', (db) => db.selectFrom('orders').selectAll().where('total', '>', '6')).selectFrom('big').select(['id', 'total']).orderBy('id').execute(),
    await db.selectFrom('users').select((eb) => [
      'name',
      jsonArrayFrom(eb.selectFrom('orders').select(['orders.id', 'orders.total']).whereRef('orders.user_id', '=', 'users.id').orderBy('orders.id')).as('orders'),
      jsonObjectFrom(eb.selectFrom('orders').select(['orders.placed']).whereRef('orders.user_id', '=', 'users.id').orderBy('orders.id').limit(1)).as('first'),
    ]).orderBy('id').execute(),
    await db.selectFrom('users').select('name').where(({ exists, selectFrom }) => exists(selectFrom('orders').select('id').whereRef('user_id', '=', 'users.id'))).orderBy('name', 'desc').limit(1).offset(1).execute(),
  ],
  'writes, upserts and counts': async (db) => [
    await db.insertInto('users').values({ name: 'Alan', email: 'alan@example.com' }).executeTakeFirst(),
    await db.updateTable('users').set({ city: 'London' }).where('id', '>', 1).executeTakeFirst(),
    await db.updateTable('users').set({ city: 'London' }).where('id', '>', 100).executeTakeFirst(),
    await db.deleteFrom('orders').where('user_id', '=', 1).executeTakeFirst(),
    await db.deleteFrom('orders').executeTakeFirst(),
    await db.insertInto('users').values({ name: 'Ada 2', email: 'ada@example.com' }).onConflict((oc) => oc.column('email').doUpdateSet((eb) => ({ name: eb.ref('excluded.name') }))).returning(['id', 'name']).execute(),
    await db.insertInto('users').values({ name: 'Ada 3', email: 'ada@example.com' }).onConflict((oc) => oc.doNothing()).executeTakeFirst(),
    await db.mergeInto('users as u').using('orders as o', 'o.user_id', 'u.id').whenMatched().thenDelete().executeTakeFirst(),
    await db.insertInto('users').columns(['name', 'email']).expression(db.selectFrom('users').select(['name', sql<string>`email || 'x'`.as('e')]).where('id', '=', 2)).returning('email').execute(),
    await db.selectFrom('users').select('id').where('id', '=', 99).executeTakeFirst(),
  ],
  'SQL by hand': async (db) => {
    const { rows, numAffectedRows } = await sql`SELECT ${5}::int AS five, ${'x'} AS x, ${sql.ref('users.name')} FROM ${sql.table('users')} ORDER BY id`.execute(db)
    const created = await sql`CREATE TABLE made (a int)`.execute(db)
    const inserted = await sql`INSERT INTO made VALUES (1), (2)`.execute(db)
    await db.schema.dropTable('made').execute()
    return [rows, numAffectedRows, created, inserted]
  },
  'the schema, made and read': async (db) => {
    await db.schema.createTable('books').addColumn('id', 'serial', (column) => column.primaryKey()).addColumn('title', 'varchar(20)', (column) => column.notNull())
      .addColumn('user_id', 'integer', (column) => column.references('users.id').onDelete('cascade')).execute()
    await db.schema.createIndex('books_title').on('books').column('title').execute()
    await db.schema.alterTable('books').addColumn('year', 'int2').execute()
    const tables = await db.introspection.getTables()
    await db.schema.dropTable('books').execute()
    return tables.filter(({ name }) => name === 'books')
  },
  'the same statement many times, one after the other and at once': async (db) => {
    const results = []
    for (let id = 0; id < 5; id++) results.push(await db.selectFrom('users').selectAll().where('id', '=', id).execute())
    return [results, await Promise.all(Array.from({ length: 20 }, (_, n) => db.selectFrom('users').select(['created_at', 'id']).where('id', '=', n % 4).executeTakeFirst()))]
  },
}
