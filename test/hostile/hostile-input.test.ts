import t, { type Test } from 'tap'
import { createDatabase, ServerError, type Database, type Queryable } from '../../src/index.js'
import { freshDatabase, memoryLog, openDatabase, type Observer } from '../support/database.js'
import { unwatchCalls } from '../support/disclosure.js'
import { HELPERS, PLACES, ROW_HELPERS } from '../support/places.js'

unwatchCalls() // 65,535 arguments fill the stack, and some arguments must not be looked at

const VALUE = { code: 'FST_PG_VALUE' }
const QUERY = { code: /^FST_PG_QUERY$/ }

/** A pool of one connection, and a look at the end whether it is still that one, and in order. */
async function open (t: Test, setup = 'SELECT 1'): Promise<{ db: Database, observer: Observer, finish: () => Promise<void> }> {
  const observer = await freshDatabase(t)
  await observer.rows(setup)
  const db = await openDatabase(t, observer, { max: 1, commandTimeout: 20 })
  const pid = await db.fetchVal('SELECT pg_backend_pid()')
  const finish = async (): Promise<void> => {
    t.strictSame(await db.fetchAll('SELECT pg_backend_pid() AS pid, $1::text AS text', 'x'), [{ pid, text: 'x' }], 'the same connection')
    const { size, free, busy, waiting, created } = db.stats()
    t.strictSame({ size, free, busy, waiting, created }, { size: 1, free: 1, busy: 0, waiting: 0, created: 1 })
  }
  return { db, observer, finish }
}

/** Names that an object has without having been given them. */
const NAMES = ['__proto__', 'constructor', 'toString', 'hasOwnProperty', 'valueOf', '__defineGetter__', '__lookupSetter__', 'prototype', 'isAdmin', '0', 'length', 'then']
const ownColumns = (value: (name: string, index: number) => unknown): [string, unknown][] => NAMES.map((name, index) => [name, value(name, index)])

function isRowOf (t: Test, row: unknown, columns: [string, unknown][], name: string): void {
  const wanted = Object.fromEntries(columns)
  t.strictSame(Object.getPrototypeOf(row), Object.prototype, `${name}: its prototype is nobody else's`)
  t.strictSame(Object.keys(row as object), Object.keys(wanted), `${name}: each column is an own property, in order`)
  t.strictSame(Object.entries(row as object), Object.entries(wanted), name)
}

t.test('a row has its columns as own properties, whatever they are called, and nothing else', async (t) => {
  const { db, finish } = await open(t, `CREATE TABLE held (${NAMES.map((name) => `"${name}" jsonb`).join(', ')})`)
  const columns = ownColumns((name) => ({ name, isAdmin: true }))
  const select = `SELECT ${NAMES.map((name, index) => `$${index + 1}::jsonb AS "${name}"`).join(', ')}`
  const insert = `INSERT INTO held VALUES (${NAMES.map((_, index) => `$${index + 1}`).join(', ')}) RETURNING *`
  for (const [place, within] of Object.entries(PLACES)) {
    await within(db, async (queryable) => {
      for (const [helper, call] of Object.entries(ROW_HELPERS)) {
        for (const text of [select, insert]) {
          for (const use of ['first', 'second', 'third']) {
            for (const row of await call(queryable, text, columns.map(([, value]) => value))) isRowOf(t, row, columns, `${helper} on ${place}, ${use} use`)
          }
        }
      }
      const lists = Array.from({ length: 60 }, () => columns.map(([, value]) => value))
      for (const batch of ['auto', 'pipeline'] as const) {
        for (const row of await queryable.executeManyWithReturning({ text: insert, batch }, lists)) isRowOf(t, row, columns, `60 lists, ${batch}, on ${place}`)
      }
    })
  }
  for (const name of NAMES) t.strictSame(await db.fetchVal(`SELECT 7 AS "${name}"`), 7, `fetchVal of ${name}`)
  isRowOf(t, await db.fetchOne('SELECT 1 AS a, NULL AS "__proto__", 3 AS b'), [['a', 1], ['__proto__', null], ['b', 3]], 'NULL')
  isRowOf(t, await db.fetchOne('SELECT 1 AS "__proto__", 2 AS a, 3 AS "__proto__"'), [['__proto__', 3], ['a', 2]], 'twice: the last one counts')
  t.notOk('isAdmin' in {}, 'nothing got into the prototype of all objects')
  await finish()
})

