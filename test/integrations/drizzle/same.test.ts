import t from 'tap'
import { freshDatabase, openDatabase, until } from '../../support/database.js'
import { over, overPostgresJs } from './drizzle.js'
import { PROGRAMS } from './programs.js'
import { TABLES } from './schema.js'

for (const [name, program] of Object.entries(PROGRAMS)) {
  t.test(`the same over both drivers: ${name}`, async (t) => {
    const observer = await freshDatabase(t)
    const reference = overPostgresJs(t, observer)
    const db = await openDatabase(t, observer, { max: 2 })
    const results = []
    for (const orm of [reference, over(db), over(db)]) {
      await observer.rows(TABLES)
      results.push(await program(orm))
    }
    t.strictSame(results[1], results[0])
    t.strictSame(results[2], results[0], 'and again, with statements that are prepared and types that have new OIDs')
    await until(() => db.stats().busy === 0) // what cleans a session is behind its last call
    t.match(db.stats(), { busy: 0, waiting: 0 })
  })
}
