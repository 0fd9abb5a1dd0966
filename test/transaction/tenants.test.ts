import t, { type Test } from 'tap'
import type { Pool } from '../../src/pool/pool.js'
import { Bound, openPool } from '../support/bound.js'
import { freshDatabase, openDatabase, until, uniqueName, type Observer } from '../support/database.js'
import { seeded } from '../support/random.js'

const TENANTS = ['t0', 't1', 't2', 't3', 't4', 't5']
const FOREIGN = { text: "SELECT count(*) FROM items WHERE tenant <> current_setting('app.tenant', true)", prepare: true }

/** A table whose rows only their tenant sees, and a role that is subject to that. */
async function tenants (t: { teardown (work: () => unknown): void }, observer: Observer): Promise<{ url: string, role: string }> {
  const role = uniqueName('tenant')
  await observer.rows(`CREATE ROLE ${role} LOGIN PASSWORD 'x' NOSUPERUSER NOBYPASSRLS`)
  await observer.rows(`CREATE TABLE items (id int GENERATED ALWAYS AS IDENTITY, tenant text NOT NULL, note text NOT NULL DEFAULT '');
    CREATE INDEX ON items (tenant);
    INSERT INTO items (tenant) SELECT 't' || n % 6 FROM generate_series(1, 600) AS n;
    ALTER TABLE items ENABLE ROW LEVEL SECURITY;
    CREATE POLICY own ON items USING (tenant = current_setting('app.tenant', true)) WITH CHECK (tenant = current_setting('app.tenant', true));
    GRANT ALL ON items TO ${role}`)
  t.teardown(() => observer.rows(`DROP OWNED BY ${role}; DROP ROLE ${role}`))
  return { url: Object.assign(new URL(observer.url), { username: role, password: 'x' }).href, role }
}

t.test('300 mixed calls of several tenants, with aborts, timeouts and killed sessions: each sees its own rows, and nothing is left', async (t) => {
  const observer = await freshDatabase(t)
  const { url } = await tenants(t, observer)
  const pool = await openPool(t, { url, max: 6, acquireTimeout: 60, required: false })
  const db = await openDatabase(t, observer, { url, max: 3 })
  const plain = new Bound(pool)
  const bound = new Map(TENANTS.map((tenant) => [tenant, new Bound(pool, { 'app.tenant': tenant })]))
  const any = seeded('tenants')
  const counts = { rows: 0, failed: 0, plain: 0 }
  const strangers: unknown[] = []
  const seen = (tenant: string, rows: ReadonlyArray<Record<string, unknown>>): void => {
    counts.rows += rows.length
    for (const row of rows) if (row['tenant'] !== tenant) strangers.push({ tenant, row })
  }
  const rowsOf = { text: 'SELECT tenant, id FROM items WHERE id % $1 = 0', prepare: true }

  async function one (tenant: string, on: Bound): Promise<void> {
    const controller = new AbortController()
    switch (any.integer(0, 8)) {
      case 0: return seen(tenant, await on.fetchAll(rowsOf, 7))
      case 1: return seen(tenant, await on.fetchAll('SELECT tenant, id FROM items'))
      case 2:
        setImmediate(() => controller.abort())
        return seen(tenant, await on.fetchAll({ ...rowsOf, signal: controller.signal }, 3))
      case 3: return seen(tenant, await on.fetchAll({ text: 'SELECT tenant, id, pg_sleep(0.01) FROM items', prepare: true, timeout: 0.05 }))
      case 4: return seen(tenant, await on.fetchAll({ text: 'INSERT INTO items (tenant) VALUES ($1) RETURNING tenant', prepare: true }, tenant))
      case 5: return seen(tenant, await on.fetchAll({ text: 'INSERT INTO items (tenant) VALUES ($1) RETURNING tenant', prepare: true }, 'another').catch((error) => {
        if (error.code !== '42501') throw error
        return []
      }))
      case 6: return seen(tenant, await on.executeManyWithReturning('UPDATE items SET note = $2 WHERE id = $1 RETURNING tenant', [[1, 'a'], [2, 'b'], [3, 'c']]))
      case 7: return seen(tenant, await on.fetchAll({ text: 'SELECT tenant, 1 / (id % $1) FROM items', prepare: true }, 5))
      default: return seen(tenant, await db.transaction((tx) => tx.fetchAll(rowsOf, 5), { settings: { 'app.tenant': tenant }, retries: 1 }))
    }
  }
  const asPlain = async (on: Bound | typeof db): Promise<void> => {
    const { tenant, rows } = await on.fetchExactlyOne({ text: "SELECT current_setting('app.tenant', true) AS tenant, (SELECT count(*) FROM items) AS rows", prepare: true })
    counts.plain++
    if (Boolean(tenant) || rows !== 0) strangers.push({ tenant, rows })
  }

  const work: Array<Promise<void>> = []
  for (let n = 0; n < 300; n++) {
    const tenant = TENANTS[n % TENANTS.length] ?? ''
    const call = n % 5 === 4 ? asPlain(n % 2 === 0 ? plain : db) : one(tenant, bound.get(tenant) ?? plain)
    work.push(call.catch(() => { counts.failed++ }))
    if (n % 60 === 59) {
      await Promise.race(work.slice(-5))
      const [victim] = await observer.backends()
      if (victim !== undefined) await observer.kill([victim.pid])
    }
  }
  await Promise.all(work)
  t.same(strangers, [])
  t.ok(counts.rows > 1000, `${counts.rows} rows were seen`)
  t.ok(counts.plain > 20, `${counts.plain} plain calls`)
  t.ok(counts.failed > 20 && counts.failed < 250, `${counts.failed} failed`)
  await until(() => pool.free === pool.size && db.stats().busy === 0)
  for (let n = 0; n < 20; n++) await Promise.all([plain, plain, plain, plain, db].map(asPlain))
  for (const [tenant, on] of bound) seen(tenant, await on.fetchAll(rowsOf, 1))
  t.same(strangers, [])
})

