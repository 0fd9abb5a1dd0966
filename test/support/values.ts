import type { Test } from 'tap'
import type { Database } from '../../src/index.js'
import { freshDatabase, openDatabase, type Observer } from './database.js'

/** One value on its way to the server and back. */
interface Case {
  value: unknown
  /** What the server holds, cast to text. */
  text: string
  /** What comes back. */
  read: unknown
  /** What the server holds when what came back is written again. */
  again: string
}

function of (value: unknown, text = String(value), read = value, again = text): Case {
  return { value, text, read, again }
}

/** Values that come back as the strings that they are. */
const strings = (...values: string[]): Case[] => values.map((value) => of(value))
const json = (value: unknown, text = JSON.stringify(value), read = value): Case => of(value, text, read)
const utc = (...parts: [number, number, ...number[]]): Date => new Date(Date.UTC(...parts))
const instant = (iso: string): Date => new Date(iso)

const TEXTS = strings('', ' ', 'plain', 'NULL', 'null', '"quoted"', "it's", 'back\\slash', '\\', '"', 'a,b;c', '{}', '{a,b}', '[1:2]={a,b}',
  '(a,"b")', 'line\nand\ttab', 'žluťoučký 🐘', '$1', '\\x41', 'true', '[object Object]')

const JSONS = [
  json({}), json([]), json(''), json('text'), json('null'), json('{"a":1}'), json('"'), json('\\'), json('a,{b}'), json(0), json(-1.5), json(true), json(false),
  json([true]), json([null, 1, 'NULL']), json([[1, [2]], []]), json({ a: [{ b: { c: [null, '"'] } }] }), json({ 'clé "': '🐘\n' }),
  json([1n.toString()]), json(utc(2024, 0, 2), '"2024-01-02T00:00:00.000Z"', '2024-01-02T00:00:00.000Z'),
  json([utc(2024, 0, 2)], '["2024-01-02T00:00:00.000Z"]', ['2024-01-02T00:00:00.000Z']),
]

/** How the server prints jsonb: with a space behind each `:` and `,` that is not part of a string. */
function jsonbText (text: string): string {
  return text.replace(/"(?:[^"\\]|\\.)*"|[:,]/g, (token) => token.length === 1 ? `${token} ` : token)
}

const TIMESTAMPS: ReadonlyArray<readonly [iso: string, text: string]> = [
  ['1970-01-01T00:00:00.000Z', '1970-01-01 00:00:00'],
  ['2024-01-02T12:00:00.123Z', '2024-01-02 12:00:00.123'],
  ['2024-07-02T23:59:59.999Z', '2024-07-02 23:59:59.999'],
  ['2024-03-10T02:30:00.000Z', '2024-03-10 02:30:00'], // an hour that New York does not have
  ['2024-11-03T01:30:00.000Z', '2024-11-03 01:30:00'], // and one that it has twice
  ['1850-06-01T00:00:00.001Z', '1850-06-01 00:00:00.001'], // a zone with seconds
  ['0099-12-31T12:00:00.000Z', '0099-12-31 12:00:00'],
  ['0001-01-01T00:00:00.000Z', '0001-01-01 00:00:00'],
  ['+012345-06-07T08:09:10.011Z', '12345-06-07 08:09:10.011'],
]
const BEFORE_CHRIST: ReadonlyArray<readonly [iso: string, text: string]> = [
  ['0000-02-29T00:00:00.000Z', '0001-02-29 00:00:00'],
  ['-000043-03-15T12:00:00.500Z', '0044-03-15 12:00:00.5'],
]

const FAR_AWAY = '294276-12-31 00:00:00'

