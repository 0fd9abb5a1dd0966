import t from 'tap'
import { createDatabase, type Queryable } from '../../src/index.js'
import { freshDatabase, memoryLog, openDatabase } from '../support/database.js'

t.test('await using closes a database at the end of the block', async (t) => {
  const observer = await freshDatabase(t)
  let kept
  {
    await using db = createDatabase({ url: observer.url, min: 2, max: 2, log: memoryLog() }, {})
    t.equal(await db.fetchVal('SELECT 1'), 1)
    kept = db
  }
  t.match(kept.stats(), { size: 0, opening: 0, closing: 0 })
  await t.rejects(kept.fetchVal('SELECT 1'), { code: 'FST_PG_CLOSED' })
  await kept[Symbol.asyncDispose]()

  const never = createDatabase({ url: observer.url, log: memoryLog() }, {})
  await never[Symbol.asyncDispose]()
  await t.rejects(never.open(), { code: 'FST_PG_CLOSED' }, 'also one that was never opened')
})

t.test('a database that a block leaves by throwing is closed too, and the error is that of the block', async (t) => {
  const observer = await freshDatabase(t)
  await t.rejects((async () => {
    await using db = createDatabase({ url: observer.url, min: 1, max: 1, log: memoryLog() }, {})
    await db.fetchVal('SELECT 1 / 0')
  })(), { code: '22012' })
  t.same(await observer.backends(), [])
})

t.test('await using of a transaction waits for its calls and ends it; its function still commits it or rolls it back', async (t) => {
  const observer = await freshDatabase(t)
  const db = await openDatabase(t, observer)
  await db.execute('CREATE TABLE items (id int PRIMARY KEY)')
  const ids = (): Promise<number[]> => db.fetchAll<{ id: number }>('SELECT id FROM items ORDER BY id').then((rows) => rows.map(({ id }) => id))

  t.equal(await db.transaction(async (tx) => {
    let done = false
    {
      await using used = tx
      used.execute('INSERT INTO items SELECT 1 FROM pg_sleep(0.05)').then(() => { done = true })
    }
    t.ok(done, 'it has waited')
    await t.rejects(tx.fetchVal('SELECT 1'), { code: 'FST_PG_RELEASED' })
    await t.rejects(tx.transaction(() => 1), { code: 'FST_PG_RELEASED' })
    await t.rejects(tx.executeMany('SELECT $1::int', [[1]]), { code: 'FST_PG_RELEASED' })
    return 'committed'
  }), 'committed')
  t.same(await ids(), [1])

  await t.rejects(db.transaction(async (tx) => {
    await using used = tx
    await used.execute('INSERT INTO items VALUES (2)')
    throw new Error('no')
  }), { message: 'no' })
  t.same(await ids(), [1])

  await db.transaction(async (tx) => {
    await tx.transaction(async (inner) => {
      await using used = inner
      await used.execute('INSERT INTO items VALUES (3)')
      await tx[Symbol.asyncDispose]() // does not wait for the one in which it stands
    })
  })
  t.same(await ids(), [1, 3])
  t.match(db.stats(), { busy: 0 })

  await using lease = await db.acquire()
  await lease.transaction(async (tx) => {
    await using used: Queryable & AsyncDisposable = tx
    await used.execute('INSERT INTO items VALUES (4)')
  })
  t.same(await ids(), [1, 3, 4])
})
