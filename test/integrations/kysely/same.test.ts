import t from 'tap'
import { freshDatabase, openDatabase } from '../../support/database.js'
import { testPrograms } from '../both-drivers.js'
import { over, overPostgresJs, TABLES } from './kysely.js'
import { PROGRAMS } from './programs.js'

/** What docs/postgres-js.md says differs, set the other way. */
const AS_POSTGRES_JS = { types: { int8: 'string' } } as const

testPrograms({ over: (db) => over(db, AS_POSTGRES_JS), overPostgresJs, tables: TABLES }, PROGRAMS)

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
