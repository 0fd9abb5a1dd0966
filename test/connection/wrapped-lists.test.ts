import t from 'tap'
import type { DatabaseOptions, Log } from '../../src/index.js'
import { freshDatabase, openDatabase } from '../support/database.js'

t.test('a list as the one argument', async (t) => {
  const observer = await freshDatabase(t)
  await observer.rows(`CREATE DOMAIN document AS jsonb; CREATE DOMAIN words AS text[];
    CREATE TABLE kept (id int, data jsonb, plain json, tags text[], documents jsonb[], own document, named words, name text)`)

  /** What `debug` warns of, of all that is logged. */
  async function watched (options: DatabaseOptions) {
    const warned: unknown[] = []
    const ignore = (): void => {}
    const log: Log = { debug: ignore, info: ignore, warn: (object) => warned.push(Reflect.get(object, 'text')), error: ignore }
    const db = await openDatabase(t, observer, { log, max: 2, ...options })
    return {
      db,
      warned: async () => {
        await db.fetchVal('SELECT 1') // lines are written a little later
        return warned.splice(0)
      },
    }
  }

  t.test('is warned of with debug, once for each text, where it is stored as it is', async (t) => {
    for (const debug of [true, { parameters: true }, {}]) {
      const { db, warned } = await watched({ debug })
      const text = 'INSERT INTO kept (data) VALUES ($1)'
      for (let round = 0; round < 4; round++) await db.execute(text, [{ a: round }])
      t.same(await warned(), [text])
      t.same(await observer.rows('DELETE FROM kept RETURNING data'), [0, 1, 2, 3].map((a) => ({ data: [{ a }] })), 'it is stored as it was given')
    }
  })

  t.test('by every helper, in transactions and leases, and for json, arrays and domains over them', async (t) => {
    const { db, warned } = await watched({ debug: true })
    for (const [column, value] of [['plain', [{ a: 1 }]], ['plain', ['text']], ['tags', [['a', 'b']]], ['documents', [[{ a: 1 }]]], ['own', [{ a: 1 }]], ['named', [['a']]]] as const) {
      const text = `INSERT INTO kept (${column}) VALUES ($1) -- ${JSON.stringify(value).length}`
      await db.execute(text, value)
      t.same(await warned(), [text], column)
    }
    const find = 'SELECT id FROM kept WHERE data @> $1'
    await db.fetchOne(find, [{ a: 1 }])
    await db.fetchAll(`${find} -- all`, [{ a: 1 }])
    await db.fetchVal(`${find} -- value`, [{ a: 1 }])
    await db.executeWithReturning('INSERT INTO kept (data) VALUES ($1) RETURNING id', [{ a: 1 }])
    await db.transaction((tx) => tx.execute('UPDATE kept SET data = $1', [{ a: 1 }]))
    await db.execute({ text: 'UPDATE kept SET plain = $1', prepare: false }, [{ a: 1 }])
    t.equal((await warned()).length, 6)
  })

  t.test('is nothing to speak of where it is meant, and without debug', async (t) => {
    const { db, warned } = await watched({ debug: true })
    await db.execute('INSERT INTO kept (data) VALUES ($1)', { a: 1 })
    await db.execute('INSERT INTO kept (data) VALUES ($1) -- two', [1, 2])
    await db.execute('INSERT INTO kept (tags) VALUES ($1)', ['a'])
    await db.fetchAll('SELECT * FROM kept WHERE id = ANY($1)', [1])
    await db.execute('INSERT INTO kept (data, id) VALUES ($1, $2)', [{ a: 1 }], 1)
    await db.executeMany('INSERT INTO kept (data) VALUES ($1) -- many', [[[{ a: 1 }]]])
    await db.execute('INSERT INTO kept (data) VALUES ($1) -- text', '[1]')
    await t.rejects(db.execute('INSERT INTO kept (name) VALUES ($1)', ['a']), { code: 'FST_PG_VALUE' }, 'text does not take a list at all')
    t.same(await warned(), [])
    const quiet = await watched({})
    await quiet.db.execute('INSERT INTO kept (data) VALUES ($1)', [{ a: 1 }])
    t.same(await quiet.warned(), [])
  })
})
