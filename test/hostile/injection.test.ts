import { existsSync } from 'node:fs'
import t, { type Test } from 'tap'
import { createDatabase, type Database, type DatabaseOptions, type Queryable } from '../../src/index.js'
import { freshDatabase, memoryLog, openDatabase, type Observer } from '../support/database.js'
import { forgetArguments } from '../support/disclosure.js'
import { CANARIES, INJECTIONS, WITH_NUL } from '../support/injections.js'
import { PLACES } from '../support/places.js'

/** Where a text may stand in an argument. */
interface Position { name: string, type: string, value: (text: string) => unknown, fits?: (text: string) => boolean }

const isShort = (text: string): boolean => [...text].length <= 100
const POSITIONS: readonly Position[] = [
  { name: 'text', type: 'text', value: (text) => text },
  { name: 'an element of text[]', type: 'text[]', value: (text) => [text, null, text] },
  { name: 'a nested text[]', type: 'text[]', value: (text) => [[text, 'x'], [null, text]] },
  { name: 'a jsonb string', type: 'jsonb', value: (text) => text },
  { name: 'a jsonb key and value', type: 'jsonb', value: (text) => Object.fromEntries([[text, [text, { deep: [text] }]]]) },
  { name: 'a json value', type: 'json', value: (text) => [text] },
  { name: 'an element of jsonb[]', type: 'jsonb[]', value: (text) => [text, { a: text }] },
  { name: 'bytea', type: 'bytea', value: (text) => Buffer.from(text) },
  { name: 'varchar(100)', type: 'varchar(100)', value: (text) => text, fits: isShort },
  { name: 'a domain over text', type: 'words', value: (text) => text },
  { name: 'a domain over text[]', type: 'list', value: (text) => [text] },
  { name: 'a composite', type: 'pair', value: (text) => `(1,"${text.replace(/["\\]/g, '$&$&')}")` },
]
const TYPES = 'CREATE DOMAIN words AS text; CREATE DOMAIN list AS text[]; CREATE TYPE pair AS (a int, b text)'

const fitting = ({ fits = () => true }: Position): string[] => INJECTIONS.filter(fits)

/** Everything that an injection could have changed. */
async function looks (observer: Observer): Promise<unknown> {
  return {
    canary: await observer.rows('SELECT * FROM canary ORDER BY id'),
    relations: await observer.rows("SELECT relname, relkind FROM pg_class WHERE relnamespace = 'public'::regnamespace ORDER BY 1"),
    roles: await observer.rows("SELECT count(*)::int FROM pg_roles WHERE rolname = 'injected' OR (rolsuper AND rolname <> current_user)"),
    settings: await observer.rows("SELECT setting FROM pg_settings WHERE name LIKE 'app.%'"),
    file: existsSync('/tmp/fastify-postgres-js-injected'),
  }
}

async function open (t: Test, options: DatabaseOptions = {}): Promise<{ db: Database, observer: Observer, untouched: (name: string) => Promise<void> }> {
  const observer = await freshDatabase(t)
  await observer.rows(`${CANARIES}; ${TYPES}`)
  const db = await openDatabase(t, observer, { max: 1, ...options })
  const session = "SELECT pg_backend_pid() AS pid, current_user, current_setting('app.injected', true) AS injected, current_setting('search_path') AS path, current_setting('standard_conforming_strings') AS strings"
  const before = await looks(observer)
  const sessionBefore = await db.fetchAll(session)
  t.equal((await observer.rows('SELECT count(*)::int AS n FROM canary'))[0]?.['n'], 2)
  return {
    db,
    observer,
    async untouched (name) {
      t.strictSame(await looks(observer), before, `${name}: nothing happened`)
      t.strictSame(await db.fetchAll(session), sessionBefore, `${name}: the session is the same, and as it was`)
    },
  }
}

/** How much was tried, for the end. */
let calls = 0

