import t from 'tap'
import { createDatabase, type Database } from '../../src/index.js'
import { Checkout } from '../../src/transaction/checkout.js'
import { KINDS, type Kind, type Path } from '../support/batch-kinds.js'
import { freshDatabase, memoryLog, type Observer } from '../support/database.js'

interface Outcome {
  rows?: unknown[]
  count?: number
  error?: { code: unknown, row: unknown }
  tables: unknown
}

/** One execution after the other, by the call for single statements: what a batch has to be the same as. */
async function oneByOne (db: Database, { text, lists }: Kind): Promise<unknown[]> {
  const rows: unknown[] = []
  await db.transaction(async (tx) => {
    for (const [row, list] of lists.entries()) {
      try {
        rows.push(...await tx.fetchAll(text, ...list))
      } catch (error) {
        throw Object.assign(error as Error, { row })
      }
    }
  })
  return rows
}

/** What all tables hold, in the order in which it is stored, and where the sequences are. */
async function contents (observer: Observer, failed: boolean): Promise<unknown> {
  const tables = await observer.rows("SELECT oid::regclass::text AS name FROM pg_class WHERE relkind = 'r' AND relnamespace NOT IN (SELECT oid FROM pg_namespace WHERE nspname ~ '^pg_|^information_schema$') ORDER BY 1")
  const held: unknown[] = []
  for (const { name } of tables) held.push(name, (await observer.rows(`SELECT x::text FROM ${name} AS x ORDER BY ctid`)).map(({ x }) => x))
  // What fails has used some numbers, here and there.
  if (!failed) held.push(await observer.rows('SELECT sequencename, last_value FROM pg_sequences ORDER BY 1'))
  return held
}

const methods = { attemptParts: Checkout.prototype.attemptParts, executeMany: Checkout.prototype.executeMany }
let taken = { arrays: 0, pipelines: 0 }
Checkout.prototype.attemptParts = function (parts) {
  taken.arrays++
  return methods.attemptParts.call(this, parts)
}
Checkout.prototype.executeMany = function (...args) {
  taken.pipelines++
  return methods.executeMany.apply(this, args)
}

function pathTaken (): Path {
  return taken.arrays === 0 ? 'pipeline' : taken.pipelines === 0 ? 'arrays' : 'arrays, then pipeline'
}

/** The row of a coded error is in its message. */
function rowOf (error: { row?: unknown, code: string, message: string }): unknown {
  return error.row ?? (error.code.startsWith('FST_') ? Number(/^row (\d+)/.exec(error.message)?.[1]) : undefined)
}

t.test('a batch does what one execution after the other does', async (t) => {
  const observer = await freshDatabase(t)

  async function outcomeOf (kind: Kind, run: (db: Database) => Promise<unknown[]>): Promise<Outcome> {
    await observer.rows("DO $$ BEGIN EXECUTE (SELECT string_agg(format('DROP SCHEMA %I CASCADE', nspname), ';') FROM pg_namespace WHERE nspname !~ '^pg_|^information_schema$'); END $$; CREATE SCHEMA public")
    await observer.rows(kind.setup)
    await observer.rows('GRANT ALL ON SCHEMA public TO public')
    const db = createDatabase({ url: observer.url, min: 1, max: 1, log: memoryLog() }, {})
    taken = { arrays: 0, pipelines: 0 }
    try {
      const rows = await run(db)
      return { rows, tables: await contents(observer, false) }
    } catch (error) {
      const { code } = error as { code: string }
      return { error: { code, row: rowOf(error as never) }, tables: await contents(observer, true) }
    } finally {
      await db.close()
    }
  }

  t.ok(KINDS.length >= 150, `${KINDS.length} kinds`)
  for (const kind of KINDS) {
    await t.test(kind.name, async (t) => {
      const wanted = await outcomeOf(kind, (db) => oneByOne(db, kind))
      // At the commit it is nobody's row; a description fails before any.
      if (wanted.error !== undefined && kind.name.includes('commit')) wanted.error.row = undefined
      t.strictSame(await outcomeOf(kind, (db) => db.executeManyWithReturning(kind.text, kind.lists)), wanted, 'as it is by default')
      t.equal(pathTaken(), kind.path)
      t.strictSame(await outcomeOf(kind, (db) => db.executeManyWithReturning({ text: kind.text, batch: 'pipeline' }, kind.lists)), wanted, "batch: 'pipeline'")
      t.equal(taken.arrays, 0)
      t.strictSame(await outcomeOf(kind, (db) => db.executeManyWithReturning({ text: kind.text, prepare: false }, kind.lists)), wanted, 'without preparing')
    })
  }
})
