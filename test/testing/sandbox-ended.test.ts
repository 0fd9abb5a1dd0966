import t from 'tap'
import { Session } from '../../src/connection/session.js'
import { useSandbox } from '../../testing/index.js'
import { freshDatabase, openDatabase } from '../support/database.js'

/** Commands that no reading of the text finds, as in test/connection/session-status.test.ts. */
Object.defineProperty(Session.prototype, 'standardStrings', { value: true })
const hidden = (commands: string): string => `SELECT 'a\\''; ${commands}; --'`

t.test('what ends the transaction of a sandbox: nothing is run after it until a reset', async (t) => {
  const observer = await freshDatabase(t)
  await observer.rows('CREATE TABLE items (id int)')
  const db = await openDatabase(t, observer, { parameters: { standard_conforming_strings: 'off' } })
  const sandbox = await useSandbox(db)
  const insert = 'INSERT INTO items VALUES (1)'
  const committed = async (): Promise<unknown> => (await observer.rows('SELECT count(*)::int AS n FROM items'))[0]?.['n']
  for (const commands of ['COMMIT', 'COMMIT; BEGIN', 'COMMIT AND CHAIN', 'ROLLBACK', 'ROLLBACK AND CHAIN', 'BEGIN', 'ROLLBACK; COMMIT']) {
    const runs: Array<() => Promise<unknown>> = [
      () => db.execute(hidden(commands)),
      () => db.transaction((tx) => tx.execute(hidden(commands))),
      async () => {
        const lease = await db.acquire()
        try {
          await lease.execute(hidden(commands))
        } finally {
          await lease.release()
        }
      },
    ]
    for (const run of runs) {
      await t.rejects(run(), { code: 'FST_PG_TRANSACTION_ABORTED' }, commands)
      const before = await committed()
      const refused = { code: 'FST_PG_SANDBOX', message: /call reset\(\)/ }
      await t.rejects(db.execute(insert), refused)
      await t.rejects(db.executeMany(insert, [[]]), refused)
      await t.rejects(db.transaction((tx) => tx.execute(insert)), refused)
      await t.rejects(db.acquire(), refused)
      t.equal(await committed(), before)
      await sandbox.reset()
      await db.execute(insert)
      t.equal(await committed(), before)
      await sandbox.reset()
    }
  }
  await sandbox.close()
})

t.test('the server lets no procedure end it', async (t) => {
  const observer = await freshDatabase(t)
  await observer.rows("CREATE PROCEDURE finish() LANGUAGE plpgsql AS 'BEGIN COMMIT; END'")
  const db = await openDatabase(t, observer)
  const sandbox = await useSandbox(db)
  await t.rejects(db.execute('CALL finish()'), { code: '2D000' })
  for (const text of ['CREATE DATABASE other', 'VACUUM']) await t.rejects(db.execute(text), { code: '25001' }, text)
  t.equal(await db.fetchVal('SELECT 1'), 1)
  await sandbox.close()
})
