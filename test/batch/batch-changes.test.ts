import t from 'tap'
import { Checkout } from '../../src/transaction/checkout.js'
import { freshDatabase, openDatabase } from '../support/database.js'

let arrays = 0
const { attemptParts } = Checkout.prototype
Checkout.prototype.attemptParts = function (parts) {
  arrays++
  return attemptParts.call(this, parts)
}

const SETUP = `DROP SCHEMA public CASCADE; CREATE SCHEMA public; GRANT ALL ON SCHEMA public TO public;
  CREATE DOMAIN d AS int; CREATE TYPE mood AS ENUM ('1'); CREATE TABLE t (a int, b text, c d, m mood);
  CREATE FUNCTION seen () RETURNS bigint LANGUAGE sql VOLATILE AS 'SELECT count(*) FROM t';
  CREATE FUNCTION is_fine (anyelement) RETURNS bool LANGUAGE sql IMMUTABLE AS 'SELECT true';
  CREATE FUNCTION to_mood (int) RETURNS mood LANGUAGE sql AS $f$ SELECT '1'::mood $f$;
  CREATE FUNCTION noted () RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'`

/** What may change about a table so that its INSERT must not go over arrays any more: for each thing that the proof looks at. */
const CHANGES: ReadonlyArray<[name: string, change: string]> = [
  ['a trigger', 'CREATE TRIGGER noted BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION noted()'],
  ['a rule', 'CREATE RULE other AS ON INSERT TO t DO ALSO SELECT 1'],
  ['row level security', 'ALTER TABLE t ENABLE ROW LEVEL SECURITY'],
  ['a default', 'ALTER TABLE t ALTER b SET DEFAULT seen()'],
  ['a default of the server', 'ALTER TABLE t ALTER b SET DEFAULT current_query()'],
  ['a further column', 'ALTER TABLE t ADD e bigint DEFAULT seen()'],
  ['a check', 'ALTER TABLE t ADD CHECK (is_fine(a))'],
  ['an index', 'CREATE INDEX ON t (is_fine(a))'],
  ['a partial index', 'CREATE INDEX ON t (a) WHERE is_fine(b)'],
  ['a foreign key to itself', 'ALTER TABLE t ADD UNIQUE (a); ALTER TABLE t ADD FOREIGN KEY (a) REFERENCES t (a)'],
  ['a default of a domain', 'ALTER DOMAIN d SET DEFAULT seen()'],
  ['a check of a domain', 'ALTER DOMAIN d ADD CHECK (is_fine(VALUE))'],
  ['the type of a column', 'ALTER TABLE t DROP c; CREATE DOMAIN e AS int CHECK (is_fine(VALUE)); ALTER TABLE t ADD c e'],
  ['a cast', 'CREATE CAST (int AS mood) WITH FUNCTION to_mood(int) AS ASSIGNMENT'],
  ['a partition', 'CREATE TABLE parent (a int, b text, c d, m mood) PARTITION BY LIST (a); ALTER TABLE parent ATTACH PARTITION t DEFAULT'],
  ['a view in its place', 'ALTER TABLE t RENAME TO u; CREATE VIEW t AS SELECT * FROM u'],
  ['another table in its place', 'ALTER TABLE t RENAME TO u; CREATE TABLE t (a int, b text DEFAULT seen(), c d, m mood)'],
]

t.test('what changes about a table between two batches is noticed', async (t) => {
  const observer = await freshDatabase(t)
  const lists = Array.from({ length: 60 }, (_, i) => [1 + i])
  for (const [name, change] of CHANGES) {
    for (const where of ['by another session', 'in the same transaction']) {
      await t.test(`${name}, ${where}`, async (t) => {
        await observer.rows(SETUP)
        const db = await openDatabase(t, observer, { min: 1, max: 1 })
        const batch = async (on: Pick<typeof db, 'executeMany'> = db): Promise<boolean> => {
          arrays = 0
          await on.executeMany('INSERT INTO t (a) VALUES ($1)', lists)
          return arrays > 0
        }
        for (let time = 0; time < 3; time++) {
          await observer.rows('TRUNCATE t')
          t.equal(await batch(), true, 'over arrays')
        }
        await observer.rows('TRUNCATE t')
        if (where === 'by another session') await observer.rows(change)
        await db.transaction(async (tx) => {
          if (where !== 'by another session') await tx.execute(change)
          t.equal(await batch(tx), false, 'list by list')
        })
      })
    }
  }

  t.test('a setting of the session', async (t) => {
    await observer.rows(SETUP)
    const db = await openDatabase(t, observer, { min: 1, max: 1 })
    const lease = await db.acquire()
    for (const [setting, overArrays] of [['on', true], ['off', false], ['on', true]] as const) {
      await lease.execute(`SET array_nulls = ${setting}`)
      arrays = 0
      await lease.executeMany('INSERT INTO t (b) VALUES ($1)', lists)
      t.equal(arrays > 0, overArrays, setting)
    }
    await lease.release()
  })
})
