import t from 'tap'
import { createDatabase, type Database } from '../../src/index.js'
import { Connection } from '../../src/connection/connection.js'
import { freshDatabase, memoryLog, type Observer, until } from '../support/database.js'

/*
 * CVE-2018-1058: who may create objects in a schema of the search_path has the statements of others call them, with the
 * rights of those others. Here everything that a statement could mean has a double in front of pg_catalog, and temporary
 * ones in front of that. Each double leaves a number of a sequence, which no rollback takes back, and fails.
 */

const TRAP = "BEGIN PERFORM pg_catalog.nextval('public.calls'); RAISE EXCEPTION 'a double was called'; END"
const RELATIONS = ['pg_type', 'pg_class', 'pg_attrdef', 'pg_constraint', 'pg_index', 'pg_trigger', 'pg_cast', 'pg_depend', 'pg_proc', 'pg_namespace', 'pg_settings', 'pg_range', 'pg_enum']
const TYPES = ['oid', 'regclass', 'regproc', 'regnamespace', '"char"', 'text', 'name', 'int2', 'int4', 'int8', 'bool', 'varchar']
const OPERATORS = ['=', '<>', '<', '>', '<=', '>=', '~', '~~', '||', '&', '|', '+', '-', '*']
/** Of functions of any type, those that would fit better. */
const FITTING = ['unnest(oid[])', 'unnest(int4[])', 'unnest(text[])', 'unnest(app.mood[])', 'cardinality(oid[])', 'cardinality(text[])', 'format(text, name, name)', 'concat(text, text, text)', 'current_setting(text)', 'now()']

const each = (items: readonly string[], statement: (item: string) => string): string => items.map(statement).join(';\n')
const doubles = (schema: string): string => `${each(RELATIONS, (name) => `CREATE VIEW ${schema}.${name} AS SELECT public.trap() AS trapped, * FROM pg_catalog.${name}`)};
  CREATE VIEW ${schema}.pg_attribute AS SELECT public.trap() AS trapped, attrelid, atttypid, attnum FROM pg_catalog.pg_attribute;
  ${each(TYPES, (name) => `CREATE DOMAIN ${schema}.${name} AS pg_catalog.${name} CHECK (public.trap())`)}`

const SETUP = `CREATE SCHEMA app; CREATE SEQUENCE calls;
  CREATE TYPE app.mood AS ENUM ('sad', 'ok'); CREATE DOMAIN app.word AS text CHECK (VALUE <> 'never'); CREATE TYPE app.pair AS (a int, b text);
  CREATE TABLE app.plain (id serial PRIMARY KEY, a int, b text, m app.mood, w app.word);
  CREATE TABLE app.lists (n int[], m app.mood[], p app.pair);
  CREATE FUNCTION trap () RETURNS boolean LANGUAGE plpgsql AS $f$ ${TRAP} $f$;
  DO $do$ DECLARE l text; r text; o text; f record; BEGIN
    FOR f IN SELECT DISTINCT proname, oidvectortypes(proargtypes) AS arguments FROM pg_catalog.pg_proc p WHERE pronamespace = 'pg_catalog'::regnamespace
       AND prokind = 'f' AND NOT EXISTS (SELECT FROM pg_catalog.pg_type WHERE oid = ANY (proargtypes) AND typtype = 'p') LOOP
      EXECUTE format('CREATE FUNCTION public.%I (%s) RETURNS boolean LANGUAGE plpgsql AS %L', f.proname, f.arguments, $f$${TRAP}$f$);
    END LOOP;
    FOREACH l IN ARRAY '{${TYPES.map((type) => type.replaceAll('"', '\\"')).join(',')}}'::text[] LOOP FOREACH r IN ARRAY '{${TYPES.map((type) => type.replaceAll('"', '\\"')).join(',')}}'::text[] LOOP
      EXECUTE format('CREATE FUNCTION public.trap (%s, %s) RETURNS boolean LANGUAGE plpgsql AS %L', l, r, $f$${TRAP}$f$);
      FOREACH o IN ARRAY '{${OPERATORS.join(',')}}'::text[] LOOP
        EXECUTE format('CREATE OPERATOR public.%s (LEFTARG = %s, RIGHTARG = %s, FUNCTION = public.trap)', o, l, r);
      END LOOP; END LOOP; END LOOP; END $do$;
  ${each(FITTING, (name) => `CREATE OR REPLACE FUNCTION public.${name} RETURNS boolean LANGUAGE plpgsql AS $f$ ${TRAP} $f$`)};
  CREATE FUNCTION public.trap_text (app.mood) RETURNS text LANGUAGE plpgsql AS $f$ ${TRAP} $f$; CREATE CAST (app.mood AS text) WITH FUNCTION public.trap_text(app.mood) AS IMPLICIT;
  CREATE FUNCTION public.trap_state (boolean, text) RETURNS boolean LANGUAGE plpgsql AS $f$ ${TRAP} $f$; CREATE AGGREGATE public.array_agg (text) (SFUNC = public.trap_state, STYPE = boolean);
  CREATE FUNCTION public.to_front () RETURNS void LANGUAGE plpgsql AS $f$ BEGIN ${doubles('pg_temp')}; END $f$;
  ${doubles('public')}`

