import t from 'tap'
import { createDatabase } from '../../src/index.js'
import type { TargetSessionAttrs } from '../../src/index.js'
import { freshDatabase, memoryLog, openDatabase } from '../support/database.js'

t.test('a primary whose transactions are read-only unless they say otherwise', async (t) => {
  const observer = await freshDatabase(t)
  await observer.rows('CREATE TABLE notes (text text)')
  await observer.rows(`ALTER DATABASE ${new URL(observer.url).pathname.slice(1)} SET default_transaction_read_only = on`)

  t.test('is a primary and read-only, and neither a standby nor read-write', async (t) => {
    const expected: Record<TargetSessionAttrs, boolean> = {
      any: true, primary: true, 'read-only': true, 'prefer-standby': true, standby: false, 'read-write': false,
    }
    for (const [targetSessionAttrs, fits] of Object.entries(expected) as Array<[TargetSessionAttrs, boolean]>) {
      const options = { url: observer.url, min: 1, max: 1, startupTimeout: 0.5, log: memoryLog(), targetSessionAttrs }
      const db = createDatabase(options, {})
      t.teardown(() => db.close())
      if (fits) await t.resolves(db.open(), targetSessionAttrs)
      else await t.rejects(db.open(), { code: 'FST_PG_STARTUP', cause: { code: 'WRONG_SERVER' } }, targetSessionAttrs)
    }
  })

  t.test('takes writes in a transaction with readOnly: false, and in no other', async (t) => {
    const db = await openDatabase(t, observer)
    const write = "INSERT INTO notes VALUES ('a')"
    await t.rejects(db.transaction((tx) => tx.execute(write)), { code: '25006' })
    await t.rejects(db.transaction((tx) => tx.execute(write), { readOnly: true }), { code: '25006' })
    await db.transaction((tx) => tx.execute(write), { readOnly: false })
    t.equal((await observer.rows('SELECT FROM notes')).length, 1)
  })
})