/** Dates and infinities of timestamp (`zone` is empty) and timestamptz. */
function timestamps (zone: string): Case[] {
  return [
    ...TIMESTAMPS.map(([iso, text]) => of(instant(iso), text + zone)),
    ...BEFORE_CHRIST.map(([iso, text]) => of(instant(iso), `${text}${zone} BC`)),
    of(Infinity, 'infinity'), of(-Infinity, '-infinity'), of('infinity', 'infinity', Infinity),
    // Beyond what a Date can hold, so the text has to do.
    of(FAR_AWAY + zone, FAR_AWAY + zone, zone === '' ? FAR_AWAY : '294276-12-31 05:30:00+05:30'),
  ]
}

export const CASES: Readonly<Record<string, readonly Case[]>> = {
  int2: [of(0), of(32767), of(-32768), of('7', '7', 7), of(7n, '7', 7)],
  int4: [of(0), of(2147483647), of(-2147483648), of('42', '42', 42)],
  int8: [of(0), of(Number.MAX_SAFE_INTEGER), of(Number.MIN_SAFE_INTEGER), of(5n, '5', 5), of('-6', '-6', -6),
    of(9007199254740992n), of(-9007199254740993n), of('9007199254740993', '9007199254740993', 9007199254740993n), of(2 ** 53, '9007199254740992', 2n ** 53n),
    of(9223372036854775807n), of(-9223372036854775808n)],
  oid: [of(4294967295)],
  float4: [of(0.1), of(-1.5), of('2.5', '2.5', 2.5), of(NaN), of(Infinity), of(-Infinity)],
  float8: [of(0.1), of(0.1 + 0.2), of(1e308, '1e+308'), of(5e-324), of(-0, '-0'), of(7n, '7', 7), of(NaN), of(Infinity), of(-Infinity)],
  numeric: [...strings('0.10', '-12345678901234567890123456789012345.678901234567890123456789012345', 'NaN', 'Infinity', '-Infinity'),
    of(1.5, '1.5', '1.5'), of(-3, '-3', '-3'), of(1e21, '1000000000000000000000', '1000000000000000000000'), of(10n ** 30n, `1${'0'.repeat(30)}`, `1${'0'.repeat(30)}`), of(NaN, 'NaN', 'NaN')],
  bool: [of(true), of(false), of('true', 'true', true), of('t', 'true', true), of('off', 'false', false), of(1, 'true', true), of(0, 'false', false)],
  json: JSONS,
  jsonb: JSONS.map((each) => ({ ...each, text: jsonbText(each.text), again: jsonbText(each.again) })),
  text: [...TEXTS, of(1, '1', '1'), of(-2.5, '-2.5', '-2.5'), of(10n ** 20n, `1${'0'.repeat(20)}`, `1${'0'.repeat(20)}`), of(true, 'true', 'true')],
  varchar: TEXTS,
  bpchar: TEXTS.filter(({ text }) => !text.endsWith(' ')),
  'char(5)': [of('ab', 'ab', 'ab   '), of('NULL', 'NULL', 'NULL ')],
  name: strings('plain', 'with "quotes", {braces}'),
  '"char"': strings('x', '"', ',', '\\'),
  uuid: strings('a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'),
  inet: strings('192.168.0.1/24', '2001:db8::1/64'),
  cidr: strings('10.0.0.0/8'),
  macaddr: strings('08:00:2b:01:02:03'),
  interval: strings('1 year 2 mons 3 days 04:05:06.789012', '-1 days', '00:00:00'),
  time: strings('12:34:56.789012', '24:00:00'),
  timetz: strings('12:34:56.789012+05:30'),
  xml: strings('<a b="1">x, {y}</a>'),
  'bit(3)': strings('101'),
  varbit: strings('10101'),
  money: strings('$1,234.50', '-$0.01'),
  int4range: strings('[1,10)', 'empty', '(,5)'),
  numrange: strings('[1.5,2.5]'),
  int4multirange: strings('{[1,3),[5,7)}', '{}'),
  point: strings('(1,2.5)'),
  line: strings('{1,2,3}'),
  lseg: strings('[(0,0),(1,1)]'),
  box: strings('(2,2),(1,1)'),
  path: strings('((0,0),(1,1))'),
  circle: strings('<(1,2),3>'),
  tsvector: strings("'a':1 'b, {c}':2"),
  jsonpath: strings('$."a"[0]'),
  pg_lsn: strings('16/B374D848'),
  date: [...strings('2024-02-29', '0001-01-01', '0044-03-15 BC', '10000-01-01', '294276-12-31'),
    of(utc(2024, 0, 1), '2024-01-01', '2024-01-01'), of(utc(2024, 11, 31, 23, 59, 59, 999), '2024-12-31', '2024-12-31'),
    of(instant('-000043-03-15T00:00:00Z'), '0044-03-15 BC', '0044-03-15 BC'), of(instant('+012345-06-07T00:00:00Z'), '12345-06-07', '12345-06-07'),
    of(Infinity, 'infinity'), of(-Infinity, '-infinity')],
  timestamp: [...timestamps(''), of('2024-01-02 12:00:00.123456', '2024-01-02 12:00:00.123456', utc(2024, 0, 2, 12, 0, 0, 123), '2024-01-02 12:00:00.123')],
  timestamptz: [...timestamps('+00'),
    of('2024-01-02T12:00:00.123456Z', '2024-01-02 12:00:00.123456+00', utc(2024, 0, 2, 12, 0, 0, 123), '2024-01-02 12:00:00.123+00'),
    of('2024-01-02 12:00:00.000001-05:30', '2024-01-02 17:30:00.000001+00', utc(2024, 0, 2, 17, 30), '2024-01-02 17:30:00+00')],
  bytea: [of(Buffer.alloc(0), '\\x'), of(Buffer.from([0, 255, 92, 34, 123]), '\\x00ff5c227b'), of(Buffer.from('žá'), '\\xc5bec3a1'),
    of(new Uint8Array([1, 2, 3]).subarray(1), '\\x0203', Buffer.from([2, 3])), of('\\xDEAD', '\\xdead', Buffer.from([0xde, 0xad]))],
}

