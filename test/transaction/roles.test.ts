import t, { type Test } from 'tap'
import { eventLog } from '../../src/config/event-log.js'
import { Pool } from '../../src/pool/pool.js'
import { internalCall } from '../../src/query/call.js'
import { toCall } from '../../src/query/query.js'
import { StatementCache } from '../../src/query/statement.js'
import { beginningOf } from '../../src/transaction/beginning.js'
import { Checkout, COMMIT, ROLLBACK } from '../../src/transaction/checkout.js'
import { readSettings } from '../../src/transaction/settings.js'
import { Bound, openPool } from '../support/bound.js'
import { freshDatabase, memoryLog, openDatabase, uniqueName, type Observer } from '../support/database.js'
import { seeded } from '../support/random.js'

/** How often the socket of the only connection was written to. */
const writes = (pool: Pool): number => [...pool.dispatcher.connections.open].reduce((sum, { connection }) => sum + connection.traffic.writes, 0)
const prepared = (text: string): { text: string, prepare: true } => ({ text, prepare: true })

/** A user with roles that it may set, and a pool of one connection of theirs. */
async function setUp (t: Test, count: number): Promise<{ observer: Observer, pool: Pool, url: string, roles: string[], login: string }> {
  const observer = await freshDatabase(t)
  const login = uniqueName('login')
  const roles = Array.from({ length: count }, () => uniqueName('role'))
  const all = roles.join(', ')
  await observer.rows(`CREATE ROLE ${login} LOGIN PASSWORD 'x'; ${roles.map((role) => `CREATE ROLE ${role}`).join(';')}; GRANT ${all} TO ${login};
    CREATE TABLE items (id int, owner text); GRANT SELECT, INSERT ON items TO ${login}, ${all}; INSERT INTO items VALUES (7, 'public')`)
  const { href: url } = Object.assign(new URL(observer.url), { username: login, password: 'x' })
  const pool = await openPool(t, { url, max: 1 })
  t.teardown(() => observer.rows(`DROP OWNED BY ${login}, ${all} CASCADE; DROP ROLE ${login}, ${all}`))
  return { observer, pool, url, roles, login }
}

t.test('a role leaves in one write with what it has prepared', async (t) => {
  const { pool, roles: [one = '', two = ''], login } = await setUp(t, 2)
  const WHO = prepared("SELECT concat(current_user, ' ', current_setting('app.tenant', true)) FROM items WHERE id = $1")
  const on = (role: string | undefined): Bound => new Bound(pool, { 'app.tenant': 't1', ...role !== undefined && { role } })
  const cases = [[undefined, login], [one, one], [two, two]] as const
  for (let round = 0; round < 3; round++) {
    for (const [role, user] of cases) {
      const before = writes(pool)
      t.equal(await on(role).fetchVal(WHO, 7), `${user} t1`)
      if (round > 0) t.equal(writes(pool) - before, 1)
      else t.ok(writes(pool) - before > 1, 'it has yet to be prepared')
      t.equal(await new Bound(pool).fetchVal(WHO, 7), `${login} `, 'gone with its call')
    }
  }
  t.same(pool.stats().closed, {})
  t.equal([...pool.dispatcher.connections.open][0]?.connection.session.isDirty, false)
})

t.test('each role is asked for its rights, whoever has prepared the same text', async (t) => {
  const { observer, pool, url, roles: [may = '', mayNot = ''], login } = await setUp(t, 2)
  // What may be run in a schema is decided when a statement is prepared: everybody may execute the function.
  await observer.rows(`CREATE SCHEMA private; GRANT USAGE ON SCHEMA private TO ${may}, ${login};
    CREATE FUNCTION private.secret() RETURNS text LANGUAGE plpgsql AS $$ BEGIN RETURN 'secret'; END $$`)
  t.teardown(() => observer.rows('DROP SCHEMA private CASCADE'))
  const SECRET = prepared('SELECT private.secret()')
  const db = await openDatabase(t, observer, { url, max: 1 })
  for (let n = 0; n < 4; n++) {
    t.equal(await new Bound(pool).fetchVal(SECRET), 'secret')
    t.equal(await new Bound(pool, { role: may }).fetchVal(SECRET), 'secret')
    await t.rejects(new Bound(pool, { role: mayNot }).fetchVal(SECRET), { code: '42501' })
    for (const text of [`SET LOCAL ROLE ${mayNot}`, `SELECT set_config('role', '${mayNot}', true)`]) {
      await t.rejects(db.transaction(async (tx) => {
        t.equal(await tx.fetchVal(SECRET), 'secret')
        await tx.execute(text)
        await tx.fetchVal(SECRET)
      }, { settings: { role: may } }), { code: '42501' })
    }
    t.equal(await db.transaction(async (tx) => {
      await tx.execute('RESET ROLE')
      return await tx.fetchVal(SECRET)
    }, { settings: { role: mayNot } }), 'secret')
    await t.rejects(db.transaction((tx) => tx.fetchVal(SECRET), { settings: { role: mayNot } }), { code: '42501' })
  }
  await observer.rows(`GRANT USAGE ON SCHEMA private TO ${mayNot}`)
  for (let n = 0; n < 4; n++) t.equal(await new Bound(pool, { role: mayNot }).fetchVal(SECRET), 'secret')
  await observer.rows(`REVOKE USAGE ON SCHEMA private FROM ${mayNot}`)
  for (let n = 0; n < 4; n++) {
    t.equal(await new Bound(pool, { role: may }).fetchVal(SECRET), 'secret')
    await t.rejects(new Bound(pool, { role: mayNot }).fetchVal(SECRET), { code: '42501' })
  }
})