/** Calls made together, on all connections of a pool. */
const together = (pool: Pool, count: number): Promise<unknown[]> =>
  Promise.all(Array.from({ length: count }, (_, n) => new Bound(pool, { 'app.tenant': TENANTS[n % 6] ?? '' }).fetchVal(FOREIGN)))

t.test('calls of tenants never share a Sync, with each other or with plain calls', async (t) => {
  const observer = await freshDatabase(t)
  const { url } = await tenants(t, observer)
  const pool = await openPool(t, { url, max: 2 })
  const plain = new Bound(pool)
  const ROWS = { text: 'SELECT tenant FROM items', prepare: true }
  await together(pool, 12)
  for (let n = 0; n < 4; n++) t.same(await plain.fetchAll(ROWS), [])
  for (let round = 0; round < 20; round++) {
    const answers = await Promise.all(Array.from({ length: 30 }, async (_, n) => {
      const tenant = n % 3 === 0 ? undefined : TENANTS[n % 6]
      const rows = await (tenant === undefined ? plain : new Bound(pool, { 'app.tenant': tenant })).fetchColumn(ROWS)
      return [tenant, new Set(rows)] as const
    }))
    t.ok(answers.every(([tenant, seen]) => tenant === undefined ? seen.size === 0 : seen.size === 1 && seen.has(tenant)))
  }
  t.same(new Set(await together(pool, 24)), new Set([0]))
})

async function oneTenant (t: Test): Promise<{ observer: Observer, pool: Pool, tenant: Bound }> {
  const observer = await freshDatabase(t)
  const { url } = await tenants(t, observer)
  const pool = await openPool(t, { url, max: 1 })
  return { observer, pool, tenant: new Bound(pool, { 'app.tenant': 't1' }) }
}

