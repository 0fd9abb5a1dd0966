import t from 'tap'
import { freshDatabase, openDatabase, until } from '../../support/database.js'
import { over, overPostgresJs, TABLES } from './kysely.js'
import { PROGRAMS } from './programs.js'

/** What docs/postgres-js.md says differs, set the other way. */
const AS_POSTGRES_JS = { types: { int8: 'string' } } as const

for (const [name, program] of Object.entries(PROGRAMS)) {
  t.test(`the same over both drivers: ${name}`, async (t) => {
    const observer = await freshDatabase(t)
    const reference = overPostgresJs(t, observer)
    const db = await openDatabase(t, observer, { max: 2 })
    const results = []
    for (const orm of [reference, over(db, AS_POSTGRES_JS), over(db, AS_POSTGRES_JS)]) {
      await observer.rows(TABLES)
      results.push(await program(orm))
    }
    t.strictSame(results[1], results[0])
    t.strictSame(results[2], results[0], 'and again, with statements that are prepared and types that have new OIDs')
    await until(() => db.stats().busy === 0) // what cleans a session is behind its last call
    t.match(db.stats(), { busy: 0, waiting: 0 })
  })
}

t.test('what differs on purpose: integers of 64 bits are numbers while they are exact, and dates are text', async (t) => {
  const observer = await freshDatabase(t)
  await observer.rows(TABLES)
  const db = await openDatabase(t, observer)
  const orm = over(db)
  const values = [{ big: 5, day: '2024-02-29' }, { big: 9223372036854775807n, day: new Date('2024-02-29') }]
  t.strictSame(await orm.insertInto('things').values(values).returning(['big', 'day']).execute(),
    [{ big: 5, day: '2024-02-29' }, { big: 9223372036854775807n, day: '2024-02-29' }])
  t.strictSame(await orm.insertInto('things').values([{ data: ['x', 1] }, { data: 'text' }, { data: [] }]).returning('data').execute(),
    [{ data: ['x', 1] }, { data: 'text' }, { data: [] }], 'every JSON value is written as it is')
})