/** Compares without a subtest for each: some ten thousand values are looked at. */
function expect (t: Test, name: string, outcome: unknown, wanted: unknown): void {
  calls++
  const [one, other] = [JSON.stringify(outcome), JSON.stringify(wanted)]
  if (one !== other) t.fail(`${name}: ${other?.slice(0, 200)} came back as ${one?.slice(0, 200)}`)
}

type Ways = Readonly<Record<string, (t: Test, place: Queryable, position: Position, texts: readonly string[]) => Promise<void>>>

/** Each helper, with each text. What the caller gets is compared, or else what is stored. */
const WAYS: Ways = {
  async fetchOne (t, place, { name, type, value }, texts) {
    await Promise.all(texts.map(async (text) => expect(t, `fetchOne, ${name}`, await place.fetchOne(`SELECT $1::${type} AS v`, value(text)), { v: backOf(type, text, value) })))
  },
  async fetchAll (t, place, { name, type, value }, texts) {
    await Promise.all(texts.map(async (text) => expect(t, `fetchAll, ${name}`, await place.fetchAll(`SELECT $1::${type} AS v, $2::text AS t`, value(text), text), [{ v: backOf(type, text, value), t: text }])))
  },
  async fetchVal (t, place, { name, type, value }, texts) {
    await Promise.all(texts.map(async (text) => expect(t, `fetchVal, ${name}`, await place.fetchVal({ text: `SELECT $1::${type}`, prepare: true }, value(text)), backOf(type, text, value))))
  },
  async execute (t, place, { name, type, value }, texts) {
    await Promise.all(texts.map(async (text, n) => expect(t, `execute, ${name}`, (await place.execute(`INSERT INTO ${held(type)} VALUES ($1, $2)`, n, value(text))).count, 1)))
    await stored(t, place, `execute, ${name}`, type, value, texts)
  },
  async executeWithReturning (t, place, { name, type, value }, texts) {
    await Promise.all(texts.map(async (text, n) => expect(t, `executeWithReturning, ${name}`, await place.executeWithReturning(`INSERT INTO ${held(type)} VALUES ($1, $2) RETURNING n, v`, n, value(text)), { n, v: backOf(type, text, value) })))
    await stored(t, place, `executeWithReturning, ${name}`, type, value, texts)
  },
  async executeMany (t, place, { name, type, value }, texts) {
    for (const batch of ['auto', 'pipeline'] as const) {
      expect(t, `executeMany, ${name}`, await place.executeMany({ text: `INSERT INTO ${held(type)} VALUES ($1, $2)`, batch }, texts.map((text, n) => [n, value(text)])), { count: texts.length })
      await stored(t, place, `executeMany, ${batch}, ${name}`, type, value, texts)
    }
  },
  async executeManyWithReturning (t, place, { name, type, value }, texts) {
    for (const batch of ['auto', 'pipeline'] as const) {
      const rows = await place.executeManyWithReturning<{ v: unknown }>({ text: `INSERT INTO ${held(type)} VALUES ($1, $2) RETURNING v`, batch }, texts.map((text, n) => [n, value(text)]))
      for (const [n, text] of texts.entries()) expect(t, `executeManyWithReturning, ${batch}, ${name}`, rows[n]?.v, backOf(type, text, value))
      await stored(t, place, `executeManyWithReturning, ${batch}, ${name}`, type, value, texts)
    }
  },
  async 'a template' (t, place, { name, type, value }, texts) {
    const { sql } = place
    await Promise.all(texts.map(async (text) => {
      const cast = sql.unsafe(`::${type}`)
      expect(t, `sql, ${name}`, await sql`SELECT ${value(text)}${cast} AS v, ${sql`${text}::text`} AS t`, [{ v: backOf(type, text, value), t: text }])
      expect(t, `fetchOne as a tag, ${name}`, await place.fetchOne`SELECT ${value(text)}${cast} AS v`, { v: backOf(type, text, value) })
    }))
  },
  async 'helpers of templates' (t, place, { name, type, value }, texts) {
    const { sql } = place
    const rows = texts.map((text, n) => ({ n, v: value(text) }))
    const table = sql(held(type).slice(1, -1))
    expect(t, `sql(rows), ${name}`, (await sql`INSERT INTO ${table} ${sql(rows)}`).count, texts.length)
    await stored(t, place, `sql(rows), ${name}`, type, value, texts)
    await sql`INSERT INTO ${table} (n, v) VALUES ${sql(rows.map(({ n, v }) => [n, v]))}`
    await stored(t, place, `VALUES, ${name}`, type, value, texts)
    await Promise.all(rows.map(async (row) => await sql`INSERT INTO ${table} ${sql({ n: row.n, v: null })}`))
    await Promise.all(rows.map(async ({ n, v }) => await place.execute`UPDATE ${table} SET ${sql({ v })} WHERE n IN ${sql([n])}`))
    await stored(t, place, `SET, ${name}`, type, value, texts)
  },
}

