import fc, { type Arbitrary } from 'fast-check'
import t, { type Test } from 'tap'
import type { Database } from '../../src/index.js'
import { freshDatabase, openDatabase } from '../support/database.js'

/** A type, values that it takes, and what comes out of each. */
interface Kind { type: string, values: Arbitrary<unknown>, out?: (value: never) => unknown }

const kind = <T>(type: string, values: Arbitrary<T>, out?: (value: T) => unknown): Kind => ({ type, values, ...(out !== undefined && { out }) })

/** Any text that UTF-8 has, and no NUL, which Postgres has not. */
const text = fc.oneof(fc.string({ unit: 'binary', maxLength: 40 }), fc.string({ maxLength: 40 }), fc.constantFrom('NULL', '{}', '"', '\\', "'", ',', '$1', '__proto__'))
  .map((each) => each.replaceAll('\0', '')).filter((each) => each.isWellFormed())
/** JSON has no -0, and jsonb none of what its numbers cannot hold. */
const json = fc.jsonValue({ maxDepth: 4, noUnicodeString: false } as never).map((value) => JSON.parse(JSON.stringify(value).replaceAll('\\u0000', '').replace(/\\ud[89a-f][0-9a-f]{2}/gi, '')))
  .filter((value) => value !== null)
const integers = (most: bigint): Arbitrary<bigint> => fc.bigInt({ min: -most - 1n, max: most })
const asNumberOrBigint = (value: bigint | number | string): number | bigint => Number.isSafeInteger(Number(value)) ? Number(value) : BigInt(value)
const date = (from: string, to: string): Arbitrary<Date> => fc.date({ min: new Date(from), max: new Date(to), noInvalidDate: true })
const anyDate = fc.oneof(date('0001-01-01', '9999-12-31'), date('-004000-01-01', '+200000-01-01'), date('1900-01-01', '2100-01-01'))
const isoDate = date('0001-01-01', '9999-12-30').map((each) => each.toISOString().slice(0, 10))
/** Of few digits, so that a float4 has the same shortest text as the number. */
const float4 = fc.oneof(fc.tuple(fc.integer({ min: -99_999, max: 99_999 }), fc.nat(12)).map(([digits, places]) => Number(`${digits}e-${places}`)), fc.constantFrom(NaN, Infinity, -Infinity, -0))
const two = (n: number): string => String(n).padStart(2, '0')
const time = fc.tuple(fc.nat(23), fc.nat(59), fc.nat(59)).map((parts) => parts.map(two).join(':'))
const bytes = fc.uint8Array({ maxLength: 60 })

const KINDS: readonly Kind[] = [
  kind('bool', fc.boolean()),
  kind('int2', fc.integer({ min: -32768, max: 32767 }), (value) => value + 0),
  kind('int4', fc.oneof(fc.integer(), integers(2n ** 31n - 1n).map(String)), Number),
  kind('int8', fc.oneof(integers(2n ** 63n - 1n), fc.maxSafeInteger(), integers(2n ** 63n - 1n).map(String)), asNumberOrBigint),
  kind('oid', fc.nat()),
  kind('float4', float4),
  kind('float8', fc.oneof(fc.double(), fc.constantFrom(-0, NaN, Infinity, -Infinity, 5e-324, 1.7976931348623157e308))),
  kind('numeric', fc.oneof(integers(10n ** 60n), fc.tuple(integers(10n ** 20n), fc.stringMatching(/^\d{1,30}$/)).map(([whole, part]) => `${whole}.${part}`), fc.constantFrom('NaN', 'Infinity', '-Infinity', '0.00')),
    (value) => String(value)),
  kind('text', text),
  kind('varchar', text),
  kind('bytea', fc.oneof(bytes, bytes.map((each) => Buffer.from(each))), (value) => Buffer.from(value)),
  kind('json', json),
  kind('jsonb', json),
  kind('date', fc.oneof(isoDate, fc.constantFrom(Infinity, -Infinity))),
  kind('timestamp', fc.oneof(anyDate, fc.constantFrom(Infinity, -Infinity))),
  kind('timestamptz', fc.oneof(anyDate, fc.constantFrom(Infinity, -Infinity))),
  kind('time', time),
  kind('uuid', fc.uuid()),
  kind('"char"', fc.constantFrom('', 'a', '"', '\\', ',')),
  kind('varbit', fc.stringMatching(/^[01]{0,40}$/)),
  kind('inet', fc.ipV4()),
  kind('int4range', fc.tuple(fc.nat(1000), fc.integer({ min: 1, max: 1000 })).map(([from, size]) => `[${from},${from + size})`)),
  kind('mood', fc.constantFrom('fine', 'so, {so}', 'the "end"', 'NULL', '\\')),
  kind('word', text),
  kind('document', json),
]
const SETUP = 'CREATE TYPE mood AS ENUM (\'fine\', \'so, {so}\', \'the "end"\', \'NULL\', E\'\\\\\'); CREATE DOMAIN word AS text; CREATE DOMAIN document AS jsonb'