t.test('a schema of the role that is created later: its tables are meant from then on', async (t) => {
  const { observer, pool, roles: [role = ''] } = await setUp(t, 1)
  const ALL = prepared('SELECT * FROM items WHERE id = $1')
  const OWNER = prepared('SELECT owner FROM items WHERE id = $1')
  const INSERT = prepared('INSERT INTO items (id, owner) VALUES ($1, $2) RETURNING owner')
  const on = new Bound(pool, { role })
  for (let n = 0; n < 3; n++) {
    t.same(await on.fetchOne(ALL, 7), { id: 7, owner: 'public' })
    t.equal(await on.fetchVal(OWNER, 7), 'public')
    t.equal(await on.fetchVal(INSERT, 1, 'public'), 'public')
  }
  await observer.rows(`CREATE SCHEMA ${role} AUTHORIZATION ${role}; CREATE TABLE ${role}.items (owner varchar, more int, id text);
    INSERT INTO ${role}.items VALUES ('role', 1, '7'); GRANT ALL ON ${role}.items TO ${role}`)
  for (let n = 0; n < 3; n++) {
    t.same(await on.fetchOne(ALL, '7'), { owner: 'role', more: 1, id: '7' })
    t.equal(await on.fetchVal(OWNER, '7'), 'role')
    t.equal(await on.fetchVal(INSERT, '8', 'role'), 'role')
    t.same(await new Bound(pool).fetchOne(ALL, 7), { id: 7, owner: 'public' }, 'of its own user they are not')
  }
  t.equal((await observer.rows(`SELECT count(*) AS n FROM ${role}.items WHERE id = '8'`))[0]?.['n'], '3')
  await observer.rows(`DROP SCHEMA ${role} CASCADE`)
  for (let n = 0; n < 3; n++) t.same(await on.fetchOne(ALL, 7), { id: 7, owner: 'public' })
  t.same(pool.stats().closed, {})
})

t.test('whatever becomes of a call with a role, the next one is not run as it', async (t) => {
  const { observer, pool, roles: [role = ''], login } = await setUp(t, 1)
  const WHO = prepared('SELECT current_user::text, 1 / $1::int, pg_sleep($2)')
  const on = new Bound(pool, { role })
  const plain = async (): Promise<void> => { t.equal(await new Bound(pool).fetchVal(prepared('SELECT current_user::text')), login) }
  for (let n = 0; n < 3; n++) {
    t.equal(await on.fetchVal(WHO, 1, 0), role)
    await t.rejects(on.fetchVal(WHO, 0, 0), { code: '22012' })
    await plain()
    await t.rejects(on.fetchVal({ ...WHO, timeout: 0.1 }, 1, 10), { code: 'FST_PG_QUERY_TIMEOUT' })
    await plain()
    const controller = new AbortController()
    const aborted = on.fetchVal({ ...WHO, signal: controller.signal }, 1, 10)
    setImmediate(() => controller.abort())
    await t.rejects(aborted, { code: 'FST_PG_ABORTED' })
    await plain()
    await t.rejects(on.fetchVal({ ...WHO, signal: AbortSignal.abort() }, 1, 0), { code: 'FST_PG_ABORTED' })
    await t.rejects(on.fetchVal(WHO, {}, 0), { code: 'FST_PG_VALUE' })
    await plain()
    await t.rejects(new Bound(pool, { role: `${role}_x` }).fetchVal(WHO, 1, 0), { code: '22023' })
    await plain()
    t.equal([...pool.dispatcher.connections.open][0]?.connection.session.scope, '')
  }
  t.same(pool.stats().closed, {})
  const killed = on.fetchVal(WHO, 1, 10).catch((error: { code: string }) => error.code)
  await observer.kill()
  t.match(await killed, /^(FST_PG_CONNECTION_LOST|57P01)$/)
  await plain()
})