const texts: string[] = []
const { run } = Connection.prototype
Connection.prototype.run = function (call, listener) {
  texts.push(call.statement.text)
  return run.call(this, call, listener)
}

/** All that the library does by itself, with statements of the caller's that can mean nothing in front. */
async function useEverything (db: Database): Promise<void> {
  await db.fetchOne("SELECT 'sad'::app.mood, '{sad,ok}'::app.mood[], 'x'::app.word, ROW(1, 'x')::app.pair, ARRAY[ROW(1, 'x')::app.pair]")
  const rows = Array.from({ length: 60 }, (_, i) => [i, `b${i}`])
  await db.executeMany('INSERT INTO app.plain (a, b) VALUES ($1, $2)', rows)
  await db.executeManyWithReturning('INSERT INTO app.plain (a, m, w) VALUES ($1, $2, $3) RETURNING id, m', rows.map(([a]) => [a, 'ok', 'w']))
  await db.executeMany({ text: 'INSERT INTO app.plain (a, b) VALUES ($1, $2)', batch: 'pipeline' }, rows)
  await db.executeMany('INSERT INTO app.lists VALUES ($1, $2, $3)', rows.map(([a]) => [[a, null], ['sad', null], '(1,x)']))
  await db.executeMany('INSERT INTO app.plain (id, a) VALUES ($1, $2)', rows).catch(() => {}) // a key that is there
  await db.transaction(async (tx) => {
    await tx.execute('INSERT INTO app.plain (a) VALUES ($1)', 1)
    await tx.transaction((inner) => inner.execute('INSERT INTO app.nowhere VALUES (1)')).catch(() => {})
    await tx.executeMany('INSERT INTO app.plain (a, b) VALUES ($1, $2)', rows)
  }, { isolation: 'read committed', readOnly: false })
  await db.fetchVal({ text: 'SELECT a FROM app.plain', timeout: 7 })
  const lease = await db.acquire()
  await lease.execute("SET work_mem = '8MB'")
  await lease.execute('BEGIN')
  await lease.release()
  await db.fetchVal('SELECT 1')
  await db.health()
}

async function calls (observer: Observer): Promise<unknown> {
  return (await observer.rows('SELECT is_called FROM public.calls'))[0]?.['is_called']
}

t.test('nothing that stands in front of the objects of the server is called', async (t) => {
  const observer = await freshDatabase(t)
  t.teardown(() => observer.rows('DROP SCHEMA public CASCADE; CREATE SCHEMA public')) // the observer's statements meet the doubles too
  await observer.rows(SETUP)
  for (const front of ['public, pg_catalog', 'public, pg_catalog, with temporary objects']) {
    await t.test(front, async (t) => {
      const onConnect = front.includes('temporary') ? (db: { execute (text: string): Promise<unknown> }) => db.execute('SELECT public.to_front()') : undefined
      const db = createDatabase({ url: observer.url, min: 1, max: 2, checkIdle: 0.001, parameters: { search_path: 'public, pg_catalog' }, log: memoryLog(), ...(onConnect && { onConnect }) }, {})
      t.teardown(() => db.close())
      texts.length = 0
      await db.open()
      await useEverything(db)
      t.ok(texts.some((text) => text.includes('pg_catalog.unnest(')), 'batches went over arrays')
      texts.length = 0
      await until(async () => { // an idle connection is checked before it is used
        await db.fetchVal('SELECT 1')
        return texts.some((text) => text.includes('pg_is_in_recovery'))
      })
      await useEverything(db)
      t.equal(await calls(observer), false)
      t.equal(db.stats().closed.check, undefined)
    })
  }
  const db = createDatabase({ url: observer.url, max: 1, parameters: { search_path: 'public, pg_catalog' }, log: memoryLog(), onConnect: (db) => db.execute('SELECT public.to_front()') }, {})
  t.teardown(() => db.close())
  for (const text of ["SELECT 'x'::name = 'y'::name", 'SELECT oid IN (1) FROM pg_catalog.pg_class', 'SELECT now()', "SELECT unnest('{1}'::pg_catalog.oid[])", 'SELECT 1 FROM pg_type', "SELECT 'x'::text",
    "SELECT 'sad'::app.mood::pg_catalog.text", 'SELECT array_agg(typname::pg_catalog.text) FROM pg_catalog.pg_type', "SELECT 1 FROM pg_catalog.pg_class WHERE oid = to_regclass('app.plain')"]) {
    t.match(await db.fetchAll(text).catch((error) => error), { serverMessage: 'a double was called' }, text)
  }
  t.equal(await calls(observer), true)
})