t.test('a column named __proto__ of a type that the pool has yet to learn', async (t) => {
  const { db, observer, finish } = await open(t)
  await observer.rows("CREATE TYPE mood AS ENUM ('fine'); CREATE DOMAIN document AS jsonb")
  for (const use of ['first', 'second', 'third']) {
    isRowOf(t, await db.fetchOne("SELECT 'fine'::mood AS a, '{\"isAdmin\": true}'::document AS \"__proto__\""), [['a', 'fine'], ['__proto__', { isAdmin: true }]], `${use} use`)
  }
  await finish()
})

t.test('JSON with keys that an object has already comes back as it went in', async (t) => {
  const { db, finish } = await open(t)
  const text = JSON.stringify(Object.fromEntries(NAMES.map((name) => [name, { isAdmin: true }])))
  for (const type of ['json', 'jsonb']) {
    for (const use of ['first', 'second', 'third']) {
      const back = await db.fetchVal<object>(`SELECT $1::${type}`, JSON.parse(text))
      t.strictSame(Object.getPrototypeOf(back), Object.prototype, use)
      t.strictSame(Object.entries(back ?? {}).sort(), Object.entries(JSON.parse(text)).sort(), `${type}, ${use} use`)
    }
  }
  t.notOk('isAdmin' in {})
  await finish()
})

t.test('two statements in one call are refused by every helper but execute without arguments', async (t) => {
  const { db, observer, finish } = await open(t, 'CREATE TABLE held (n int)')
  const texts: Array<[text: string, args: unknown[]]> = [
    ['INSERT INTO held VALUES (1); INSERT INTO held VALUES (2)', []],
    ['SELECT 1; DROP TABLE held', []],
    ['INSERT INTO held VALUES ($1); DROP TABLE held', [1]],
    ['SELECT 1 /* ; */; DROP TABLE held --', []],
    ["SELECT $1::text, E'\\';'; DROP TABLE held", ['x']],
  ]
  for (const [place, within] of Object.entries(PLACES)) {
    for (const [helper, call] of Object.entries(HELPERS)) {
      for (const [text, args] of texts) {
        if (helper === 'execute' && args.length === 0) continue
        for (const use of ['first', 'second']) {
          await t.rejects(within(db, async (queryable) => { await call(queryable, text, args) }), { code: /^(42601|FST_PG_PARAMETER_COUNT)$/ }, `${helper} on ${place}, ${use} use: ${text}`)
        }
      }
    }
  }
  t.strictSame(await observer.rows('SELECT * FROM held'), [], 'none of them did anything')
  await db.execute('INSERT INTO held VALUES (1); INSERT INTO held VALUES (2)')
  t.equal(await db.fetchVal('SELECT count(*) FROM held'), 2, 'a script is one')
  await finish()
})

t.test('strings of a megabyte go in and come out, by every helper', async (t) => {
  const { db, finish } = await open(t)
  const text = '\'\\"$1;{},é🐘\n\u00a0 --'.repeat(50_000)
  t.ok(text.length >= 800_000 && Buffer.byteLength(text) >= 1_000_000)
  const list = [text, Buffer.from(text), { [text]: 1 }, [text, null]]
  for (const [helper, call] of Object.entries(ROW_HELPERS)) {
    for (const row of await call(db, 'SELECT $1::text AS a, $2::bytea AS b, $3::jsonb AS c, $4::text[] AS d', list)) {
      t.ok(same(Object.values(row as object), list), helper)
    }
  }
  t.ok(await db.fetchVal('SELECT $1::text', text) === text)
  t.ok(await db.fetchVal('SELECT $1::text', 'x'.repeat(1_000_000)) === 'x'.repeat(1_000_000))
  await finish()
})