/** NULL is as good as a value. A whole array, and one of two dimensions where a list is not itself a value. */
interface Sample { type: string, value: unknown, wanted: unknown }
const sample: Arbitrary<Sample> = fc.constantFrom(...KINDS).chain(({ type, values, out = (value: never) => value as unknown }) => {
  const one = fc.option(values, { freq: 10 })
  const read = (value: unknown): unknown => value === null ? null : Array.isArray(value) && type !== 'json' && type !== 'jsonb' && type !== 'document' ? value.map(read) : out(value as never)
  const list = fc.array(one, { maxLength: 5 })
  const table = fc.tuple(fc.nat(3), fc.nat(3)).chain(([rows, columns]) => fc.array(fc.array(one, { minLength: columns + 1, maxLength: columns + 1 }), { minLength: rows + 1, maxLength: rows + 1 }))
  const nests = !['json', 'jsonb', 'document'].includes(type)
  return fc.oneof(
    { weight: 4, arbitrary: one.map((value) => ({ type, value, wanted: read(value) })) },
    { weight: 2, arbitrary: list.map((value) => ({ type: `${type}[]`, value, wanted: value.map(read) })) },
    ...(nests ? [{ weight: 1, arbitrary: table.map((value) => ({ type: `${type}[]`, value, wanted: value.map((row) => row.map(read)) })) }] : [])
  )
})

/** Equal by the documented mapping: -0 and NaN told apart, a Buffer by its bytes, a Date by its time, JSON as JSON. */
function same (one: unknown, other: unknown): boolean {
  if (Object.is(one, other)) return true
  if (Buffer.isBuffer(one) && Buffer.isBuffer(other)) return one.equals(other)
  if (one instanceof Date && other instanceof Date) return one.getTime() === other.getTime()
  if (typeof one !== 'object' || typeof other !== 'object' || one === null || other === null || Array.isArray(one) !== Array.isArray(other)) return false
  const names = Object.keys(one)
  return names.length === Object.keys(other).length && names.every((name) => Object.hasOwn(other, name) && same(Reflect.get(one, name), Reflect.get(other, name)))
}

const show = (value: unknown): string => typeof value === 'bigint' ? `${value}n` : fc.stringify(value)

async function open (t: Test): Promise<Database> {
  const observer = await freshDatabase(t)
  await observer.rows(SETUP)
  return await openDatabase(t, observer, { min: 2, max: 2, commandTimeout: 10 })
}

/** The next statement is right, and the pool has the connections that it had. */
async function isClean (db: Database): Promise<boolean> {
  const next = await Promise.all([db.fetchVal('SELECT $1::text', 'next'), db.fetchOne('SELECT 1 AS one')])
  const { size, free, busy, waiting, created } = db.stats()
  return same(next, ['next', { one: 1 }]) && same([size, free, busy, waiting, created], [2, 2, 0, 0, 2])
}

/** fast-check finds a smaller example of what fails, and prints it with its seed. */
const RUNS = { numRuns: 250 }

