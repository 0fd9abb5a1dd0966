import t from 'tap'
import { freshDatabase, openDatabase } from './support/database.js'

t.test('a pool opens, answers and closes', async (t) => {
  const observer = await freshDatabase(t)
  const db = await openDatabase(t, observer, { min: 2 })
  t.equal(await db.fetchVal('SELECT 1'), 1)
  t.equal((await observer.backends()).length, 2)
  await db.close()
  t.equal((await observer.backends()).length, 0)
})