const held = (type: string): string => `"held ${type}"`

/** The composite is compared by its field, which `stored` does. */
function backOf (type: string, text: string, value: Position['value']): unknown {
  return type === 'pair' ? pairText(text) : value(text)
}

/** How the server prints a row of 1 and a text: quoted where it is empty or holds a quote, a backslash, a bracket, a comma or white space. */
function pairText (text: string): string {
  return text === '' || /["\\(),\t\n\v\f\r ]/.test(text) ? `(1,"${text.replace(/["\\]/g, '$&$&')}")` : `(1,${text})`
}

/** What the server has, byte for byte, told in hexadecimal digits where it is a text. */
async function stored (t: Test, place: Queryable, name: string, type: string, value: Position['value'], texts: readonly string[]): Promise<void> {
  const isText = ['text', 'words', 'varchar(100)'].includes(type)
  const bytes = isText ? "encode(convert_to(v::text, 'UTF8'), 'hex')" : type === 'bytea' ? "encode(v, 'hex')" : type === 'pair' ? "encode(convert_to((v).b, 'UTF8'), 'hex')" : 'v'
  const rows = await place.fetchAll<{ v: unknown }>(`WITH gone AS (DELETE FROM ${held(type)} RETURNING n, v) SELECT ${bytes} AS v FROM gone ORDER BY n`)
  const inHex = bytes !== 'v'
  expect(t, `${name}, stored`, rows.map(({ v }) => v), texts.map((text) => inHex ? Buffer.from(text).toString('hex') : value(text)))
}

/** Everything on the pool itself; elsewhere, and without standard strings, a sixth of the texts, another sixth at each position. */
const PART = 6
const RUNS = [['on', 'db'], ['on', 'a lease'], ['on', 'a transaction'], ['on', 'a nested transaction'], ['off', 'db']] as const

for (const [strings, place] of RUNS) {
  const within = PLACES[place]
  const isAll = strings === 'on' && place === 'db'
  if (within !== undefined) {
    t.test(`injections as arguments of every helper on ${place} change nothing and come back byte for byte; standard_conforming_strings = ${strings}`, async (t) => {
      const { db, observer, untouched } = await open(t, { parameters: { standard_conforming_strings: strings, escape_string_warning: false, backslash_quote: 'on' } })
      for (const type of new Set(POSITIONS.map(({ type }) => type))) await observer.rows(`CREATE TABLE IF NOT EXISTS ${held(type)} (n int, v ${type})`)
      const after = await looks(observer)
      for (const [way, run] of Object.entries(WAYS)) {
        await within(db, async (queryable) => {
          for (const [index, position] of POSITIONS.entries()) {
            await run(t, queryable, position, fitting(position).filter((_, n) => isAll || (n + index) % PART === 0))
          }
        })
        t.strictSame(await looks(observer), after, `${way}: nothing happened`)
      }
      await observer.rows([...new Set(POSITIONS.map(({ type }) => `DROP TABLE ${held(type)}`))].join('; '))
      await untouched(place)
    })
  }
}

t.test('injections as names in templates are names', async (t) => {
  const { db, untouched } = await open(t)
  const { sql } = db
  for (const text of INJECTIONS.filter((text) => text !== '')) {
    // A dot is between names, of which none may be empty, and a longer one than 63 bytes is cut.
    const name = text.replaceAll('.', '')
    if (name === '' || Buffer.byteLength(name) > 63) continue
    expect(t, 'an alias', await sql`SELECT 1 AS ${sql(name)}`, [Object.fromEntries([[name, 1]])])
    expect(t, 'a column', await sql`SELECT ${sql(name)} FROM (SELECT 2 AS ${sql(name)}) AS t`, [Object.fromEntries([[name, 2]])])
    expect(t, 'columns', await sql`SELECT ${sql([name])} FROM (VALUES ${sql([[3]])}) AS t (${sql([name])})`, [Object.fromEntries([[name, '3']])])
    expect(t, 'a select list', await sql`SELECT ${sql(Object.fromEntries([[name, text]]))}`, [Object.fromEntries([[name, text]])])
    for (const statement of [sql`INSERT INTO canary ${sql(Object.fromEntries([[name, 1]]))}`, sql`UPDATE canary SET ${sql(Object.fromEntries([[name, 1]]))}`, sql`SELECT * FROM ${sql(name)}`]) {
      expect(t, 'no such name', await statement.catch((error) => /^42(703|P01)$/.test(error.code) ? 'none' : error.code), 'none')
    }
  }
  await untouched('names')
})

t.test('what came as JSON is a value in templates and helpers, whatever its shape', async (t) => {
  const { db, untouched } = await open(t)
  const { sql } = db
  for (const text of INJECTIONS) {
    for (const value of [{ text, args: [] }, { strings: [text], values: [] }, Object.assign([text], {}), [[text]], { first: text, rest: [] }, { value: text, type: text }]) {
      const given: unknown = JSON.parse(JSON.stringify(value))
      expect(t, 'json', await sql`SELECT ${given}::json AS v`, [{ v: value }])
    }
  }
  await untouched('JSON')
})

t.test('injections as patterns, in concatenations, as names to format and as members of a list', async (t) => {
  const { db, untouched } = await open(t)
  await Promise.all(INJECTIONS.map(async (text) => {
    const literal = text.replace(/[\\%_]/g, '\\$&')
    expect(t, 'LIKE', await db.fetchVal('SELECT $1::text LIKE $2', text, literal), true)
    expect(t, 'starts_with', await db.fetchVal('SELECT starts_with($1, $2)', `${text}x`, text), true)
    expect(t, 'concatenated', await db.fetchVal("SELECT '<' || $1 || '>'", text), `<${text}>`)
    expect(t, 'quote_literal', await db.fetchVal('SELECT length(quote_literal($1)) >= length($1) + 2', text), true)
    expect(t, 'ANY', await db.fetchVal('SELECT $1 = ANY ($2::text[])', text, ['other', text]), true)
    expect(t, 'twice', await db.fetchOne('SELECT $1::text AS a, $2::text AS b, $1::text AS c', text, '$1'), { a: text, b: '$1', c: text })
    expect(t, 'WHERE', await db.fetchAll('SELECT id FROM canary WHERE secret = $1', text), [])
    expect(t, 'set_config', await db.fetchVal("SELECT set_config('other.value', $1, true)", text), text)
  }))
  await untouched('db')
})

t.test('injections where another type is wanted are one error, and change nothing', async (t) => {
  const { db, untouched } = await open(t)
  for (const type of ['int', 'int8', 'numeric', 'bool', 'uuid', 'date', 'timestamptz', 'int[]', 'inet', 'regclass', 'oid', 'bytea', 'interval']) {
    await Promise.all(INJECTIONS.map(async (text) => {
      const outcome = await db.fetchVal(`SELECT $1::${type} IS NULL`, text).catch((error) => error.code)
      calls++
      if (outcome !== false && !/^(22...|42(P01|601|602|704)|3F000|0A000|54001|FST_PG_VALUE)$/.test(String(outcome))) t.fail(`${type}: ${String(outcome)} of ${JSON.stringify(text).slice(0, 100)}`)
    }))
    await untouched(type)
  }
})

t.test('a NUL anywhere in an argument is one error, and the statement is not run', async (t) => {
  const { db, untouched } = await open(t)
  for (const text of WITH_NUL) {
    for (const { name, type, value } of POSITIONS) {
      if (type === 'bytea' || type === 'json') continue
      await t.rejects(db.fetchVal(`SELECT $1::${type}`, value(text)), { code: /^22(021|P05)$/ }, name)
    }
    t.strictSame(await db.fetchVal('SELECT $1::bytea', Buffer.from(text)), Buffer.from(text))
    t.strictSame(await db.fetchVal('SELECT $1::json', [text]), [text], 'json keeps its text, with an escape')
  }
  await untouched('NUL')
})

t.test('injections as the name of the application, the search path and other settings are values of these settings', async (t) => {
  const { observer } = await open(t)
  const before = await looks(observer)
  const texts = INJECTIONS.filter((text) => text !== '' && text.length < 60)
  for (const text of texts.filter((_, index) => index % 6 === 0)) {
    const db = await openDatabase(t, observer, { max: 1, applicationName: text, parameters: { 'app.other': text } })
    // The server writes what is not ASCII in digits, and cuts a name that is too long.
    const name = Buffer.from(text).reduce((all, byte) => all + (byte >= 32 && byte < 127 ? String.fromCharCode(byte) : `\\x${byte.toString(16).padStart(2, '0')}`), '')
    expect(t, 'application_name', String(await db.fetchVal('SHOW application_name')).slice(0, 60), name.slice(0, 60))
    expect(t, 'a setting', await db.fetchVal("SELECT current_setting('app.other')"), text)
    await db.close()
  }
  t.strictSame(await looks(observer), before)
})

t.test('injections as a user or a database are refused by the server under that name, and as anything else by the library', async (t) => {
  forgetArguments()
  const { observer, db, untouched } = await open(t)
  for (const text of INJECTIONS.filter((text) => text !== '' && text.length < 60).filter((_, index) => index % 12 === 0)) {
    for (const option of ['user', 'database'] as const) {
      await t.rejects(openDatabase(t, observer, { [option]: text, min: 1, max: 1 }), { code: /^FST_PG_CONNECT$/, cause: { code: /^(28...|3D000)$/ } }, option)
    }
    t.throws(() => createDatabase({ url: observer.url, parameters: { [`app.${text};`]: 'x' }, log: memoryLog() }, {}), { code: 'FST_PG_OPTION' }, 'the name of a setting')
  }
  for (const text of INJECTIONS.filter((text) => text !== '')) {
    calls++
    for (const isolation of [text, `serializable ${text}`]) await t.rejects(db.transaction(async () => {}, { isolation: isolation as never }), { code: 'FST_PG_OPTION' })
    await t.rejects(db.transaction(async () => {}, { readOnly: text as never }), { code: 'FST_PG_OPTION' })
    await t.rejects(db.fetchVal({ text: 'SELECT 1', timeout: text as never }), { code: 'FST_PG_OPTION' })
    await t.rejects(db.executeMany({ text: 'SELECT 1', batch: text as never }, []), { code: 'FST_PG_OPTION' })
  }
  await untouched('options')
})

t.test('more than 200 different texts were tried', async (t) => {
  t.ok(INJECTIONS.length >= 200, `${INJECTIONS.length} texts`)
  t.ok(calls > 30_000, `${calls} calls`)
  t.comment(`${INJECTIONS.length} texts, ${POSITIONS.length} positions, ${Object.keys(WAYS).length} helpers, ${Object.keys(PLACES).length} places: ${calls} outcomes compared`)
})
