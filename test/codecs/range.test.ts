import fc from 'fast-check'
import t from 'tap'
import type { Database } from '../../src/index.js'
import { freshDatabase, openDatabase } from '../support/database.js'

const SETUP = 'CREATE TYPE words AS RANGE (subtype = text, collation = "C"); CREATE TYPE spans AS RANGE (subtype = int4range); CREATE DOMAIN words_once AS words'

interface Range { lower: unknown, upper: unknown, bounds: string }
const BOUNDS = ['[)', '[]', '(]', '()'] as const
const bound = fc.oneof(fc.constantFrom('', '"', '""', '\\', '\\"', ',', '(', ')', '[]', '{}', 'empty', 'NULL', ' ', '\n', '\t', "'", 'infinity', 'é😀'), fc.string({ unit: 'binary', maxLength: 12 }), fc.string({ maxLength: 12 }))
  .map((text) => text.replaceAll('\0', '')).filter((text) => text.isWellFormed())
const end = fc.option(bound.map((text) => ({ text })), { freq: 4 })
const bytes = (value: { text: string } | null): Buffer => Buffer.from(value?.text ?? '')
/** In the order of the server, and not empty. */
const range = fc.tuple(end, end, fc.constantFrom(...BOUNDS)).filter(([a, b]) => a === null || b === null || a.text !== b.text).map(([a, b, bounds]): Range => {
  const [lower, upper] = a !== null && b !== null && Buffer.compare(bytes(a), bytes(b)) > 0 ? [b, a] : [a, b]
  // A bound that is not there does not belong to it.
  return { lower, upper, bounds: (lower === null ? '(' : bounds.charAt(0)) + (upper === null ? ')' : bounds.charAt(1)) }
})

async function hold<T> (property: fc.IAsyncProperty<T>): Promise<void> { await fc.assert(property, { numRuns: 60 }) }

t.test('ranges over a type of one\'s own come out as they went in, whatever their bounds are, alone, in arrays and in multiranges', async (t) => {
  const observer = await freshDatabase(t)
  await observer.rows(SETUP)
  const db: Database = await openDatabase(t, observer, { types: { text: { decode: (text) => ({ text }), encode: (value) => (value as { text: string }).text } }, max: 1 })
  await hold(fc.asyncProperty(range, async (range) => {
    t.strictSame(await db.fetchVal('SELECT $1::words', range), range)
    const parts = await db.fetchOne('SELECT lower($1::words) AS lower, upper($1::words) AS upper, lower_inc($1::words) AS lower_in, upper_inc($1::words) AS upper_in', range)
    t.strictSame(parts, { lower: range.lower, upper: range.upper, lower_in: range.bounds[0] === '[', upper_in: range.bounds[1] === ']' }, 'the server has read it so')
    t.strictSame(await db.fetchVal('SELECT $1::words_once', range), range)
    t.strictSame(await db.fetchVal('SELECT $1::words_multirange', [range]), [range])
  }))
  await hold(fc.asyncProperty(fc.array(fc.oneof(range, fc.constantFrom(null, 'empty')), { maxLength: 4 }), async (ranges) => {
    t.strictSame(await db.fetchVal('SELECT $1::words[]', ranges), ranges)
    const known = ranges.filter((range) => range !== null && range !== 'empty')
    const union = await db.fetchVal<unknown[]>('SELECT range_agg(r) FROM unnest($1::words[]) AS r', known)
    t.strictSame(union === null ? [] : await db.fetchVal('SELECT $1::words_multirange', union), union ?? [])
    t.strictSame(await db.fetchVal('SELECT $1::words_multirange[]', [known.slice(0, 1), null, []]), [known.slice(0, 1), null, []])
  }))
})

