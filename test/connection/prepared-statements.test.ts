import t from 'tap'
import { freshDatabase, openDatabase } from '../support/database.js'

t.test('the statements of a connection that are used least make room for new ones, here and on the server', async (t) => {
  const observer = await freshDatabase(t)
  const db = await openDatabase(t, observer, { min: 1, max: 1 })
  const held = async (): Promise<string[]> =>
    (await db.fetchAll<{ statement: string }>({ text: 'SELECT statement FROM pg_prepared_statements', prepare: false })).map(({ statement }) => statement)
  const hot = 'SELECT $1::int AS hot'
  for (let i = 0; i < 600; i++) {
    t.equal(await db.fetchVal(hot, i), i)
    const text = `SELECT $1::int + ${i}`
    for (let use = 0; use < 2; use++) t.equal(await db.fetchVal(text, i), 2 * i)
  }
  const texts = await held()
  t.ok(texts.includes(hot), 'what is used all the time stays')
  t.ok(texts.includes('SELECT $1::int + 599'), 'the newest is there')
  t.notOk(texts.includes('SELECT $1::int + 1'), 'one that was not used since is not')
  t.equal(texts.length, 256)
  for (const i of [0, 1, 300, 599, 0]) for (let use = 0; use < 3; use++) t.equal(await db.fetchVal(`SELECT $1::int + ${i}`, i), 2 * i, 'prepared again')
  await db.transaction(async (tx) => { for (let i = 0; i < 600; i++) t.equal(await tx.fetchVal(`SELECT $1::int + ${i}`, 1), i + 1) })
  t.equal((await held()).length, 256)
  t.equal(db.stats().created, 1)
})

t.test('what goes again and again is forgotten again and again, in the middle of others', async (t) => {
  const observer = await freshDatabase(t)
  const db = await openDatabase(t, observer, { min: 1, max: 2 })
  for (let round = 0; round < 3; round++) {
    await Promise.all(Array.from({ length: 400 }, async (_, i) => {
      for (let use = 0; use < 2; use++) t.equal(await db.fetchVal(`SELECT $1::int * ${i}`, 2), 2 * i)
    }))
  }
  t.match(db.stats(), { errors: 0, waiting: 0 })
})

t.test('only what the planner plans is prepared: others have other columns each time', async (t) => {
  const observer = await freshDatabase(t)
  await observer.rows("CREATE TABLE goods (name text, price numeric); INSERT INTO goods VALUES ('tea', 19.90)")
  for (const prepare of [undefined, true]) {
    const db = await openDatabase(t, observer, { min: 1, max: 1 })
    const fetch = { text: 'FETCH 10 FROM c', prepare }
    for (const [query, row] of [["SELECT 1 AS id, '2026-01-01'::date AS day", { id: 1, day: '2026-01-01' }], ['SELECT name, price FROM goods', { name: 'tea', price: '19.90' }], ['SELECT true AS id, null AS day', { id: true, day: null }]] as const) {
      await db.transaction(async (tx) => {
        await tx.execute(`DECLARE c SCROLL CURSOR FOR ${query}`)
        t.strictSame(await tx.fetchAll(fetch), [row])
        await tx.execute('MOVE BACKWARD ALL FROM c')
        t.strictSame(await tx.fetchOne({ text: 'FETCH FORWARD ALL FROM c', prepare }), row)
      })
      const lease = await db.acquire()
      await lease.execute(`PREPARE p AS ${query}`)
      for (let use = 0; use < 3; use++) t.strictSame(await lease.fetchAll({ text: 'EXECUTE p', prepare }), [row])
      await lease.execute('DEALLOCATE p')
      await lease.release()
      for (let use = 0; use < 2; use++) t.match(await db.fetchAll({ text: 'SHOW work_mem', prepare }), [{ work_mem: String }])
    }
    await db.executeMany('CREATE TABLE IF NOT EXISTS made ()', [[], []])
    t.equal(await db.fetchVal({ text: "SELECT count(*) FROM pg_prepared_statements WHERE statement ~ '^(FETCH|EXECUTE|SHOW|MOVE)'", prepare: false }), 0)
    t.match(db.stats(), { errors: 0 })
  }
})

