import t from 'tap'
import { freshDatabase, openDatabase } from '../support/database.js'

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
