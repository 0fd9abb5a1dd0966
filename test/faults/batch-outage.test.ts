import t from 'tap'
import { freshDatabase, openDatabase, until } from '../support/database.js'
import { FaultProxy } from '../../tools/fault-proxy.js'

t.test('a black hole in the middle of a batch: it rejects in bounded time, nothing goes on connecting, and the pool works when it heals (case 22)', async (t) => {
  const observer = await freshDatabase(t)
  const proxy = await FaultProxy.start(t, observer.url)
  const db = await openDatabase(t, observer, { url: proxy.url, min: 1, max: 1, commandTimeout: 0.2, acquireTimeout: 10 })
  await db.execute('CREATE TABLE written (id int)')
  const lists = Array.from({ length: 1000 }, (_, id) => [id])
  const batch = db.executeMany('INSERT INTO written SELECT $1::int FROM pg_sleep(0.01)', lists)
  const outcome = batch.then(() => 'resolved', (error) => error.code)
  await until(async () => (await observer.backends()).some(({ query, state }) => state === 'active' && query.includes('pg_sleep')))
  await proxy.set('black-hole')
  t.equal(await Promise.race([outcome, new Promise((resolve) => setTimeout(resolve, 8000, 'still under way').unref())]), 'FST_PG_QUERY_TIMEOUT')
  await proxy.set('forward')
  t.equal(await db.fetchVal('SELECT count(*) FROM written'), 0)
  await until(() => db.stats().free === 1)
  const { accepted } = proxy
  for (let turns = 0; turns < 20; turns++) await db.fetchVal('SELECT 1 FROM pg_sleep(0.01)')
  t.equal(proxy.accepted, accepted)
  await until(async () => (await observer.backends()).length === 1)
})
