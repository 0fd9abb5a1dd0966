import t from 'tap'
import { ServerError, type Database } from '../../src/index.js'
import { Bound, openPool } from '../support/bound.js'
import { freshDatabase, openDatabase, uniqueName, type Observer } from '../support/database.js'

const TENANT = "SELECT current_setting('app.tenant', true)"
const prepared = (text: string): { text: string, prepare: true } => ({ text, prepare: true })

/** A role that may do nothing, until it is given something. */
async function newRole (observer: Observer): Promise<string> {
  const role = uniqueName('role')
  await observer.rows(`CREATE ROLE ${role}`)
  return role
}

/** How often the socket of the only connection is written to. */
const writes = (pool: { dispatcher: { connections: { open: Iterable<{ connection: { traffic: { writes: number } } }> } } }): number =>
  [...pool.dispatcher.connections.open].reduce((sum, { connection }) => sum + connection.traffic.writes, 0)

t.test('a transaction begins with its settings, which end with it', async (t) => {
  const observer = await freshDatabase(t)
  const db = await openDatabase(t, observer, { max: 1 })
  const settings = { 'app.tenant': "t'1\\ ä", 'App.Other': '', work_mem: '5MB' }
  for (const prepare of [false, true, true, undefined]) {
    const read = { text: `${TENANT} AS tenant, current_setting('app.other') AS other, current_setting('work_mem') AS work_mem`, ...prepare !== undefined && { prepare } }
    const [first, second] = await db.transaction(async (tx) => [await tx.fetchOne(read), await tx.fetchOne(read)], { settings })
    t.same(first, { tenant: "t'1\\ ä", other: '', work_mem: '5MB' }, `prepare: ${prepare}`)
    t.same(second, first)
    t.notOk(await db.fetchVal(TENANT), 'nothing is left')
    t.equal(await db.fetchVal('SHOW work_mem'), '4MB')
  }
  t.equal(await db.transaction((tx) => tx.fetchVal(TENANT), { settings: {} }), '', 'none')
  const [closed, size] = [db.stats().closed, db.stats().size]
  t.same([closed, size], [{}, 1])
  await db.transaction(async (tx) => {
    await tx.executeMany('SELECT set_config($1, $2, false)', [['app.lists', '1']])
    t.equal(await tx.fetchVal(TENANT), 't2')
  }, { settings: { 'app.tenant': 't2' }, isolation: 'serializable', readOnly: true })
})

t.test('settings do not make a session dirty', async (t) => {
  const observer = await freshDatabase(t)
  const pool = await openPool(t, { url: observer.url, max: 1 })
  const tenant = new Bound(pool, { 'app.tenant': 't1' })
  for (let i = 0; i < 3; i++) t.equal(await tenant.fetchVal(prepared(TENANT)), 't1')
  const [entry] = pool.dispatcher.connections.open
  t.equal(entry?.connection.session.hasState, false)
  t.equal(entry?.connection.session.isDirty, false)
})

t.test('what is prepared leaves in one write with its settings', async (t) => {
  const observer = await freshDatabase(t)
  const pool = await openPool(t, { url: observer.url, max: 1 })
  const tenant = new Bound(pool, { 'app.tenant': 't1' })
  t.equal(await tenant.fetchVal(prepared(TENANT)), 't1', 'as a transaction, because it has yet to be prepared')
  const before = writes(pool)
  t.equal(await tenant.fetchVal(prepared(TENANT)), 't1')
  t.equal(writes(pool) - before, 1)
  t.equal(await tenant.fetchVal(prepared(`${TENANT}, txid_current_if_assigned() IS NULL`)), 't1')
})

