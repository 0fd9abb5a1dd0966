import t from 'tap'
import { createDatabase } from '../../src/index.js'
import { freshDatabase, memoryLog, openDatabase } from '../support/database.js'

t.test('the server gets the session settings', async (t) => {
  const observer = await freshDatabase(t)
  const url = `${observer.url}?application_name=shop-api&search_path=pg_temp%2Cpublic&options=-c%20work_mem%3D8MB`
  const db = await openDatabase(t, observer, { url, parameters: { lock_timeout: 1234 } })
  const setting = (name: string) => db.fetchVal('SELECT current_setting($1)', name)
  t.equal(await setting('application_name'), 'shop-api')
  t.equal(await setting('search_path'), 'pg_temp,public')
  t.equal(await setting('work_mem'), '8MB')
  t.equal(await setting('lock_timeout'), '1234ms')
  t.equal(await setting('statement_timeout'), '1min')
})

t.test('arrays hold NULL wherever the server would take it for a text', async (t) => {
  const observer = await freshDatabase(t)
  await observer.rows(`ALTER DATABASE ${new URL(observer.url).pathname.slice(1)} SET array_nulls = off`)
  const db = await openDatabase(t, observer, { url: `${observer.url}?options=-c%20array_nulls%3Doff`, max: 1 })
  await db.execute('CREATE TABLE lists (s text[], n int[])')
  const read = async (): Promise<unknown> => await db.fetchAll('DELETE FROM lists RETURNING s, n')
  await db.execute('INSERT INTO lists VALUES ($1, $2)', ['a', null, 'NULL'], [1, null])
  t.strictSame(await read(), [{ s: ['a', null, 'NULL'], n: [1, null] }])
  await db.executeMany('INSERT INTO lists VALUES ($1, $2)', [[['x', null], [null]], [[null], [2]]])
  t.strictSame(await read(), [{ s: ['x', null], n: [null] }, { s: [null], n: [2] }])

  await db.transaction(async (tx) => {
    await tx.execute('SET LOCAL array_nulls = off')
    await tx.execute('CREATE TABLE words (s text)')
    await tx.executeMany('INSERT INTO words VALUES ($1)', Array.from({ length: 60 }, () => [null]))
    t.equal(await tx.fetchVal('SELECT count(*)::int FROM words WHERE s IS NULL'), 60, 'a batch looks at what holds now')
  })

  const lease = await db.acquire()
  await lease.execute('SET array_nulls = off')
  await lease.release()
  t.strictSame(await db.fetchVal('SELECT $1::text[]', [null]), [null], 'what a lease has set is gone')

  const off = createDatabase({ url: observer.url, log: memoryLog(), onConnect: (db) => db.execute('SET array_nulls = off') }, {})
  t.teardown(() => off.close())
  await t.rejects(off.open(), { code: 'FST_PG_CONNECT', cause: { code: 'ARRAY_NULLS', message: /leave it on in onConnect/ } })
})
