import t from 'tap'
import { createDatabase, type Queryable } from '../../src/index.js'
import { freshDatabase, memoryLog, openDatabase } from '../support/database.js'

type Anything = (...args: unknown[]) => Promise<unknown>
/** As JavaScript calls it. */
const loosely = (queryable: object, method: string): Anything => (Reflect.get(queryable, method) as Anything).bind(queryable)

t.test('transaction without a function says what it takes, costs no connection, and runs nothing', async (t) => {
  const observer = await freshDatabase(t)
  const db = await openDatabase(t, observer, { min: 1, max: 1 })
  const lists = [[], [undefined], [null], ['SELECT 1'], [{ isolation: 'serializable' }], [{ isolation: 'serializable' }, async () => {}], [Promise.resolve()], [[() => {}]]]
  const refused = async (queryable: Queryable, what: string): Promise<void> => {
    for (const args of lists) {
      await t.rejects(loosely(queryable, 'transaction')(...args), { code: 'FST_PG_QUERY', stack: /function[^]*transaction\(async \(tx\) => …/ }, what)
    }
  }
  const before = db.stats().acquired
  await refused(db, 'a database')
  t.equal(db.stats().acquired, before)
  await db.transaction((tx) => refused(tx, 'a transaction'))
  await using lease = await db.acquire()
  await refused(lease, 'a lease')
  await lease.execute('BEGIN')
  await refused(lease, 'a lease in a transaction')
  await lease.execute('COMMIT')

  for (const options of [null, 'serializable', 5, true, () => {}]) {
    const isRefused = { code: 'FST_PG_OPTION', message: /options of transaction are an object/ }
    await t.rejects(loosely(lease, 'transaction')(() => 1, options), isRefused, 'options of a lease')
    await t.rejects(lease.transaction((tx) => loosely(tx, 'transaction')(() => 1, options)), isRefused, 'options of a savepoint')
  }
  const unopened = createDatabase({ url: observer.url, log: memoryLog() }, {})
  await t.rejects(loosely(unopened, 'transaction')(), { code: 'FST_PG_QUERY' })
  await t.rejects(loosely(unopened, 'executeMany')('SELECT $1::int'), { code: 'FST_PG_QUERY' })
  t.match(unopened.stats(), { size: 0, opening: 0 }, 'a call that cannot be run opens nothing')
})

t.test('executeMany with what is no list of lists says what it takes, and costs no connection', async (t) => {
  const db = await openDatabase(t, await freshDatabase(t), { min: 1, max: 1 })
  const before = db.stats().acquired
  for (const method of ['executeMany', 'executeManyWithReturning']) {
    for (const lists of [undefined, null, 5, 'text', {}, () => []]) {
      await t.rejects(loosely(db, method)('SELECT $1::int', lists), { code: 'FST_PG_QUERY', stack: /argument lists are not iterable[^]*pass an array of arrays/ })
    }
  }
  t.equal(db.stats().acquired, before)
  await t.rejects(loosely(db, 'executeMany')('SELECT $1::int', [1, 2]), { code: 'FST_PG_QUERY', stack: /row 0 [^]*is not an array/ })
  await t.rejects(loosely(db, 'executeMany')('SELECT $1::int', ['ab']), { code: 'FST_PG_QUERY', stack: /row 0 [^]*is not an array/ })
  await t.rejects(loosely(db, 'executeMany')(undefined, [[1]]), { code: 'FST_PG_QUERY' })
})

t.test('acquire takes its signal in an object', async (t) => {
  const db = await openDatabase(t, await freshDatabase(t), { min: 1, max: 1 })
  for (const options of [null, 5, 'text', true, new AbortController().signal, () => {}]) {
    await t.rejects(loosely(db, 'acquire')(options), { code: 'FST_PG_OPTION', message: /acquire\(\{ signal \}\)/ })
  }
  await t.rejects(loosely(db, 'acquire')({ timeout: 5 }), { code: 'FST_PG_OPTION', message: /unknown option acquire\.timeout/ })
  await t.rejects(loosely(db, 'acquire')({ signals: 5 }), { code: 'FST_PG_OPTION', message: /did you mean acquire\.signal/ })
  await t.rejects(loosely(db, 'acquire')({ signal: 5 }), { code: 'FST_PG_OPTION', message: /acquire\.signal takes an AbortSignal/ })
  for (const options of [undefined, {}, { signal: undefined }]) await (await db.acquire(options)).release()
  t.match(db.stats(), { busy: 0, acquired: 3 })
})

t.test('createDatabase takes an object', async (t) => {
  const loose = createDatabase as (options: unknown) => unknown
  for (const options of [null, 'postgres://localhost/app', 5, true, () => {}, [], new URL('postgres://localhost/app')]) {
    t.throws(() => loose(options), { code: 'FST_PG_OPTION', message: /createDatabase\(\{ url/ })
  }
})