const AS_TEXT = `v::text AS text, vs IS NULL AS none, array_dims(vs) AS dims,
  to_json(ARRAY(SELECT x::text FROM unnest(vs) WITH ORDINALITY AS u(x, i) ORDER BY i)) AS texts`

/** Sends every value in every way and looks at what the server has, and at what comes back. */
export function testValues (t: Test, timeZone: string, offset: number): void {
  t.equal(process.env['TZ'], timeZone)
  t.equal(new Date(0).getTimezoneOffset(), offset, 'the zone is in force')
  for (const [type, cases] of Object.entries(CASES)) {
    t.test(`${type}: what is written is what the server has, and what comes back can be written again`, async (t) => {
      const observer = await freshDatabase(t)
      await observer.rows('SET TimeZone TO UTC')
      await observer.rows(`CREATE TABLE held (n serial PRIMARY KEY, v ${type}, vs ${type}[])`)
      // The session's zone is neither UTC nor the process's; one connection, so that the third use is a prepared one.
      const db = await openDatabase(t, observer, { max: 1, parameters: { TimeZone: 'Asia/Kolkata' } })
      for (const [index, each] of cases.entries()) {
        const name = `${typeof each.value} for ${JSON.stringify(each.text)}`
        await t.test(`${name}, in a column and in an array`, (t) => testCase(t, db, observer, each, index))
        // A list inside a jsonb[] is a JSON value, so only a list of lists of other types is a second dimension.
        if (!type.startsWith('json')) await t.test(`${name}, in nested arrays`, (t) => testNested(t, db, observer, each, index))
        await t.test(`${name}, in executeMany`, (t) => testMany(t, db, observer, each, index))
      }
      await t.test('NULL', (t) => testNulls(t, db, observer))
      t.equal(db.stats().created, 1)
    })
  }
}

/** A text goes another way at each of its uses: unprepared, being prepared, prepared. */
const USES = ['first', 'second', 'third']

interface Held { n: number, v: unknown, vs: unknown }