/** Without a diff of megabytes. */
function same (one: unknown, other: unknown): boolean { return JSON.stringify(one) === JSON.stringify(other) }

t.test('a string of 50 MB goes in and comes out, and one that no string can hold is one coded error', async (t) => {
  const { db, finish } = await open(t)
  const text = 'é'.repeat(25_000_000)
  t.ok(await db.fetchVal('SELECT $1::text', text) === text)
  t.equal(await db.fetchVal('SELECT length($1::bytea)', Buffer.alloc(50_000_000)), 50_000_000)
  await t.rejects(db.fetchVal('SELECT length($1::bytea)', Buffer.alloc(270_000_000)), VALUE, 'its hexadecimal form is longer than a string may be')
  await finish()
})

t.test('10,000 parameters, and as many elements of an array', async (t) => {
  const { db, finish } = await open(t)
  const numbers = Array.from({ length: 10_000 }, (_, index) => index)
  const text = `SELECT ${Array.from({ length: 100 }, (_, row) => `ARRAY[${numbers.slice(row * 100, row * 100 + 100).map((n) => `$${n + 1}`).join(',')}]::int[]`).join(' || ')}`
  for (const use of ['first', 'second', 'third']) {
    t.strictSame(await db.fetchVal(text, ...numbers), numbers, use)
    t.strictSame(await db.fetchVal('SELECT $1::int[]', numbers), numbers, use)
  }
  await finish()
})

t.test('65,535 and 65,536 parameters are one coded error by every helper, and nothing is harmed', async (t) => {
  const { db, finish } = await open(t)
  for (const length of [65_535, 65_536]) {
    const args = Array.from({ length }, () => 1)
    const text = `SELECT ${args.map((_, index) => `$${index + 1}`).join('+')}`
    for (const [helper, call] of Object.entries(HELPERS)) {
      await t.rejects(call(db, text, args), { code: /^(FST_PG_PARAMETER_COUNT|54001)$/ }, `${helper}, ${length}`)
    }
  }
  await finish()
})

t.test('what no encoding can hold is refused: NUL by the server, half of a surrogate pair before it is sent', async (t) => {
  const { db, finish } = await open(t, 'CREATE TABLE held (v text, vs text[], j jsonb)')
  const broken = ['\ud800', 'a\udc00', '\udc00\ud800', 'x\ud83d', `${'é'.repeat(5000)}\ud800`]
  for (const text of ['\0', 'a\0b', "'\0; DROP TABLE held"]) {
    for (const [helper, call] of Object.entries(HELPERS)) {
      for (const use of ['first', 'second', 'third']) await t.rejects(call(db, 'INSERT INTO held (v) VALUES ($1) RETURNING v', [text]), { code: '22021' }, `${helper}, ${use} use`)
      await t.rejects(call(db, 'INSERT INTO held (vs) VALUES ($1) RETURNING v', [[text]]), { code: '22021' })
      await t.rejects(call(db, 'INSERT INTO held (j) VALUES ($1) RETURNING v', [{ [text]: 1 }]), { code: '22P05' })
    }
  }
  for (const text of broken) {
    for (const [helper, call] of Object.entries(HELPERS)) {
      for (const use of ['first', 'second', 'third']) await t.rejects(call(db, 'INSERT INTO held (v) VALUES ($1) RETURNING v', [text]), VALUE, `${helper}, ${use} use`)
      await t.rejects(call(db, 'INSERT INTO held (vs) VALUES ($1) RETURNING v', [[text]]), VALUE)
      await t.rejects(call(db, 'INSERT INTO held (j) VALUES ($1) RETURNING v', [{ [text]: 1 }]), { code: '22P02' }, 'JSON has a way to write it, and jsonb refuses it')
    }
    t.equal(await db.fetchVal('SELECT $1::json', text), text, 'json keeps what was written')
  }
  await t.rejects(db.executeMany('INSERT INTO held (v) VALUES ($1)', Array.from({ length: 60 }, (_, row) => [row === 55 ? '\ud800' : 'x'])), { ...VALUE, message: /^row 55, parameter \$1 / })
  t.equal(await db.fetchVal('SELECT count(*) FROM held'), 0)
  await finish()
})

