import t from 'tap'
import { freshDatabase, openDatabase, until } from '../support/database.js'

t.test('transactions', async (t) => {
  const observer = await freshDatabase(t)
  const db = await openDatabase(t, observer, { min: 1, max: 3 })
  await observer.rows('CREATE TABLE items (id int PRIMARY KEY, note text)')
  const ids = async (): Promise<unknown[]> => (await observer.rows('SELECT id FROM items ORDER BY id')).map(({ id }) => id)
  t.beforeEach(async () => { await observer.rows('TRUNCATE items') })

  t.test('whatever its end, it needs no reset of the session', async (t) => {
    const db = await openDatabase(t, observer, { min: 1, max: 1 })
    const own = await db.fetchVal<number>('SELECT pg_backend_pid()')
    const last = async (): Promise<unknown> => (await observer.backends()).find(({ pid }) => pid === own)?.query
    await db.transaction((tx) => tx.fetchVal('SELECT 1'))
    t.equal(await last(), 'COMMIT')
    await t.rejects(db.transaction(async (tx) => {
      await tx.fetchVal('SELECT 1')
      throw new Error('undo it')
    }), { message: 'undo it' })
    t.equal(await last(), 'ROLLBACK')
  })

  t.test('returning commits and gives the value', async (t) => {
    const value = await db.transaction(async (tx) => {
      await tx.execute('INSERT INTO items VALUES ($1)', 1)
      t.same(await ids(), [], 'not visible to others before the commit')
      return 'done'
    })
    t.equal(value, 'done')
    t.same(await ids(), [1])
  })

  t.test('throwing rolls back and gives the error', async (t) => {
    await t.rejects(db.transaction(async (tx) => {
      await tx.execute('INSERT INTO items VALUES ($1)', 1)
      throw new Error('changed my mind')
    }), { message: 'changed my mind' })
    await t.rejects(db.transaction(() => { throw new Error('at once') }), { message: 'at once' })
    await t.rejects(db.transaction(async (tx) => await tx.execute('INSERT INTO nowhere VALUES (1)')), { code: '42P01' })
    t.same(await ids(), [])
  })

  t.test('an error swallowed inside a transaction: the commit rejects (case 42)', async (t) => {
    await t.rejects(db.transaction(async (tx) => {
      await tx.execute('INSERT INTO items VALUES (1)')
      await tx.execute('SELECT 1 / 0').catch(() => {})
    }), { code: 'FST_PG_TRANSACTION_ABORTED', cause: { code: '22012' } })
    t.same(await ids(), [])
  })

  t.test('of several errors swallowed inside a transaction the first is the cause', async (t) => {
    const lease = await db.acquire()
    for (const queryable of [db, lease]) {
      await t.rejects(queryable.transaction(async (tx) => {
        await t.rejects(tx.execute('SELECT 1 / 0'), { code: '22012' })
        for (const text of ['SELECT 1', 'SELECT not_there', 'INSERT INTO items VALUES (1)']) await t.rejects(tx.execute(text), { code: '25P02' })
        await t.rejects(tx.executeMany('INSERT INTO items VALUES ($1)', [[1]]), { code: '25P02' })
      }), { code: 'FST_PG_TRANSACTION_ABORTED', cause: { code: '22012' } })
      await t.rejects(queryable.transaction((tx) => tx.execute('SELECT not_there').then(() => {}, () => {})), {
        code: 'FST_PG_TRANSACTION_ABORTED', cause: { code: '42703' }
      }, 'not one of the transaction before')
    }
    await lease.release()
    t.same(await ids(), [])
  })

  t.test('an error that a savepoint has undone is not the cause of a later rollback', async (t) => {
    await t.rejects(db.transaction(async (tx) => {
      await t.rejects(tx.transaction((nested) => nested.execute('SELECT 1 / 0')), { code: '22012' })
      await t.rejects(tx.execute('SELECT not_there'), { code: '42703' })
    }), { code: 'FST_PG_TRANSACTION_ABORTED', cause: { code: '42703' } })
  })

  t.test('a deferred constraint that fails at the commit rejects', async (t) => {
    await observer.rows('CREATE TABLE children (parent int REFERENCES items DEFERRABLE INITIALLY DEFERRED)')
    await t.rejects(db.transaction((tx) => tx.execute('INSERT INTO children VALUES (77)')), { code: '23503' })
    t.equal(await db.fetchVal('SELECT count(*) FROM children'), 0)
    await observer.rows('DROP TABLE children')
  })

  t.test('a connection that dies in a transaction: later calls reject, nothing runs outside it (case 43)', async (t) => {
    await t.rejects(db.transaction(async (tx) => {
      await tx.execute('INSERT INTO items VALUES (1)')
      await observer.kill([await tx.fetchVal<number>('SELECT pg_backend_pid()') ?? 0])
      await t.rejects(tx.execute('INSERT INTO items VALUES (2)'), { code: 'FST_PG_CONNECTION_LOST' })
      await t.rejects(tx.execute('INSERT INTO items VALUES (3)'), { code: 'FST_PG_CONNECTION_LOST' })
      await t.rejects(tx.executeMany('INSERT INTO items VALUES ($1)', [[4], [5]]), { code: 'FST_PG_CONNECTION_LOST' })
      await t.rejects(tx.transaction(() => 1), { code: 'FST_PG_CONNECTION_LOST' })
    }), { code: 'FST_PG_CONNECTION_LOST' }, 'also when the function swallows it')
    t.same(await ids(), [])
    t.equal(await db.fetchVal('SELECT 1'), 1)
  })

  t.test('nested transactions are savepoints', async (t) => {
    await db.transaction(async (tx) => {
      await tx.execute('INSERT INTO items VALUES (1)')
      await t.rejects(tx.transaction(async (inner) => {
        await inner.execute('INSERT INTO items VALUES (2)')
        await inner.execute('INSERT INTO items VALUES (2)')
      }), { code: '23505' })
      await tx.transaction(async (inner) => {
        await inner.execute('INSERT INTO items VALUES (3)')
        await t.rejects(inner.transaction(async (third) => {
          await third.execute('INSERT INTO items VALUES (4)')
          throw new Error('only the innermost')
        }), { message: 'only the innermost' })
      })
      await t.rejects(tx.transaction(async (inner) => {
        await inner.execute('SELECT 1 / 0').catch(() => {})
      }), { code: 'FST_PG_TRANSACTION_ABORTED' })
    })
    t.same(await ids(), [1, 3])
  })

  t.test('while a nested transaction is open, its parent refuses', async (t) => {
    await db.transaction(async (tx) => {
      await tx.transaction(async (inner) => {
        await t.rejects(tx.execute('INSERT INTO items VALUES (1)'), { code: 'FST_PG_NESTED_TRANSACTION' })
        await t.rejects(tx.transaction(() => 1), { code: 'FST_PG_NESTED_TRANSACTION' })
        await t.rejects(tx.executeMany('INSERT INTO items VALUES ($1)', [[1]]), { code: 'FST_PG_NESTED_TRANSACTION' })
        await inner.execute('INSERT INTO items VALUES (2)')
      })
      await t.rejects(tx.transaction(() => 1, { readOnly: true }), { code: /^FST_PG_QUERY$/, message: /savepoint/ })
    })
    t.same(await ids(), [2])
  })

  t.test('the handle of an ended transaction rejects', async (t) => {
    const kept = await db.transaction((tx) => tx)
    await t.rejects(kept.execute('INSERT INTO items VALUES (1)'), { code: 'FST_PG_RELEASED' })
    await t.rejects(kept.transaction(() => 1), { code: 'FST_PG_RELEASED' })
    await t.rejects(kept.executeMany('INSERT INTO items VALUES ($1)', [[1]]), { code: 'FST_PG_RELEASED' })
    t.same(await ids(), [])
  })

  t.test('calls that are not awaited belong to the transaction all the same', async (t) => {
    await db.transaction((tx) => { for (let i = 0; i < 5; i++) tx.execute('INSERT INTO items VALUES ($1)', i) })
    t.same(await ids(), [0, 1, 2, 3, 4])
    let late: Promise<unknown> | undefined
    await t.rejects(db.transaction((tx) => { late = tx.execute('SELECT 1 / 0').catch(() => {}) }), { code: 'FST_PG_TRANSACTION_ABORTED' })
    await late
  })

  t.test('its function is never called before transaction has returned, whether a connection is idle or not', async (t) => {
    for (const max of [3, 1]) {
      const db = await openDatabase(t, observer, { min: 1, max })
      const lease = max === 1 ? await db.acquire() : undefined
      const seen: string[] = []
      const done = db.transaction(() => { seen.push('in it') })
      seen.push('returned')
      await lease?.release()
      await done
      t.same(seen, ['returned', 'in it'])
    }
  })

  t.test('a call made while the arguments of another one are read comes after it', async (t) => {
    await db.transaction(async (tx) => {
      const order: number[] = []
      let inner: Promise<unknown> | undefined
      const first = tx.fetchVal<number>('SELECT ($1::json ->> 0)::int', {
        toJSON: () => {
          inner ??= tx.fetchVal('SELECT 2').then(() => order.push(2))
          return [1]
        },
      }).then(() => order.push(1))
      await Promise.all([first, tx.fetchVal('SELECT 3').then(() => order.push(3))])
      await inner
      t.equal(order[0], 1)
      t.equal(order.length, 3)
    })
  })

  t.test('calls made together run one after the other', async (t) => {
    const values = await db.transaction((tx) => Promise.all([1, 2, 3, 4].map((n) => tx.fetchVal('SELECT $1::int', n))))
    t.same(values, [1, 2, 3, 4])
  })

  t.test('options reach the server', async (t) => {
    const setting = (name: string) => `SELECT current_setting('${name}')`
    for (const isolation of ['read uncommitted', 'read committed', 'repeatable read', 'serializable'] as const) {
      t.equal(await db.transaction((tx) => tx.fetchVal(setting('transaction_isolation')), { isolation }), isolation)
    }
    t.equal(await db.transaction((tx) => tx.fetchVal(setting('transaction_read_only')), { readOnly: true }), 'on')
    t.equal(await db.transaction((tx) => tx.fetchVal(setting('transaction_read_only')), { readOnly: false }), 'off')
    t.equal(await db.transaction((tx) => tx.fetchVal(setting('transaction_deferrable')), { isolation: 'serializable', readOnly: true, deferrable: true }), 'on')
    await t.rejects(db.transaction((tx) => tx.execute('INSERT INTO items VALUES (1)'), { readOnly: true }), { code: '25006' })
    await t.rejects(db.transaction(() => 1, { isolation: 'snapshot' as never }), { code: 'FST_PG_OPTION', message: /isolation/ })
    await t.rejects(db.transaction(() => 1, { readonly: true } as never), { code: 'FST_PG_OPTION', message: /readOnly/ })
    await t.rejects(db.transaction(() => 1, { deferrable: 1 as never }), { code: 'FST_PG_OPTION', message: /deferrable/ })
    await t.rejects(db.transaction(() => 1, null as never), { code: 'FST_PG_OPTION' })
  })

  t.test('BEGIN, COMMIT and ROLLBACK inside are refused, savepoints by hand are not', async (t) => {
    await db.transaction(async (tx) => {
      await tx.execute('INSERT INTO items VALUES (1)')
      for (const text of ['COMMIT', ' /* c */ commit', '-- x\nROLLBACK', 'begin', 'START TRANSACTION', 'END', 'abort', "PREPARE TRANSACTION 'x'"]) {
        await t.rejects(tx.execute(text), { code: /^FST_PG_QUERY$/, advice: /tx\.transaction/ }, text)
      }
      await tx.execute('SAVEPOINT mine')
      await tx.execute('INSERT INTO items VALUES (2)')
      await tx.execute('ROLLBACK TO SAVEPOINT mine')
    })
    t.same(await ids(), [1])
  })

  t.test('a script that would end the transaction is refused as a whole', async (t) => {
    await db.transaction(async (tx) => {
      for (const end of ['ROLLBACK', 'COMMIT; INSERT INTO items VALUES (3)', '/* /* x */ */ commit', 'BEGIN']) {
        await t.rejects(tx.execute(`INSERT INTO items VALUES (1); ${end}`), { code: /^FST_PG_QUERY$/, advice: /tx\.transaction/ })
      }
      await tx.execute("INSERT INTO items VALUES (2, '; COMMIT'); SAVEPOINT a; INSERT INTO items VALUES (4); ROLLBACK TO a")
    })
    t.same(await ids(), [2])
  })

  t.test('BEGIN outside of a lease is refused: the next call would run outside of it', async (t) => {
    for (const text of ['BEGIN', 'COMMIT', 'ROLLBACK', 'BEGIN; INSERT INTO items VALUES (1)', 'COMMIT; START TRANSACTION READ ONLY']) {
      await t.rejects(db.execute(text), { code: /^FST_PG_QUERY$/, advice: /db\.transaction/ }, text)
    }
    await db.execute('BEGIN; INSERT INTO items VALUES (1); COMMIT')
    t.same(await ids(), [1], 'a script that ends what it begins is fine')
  })

  t.test('executeMany inside a transaction is part of it', async (t) => {
    await t.rejects(db.transaction(async (tx) => {
      t.same(await tx.executeMany('INSERT INTO items VALUES ($1)', [[1], [2], [3]]), { count: 3 })
      throw new Error('undo')
    }), { message: 'undo' })
    t.same(await ids(), [])
    t.same(await db.transaction((tx) => tx.executeManyWithReturning('INSERT INTO items VALUES ($1) RETURNING id', [[2], [1]])), [{ id: 2 }, { id: 1 }])
    t.same(await ids(), [1, 2])
  })

  t.test('BEGIN that fails: the slot is kept (case 32)', async (t) => {
    const lease = await db.acquire()
    // A transaction that has failed refuses everything, a savepoint of ours too.
    await lease.execute('BEGIN')
    await t.rejects(lease.execute('SELECT 1 / 0'), { code: '22012' })
    await t.rejects(lease.transaction(() => 1), { code: '25P02' })
    await lease.release()
    await until(() => db.stats().busy === 0)
    const { size, created } = db.stats()
    t.equal(await db.transaction(() => 2), 2)
    t.match(db.stats(), { size, created }, 'the slot is kept')
    const lost = db.stats().closed.lost ?? 0
    const held = await db.acquire()
    await observer.kill([await held.fetchVal<number>('SELECT pg_backend_pid()') ?? 0])
    await t.rejects(held.transaction((tx) => tx.fetchVal('SELECT 1')), { code: /^(FST_PG_CONNECTION_LOST|57P01)$/ }, 'fatal')
    await held.release()
    t.equal(db.stats().closed.lost, lost + 1)
    t.equal(await db.transaction(() => 3), 3, 'and the slot is replaced')
  })

  t.test('a transaction on a lease, also inside a BEGIN by hand', async (t) => {
    const lease = await db.acquire()
    await lease.transaction((tx) => tx.execute('INSERT INTO items VALUES (1)'))
    t.same(await ids(), [1])
    await lease.execute('BEGIN')
    await lease.transaction((tx) => tx.execute('INSERT INTO items VALUES (2)'))
    await lease.executeMany('INSERT INTO items VALUES ($1)', [[3], [4]])
    t.same(await ids(), [1], 'the savepoint does not commit')
    await lease.execute('ROLLBACK')
    t.same(await lease.executeMany('INSERT INTO items VALUES ($1)', [[5], [6]]), { count: 2 })
    await lease.release()
    t.same(await ids(), [1, 5, 6])
  })

  t.test('after all that every connection is back', async (t) => {
    await until(() => db.stats().free === db.stats().size)
    t.equal(db.stats().busy, 0)
  })
})