t.test('what goes in comes out: many values of all types in one statement', async (t) => {
  const db = await open(t)
  let values = 0
  await fc.assert(fc.asyncProperty(fc.array(sample, { minLength: 1, maxLength: 12 }), fc.constantFrom(undefined, true, false), async (samples, prepare) => {
    const statement = { text: `SELECT ${samples.map(({ type }, index) => `$${index + 1}::${type} AS c${index}`).join(', ')}`, prepare }
    const args = samples.map(({ value }) => value)
    const [row, again] = await Promise.all([db.fetchOne(statement, ...args), db.fetchAll(statement, ...args)])
    const [many] = await db.executeManyWithReturning(statement.text, [args])
    for (const got of [row, again[0], many]) {
      for (const [index, { type, value, wanted }] of samples.entries()) {
        values++
        const back: unknown = Reflect.get(got ?? {}, `c${index}`)
        if (!same(back, wanted)) throw new Error(`${type}: ${show(value)} came back as ${show(back)}`)
      }
    }
    return await isClean(db)
  }), RUNS)
  t.ok(values > 1000, `${values} values`)
})

/** Anything for anything. */
const anything = fc.oneof(
  fc.anything({ withBigInt: true, withDate: true, withMap: true, withSet: true, withTypedArray: true, withSparseArray: true, withNullPrototype: true, withObjectString: true }),
  fc.constantFrom(undefined, NaN, -0, Infinity, 2 ** 53, 2n ** 80n, Symbol('x'), () => 1, new Date(NaN), '\ud800', '\0', new Map(), Promise.resolve(1)),
  fc.string({ unit: 'binary' }), sample.map(({ value }) => value))
const types = fc.constantFrom(...KINDS.flatMap(({ type }) => [type, `${type}[]`]))

t.test('any value for any type goes in and comes out in a form that goes in again, or is one coded error, and the connection is clean', async (t) => {
  const db = await open(t)
  const outcomes = { value: 0, error: 0 }
  await fc.assert(fc.asyncProperty(fc.array(fc.tuple(types, anything), { minLength: 4, maxLength: 4 }), fc.constantFrom(undefined, true, false), async (pairs, prepare) => {
    await Promise.all(pairs.map(async ([type, value]) => {
      const statement = { text: `SELECT $1::${type} AS v, $1::${type}::text AS text`, prepare }
      let row: { v: unknown, text: string } | null
      try {
        row = await db.fetchOne(statement, value)
      } catch (error) {
        outcomes.error++
        const code = error instanceof Error && 'code' in error ? String(error.code) : String(error)
        if (!/^(FST_PG_VALUE|22...|54000|54001|42601)$/.test(code)) throw new Error(`${type}: ${show(value)} gave ${code}`, { cause: error })
        return
      }
      outcomes.value++
      const again = await db.fetchOne<{ v: unknown, text: string }>(statement, row?.v)
      if (!same(again?.v, row?.v)) throw new Error(`${type}: ${show(value)} came back as ${show(row?.v)}, and then as ${show(again?.v)}`)
    }))
    return await isClean(db)
  }), RUNS)
  t.ok(outcomes.value > 100 && outcomes.error > 100, `${outcomes.value} values, ${outcomes.error} errors`)
})

t.test('a value that is read and written again has the same text on the server', async (t) => {
  const db = await open(t)
  await fc.assert(fc.asyncProperty(fc.array(sample, { minLength: 1, maxLength: 12 }), async (samples) => {
    const texts = samples.map(({ type }, index) => `$${index + 1}::${type} AS v${index}, $${index + 1}::${type}::text AS t${index}`).join(', ')
    const first = await db.fetchOne<Record<string, unknown>>(`SELECT ${texts}`, ...samples.map(({ value }) => value))
    const second = await db.fetchOne<Record<string, unknown>>(`SELECT ${texts}`, ...samples.map((_, index) => first?.[`v${index}`]))
    for (const [index, { type, value }] of samples.entries()) {
      const [one, other] = [first?.[`t${index}`], second?.[`t${index}`]]
      // json keeps its text as it was written; the others have one form.
      if (one !== other && !type.startsWith('json')) throw new Error(`${type}: ${show(value)} is ${show(one)}, and then ${show(other)}`)
    }
    return await isClean(db)
  }), RUNS)
})