async function testCase (t: Test, db: Database, observer: Observer, { value, text, read, again }: Case, index: number): Promise<void> {
  const insert = `INSERT INTO held (v, vs) VALUES ($1, $2) RETURNING n, v, vs /* ${index} */`
  const rewrite = `INSERT INTO held (v, vs) VALUES ($1, $2) RETURNING n /* ${index} again */`
  for (const use of USES) {
    const row = await db.fetchOne<Held>(insert, value, [value, null, value])
    t.strictSame([row?.v, row?.vs], [read, [read, null, read]], `${use} use`)
    t.strictSame(await db.fetchVal(`SELECT v FROM held WHERE n = $1 /* ${index} */`, row?.n), read, `${use} use, fetchVal`)
    t.strictSame(await db.fetchVal(`SELECT vs FROM held WHERE n = $1 /* ${index} */`, row?.n), [read, null, read], `${use} use, fetchVal of the array`)
    const rewritten = await db.fetchVal(rewrite, row?.v, row?.vs)
    t.strictSame(await observer.rows(`SELECT ${AS_TEXT} FROM held WHERE n IN ($1, $2) ORDER BY n`, [row?.n, rewritten]), [
      { text, none: false, dims: '[1:3]', texts: [text, null, text] },
      { text: again, none: false, dims: '[1:3]', texts: [again, null, again] },
    ], `${use} use, on the server`)
  }
}

async function testNested (t: Test, db: Database, observer: Observer, { value, text, read }: Case, index: number): Promise<void> {
  for (const use of USES) {
    const row = await db.fetchOne<Held>(`INSERT INTO held (vs) VALUES ($1) RETURNING n, vs /* ${index} */`, [[value, null], [value, value]])
    t.strictSame(row?.vs, [[read, null], [read, read]], `${use} use`)
    t.match(await observer.rows(`SELECT ${AS_TEXT} FROM held WHERE n = $1`, [row?.n]), [{ dims: '[1:2][1:2]', texts: [text, null, text, text] }], `${use} use, on the server`)
  }
}

async function testMany (t: Test, db: Database, observer: Observer, { value, text, read, again }: Case, index: number): Promise<void> {
  await observer.rows('TRUNCATE held RESTART IDENTITY')
  // NULLs first, because the first execution is the one that prepares the statement; then two that are sent together.
  const lists = [[null, null], [value, [value, null]], [value, []]]
  const rows = await db.executeManyWithReturning<Held>(`INSERT INTO held (v, vs) VALUES ($1, $2) RETURNING v, vs /* ${index} many */`, lists)
  t.strictSame(rows, [{ v: null, vs: null }, { v: read, vs: [read, null] }, { v: read, vs: [] }])
  t.strictSame(await db.executeMany(`INSERT INTO held (v, vs) VALUES ($1, $2) /* ${index} many */`, rows.map(({ v, vs }) => [v, vs])), { count: 3 })
  t.strictSame(await observer.rows(`SELECT ${AS_TEXT} FROM held ORDER BY n`), [text, again].flatMap((text) => [
    { text: null, none: true, dims: null, texts: [] },
    { text, none: false, dims: '[1:2]', texts: [text, null] },
    { text, none: false, dims: null, texts: [] },
  ]), 'on the server')
}

async function testNulls (t: Test, db: Database, observer: Observer): Promise<void> {
  for (const use of USES) {
    const row = await db.fetchOne<Held>('INSERT INTO held (v, vs) VALUES ($1, $2) RETURNING n, v, vs', null, null)
    t.match(row, { v: null, vs: null }, `${use} use`)
    t.equal(await db.fetchVal('SELECT v FROM held WHERE n = $1', row?.n), null, `${use} use, fetchVal`)
    t.match(await observer.rows(`SELECT ${AS_TEXT} FROM held WHERE n = $1`, [row?.n]), [{ text: null, none: true }], `${use} use, on the server`)
  }
}