t.test('statement texts that are none, or that no server can take', async (t) => {
  const { db, finish } = await open(t)
  for (const [helper, call] of Object.entries(HELPERS)) {
    for (const use of ['first', 'second']) {
      for (const text of ['SELECT 1\0', 'SELECT \ud800', '-- \udc00', "SELECT '\ud83d'"]) await t.rejects(call(db, text, []), QUERY, `${helper}, ${use} use`)
      for (const text of [undefined, null, 1, {}, [], Symbol('x'), () => 'SELECT 1', { text: 1 }, { text: ['SELECT 1'] }]) await t.rejects(call(db, text as never, []), QUERY, `${helper}, ${use} use`)
      for (const text of ['constructor', '__proto__', 'toString', 'hasOwnProperty', 'x'.repeat(1_000_000)]) await t.rejects(call(db, text, []), { code: '42601' }, `${helper}, ${use} use of ${text.slice(0, 20)}`)
      await call(db, `SELECT 1 /* ${'x'.repeat(1_000_000)} */`, [])
    }
  }
  for (const text of ['constructor', '__proto__', 'toString', 'hasOwnProperty']) {
    for (const use of ['first', 'second', 'third']) await t.rejects(db.fetchAll({ text, prepare: true }), { code: '42601' }, `prepared, ${use} use of ${text}`)
  }
  for (const text of ['', ' ', ';', '-- nothing', '/* nothing */', '/* /* */ */ -- \n']) {
    for (const use of ['first', 'second', 'third']) {
      t.strictSame(await db.fetchAll(text), [], `${JSON.stringify(text)}, ${use} use`)
      t.equal(await db.fetchOne(text), null)
      t.equal(await db.fetchVal(text), null)
      t.strictSame(await db.execute(text), { status: '', command: '', count: 0 })
      t.strictSame(await db.executeManyWithReturning(text, [[], []]), [])
    }
  }
  await finish()
})

/** Arguments that do something when they are looked at. */
function hostileArguments (): Array<[name: string, value: unknown]> {
  const { proxy, revoke } = Proxy.revocable([], {})
  revoke()
  const circular: unknown[] = []
  circular.push(circular)
  const throwing = new Proxy({}, { get () { throw new Error('hunter2') }, getPrototypeOf () { throw new Error('hunter2') }, ownKeys () { throw new Error('hunter2') } })
  const throwingArray = new Proxy([1, 2], { get () { throw new Error('hunter2') } })
  class Odd extends Date { override toISOString (): never { return { slice: () => 5, indexOf: () => 0 } as never } }
  return [
    ['a revoked Proxy', proxy], ['a Proxy that throws', throwing], ['a Proxy of an array that throws', throwingArray],
    ['a getter that throws', Object.defineProperty({}, 'a', { enumerable: true, get () { throw new Error('hunter2') } })],
    ['a toJSON that throws', { toJSON () { throw new Error('hunter2') } }], ['a toJSON that gives nothing', { toJSON () {} }],
    ['a toString that throws', { toString () { throw new Error('hunter2') }, toJSON () { throw new Error('hunter2') } }],
    ['a circular array', circular], ['a function', () => 1], ['a class', class {}], ['a symbol', Symbol('x')], ['undefined', undefined],
    ['an Invalid Date', new Date(NaN)], ['a Date of another kind', new Odd(0)], ['a Date without its insides', Object.create(Date.prototype)],
    ['an array without its insides', Object.create(Uint8Array.prototype)], ['a bigint in JSON', { a: 1n }], ['a sparse array', new Array(3)],
    ['a deep array', Array.from({ length: 10_000 }).reduce<unknown>((inner) => [inner], 1)],
  ]
}