t.test('a change of the schema in between: the settings hold for the call that is sent again', async (t) => {
  const { observer, pool, tenant } = await oneTenant(t)
  const ALL = { text: 'SELECT * FROM items WHERE note = $1 LIMIT 1', prepare: true }
  const only = async (extra: object): Promise<void> => { t.match(await tenant.fetchOne(ALL, ''), { tenant: 't1', ...extra }) }
  for (let n = 0; n < 3; n++) await only({})
  await observer.rows('ALTER TABLE items ADD extra int DEFAULT 1')
  await only({ extra: 1 })
  await only({ extra: 1 })
  await observer.rows("CREATE TYPE mood AS ENUM ('sad', 'ok'); ALTER TABLE items ADD mood mood DEFAULT 'ok'")
  await only({ mood: 'ok' })
  await only({ mood: 'ok' })
  await observer.rows('ALTER TABLE items ALTER note TYPE varchar')
  await only({ mood: 'ok' })
  await observer.rows('DROP TABLE items')
  await t.rejects(tenant.fetchOne(ALL, ''), { code: '42P01' })
  t.same(pool.stats().closed, {})
})

t.test('a search_path or a role: prepared statements are not used where they mean something else', async (t) => {
  const observer = await freshDatabase(t)
  const { url, role } = await tenants(t, observer)
  await observer.rows(`CREATE SCHEMA one; CREATE SCHEMA two; CREATE SCHEMA ${role}_x;
    CREATE TABLE one.notes (id int, text text); CREATE TABLE two.notes (id text, other text, text text); CREATE TABLE public.notes (id int, text text);
    INSERT INTO one.notes VALUES (7, 'one'); INSERT INTO two.notes VALUES ('007', 'x', 'two'); INSERT INTO public.notes VALUES (7, 'public');
    GRANT USAGE ON SCHEMA one, two TO ${role}; GRANT ALL ON one.notes, two.notes, notes TO ${role}`)
  const pool = await openPool(t, { url, max: 1 })
  const db = await openDatabase(t, observer, { url, max: 1 })
  const READ = { text: 'SELECT text FROM notes WHERE id = $1', prepare: true }
  const paths = [['one', 7, 'one'], ['two', '007', 'two'], ['public', 7, 'public']] as const
  for (let round = 0; round < 3; round++) {
    for (const [path, id, text] of paths) {
      const settings = { search_path: path }
      t.equal(await new Bound(pool, settings).fetchVal(READ, id), text)
      t.equal(await db.transaction((tx) => tx.fetchVal(READ, id), { settings }), text)
      t.equal(await db.transaction(async (tx) => {
        await tx.executeMany('UPDATE notes SET text = text WHERE id = $1', [[id]])
        return await tx.fetchVal(READ, id)
      }, { settings }), text)
      t.same(await new Bound(pool, settings).executeManyWithReturning('UPDATE notes SET text = text WHERE id = $1 RETURNING text', [[id]]), [{ text }])
      t.equal(await new Bound(pool).fetchVal(READ, 7), 'public', 'the usual path holds again')
      t.equal(await db.fetchVal(READ, 7), 'public')
      await t.rejects(db.transaction((tx) => tx.fetchVal('SELECT nothing'), { settings }))
      t.equal(await db.fetchVal(READ, 7), 'public')
    }
  }
  for (const on of [pool.stats(), db.stats()]) t.same([on.closed, on.size], [{}, 1])
})

