import t from 'tap'
import { readConversion, type ConversionOptions } from '../../src/codecs/conversion.js'
import { readTypes } from '../../src/codecs/own-types.js'
import { createDatabase, type DatabaseOptions } from '../../src/index.js'
import { freshDatabase, memoryLog, openDatabase } from '../support/database.js'

const text = (value: unknown): string => String(value)
const boom = (): never => { throw new Error('boom') }
const throwing = (name: string): object => Object.defineProperty({}, name, { get: boom, enumerable: true })

/** What is no option, and what its error has to name. */
const BAD: ReadonlyArray<readonly [options: unknown, named: RegExp]> = [
  ...[null, [], 'int8', 7, true, () => ({})].map((types) => [{ types }, /option types takes/] as const),
  ...[null, [], 7, true, text, '', 'String', 'toString', {}, { decode: 'x' }, { encode: 7 }, { decode: null }, { encode: text, decode: null }]
    .map((codec) => [{ types: { numeric: codec } }, /option types: numeric takes { decode, encode }/] as const),
  [{ types: { numeric: { decode: text, decoder: text } } }, /numeric has an unknown decoder/],
  [{ types: { int8: 'date' } }, /'date' is not for int8/],
  [{ types: { 20: 'date' } }, /'date' is not for 20/],
  [{ types: { bigint: 'range' } }, /'range' is not for int8/],
  [{ types: { text: 'number' } }, /'number' is not for text/],
  [{ types: { float8: 'bigint' } }, /'bigint' is not for float8/],
  [{ types: { mood: 'number' } }, /'number' is not for mood/],
  [{ types: { 'int8[]': 'number' } }, /'number' is not for int8\[]/],
  [{ types: { _int8: 'number' } }, /'number' is not for int8\[]/],
  [{ types: { jsonb: 'date' } }, /'date' is not for jsonb/],
  ...['', ' ', '[]', 'pg_catalog.', 'a\0b'].map((name) => [{ types: { [name]: 'string' } }, /names or OIDs of types/] as const),
  ...[{ to: 'x' }, { from: 'x', parse: text }, { from: [20, '21'] }, { to: -1 }, { to: 1.5 }, { from: 20, parse: 'x' }, { to: 20, serialize: 7 }, { from: null, parse: text }]
    .map((codec) => [{ types: { mine: codec } }, /mine takes { to, from, serialize, parse }/] as const),
  ...[null, [], 'x', 7, text].map((json) => [{ json }, /option json takes/] as const),
  [{ json: { parse: 'x' } }, /option json takes functions/],
  [{ json: { stringify: null } }, /option json takes functions/],
  [{ json: { reviver: text } }, /option json has an unknown reviver/],
  ...[null, [], 'camel', 7, text].map((transform) => [{ transform }, /option transform takes/] as const),
  [{ transform: { columns: text } }, /option transform has an unknown columns/],
  ...['column', 'value', 'row'].flatMap((part) => [null, [], 'camel', 7, {}, { from: 7 }, { to: 'x' }, { column: { from: text } }]
    .map((given) => [{ transform: { [part]: given } }, new RegExp(`option transform.${part} takes`)] as const)),
  [throwing('types'), /cannot be read/],
  [throwing('json'), /cannot be read/],
  [{ types: throwing('numeric') }, /cannot be read/],
  [{ types: { numeric: throwing('decode') } }, /cannot be read/],
  [{ json: throwing('parse') }, /cannot be read/],
  [{ transform: throwing('row') }, /cannot be read/],
]

t.test('what is no option for types, JSON or names is refused, by its name, for a database and for a tag', async (t) => {
  const db = createDatabase({ log: memoryLog() }, {})
  t.teardown(() => db.close())
  for (const [index, [options, named]] of BAD.entries()) {
    for (const [where, open] of [['createDatabase', () => createDatabase(options as DatabaseOptions, {})], ['createSql', () => db.createSql(options as ConversionOptions)]] as const) {
      t.throws(open, { code: 'FST_PG_OPTION', message: named }, `${where} ${index}: ${named.source}`)
    }
  }
  for (const options of [null, [], 'types', 7, { type: {} }, { types: {}, camel: {} }]) {
    t.throws(() => db.createSql(options as never), { code: 'FST_PG_OPTION', message: /createSql/ }, JSON.stringify(options))
  }
})

t.test('names of types are those of SQL and of the catalog, each with its OID', async (t) => {
  const names: Array<[given: string, key: string]> = [
    ['timestamp with time zone', 'timestamptz'], ['TIMESTAMP WITHOUT TIME ZONE', 'timestamp'], ['double precision', 'float8'], ['Integer', 'int4'], ['integer[]', 'int4[]'],
    ['bigint', 'int8'], ['pg_catalog.int8', 'int8'], ['pg_catalog.int8[]', 'int8[]'], ['_int8', 'int8[]'], ['_mood', '_mood'], ['mood[]', 'mood[]'], ['app.mood', 'app.mood'], ['app.mood[]', 'app.mood[]'],
    ['character varying', 'varchar'], ['decimal', 'numeric'], ['__proto__', '__proto__'], ['constructor', 'constructor'], ['toString', 'toString'], ['Mood', 'Mood'], ['16405', '16405'],
  ]
  for (const [given, key] of names) {
    t.strictSame([...readTypes(JSON.parse(`{${JSON.stringify(given)}: "string"}`))].map(([key, codec]) => [key, codec.key]), [[key, key]], given)
  }
  t.strictSame([...readTypes({ int8: undefined as never })], [])
})

t.test('what is given cannot be changed later', async (t) => {
  const json = { parse: (): unknown => 'mine' }
  const types = { numeric: { decode: (): unknown => 'mine' } }
  const conversion = readConversion({ json, types })
  json.parse = () => 'other'
  types.numeric.decode = () => 'other'
  t.equal(conversion?.json.parse?.(''), 'mine')
  t.equal(conversion?.codecs.get('numeric')?.decode?.(''), 'mine')
})

t.test('a codec may be an object with methods', async (t) => {
  class Money {
    readonly #unit = '€'
    decode (text: string): string { return text + this.#unit }
    encode (value: unknown): string { return String(value).replace(this.#unit, '') }
  }
  class Json {
    readonly #read: string[] = []
    parse (text: string): unknown { return this.#read.push(text) }
    stringify (value: unknown): string { return `{"count": ${this.#read.length}, "value": ${Number(value)}}` }
  }
  const observer = await freshDatabase(t)
  const db = await openDatabase(t, observer, { types: { numeric: new Money() }, json: new Json() })
  t.strictSame(await db.fetchVal('SELECT $1::numeric', '2.50€'), '2.50€')
  t.strictSame(await db.fetchVal('SELECT $1::jsonb', 7), 1)
  t.strictSame(await db.fetchVal('SELECT $1::jsonb::text', 8), '{"count": 1, "value": 8}')
})

t.test('as postgres.js has them: parts of one type may stand apart', async (t) => {
  const codecs = readTypes({ reads: { from: [20, 21], parse: BigInt }, writes: { to: 20, serialize: text }, ignored: { to: 23, from: [] } })
  t.match([codecs.get('20')?.decode?.('1'), codecs.get('20')?.encode?.(2)], [1n, '2'])
  t.match([codecs.get('21')?.decode?.('1'), codecs.get('21')?.encode], [1n, undefined])
})
