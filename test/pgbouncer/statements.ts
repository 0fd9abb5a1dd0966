import t from 'tap'
import { type Queryable, ServerError } from '../../src/index.js'
import { freshDatabase, openDatabase, until } from '../support/database.js'
import { Bouncer } from '../support/pgbouncer.js'

t.test('statements through PgBouncer in transaction mode', async (t) => {
  const observer = await freshDatabase(t)
  const bouncer = await Bouncer.start(t, observer.url)
  const { url } = bouncer
  await observer.rows('CREATE TABLE items (id int PRIMARY KEY, name text)')

  t.test('with prepare: false nothing that has a name is prepared, whatever is run', async (t) => {
    const db = await openDatabase(t, observer, { url, prepare: false, min: 4, max: 4 })
    await Promise.all(Array.from({ length: 200 }, (_, i) => db.fetchVal({ text: 'SELECT $1::int', prepare: true }, i)))
    await db.transaction(async (tx) => {
      for (let i = 0; i < 3; i++) await tx.execute('UPDATE items SET name = $1 WHERE id = $2', 'x', i)
      await tx.transaction((nested) => nested.fetchAll('SELECT * FROM items WHERE id = $1', 1))
    })
    await observer.rows("CREATE TYPE mood AS ENUM ('fine'); CREATE TABLE moods (mood mood)")
    for (let i = 0; i < 3; i++) await db.execute('INSERT INTO moods VALUES ($1)', 'fine')
    t.equal((await db.health()).status, 'healthy')
    // As many at once as there are sessions, so that each is seen.
    const counts = await Promise.all([1, 2, 3, 4].map(() => db.fetchVal('SELECT count(*)::int FROM pg_prepared_statements, pg_sleep(0.05)')))
    t.strictSame(counts, [0, 0, 0, 0])
  })

  t.test('a limit stops the server, alone and in transactions, and the next caller of the session finds it clean', async (t) => {
    const db = await openDatabase(t, observer, { url, prepare: false, min: 4, max: 4 })
    const series = 'SELECT i FROM generate_series(1, $1::int) AS i'
    await Promise.all(Array.from({ length: 200 }, async (_, n) => {
      const first = (on: Queryable): Promise<number[]> => on.fetchColumn<number>({ text: series, values: [1000 + n], limit: 2 })
      t.strictSame(await (n % 3 === 0 ? db.transaction(first) : first(db)), [1, 2])
      t.equal((await db.fetchAll(series, n)).length, n)
    }))
    t.equal(db.stats().created, 4)
  })

  t.test('settings hold for their transaction, and nobody else meets them in the session', async (t) => {
    const db = await openDatabase(t, observer, { url, prepare: false, min: 4, max: 4 })
    const tenant = "SELECT current_setting('app.tenant', true)"
    await Promise.all(Array.from({ length: 200 }, async (_, n) => {
      if (n % 3 === 0) {
        t.notOk(await db.fetchVal(tenant))
        return
      }
      const seen = await db.transaction(async (tx) => [await tx.fetchVal(tenant), await tx.fetchVal(tenant), await tx.fetchVal('SHOW search_path')], {
        settings: { 'app.tenant': `t${n}`, ...n % 3 === 1 && { search_path: 'pg_catalog' } },
      })
      t.strictSame(seen, [`t${n}`, `t${n}`, n % 3 === 1 ? 'pg_catalog' : '"$user", public'])
    }))
    await t.rejects(db.transaction((tx) => tx.fetchVal(tenant), { settings: { role: 'nobody_at_all' } }), { code: '22023' })
    t.equal(db.stats().created, 4)
    t.strictSame(db.stats().closed, {})
  })

  for (const batch of ['auto', 'pipeline'] as const) {
    t.test(`a batch, ${batch}: all rows in their order, or none and which list it was`, async (t) => {
      const db = await openDatabase(t, observer, { url, prepare: false, min: 2, max: 6 })
      await observer.rows('TRUNCATE items')
      const lists = (from: number, n: number): Array<[number, string]> => Array.from({ length: n }, (_, i) => [from + i, `name ${from + i}`])
      await Promise.all([0, 1, 2, 3, 4, 5, 6, 7].map((n) => db.executeMany({ text: 'INSERT INTO items (id, name) VALUES ($1, $2)', batch }, lists(n * 1000, 500))))
      t.match(await observer.rows("SELECT count(*)::int, bool_and(name = 'name ' || id) AS right FROM items"), [{ count: 4000, right: true }])
      const names = await db.executeManyWithReturning({ text: 'UPDATE items SET name = $2 WHERE id = $1 RETURNING id, name', batch }, lists(3000, 300).map(([id]) => [id, `new ${id}`]))
      t.strictSame(names, lists(3000, 300).map(([id]) => ({ id, name: `new ${id}` })))
      const twice = [...lists(90_000, 200), ...lists(90_100, 1)]
      await t.rejects(db.executeMany({ text: 'INSERT INTO items (id, name) VALUES ($1, $2)', batch }, twice), { code: '23505', row: 200 })
      t.equal(await db.fetchVal('SELECT count(*)::int FROM items WHERE id >= 90000'), 0)
    })
  }

  t.test('a timeout and a signal cancel on the server by our own clock, and no setting is left in a session of others', async (t) => {
    const db = await openDatabase(t, observer, { url, prepare: false, min: 2, max: 4, commandTimeout: 0.3 })
    const sleeping = async (): Promise<number> => (await observer.backends()).filter(({ state, query }) => state === 'active' && query.includes('pg_sleep(20)')).length
    await t.rejects(db.fetchVal('SELECT pg_sleep(20)'), { code: 'FST_PG_QUERY_TIMEOUT' })
    await until(async () => await sleeping() === 0)
    t.equal(await db.fetchVal({ text: "SELECT 'longer' FROM pg_sleep(0.6)", timeout: 5 }), 'longer')
    const controller = new AbortController()
    const aborted = db.fetchVal({ text: 'SELECT pg_sleep(20)', timeout: 0, signal: controller.signal })
    await until(async () => await sleeping() === 1)
    controller.abort()
    await t.rejects(aborted, { code: 'FST_PG_ABORTED' })
    await until(async () => await sleeping() === 0)
    const batch = db.executeMany('INSERT INTO items (id) SELECT $1 FROM pg_sleep(20)', [[-1]])
    await t.rejects(batch, { code: 'FST_PG_QUERY_TIMEOUT' })
    await db.executeMany('INSERT INTO items (id) SELECT $1 FROM pg_sleep(0.1)', [[-2], [-3], [-4], [-5], [-6]])
    t.equal(await db.fetchVal('SELECT count(*)::int FROM items WHERE id < 0'), 5)
    const limits = await Promise.all([1, 2, 3, 4].map(() => db.fetchVal("SELECT current_setting('statement_timeout') FROM pg_sleep(0.05)")))
    t.strictSame(limits, ['0', '0', '0', '0'])
    t.match(db.stats(), { free: db.stats().size, queryTimeouts: 2 })
  })

  t.test('500 hair-thin timeouts: no late cancel hits whatever comes next (case 33)', async (t) => {
    const db = await openDatabase(t, observer, { url, prepare: false, min: 4, max: 4 })
    let timeouts = 0
    let foreign = 0
    for (let i = 0; i < 500; i++) {
      const error = await db.fetchVal({ text: 'SELECT pg_sleep(0.002)', timeout: 0.002 }).then(() => undefined, (error) => error)
      if (error?.code === 'FST_PG_QUERY_TIMEOUT') timeouts++
      else if (error !== undefined) foreign++
      if (await db.fetchVal('SELECT $1::int', i) !== i) foreign++
    }
    t.ok(timeouts > 0, `${timeouts} timeouts`)
    t.equal(foreign, 0)
  })

  t.test('with prepare left on: never a wrong row, never a write twice, and the error says what to do', async (t) => {
    const databases = await Promise.all([1, 2].map(() => openDatabase(t, observer, { url, min: 10, max: 10 })))
    await observer.rows('CREATE TABLE writes (token text)')
    const errors: unknown[] = []
    const done: string[] = []
    let wrong = 0
    await Promise.all(Array.from({ length: 64 }, async (_, caller) => {
      const [one, other] = databases
      const db = caller % 2 === 0 ? one : other
      if (db === undefined) throw new Error('no pool')
      for (let i = 0; i < 20; i++) {
        const token = `${caller}-${i}`
        try {
          if (await db.fetchVal('SELECT $1::text', token) !== token) wrong++
          await db.execute('INSERT INTO writes VALUES ($1)', token)
          done.push(token)
          await db.transaction((tx) => tx.fetchVal('SELECT $1::text FROM items LIMIT 1', token))
        } catch (error) {
          errors.push(error)
        }
      }
    }))
    t.equal(wrong, 0)
    t.ok(errors.length > 0, `${errors.length} errors`)
    const advice = /Behind PgBouncer in transaction mode set .*\{ prepare: false \}/
    t.strictSame(errors.filter((error) => !(error instanceof ServerError && error.code === '26000' && advice.test(error.advice))), [])
    const written = (await observer.rows('SELECT token, count(*)::int FROM writes GROUP BY 1')) as Array<{ token: string, count: number }>
    t.ok(written.every(({ count }) => count === 1))
    const tokens = new Set(written.map(({ token }) => token))
    t.strictSame(done.filter((token) => !tokens.has(token)), [])
    t.equal(tokens.size, done.length, 'what failed was not written')
  })
})