t.test('one without parameters that failed when it was prepared is known to be prepared, also when all are dropped', async (t) => {
  const observer = await freshDatabase(t)
  await observer.rows('CREATE TABLE divisor (n int); INSERT INTO divisor VALUES (0)')
  const db = await openDatabase(t, observer, { min: 1, max: 1 })
  const text = 'SELECT 10 / n AS quotient FROM divisor'
  for (let use = 0; use < 2; use++) await t.rejects(db.fetchVal(text), { code: '22012' })
  const lease = await db.acquire()
  await lease.execute('DEALLOCATE ALL')
  await lease.release()
  await observer.rows('UPDATE divisor SET n = 2')
  await db.transaction(async (tx) => t.equal(await tx.fetchVal(text), 5))
  for (let use = 0; use < 3; use++) t.equal(await db.fetchVal(text), 5)
  t.match(db.stats(), { created: 1, errors: 2 })
})

t.test('one that was dropped is prepared again as it was, also by a call with a wrong number of arguments', async (t) => {
  const observer = await freshDatabase(t)
  const db = await openDatabase(t, observer, { min: 1, max: 1 })
  for (const text of ['SELECT $1::int + $2::int', "SELECT $1::int + $2::int WHERE 'a\\b' <> ''"]) {
    for (const args of [[1], [1, 2, 3], []]) {
      for (let use = 0; use < 2; use++) t.equal(await db.fetchVal(text, 1, 2), 3)
      const lease = await db.acquire()
      await lease.execute('DEALLOCATE ALL')
      await lease.release()
      await t.rejects(db.fetchVal(text, ...args), { code: 'FST_PG_PARAMETER_COUNT' })
      await db.transaction(async (tx) => {
        await tx.fetchVal('SELECT 1')
        t.equal(await tx.fetchVal(text, 1, 2), 3, `${args.length} arguments`)
      })
    }
  }
  t.match(db.stats(), { created: 1, errors: 6 })
})

t.test('a statement means the tables and types of the search_path that it is run with', async (t) => {
  const observer = await freshDatabase(t)
  for (const [index, tenant] of ['north', 'south'].entries()) {
    await observer.rows(`CREATE SCHEMA ${tenant}; CREATE TYPE ${tenant}.mood AS ENUM ('${tenant}', 'fine');
      CREATE TABLE ${tenant}.people (${index === 0 ? 'id int, mood mood' : 'mood mood, id bigint, extra text'})`.replaceAll(' mood mood', ` mood ${tenant}.mood`).replace('(mood mood', `(mood ${tenant}.mood`))
  }
  await observer.rows("CREATE FUNCTION enter (t text) RETURNS void LANGUAGE plpgsql AS $$ BEGIN PERFORM set_config('search_path', t, true); END $$")
  const db = await openDatabase(t, observer, { min: 1, max: 1 })
  const enter: Array<[how: string, query: (tenant: string) => [string, ...unknown[]]]> = [
    ['SET LOCAL', (tenant) => [`SET LOCAL search_path TO ${tenant}`]], ['set_config', (tenant) => ["SELECT set_config('search_path', $1, true)", tenant]],
    ['a function', (tenant) => ['SELECT public.enter($1)', tenant]], ['SET', (tenant) => [`SET search_path TO ${tenant}`]],
  ]
  for (const [how, query] of enter) {
    for (let use = 0; use < 4; use++) {
      for (const tenant of ['north', 'south']) {
        await db.transaction(async (tx) => {
          await tx.fetchAll(...query(tenant))
          await tx.execute('DELETE FROM people')
          await tx.execute('INSERT INTO people (id, mood) VALUES ($1, $2)', use, tenant)
          t.strictSame(await tx.fetchAll('SELECT mood, id FROM people WHERE mood = $1', tenant), [{ mood: tenant, id: use }], how)
          t.equal(Object.keys(await tx.fetchOne('SELECT * FROM people') ?? {}).length, tenant === 'north' ? 2 : 3)
          await tx.executeMany('INSERT INTO people (id, mood) VALUES ($1, $2)', [[1, 'fine'], [2, tenant]])
        })
      }
    }
  }
  t.match(db.stats(), { created: 1, errors: 0 })
  for (let use = 0; use < 3; use++) t.equal(await db.fetchVal('SELECT $1::int', use), use)
  t.equal(await db.fetchVal({ text: "SELECT count(*) FROM pg_prepared_statements WHERE statement = 'SELECT $1::int'", prepare: false }), 1, 'afterwards statements are prepared again')
})