t.test('a role whose schema is in the search_path', async (t) => {
  const observer = await freshDatabase(t)
  const { url, role } = await tenants(t, observer)
  const other = uniqueName('other')
  await observer.rows(`CREATE ROLE ${other}; GRANT ${other} TO ${role}; CREATE SCHEMA ${other} AUTHORIZATION ${other};
    CREATE TABLE public.notes (id int, text text); CREATE TABLE ${other}.notes (id text, text text);
    INSERT INTO public.notes VALUES (7, 'public'); INSERT INTO ${other}.notes VALUES ('007', 'of the role');
    GRANT ALL ON public.notes, ${other}.notes TO ${role}, ${other}`)
  t.teardown(() => observer.rows(`DROP SCHEMA ${other} CASCADE; DROP OWNED BY ${other}; DROP ROLE ${other}`))
  const pool = await openPool(t, { url, max: 1 })
  const db = await openDatabase(t, observer, { url, max: 1 })
  const READ = { text: 'SELECT text FROM notes WHERE id = $1', prepare: true }
  const WRITE = { text: 'INSERT INTO notes (id) VALUES ($1)', prepare: true }
  const roles = { role: other }
  for (let n = 0; n < 3; n++) {
    t.equal(await db.fetchVal(READ, 7), 'public')
    await db.execute(WRITE, 8)
    t.equal(await new Bound(pool).fetchVal(READ, 7), 'public')
    t.equal(await new Bound(pool, roles).fetchVal(READ, '007'), 'of the role')
    t.equal(await db.transaction(async (tx) => {
      await tx.execute(WRITE, '009')
      return await tx.fetchVal(READ, '007')
    }, { settings: roles }), 'of the role')
    await t.rejects(db.transaction((tx) => tx.execute('SELECT nothing'), { settings: roles }))
  }
  t.same(await observer.rows(`SELECT id FROM ${other}.notes ORDER BY id`), [{ id: '007' }, { id: '009' }, { id: '009' }, { id: '009' }])
  t.same(pool.stats().closed, {})
})

t.test('what a call with settings is told, is as for any call', async (t) => {
  const { observer, pool, tenant } = await oneTenant(t)
  const INSERT = { text: 'INSERT INTO items (tenant) SELECT $1 WHERE $2', prepare: true }
  for (let n = 0; n < 3; n++) {
    await t.rejects(tenant.fetchExactlyOne({ ...INSERT, text: `${INSERT.text} RETURNING tenant` }, 't1', false), { code: 'FST_PG_NO_ROW' })
    await t.rejects(tenant.execute(INSERT, 't1', {}), { code: 'FST_PG_VALUE' })
    await t.rejects(tenant.execute(INSERT, 't1'), { code: 'FST_PG_PARAMETER_COUNT' })
    await t.rejects(tenant.execute({ ...INSERT, signal: AbortSignal.abort() }, 't1', true), { code: 'FST_PG_ABORTED' })
    await t.rejects(tenant.fetchVal({ text: 'SELECT pg_sleep($1)', prepare: true, timeout: 0.1 }, 5), { code: 'FST_PG_QUERY_TIMEOUT' })
    await t.rejects(tenant.fetchVal({ text: 'SELECT 1 / $1::int', prepare: true }, 0), { code: '22012' })
    t.match(await tenant.execute(INSERT, 't1', true), { count: 1 })
    t.equal(await tenant.fetchVal({ text: 'SELECT pg_sleep($1) IS NULL', prepare: true, timeout: 100 }, 0), false)
    t.match(await tenant.execute('UPDATE items SET note = $1', 'x'), { command: 'UPDATE' })
    t.match(await tenant.execute("UPDATE items SET note = 'a'; SELECT 1"), { command: 'SELECT' })
    t.match(await tenant.fetchAll({ text: 'SELECT tenant FROM items', prepare: true, limit: 2 }), [{ tenant: 't1' }, { tenant: 't1' }])
  }
  await t.rejects(tenant.execute('CALL nobody()'), { code: '42883' })
  await until(() => pool.free === 1)
  t.same([pool.size, pool.stats().closed], [1, {}])
  const [one, two] = [tenant.fetchVal({ text: 'SELECT pg_sleep($1)', prepare: true }, 5).catch((error) => error), tenant.fetchVal(FOREIGN)]
  await until(async () => (await observer.backends()).some(({ state, query }) => state === 'active' && query.includes('pg_sleep')))
  await observer.kill()
  t.match(await one, { code: /^(FST_PG_CONNECTION_LOST|57P01)$/ })
  t.equal(await two, 0)
  await pool.close()
  await t.rejects(tenant.fetchVal(FOREIGN), { code: 'FST_PG_CLOSED' })
})
