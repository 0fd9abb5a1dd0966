import t from 'tap'
import { createDatabase, type DatabaseOptions } from '../../src/index.js'
import { failure } from '../support/failure.js'
import { freshDatabase, memoryLog, openDatabase, until } from '../support/database.js'

const NAMES = ['it\'s', '"quoted"', 'back\\slash', 'dotted.name', 'snow ☃ 😀', '$1', '%I', 'Upper', ' ', "a'; DROP TABLE kept; --", '{x,y}', 'NULL', '_a', 'a\nb', 'x'.repeat(63)]
const quoted = (name: string): string => `"${name.replaceAll('"', '""')}"`
const options = (names: readonly string[]): DatabaseOptions => ({ types: Object.fromEntries(names.map((name) => [name, { decode: (text: string) => [name, text] }])) })

t.test('a type that is not there is named when the pool connects', async (t) => {
  const observer = await freshDatabase(t)
  await observer.rows('CREATE TABLE kept (id int)')
  const spelled = NAMES.filter((name) => name.trim() !== '')
  for (const strings of ['on', 'off']) {
    const db = createDatabase({ url: observer.url, log: memoryLog(), startupTimeout: 5, parameters: { standard_conforming_strings: strings }, ...options([...spelled, 'gone.mood', 'app.mood[]', '999999', 'int8', 'numeric']) }, {})
    t.teardown(() => db.close())
    const error = await failure(() => db.open()) as Error & { cause: Error }
    t.match(error, { code: 'FST_PG_CONNECT', cause: { code: 'UNKNOWN_TYPE' } })
    for (const name of [...spelled, 'gone.mood', 'app.mood[]', '999999']) t.ok(error.cause.message.includes(name), name)
    t.notMatch(error.cause.message, /int8|numeric/)
    t.notMatch(JSON.stringify(error) + error.message, /mood/, 'nothing of it is for clients')
    await db.close()
  }
  t.strictSame(await observer.rows('SELECT * FROM kept'), [])
})

t.test('names with whatever is in them are found, with and without their schema, of arrays too', async (t) => {
  const observer = await freshDatabase(t)
  const names = NAMES.filter((name) => name.trim() !== '')
  await observer.rows('CREATE SCHEMA "a.b"; CREATE SCHEMA "q""\'\\"')
  for (const name of names) {
    await observer.rows(`CREATE TYPE ${quoted(name)} AS ENUM ('x')`)
    await observer.rows(`CREATE TYPE "q""'\\".${quoted(name)} AS ENUM ('y')`)
  }
  for (const strings of ['on', 'off']) {
    for (const [schema, prefix, text] of [['public', '', 'x'], ['public', 'public.', 'x'], ['q"\'\\', 'q"\'\\.', 'y']] as const) {
      const db = await openDatabase(t, observer, { max: 1, parameters: { standard_conforming_strings: strings }, ...options(names.map((name) => prefix + name)) })
      for (const name of names) t.strictSame(await db.fetchVal(`SELECT CAST('${text}' AS ${quoted(schema)}.${quoted(name)})`), [prefix + name, text], name)
      await db.close()
    }
    const arrays = names.filter((name) => name.length < 62).map((name) => `${name}[]`)
    const db = await openDatabase(t, observer, { max: 1, parameters: { standard_conforming_strings: strings }, ...options(arrays) })
    for (const name of arrays) t.strictSame(await db.fetchVal(`SELECT ARRAY['x']::public.${quoted(name.slice(0, -2))}[]`), [name, '{x}'], name)
    await db.close()
  }
})

t.test('the array of a type may have another name than an underscore in front', async (t) => {
  const observer = await freshDatabase(t)
  const long = 'y'.repeat(63)
  await observer.rows(`CREATE TYPE _mood AS ENUM ('other'); CREATE TYPE mood AS ENUM ('sad'); CREATE TYPE ${long} AS ENUM ('x')`)
  const db = await openDatabase(t, observer, options(['mood[]', `${long}[]`]))
  t.strictSame(await db.fetchVal("SELECT ARRAY['sad']::mood[]"), ['mood[]', '{sad}'])
  t.strictSame(await db.fetchVal(`SELECT ARRAY['x']::${long}[]`), [`${long}[]`, '{x}'])
  t.strictSame(await db.fetchVal("SELECT 'other'::_mood"), 'other')
})

t.test('an app that need not have a database boots without the type, and has it when it is there', async (t) => {
  const observer = await freshDatabase(t)
  const log = memoryLog()
  const db = createDatabase({ url: observer.url, log, required: false, startupTimeout: 5, ...options(['mood']) }, {})
  t.teardown(() => db.close())
  await db.open()
  t.match(await failure(() => db.fetchVal({ text: 'SELECT 1', timeout: 1 })), { statusCode: 503 })
  await observer.rows("CREATE TYPE mood AS ENUM ('sad')")
  await until(() => db.fetchVal("SELECT 'sad'::mood").then((value) => { t.strictSame(value, ['mood', 'sad']); return true }, () => false), 30)
  t.ok(log.lines.some(({ object }) => JSON.stringify(object).includes('mood') || String((object as { err?: Error }).err?.cause).includes('mood')), 'the log names it')
})
