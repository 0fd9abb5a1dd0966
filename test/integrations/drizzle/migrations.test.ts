import { migrate } from 'drizzle-orm/postgres-js/migrator'
import t from 'tap'
import { open, over } from './drizzle.js'
import { openDatabase, until } from '../../support/database.js'

/** A folder as drizzle-kit writes it. */
const folderOf = (scripts: readonly string[]) => ({
  ...Object.fromEntries(scripts.map((script, index) => [`${index}.sql`, script])),
  meta: {
    '_journal.json': JSON.stringify({
      version: '7', dialect: 'postgresql', entries: scripts.map((_, idx) => ({ idx, version: '7', when: 1700000000000 + idx, tag: `${idx}`, breakpoints: true })),
    }),
  },
})

const SCRIPTS = [
  'CREATE TABLE "books" ("id" serial PRIMARY KEY, "title" text NOT NULL);\n--> statement-breakpoint\nCREATE INDEX "by_title" ON "books" ("title");',
  "INSERT INTO books (title) VALUES ('a; b');\n--> statement-breakpoint\nCREATE FUNCTION two() RETURNS int LANGUAGE plpgsql AS $$ BEGIN RETURN 2; END $$",
  'ALTER TABLE books ADD COLUMN pages int; ALTER TABLE books ADD COLUMN year int; UPDATE books SET year = 2026',
]

t.test('migrations run once, in their order, with scripts of several statements', async (t) => {
  const { orm, db, observer } = await open(t)
  await migrate(orm, { migrationsFolder: t.testdir(folderOf(SCRIPTS.slice(0, 2))) })
  t.strictSame(await db.fetchAll('SELECT id, title FROM books'), [{ id: 1, title: 'a; b' }])
  const migrationsFolder = t.testdir(folderOf(SCRIPTS))
  await migrate(orm, { migrationsFolder })
  await migrate(over(await openDatabase(t, observer)), { migrationsFolder })
  t.strictSame(await db.fetchAll('SELECT * FROM books'), [{ id: 1, title: 'a; b', pages: null, year: 2026 }], 'also where the statement was prepared before')
  t.strictSame(await observer.rows('SELECT created_at FROM drizzle.__drizzle_migrations ORDER BY id'), [0, 1, 2].map((n) => ({ created_at: String(1700000000000 + n) })))
  await until(() => db.stats().busy === 0) // what cleans a session is behind its last call
  t.match(db.stats(), { busy: 0, waiting: 0 })
})

t.test('one that fails undoes all of the run', async (t) => {
  const { orm, db, observer } = await open(t)
  const migrationsFolder = t.testdir(folderOf([...SCRIPTS, 'CREATE TABLE more ();\n--> statement-breakpoint\nINSERT INTO nowhere VALUES (1)']))
  await t.rejects(migrate(orm, { migrationsFolder, migrationsSchema: 'app' }), { cause: { code: '42P01' } })
  t.strictSame(await observer.rows("SELECT relname FROM pg_class WHERE relname IN ('books', 'more')"), [])
  t.strictSame(await observer.rows('SELECT FROM app.__drizzle_migrations'), [])
  await until(() => db.stats().busy === 0) // what cleans a session is behind its last call
  t.match(db.stats(), { busy: 0, waiting: 0 })
})