t.test('empty ranges, ranges without ends, and ranges over ranges', async (t) => {
  const observer = await freshDatabase(t)
  await observer.rows(SETUP)
  const db = await openDatabase(t, observer, { types: { int4range: 'range', tstzrange: 'range', nummultirange: 'range', words: 'range' } })
  const same = async (type: string, value: unknown, out = value): Promise<void> => {
    for (let run = 0; run < 3; run++) t.strictSame(await db.fetchVal(`SELECT $1::${type}`, value), out, `${type} ${JSON.stringify(value)}`)
  }
  await same('int4range', 'empty')
  await same('int4range', { lower: 1, upper: 1, bounds: '[)' }, 'empty' as never)
  await same('int4range', { lower: 1, upper: 5, bounds: '[)' })
  await same('int4range', '[1,5]', { lower: 1, upper: 6, bounds: '[)' } as never)
  await same('int4range', { lower: null, upper: null, bounds: '()' })
  await same('int4multirange', [])
  await same('int4multirange', ['empty', '[1,3)', { lower: 5, upper: null, bounds: '[)' }], [{ lower: 1, upper: 3, bounds: '[)' }, { lower: 5, upper: null, bounds: '[)' }] as never)
  await same('int4range[]', [{ lower: 1, upper: 5, bounds: '[)' }, null, 'empty'])
  const at = new Date('2026-11-27T12:00:00.123Z')
  await same('tstzrange', { lower: at, upper: null, bounds: '[)' })
  await same('tstzrange', { lower: -Infinity, upper: Infinity, bounds: '[]' })
  await same('nummultirange', [{ lower: '1.50', upper: '2', bounds: '(]' }])
  await same('numrange', '(1.50,2]')
  await same('words', { lower: '', upper: null, bounds: '[)' })
  const inner = { lower: 1, upper: 2, bounds: '[)' }
  await same('spans', { lower: inner, upper: { lower: 3, upper: null, bounds: '[)' }, bounds: '[]' })
  for (const value of [{ lower: 1, upper: 2 }, { lower: 1, upper: 2, bounds: '<>' }, { upper: 2, bounds: '[)' }, { lower: undefined, upper: 2, bounds: '[)' }, [1, 2], 7, new Date(0), { lower: {}, upper: 2, bounds: '[)' }]) {
    await t.rejects(db.fetchVal('SELECT $1::int4range', value), { code: 'FST_PG_VALUE' }, JSON.stringify(value))
  }
  for (const value of [{ lower: 1, upper: 2, bounds: '[)' }, [null], [undefined], [[inner]]]) await t.rejects(db.fetchVal('SELECT $1::int4multirange', value), { code: 'FST_PG_VALUE' }, JSON.stringify(value))
})

t.test('other ranges stay text: those over a type that a word says how to read, and those of a type that has its own codec', async (t) => {
  const observer = await freshDatabase(t)
  await observer.rows(SETUP)
  const own = { decode: (text: string) => `<${text}>`, encode: String }
  const db = await openDatabase(t, observer, { types: { int4: 'bigint', numeric: 'number', int8range: 'string', daterange: own, tstzmultirange: own, date: 'date' } })
  const read = async (text: string): Promise<unknown> => await db.fetchVal(`SELECT ${text}`)
  t.strictSame(await read("'[1,5)'::int4range"), '[1,5)')
  t.strictSame(await read("'{[1,5)}'::int4multirange"), '{[1,5)}')
  t.strictSame(await read("'{[1,5)}'::nummultirange"), '{[1,5)}')
  t.strictSame(await read("'{[1,5)}'::int8multirange"), '{[1,5)}', 'a word for the range changes no multirange')
  t.strictSame(await read("'[2026-01-01,)'::daterange"), '<[2026-01-01,)>')
  t.strictSame(await read("'{[2026-01-01,),}'::datemultirange").catch(() => 'refused'), 'refused')
  t.strictSame(await read("'{[2026-01-01,)}'::datemultirange"), ['<[2026-01-01,)>'], 'a multirange is a list of ranges as their codec has them')
  t.strictSame(await read("'{}'::tstzmultirange"), '<{}>')
  t.strictSame(await read("'(,)'::tstzrange"), '(,)')
  t.strictSame(await read("'{[1,5),(7,9)}'::int4range[]").catch(() => 'refused'), 'refused')
})