t.test('a setting that is refused: nothing is run, and the connection is unharmed', async (t) => {
  const observer = await freshDatabase(t)
  await observer.rows('CREATE TABLE items (id int PRIMARY KEY)')
  const role = await newRole(observer)
  const login = uniqueName('login')
  await observer.rows(`CREATE ROLE ${login} LOGIN PASSWORD 'x'; GRANT ALL ON items TO ${login}`)
  t.teardown(() => observer.rows(`DROP OWNED BY ${login}; DROP ROLE ${login}, ${role}`))
  const url = Object.assign(new URL(observer.url), { username: login, password: 'x' }).href
  const pool = await openPool(t, { url, max: 1 })
  const db: Database = await openDatabase(t, observer, { url, max: 1 })
  const INSERT = prepared('INSERT INTO items VALUES ($1)')
  await db.execute(INSERT, 1) // prepared from now on, so that it leaves with its BEGIN and settings; the other one is not
  await new Bound(pool).execute(INSERT, 0)
  const cases = [
    ['role', 'nobody_at_all', '22023'], ['role', role, '42501'], ['log_statement', 'all', '42501'], ['no_such_setting', 'x', '42704'],
    ['work_mem', 'much of it', '22023'], ['search_path', 'a,,', '22023'], ['wal_level', 'replica', '55P02'],
  ] as const
  for (const [name, value, code] of cases) {
    const settings = { 'app.tenant': 'secret-tenant', [name]: value }
    for (const statement of [INSERT, 'INSERT INTO items SELECT $1::int']) {
      let seen: unknown
      const work = db.transaction(async (tx) => { await tx.execute(statement, 2).catch((error) => { seen = error; throw error }) }, { settings })
      const error = await work.then(() => undefined, (error) => error)
      t.type(error, ServerError, name)
      t.equal(error, seen)
      t.match(error, { code }, `${name} ${value}`)
      t.match(error.advice, /a setting was refused/)
      t.notMatch(`${error.stack} ${JSON.stringify(error)}`, /secret-tenant|nobody_at_all|much of it|INSERT/)
      const swallowed = db.transaction(async (tx) => {
        await tx.execute(statement, 2).catch(() => {})
        await tx.execute(statement, 3)
      }, { settings })
      await t.rejects(swallowed, { code: statement === INSERT && !['role', 'search_path'].includes(name) ? '25P02' : 'FST_PG_TRANSACTION_ABORTED' })
      await t.rejects(db.transaction(async (tx) => { await tx.execute(statement, 2).catch(() => {}) }, { settings }), { code: 'FST_PG_TRANSACTION_ABORTED', cause: { code } })
      const single = new Bound(pool, settings)
      await t.rejects(single.execute(statement, 2), { code })
      await t.rejects(single.executeMany(statement, [[2], [3]]), { code })
    }
    await t.rejects(db.transaction((tx) => tx.executeMany(INSERT, [[2], [3]]), { settings }), { code })
  }
  t.same(await observer.rows('SELECT id FROM items ORDER BY id'), [{ id: 0 }, { id: 1 }])
  t.same([db.stats().closed, db.stats().size, pool.stats().closed], [{}, 1, {}])
  t.equal(await new Bound(pool, { 'app.tenant': 't1' }).fetchVal(TENANT), 't1')
})

t.test('what is no setting is refused before a connection is taken', async (t) => {
  const observer = await freshDatabase(t)
  const db = await openDatabase(t, observer, { max: 1 })
  const bad = async (settings: unknown, message: RegExp): Promise<void> => {
    const { acquired } = db.stats()
    const error = await db.transaction(() => { throw new Error('it ran') }, { settings: settings as {} }).then(() => undefined, (error) => error)
    t.match(error, { code: 'FST_PG_OPTION', message })
    t.notMatch(error?.message, /hidden/)
    t.equal(db.stats().acquired, acquired)
  }
  for (const value of [undefined, null, 1, true, {}, ['a'], 'hidden\0', 'hidden\ud800', Symbol('hidden'), Buffer.from('hidden')]) await bad({ 'app.tenant': value }, /^transaction\.settings\.app\.tenant /)
  for (const name of ['', ' ', 'a b', "a'b", 'a;b', '1a', '.a', 'a.', 'a..b', '"role"', 'a\0', 'a\ud800', 'x'.repeat(128), '__proto__.a b']) await bad({ [name]: 'x' }, /^transaction\.settings\..* is no name of a setting/)
  for (const name of ['transaction_isolation', 'TRANSACTION_READ_ONLY', 'transaction_deferrable', 'client_encoding', 'DateStyle', 'IntervalStyle', 'bytea_output', 'extra_float_digits', 'standard_conforming_strings', 'Statement_Timeout', 'array_nulls']) {
    await bad({ [name]: 'hidden' }, new RegExp(`^transaction\\.settings\\.${name} `))
  }
  await bad({ Role: 'x', role: 'y' }, /^transaction\.settings\.role is given twice/)
  for (const settings of [null, 'hidden', 1, [], ['role'], () => {}, new Map([['role', 'x']]), Promise.resolve({ role: 'x' }), new Headers({ role: 'x' })]) await bad(settings, /^transaction\.settings takes an object/)
  await bad({ get role () { throw new Error('hidden') } }, /^transaction\.settings\.role cannot be read/)
  await bad(new Proxy({}, { ownKeys () { throw new Error('hidden') } }), /^transaction\.settings cannot be read/)
  await bad(Object.fromEntries(Array.from({ length: 101 }, (_, i) => [`app.s${i}`, ''])), /^transaction\.settings takes 100 settings at most/)
  const many = Object.fromEntries(Array.from({ length: 100 }, (_, i) => [`app.s${i}`, String(i)]))
  t.equal(await db.transaction((tx) => tx.fetchVal("SELECT current_setting('app.s99')"), { settings: many }), '99')
  await db.transaction(async (tx) => {
    await t.rejects(tx.transaction(async () => {}, { settings: { 'app.tenant': 'x' } }), { code: 'FST_PG_QUERY' })
    await tx.transaction(async () => {}, { settings: {} })
  })
  await using lease = await db.acquire()
  t.equal(await lease.transaction((tx) => tx.fetchVal(TENANT), { settings: { 'app.tenant': 'x' } }), 'x')
  t.equal(await lease.fetchVal(TENANT), '', 'documented: empty, and not null')
  await lease.execute('BEGIN')
  await t.rejects(lease.transaction(async () => {}, { settings: { 'app.tenant': 'x' } }), { code: 'FST_PG_QUERY' })
})