t.test('more roles than a connection has statements for', async (t) => {
  const { pool, roles } = await setUp(t, 103)
  const WHO = prepared('SELECT current_user::text WHERE $1')
  for (const role of [...roles, ...roles]) t.equal(await new Bound(pool, { role }).fetchVal(WHO, true), role)
  const before = writes(pool)
  t.equal(await new Bound(pool, { role: roles[99] ?? '' }).fetchVal(WHO, true), roles[99])
  t.equal(writes(pool) - before, 1)
  t.equal(await new Bound(pool, { role: roles[102] ?? '' }).fetchVal(WHO, true), roles[102])
  t.ok(writes(pool) - before > 2)
})

t.test('a transaction begins with its role in the write of its first statement, and what is run in it is prepared', async (t) => {
  const { pool, roles: [role = '', other = ''], login } = await setUp(t, 2)
  const statements = new StatementCache()
  const WHO = prepared('SELECT current_user::text FROM items WHERE id = $1')
  const begin = beginningOf('BEGIN', readSettings({ role }, 'settings'))
  async function inRole (work: (who: () => Promise<unknown>, checkout: Checkout) => Promise<void>, end = COMMIT): Promise<void> {
    const entry = await pool.acquire('transaction')
    const checkout = new Checkout(pool, entry.connection, 'transaction', entry)
    checkout.enter()
    checkout.begin.defer(begin)
    const who = async (): Promise<unknown> => Object.values((await checkout.perform(toCall(WHO, [7], 'rows', statements))).rows[0] ?? {})[0]
    await work(who, checkout)
    await checkout.perform(end)
    checkout.leave()
    await checkout.release()
    t.equal(await new Bound(pool).fetchVal(WHO, 7), login)
  }
  await inRole(async (who) => { t.equal(await who(), role) })
  for (const end of [COMMIT, ROLLBACK, COMMIT]) {
    await inRole(async (who) => {
      const before = writes(pool)
      t.same([await who(), await who()], [role, role])
      t.equal(writes(pool) - before, 2)
    }, end)
  }
  for (const text of [`SET LOCAL ROLE ${other}`, `SELECT set_config('role', '${other}', true)`]) {
    await inRole(async (who, checkout) => {
      t.equal(await who(), role)
      await checkout.perform(toCall(text, [], 'rows', statements))
      t.equal(await who(), other)
      await checkout.perform(internalCall('SAVEPOINT s; SELECT 1 / 0')).catch(() => {})
      await checkout.perform(internalCall('ROLLBACK TO s'))
      t.equal(await who(), other)
    })
  }
  await inRole(async (who) => { t.equal(await who(), role) })
  t.same(pool.stats().closed, {})
})

t.test('300 calls as several roles, with aborts, timeouts, killed sessions and changes of the schema: each is run as its own', async (t) => {
  const { observer, roles, login, pool: { config } } = await setUp(t, 4)
  const pool = new Pool({ config: { ...config, max: 4, acquireTimeout: 60 }, log: eventLog(memoryLog(), 'db') })
  t.teardown(() => pool.close())
  await pool.open()
  const any = seeded('roles')
  const users = [undefined, ...roles]
  const wrong: unknown[] = []
  const counts = { right: 0, failed: 0 }
  async function one (role: string | undefined): Promise<void> {
    const on = new Bound(pool, role === undefined ? undefined : { role })
    const kind = any.integer(0, 5)
    const controller = new AbortController()
    if (kind === 0) setImmediate(() => controller.abort())
    const texts = ['SELECT current_user::text, pg_sleep(0.001) FROM items WHERE id = $1', 'SELECT current_user::text, * FROM items WHERE id = $1', 'SELECT current_user::text, 1 / ($1 - 7)']
    const text = texts[kind === 1 ? 2 : any.integer(0, 1)] ?? ''
    const seen = await on.fetchVal({ text, prepare: kind !== 2, signal: controller.signal, ...kind === 3 && { timeout: 0.002 } }, 7)
    counts.right++
    if (seen !== (role ?? login)) wrong.push({ seen, role })
  }
  const work: Array<Promise<void>> = []
  for (let n = 0; n < 300; n++) {
    work.push(one(users[n % users.length]).catch(() => { counts.failed++ }))
    if (n % 25 !== 24) continue
    await Promise.all(work.slice(-10))
    if (n % 75 === 74) await observer.kill()
    else await observer.rows(`ALTER TABLE items ADD column_${n} int`)
  }
  await Promise.all(work)
  t.same(wrong, [])
  t.ok(counts.right > 100 && counts.failed > 20, JSON.stringify(counts))
  for (const role of users) await one(role).catch(() => {})
  t.same(wrong, [])
})
