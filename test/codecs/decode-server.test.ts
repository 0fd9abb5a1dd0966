import t from 'tap'
import { decoders } from '../../src/codecs/decode.js'
import type { ScalarFamily } from '../../src/codecs/built-in-types.js'
import { freshDatabase, openDatabase } from '../support/database.js'

const INSTANTS = ['2026-11-24 12:42:16.833142', '2026-11-24 12:42:16', '2026-01-01 00:00:00.5', '1969-12-31 23:59:59.999999', '1999-02-28 23:59:59.12', '2000-02-29 01:02:03',
  '1900-03-01 00:00:00', '0099-12-31 12:00:00', '0100-01-01 00:00:00', '0001-01-01 00:00:00', '0044-03-15 12:00:00 BC', '9999-12-31 23:59:59.999', '10000-01-01 00:00:00.25',
  '275760-09-13 00:00:00', '294276-12-31 10:00:00', '4713-01-01 00:00:00 BC', '1850-06-01 00:00:00.001', '2024-03-10 02:30:00', '2024-11-03 01:30:00', 'infinity', '-infinity']
const INTEGERS = ['0', '1', '-1', '42', '-32768', '32767']
const FLOATS = ['0', '-0', '0.1', '-1.5', '1e15', '123456789012345', '1234567890123456', '1e16', '0.0001', '0.00001', '0.30000000000000004', '3.0517578125e-05',
  '142.85714285714286', '-48.858370399999998', '1.7976931348623157e308', '5e-324', '2.2250738585072014e-308', '9007199254740993', 'NaN', 'Infinity', '-Infinity']

/** Literals of each type, and how it is read. */
const VALUES: Readonly<Record<string, readonly [family: ScalarFamily, literals: readonly string[]]>> = {
  int2: ['integer', INTEGERS],
  int4: ['integer', [...INTEGERS, '999999999', '1000000000', '-2147483648', '2147483647']],
  oid: ['integer', ['0', '4294967295', '2147483648']],
  int8: ['bigint', [...INTEGERS, '999999999999999', '9007199254740991', '9007199254740992', '-9007199254740991', '-9007199254740992', '9223372036854775807', '-9223372036854775808']],
  float8: ['float', FLOATS],
  float4: ['float', ['0', '-0', '0.1', '-1.5', '16777216', '1e20', '3.4028235e38', '1e-45', '123456.78', 'NaN', 'Infinity', '-Infinity']],
  numeric: ['numeric', ['0.00', '-12345678901234567890.123456789', '1e400', 'NaN', 'Infinity', '-Infinity']],
  timestamp: ['timestamp', INSTANTS],
  timestamptz: ['timestamptz', INSTANTS],
  date: ['date', ['2026-11-24', '0044-03-15 BC', '12345-01-01', 'infinity', '-infinity']],
  bytea: ['bytea', ['', '\\x00ff5c41', 'plain \\\\ and \\000', '\\x'.padEnd(402, 'e9')]],
  jsonb: ['json', ['{"b": 1, "a": [null, "é\\n"]}', '[]', 'null', '-1.50', '"x"', '{"__proto__": {"c": 1}}']],
  json: ['json', [' { "a" : 1 , "a" : 2 } ', '12345678901234567890', '[]']],
  interval: ['text', ['1 year 2 mons -3 days 04:05:06.789', '0', '-00:00:01', '1 day ago']],
  text: ['text', ['', 'plain', 'a text of more than twenty-four characters', 'žluťoučký', 'é', '€'.repeat(24), '🐘', 'x'.repeat(10_000)]],
  uuid: ['text', ['0f8fad5b-d9cb-469f-a165-70867728950e']],
  time: ['text', ['24:00:00', '12:42:16.833142']],
  timetz: ['text', ['12:42:16.5-05:30']],
  inet: ['text', ['10.0.0.1/8', '::1/64']],
  money: ['text', ['-1234.56']],
  whole: ['integer', ['5', '-2147483648']], // a domain over a domain over int4
  moment: ['timestamptz', INSTANTS],
}

/** What a session may have set, each beside the usual rest. */
const SETTINGS = [
  ...['ISO', 'SQL', 'Postgres', 'German'].flatMap((style) => ['MDY', 'DMY', 'YMD'].map((order) => `DateStyle = '${style}, ${order}'`)),
  ...['UTC', 'Europe/Prague', 'Asia/Kolkata', 'America/St_Johns', 'America/New_York', 'Africa/Monrovia', 'Etc/GMT+12'].map((zone) => `TimeZone = '${zone}'`),
  ...[-15, -3, 0, 1, 3].map((digits) => `extra_float_digits = ${digits}`),
  ...['postgres', 'postgres_verbose', 'sql_standard', 'iso_8601'].map((style) => `IntervalStyle = '${style}'`),
  "bytea_output = 'escape'", "bytea_output = 'hex'",
]

t.test('what the server writes with each setting is read as its text is', async (t) => {
  const observer = await freshDatabase(t)
  await observer.rows('CREATE DOMAIN small AS int; CREATE DOMAIN whole AS small; CREATE DOMAIN moment AS timestamptz')
  const db = await openDatabase(t, observer, { min: 1, max: 1 })
  const columns = Object.entries(VALUES).flatMap(([type, [family, literals]]) => literals.map((literal) => ({ type, family, literal })))
  const quoted = (literal: string): string => `'${literal.replaceAll("'", "''")}'`
  const values = `SELECT ${columns.map(({ type, literal }, index) => `${quoted(literal)}::${type} AS "${index}_value"`).join(', ')}`
  const texts = `SELECT ${columns.map(({ type, literal }, index) => `${quoted(literal)}::${type}::text AS "${index}_text"`).join(', ')}`
  let read = 0
  for (const setting of SETTINGS) {
    const lease = await db.acquire()
    await lease.execute(`SET ${setting}`)
    for (let use = 0; use < 3; use++) {
      const row = await lease.fetchOne(values)
      const written = await lease.fetchOne<Record<string, string>>(texts)
      for (const [index, { type, family, literal }] of columns.entries()) {
        const text = written?.[`${index}_text`] ?? ''
        const wanted = decoders[family]?.(text) ?? (decoders[family] === undefined ? text : null)
        t.strictSame(row?.[`${index}_value`], wanted, `${setting}: ${literal}::${type}, that is ${text}`)
        read++
      }
    }
    await lease.release()
  }
  t.equal(read, SETTINGS.length * columns.length * 3)
})

t.test('bool, and NULL of each type', async (t) => {
  const observer = await freshDatabase(t)
  await observer.rows('CREATE DOMAIN small AS int; CREATE DOMAIN whole AS small; CREATE DOMAIN moment AS timestamptz')
  const db = await openDatabase(t, observer, { min: 1, max: 1 })
  for (let use = 0; use < 3; use++) {
    t.strictSame(await db.fetchOne('SELECT true AS yes, false AS no'), { yes: true, no: false })
    const row = await db.fetchOne(`SELECT ${Object.keys(VALUES).map((type) => `NULL::${type} AS "a ${type}"`).join(', ')}`)
    t.strictSame(row, Object.fromEntries(Object.keys(VALUES).map((type) => [`a ${type}`, null])))
  }
})
