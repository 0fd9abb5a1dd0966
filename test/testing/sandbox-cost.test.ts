import t from 'tap'
import { measureRounds } from '../../bench/sandbox/rounds.js'
import { sandboxed } from '../../src/api/database.js'
import { useSandbox } from '../../testing/index.js'
import { freshDatabase, openDatabase } from '../support/database.js'

const observer = await freshDatabase(t)

t.test('a call is one round trip in a sandbox too, and so is a reset', async (t) => {
  await observer.rows('CREATE TABLE items (id int); CREATE TABLE taken (id int PRIMARY KEY); INSERT INTO taken VALUES (0)')
  const db = await openDatabase(t, observer)
  const sandbox = await useSandbox(db)
  const insert = { text: 'INSERT INTO items VALUES ($1)', prepare: true }
  const read = { text: 'SELECT id FROM items WHERE id = $1', prepare: true }
  const fail = { text: 'INSERT INTO taken VALUES ($1)', prepare: true }
  const warm = async (): Promise<void> => {
    await db.execute(insert, 1)
    await db.fetchOne(read, 1)
    await db.execute(fail, 1)
  }
  await warm()
  /** How often was written to the connections of the pool. */
  const writes = (): number => [...sandboxed(db)?.pool.dispatcher.connections.open ?? []].reduce((sum, { connection }) => sum + connection.traffic.writes, 0)
  const count = async (work: () => Promise<unknown>): Promise<number> => {
    const before = writes()
    await work()
    return writes() - before
  }
  for (let times = 0; times < 3; times++) {
    t.equal(await count(() => db.execute(insert, 1)), 1, 'a call')
    t.equal(await count(() => db.fetchOne(read, 1)), 1, 'behind a write')
    t.equal(await count(() => db.fetchOne(read, 1)), 1, 'behind a read')
    t.equal(await count(() => db.execute(fail, 0).catch(() => {})), 1, 'an error')
    t.equal(await count(() => db.execute(insert, 1)), 1, 'behind an error')
    t.equal(await count(() => db.transaction(async (tx) => {
      await tx.execute(insert, 1)
      await tx.fetchOne(read, 1)
    })), 2, 'a transaction: BEGIN and COMMIT cost none')
    t.equal(await count(() => db.transaction(async (tx) => {
      await tx.execute(insert, 1)
      throw new Error('undone')
    }).catch(() => {})), 1, 'a rollback')
    t.equal(await count(() => db.fetchOne(read, 1)), 1, 'behind a rollback')
    t.equal(await count(() => db.transaction(async () => {})), 0, 'an empty transaction')
    t.equal(await count(() => sandbox.reset()), 1, 'a reset')
  }
  await sandbox.close()
})

t.test('what a sandbox costs an app is measured (bench/sandbox/run.ts says how much)', async (t) => {
  const { usual, sandboxed, ratio } = await measureRounds({ url: observer.url, rounds: 5, tests: 10 })
  t.ok(usual > 0 && sandboxed > 0)
  t.ok(ratio < 3, `it takes ${ratio.toFixed(2)} times as long`)
})