for (const type of ['text', 'int', 'numeric', 'bool', 'date', 'timestamptz', 'bytea', 'uuid', 'text[]', 'int[]', 'bytea[]', 'timestamptz[]', 'jsonb', 'json', 'jsonb[]']) {
  t.test(`arguments that do something when they are looked at, for ${type}: what they give, or one coded error`, async (t) => {
    const { db, finish } = await open(t, `CREATE TABLE held (v ${type})`)
    for (const [name, value] of hostileArguments()) {
      for (const [helper, call] of Object.entries(HELPERS)) {
        for (const use of ['first', 'second', 'third']) {
          await call(db, `INSERT INTO held VALUES ($1) RETURNING v -- ${name}`, [value]).catch((error) => {
            t.match(error, { code: /^(FST_PG_VALUE|22...|54001)$/ }, `${name}, ${helper}, ${use} use`)
            t.notMatch(String(error), 'hunter2')
          })
        }
      }
      await t.resolves(db.fetchVal('SELECT 1'), name)
    }
    await finish()
  })
}

t.test('a thenable is not waited for, and objects of classes go as their JSON', async (t) => {
  const { db, finish } = await open(t)
  let asked = 0
  const thenable = { a: 1, then () { asked++ } }
  class Point { x = 1; #y = 2; get y (): number { return this.#y } }
  for (const use of ['first', 'second', 'third']) {
    t.strictSame(await db.fetchVal('SELECT $1::jsonb', thenable), { a: 1 }, use)
    t.strictSame(await db.fetchVal('SELECT $1::jsonb', new Point()), { x: 1 }, use)
    await t.rejects(db.fetchVal('SELECT $1::text', thenable), VALUE, use)
    await t.rejects(db.fetchVal('SELECT $1::int', Promise.resolve(1)), VALUE, use)
    t.strictSame(await db.fetchVal('SELECT $1::text[]', new Proxy(['a', 'b'], {})), ['a', 'b'], use)
  }
  t.equal(asked, 0)
  await finish()
})

t.test('huge and odd numbers come back as they went in, or are one error', async (t) => {
  const { db, finish } = await open(t)
  const numbers: Array<[type: string, value: unknown, back: unknown]> = [
    ['int8', 2 ** 53 + 2, 9007199254740994n], ['int8', 9223372036854775807n, 9223372036854775807n], ['int8', 9223372036854775808n, '22003'],
    ['int8', 1e308, '22P02'], ['int8', NaN, '22P02'], ['int8', Infinity, '22P02'], ['int8', -0, 0], ['int4', 2147483648, '22003'], ['int4', 1.5, '22P02'],
    ['float8', 1e308, 1e308], ['float8', -0, -0], ['float8', NaN, NaN], ['float8', 5e-324, 5e-324], ['float8', 10n ** 400n, '22003'], ['float4', 1e308, '22003'],
    ['numeric', 1e308, `1${'0'.repeat(308)}`], ['numeric', 10n ** 1000n, `1${'0'.repeat(1000)}`], ['numeric', -0, '0'], ['numeric', Infinity, 'Infinity'],
    ['numeric', `1${'0'.repeat(200_000)}`, '22003'], ['jsonb', 2 ** 53, 2 ** 53], ['jsonb', 1e308, 1e308], ['jsonb', Infinity, 'FST_PG_VALUE'], ['jsonb', 1n, 'FST_PG_VALUE'],
  ]
  for (const [type, value, back] of numbers) {
    for (const use of ['first', 'second', 'third']) {
      const outcome = await db.fetchVal(`SELECT $1::${type}`, value).catch((error) => error.code)
      t.ok(Object.is(outcome, back), `${type} ${String(value).slice(0, 30)}, ${use} use: ${String(outcome).slice(0, 30)}`)
    }
  }
  await finish()
})

t.test('a NUL or a name of an object in the settings of a session is refused before anything is sent', async (t) => {
  const { url } = await freshDatabase(t)
  const bad = ['user\0search_path\0evil', 'x\ud800']
  for (const text of bad) {
    for (const option of ['user', 'database', 'applicationName'] as const) t.throws(() => createDatabase({ url, [option]: text, log: memoryLog() }, {}), { code: 'FST_PG_OPTION' }, option)
    for (const parameters of [{ search_path: text }, { [text]: 'x' }]) t.throws(() => createDatabase({ url, parameters, log: memoryLog() }, {}), { code: 'FST_PG_OPTION' })
  }
  for (const name of ['__proto__', 'user', 'database', 'replication', 'a b', "x'; --", '']) {
    t.throws(() => createDatabase({ url, parameters: JSON.parse(JSON.stringify({ a: 'x' }).replace('"a"', JSON.stringify(name))), log: memoryLog() }, {}), { code: 'FST_PG_OPTION' }, name)
  }
  for (const part of ['application_name=a%00search_path%00evil', 'search_path=a%00b', '__proto__=x', 'replication=database', 'user=a%00b', 'dbname=a%00b']) {
    t.throws(() => createDatabase({ url: `${url}?${part}`, log: memoryLog() }, {}), { code: 'FST_PG_OPTION' }, part)
  }
  t.throws(() => createDatabase({ url: 'postgres://a%00search_path%00evil@localhost/x', log: memoryLog() }, {}), { code: 'FST_PG_OPTION' })
  t.throws(() => createDatabase({ url: 'postgres://a@localhost/x%00search_path%00evil', log: memoryLog() }, {}), { code: 'FST_PG_OPTION' })
  const db = createDatabase({ url, parameters: { constructor: 'x' } as never, required: true, min: 1, log: memoryLog() }, {})
  await t.rejects(db.open(), { code: /^FST_PG_CONNECT$/ }, 'the server knows no such setting')
  t.notOk('evil' in {})
})

t.test('a client_encoding other than UTF8 is refused, and a session that changes to one is ended before a value is read wrongly', async (t) => {
  const { url } = await freshDatabase(t)
  for (const value of ['LATIN1', 'SQL_ASCII', 'sjis']) {
    for (const name of ['client_encoding', 'Client_Encoding']) t.throws(() => createDatabase({ url, parameters: { [name]: value }, log: memoryLog() }, {}), { code: 'FST_PG_OPTION', message: /client_encoding is always UTF8/ })
  }
  const observer = await freshDatabase(t)
  await observer.rows(`ALTER DATABASE ${new URL(observer.url).pathname.slice(1)} SET client_encoding TO 'LATIN1'`)
  const db = await openDatabase(t, observer, { max: 1, parameters: { client_encoding: 'utf8' } })
  t.equal(await db.fetchVal('SELECT $1::text', 'é🐘'), 'é🐘', 'a setting of the database does not win')
  const lost = { code: 'FST_PG_CONNECTION_LOST', cause: { code: 'CLIENT_ENCODING' } }
  const ways: Array<(queryable: Queryable) => Promise<unknown>> = [
    (queryable) => queryable.execute("SET client_encoding TO 'LATIN1'"),
    (queryable) => queryable.execute("SET NAMES 'LATIN1'"),
    (queryable) => queryable.fetchVal("SELECT set_config('client_encoding', 'SQL_ASCII', false) || 'é'"),
    (queryable) => queryable.execute("SET client_encoding TO 'LATIN1'; SELECT 'é'"),
    (queryable) => queryable.executeManyWithReturning("SELECT set_config('client_encoding', $1, false) || 'é'", [['LATIN1'], ['LATIN9']]),
  ]
  for (const [place, within] of Object.entries(PLACES)) {
    for (const way of ways) {
      await t.rejects(within(db, async (queryable) => { await way(queryable) }), lost, place)
      t.equal(await db.fetchVal('SELECT $1::text', 'é🐘'), 'é🐘')
    }
  }
  t.equal(db.stats().created, 1 + ways.length * Object.keys(PLACES).length)
})

t.test('a server error is a ServerError, with no value in its message', async (t) => {
  const { db, finish } = await open(t)
  for (const text of ["'; DROP TABLE x; --hunter2", '$1 hunter2', '%s%n hunter2', '"hunter2"']) {
    for (const type of ['int', 'uuid', 'timestamptz', 'int[]', 'inet']) {
      const error = await db.fetchVal(`SELECT $1::${type}`, text).then(() => undefined, (error: Error) => error)
      t.ok(error instanceof ServerError)
      t.notMatch(`${error?.message}${JSON.stringify(error)}`, 'hunter2', type)
    }
  }
  await finish()
})
