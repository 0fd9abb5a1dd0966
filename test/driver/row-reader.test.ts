import { execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { inspect, isDeepStrictEqual } from 'node:util'
import t from 'tap'
import { TypeRegistry } from '../../src/codecs/type-registry.js'
import { RowReader } from '../../src/driver/row-reader.js'
import { dataRow, int16, int32, message } from '../support/fake-server.js'
import { UNTRACKED } from '../support/script.js'

const registry = new TypeRegistry(() => {})
const [INT4, TEXT, FLOAT8] = [23, 25, 701]

const readerOf = (...columns: ReadonlyArray<readonly [name: string, type: number]>): RowReader =>
  new RowReader(columns.map(([name, type]) => ({ name, type, table: 0, number: 0 })), registry)

/** Between other bytes, as it is in what arrives. */
function inside<T> (row: Buffer, read: (bytes: Buffer, start: number, end: number) => T): T {
  const bytes = Buffer.concat([Buffer.from('1234567'), row, Buffer.from('7654321')])
  return read(bytes, 7, 7 + row.length)
}

const texts = (...values: Array<string | null>): Buffer => dataRow(...values)

t.test('a row is a plain object: own properties in the order of the columns', async (t) => {
  const rows: Array<readonly [names: string[], values: Array<string | null>, wanted: Array<[string, unknown]>]> = [
    [[], [], []],
    [['a'], [null], [['a', null]]],
    [['b', 'a'], ['1', '2'], [['b', '1'], ['a', '2']]],
    [['a', 'b', 'a'], ['1', '2', '3'], [['a', '3'], ['b', '2']]],
    [['b', '10', '2', 'a', '-1', '01'], ['1', '2', '3', '4', '5', '6'], [['2', '3'], ['10', '2'], ['b', '1'], ['a', '4'], ['-1', '5'], ['01', '6']]],
    [['constructor', 'toString', 'hasOwnProperty', 'length', ''], ['1', '2', '3', '4', '5'],
      [['constructor', '1'], ['toString', '2'], ['hasOwnProperty', '3'], ['length', '4'], ['', '5']]],
    [['a', '__proto__', 'b'], ['1', '2', '3'], [['a', '1'], ['__proto__', '2'], ['b', '3']]],
    [['__proto__'], [null], [['__proto__', null]]],
    ...[5, 9, 36, 37, 40, 200, 1664].map((count) => {
      const names = Array.from({ length: count }, (_, index) => `column ${index}`)
      return [names, names, names.map((name): [string, string] => [name, name])] as const
    }),
  ]
  for (const [names, values, wanted] of rows) {
    const reader = readerOf(...names.map((name) => [name, TEXT] as const))
    for (let use = 1; use <= 12; use++) {
      const row = inside(texts(...values), (...where) => reader.row(...where))
      const shown = `${names.slice(0, 6)}, row ${use}`
      const plain = Object.fromEntries(wanted)
      t.strictSame(Object.entries(row), wanted, shown)
      t.equal(Object.getPrototypeOf(row), Object.prototype, shown)
      t.ok(isDeepStrictEqual(Object.getOwnPropertyDescriptors(row), Object.getOwnPropertyDescriptors(plain)), shown)
      t.strictSame(Reflect.ownKeys(row), Reflect.ownKeys(plain), shown)
      t.equal(JSON.stringify(row), JSON.stringify(plain), shown)
      t.equal(inspect(row), inspect(plain), shown)
      t.ok(isDeepStrictEqual(row, plain), shown)
      t.ok(isDeepStrictEqual(structuredClone(row), structuredClone(plain)), shown)
    }
  }
  t.strictSame(Object.keys(Object.prototype), [], 'nothing has come to all objects')
})

t.test('rows of statements with as many columns do not share values', async (t) => {
  const [one, other] = [readerOf(['a', INT4], ['b', TEXT]), readerOf(['a', TEXT], ['c', TEXT])]
  for (let use = 0; use < 3; use++) {
    t.strictSame(inside(texts('1', null), (...where) => one.row(...where)), { a: 1, b: null })
    t.strictSame(inside(texts('x', 'y'), (...where) => other.row(...where)), { a: 'x', c: 'y' })
  }
})

const MISCOUNTED = 'a row with more or fewer fields than its description'
const CUT = 'a row that ends before its fields'
const OVERLONG = 'a field that does not end within its row'
const EXCESS = 'a row with bytes behind its fields'
const field = (length: number, text: string): Buffer => Buffer.concat([int32(length), Buffer.from(text)])

/** Rows that are not those of two columns. */
const MALFORMED: ReadonlyArray<readonly [name: string, row: Buffer, said: string]> = [
  ['no count', message('D'), MISCOUNTED],
  ['half a count', message('D', '\0'), MISCOUNTED],
  ['no fields', message('D', int16(0)), MISCOUNTED],
  ['a field too few', texts('1'), MISCOUNTED],
  ['a field too many', texts('1', '2', '3'), MISCOUNTED],
  ['65,535 fields', message('D', int16(-1), field(1, '1'), field(1, '2')), MISCOUNTED],
  ['258 fields', message('D', int16(258), field(1, '1'), field(1, '2')), MISCOUNTED],
  ['a count and no more', message('D', int16(2)), CUT],
  ['half a length', message('D', int16(2), '\0\0'), CUT],
  ['three quarters of the second length', message('D', int16(2), field(1, '1'), '\0\0\0'), CUT],
  ['a length without its second field', message('D', int16(2), field(1, '1')), CUT],
  ['a field that is cut', message('D', int16(2), field(1, '1'), field(5, '12')), OVERLONG],
  ['a field that takes the next', message('D', int16(2), field(6, '1'), field(1, '2')), CUT],
  ['a field of 2 GB', message('D', int16(2), field(0x7fffffff, '1'), field(1, '2')), OVERLONG],
  ['a field of -2 bytes', message('D', int16(2), field(-2, '1'), field(1, '2')), OVERLONG],
  ['a second field of -2 GB', message('D', int16(2), field(1, '1'), field(-0x80000000, '2')), OVERLONG],
  ['a byte behind the fields', message('D', int16(2), field(1, '1'), field(1, '2'), '3'), EXCESS],
  ['a byte behind NULLs', message('D', int16(2), field(-1, ''), field(-1, ''), '\0'), EXCESS],
]

t.test('a row that does not hold its columns is no row, in whatever form it is wanted, and its reader goes on', async (t) => {
  for (const [name, row, said] of MALFORMED) {
    for (const names of [['a', 'b'], ['a', '__proto__']]) {
      const reader = readerOf(...names.map((each) => [each, INT4] as const))
      const wanted = { code: 'FST_PG_PROTOCOL', advice: new RegExp(said) }
      for (let use = 0; use < 3; use++) {
        t.throws(() => inside(row, (...where) => reader.row(...where)), wanted, `${name}, row`)
        t.throws(() => inside(row, (...where) => reader.values(...where)), wanted, `${name}, values`)
        t.throws(() => inside(row, (...where) => reader.first(...where)), wanted, `${name}, first`)
        t.throws(() => inside(row, (...where) => reader.skip(...where)), wanted, `${name}, skip`)
        t.strictSame(inside(texts('1', null), (...where) => reader.values(...where)), [1, null], `${name}, the next`)
        t.strictSame(inside(texts('1', null), (...where) => Object.values(reader.row(...where))), [1, null], `${name}, the next`)
      }
    }
  }
})

t.test('values, the first value, and none', async (t) => {
  const reader = readerOf(['n', INT4], ['x', FLOAT8], ['s', TEXT])
  const row = texts('7', null, 'é')
  t.strictSame(inside(row, (...where) => reader.values(...where)), [7, null, 'é'])
  t.strictSame(inside(row, (...where) => reader.first(...where)), [7])
  t.equal(inside(row, (...where) => reader.skip(...where)), undefined)
  t.strictSame(inside(texts(null, '1', ''), (...where) => reader.first(...where)), [null])
  t.strictSame(inside(texts(), (...where) => readerOf().first(...where)), [])
})

t.test('what is unknown is text, until its type is known', async (t) => {
  const own = new TypeRegistry(() => {})
  const reader = new RowReader([['a', INT4], ['b', 50_001], ['b', 50_002]].map(([name, type]) => ({ name: String(name), type: Number(type), table: 0, number: 0 })), own)
  const read = (): unknown => inside(texts('1', '2', '3'), (...where) => reader.row(...where))
  const rows = [read(), inside(texts('1', '2', '3'), (...where) => reader.values(...where))]
  t.strictSame(rows, [{ a: 1, b: '3' }, [1, '2', '3']])
  t.strictSame(reader.unknown, [1, 2])
  t.strictSame(reader.typesToLearn(), [50_001, 50_002])
  own.learn([50_001, 50_002].map((oid) => ({ oid, name: `own_${oid}`, schema: 'public', kind: 'd', base: INT4, element: 0, bounds: null, delimiter: ',', is_array: false })), [50_001, 50_002])
  reader.readUnknown(rows, [1, 2])
  t.strictSame(rows, [{ a: 1, b: 3 }, [1, 2, 3]])
  t.equal(reader.unknown, undefined)
  t.strictSame(read(), { a: 1, b: 3 })
})

t.test('all rows of the same columns have one hidden class, which is no hash table', async (t) => {
  const script = fileURLToPath(new URL('../support/hidden-classes.ts', import.meta.url))
  const output = execFileSync(process.execPath, ['--allow-natives-syntax', '--expose-gc', '--import', 'tsx', script], { encoding: 'utf8', env: { PATH: process.env['PATH'], ...UNTRACKED } })
  const found: Array<{ columns: number, classes: number, isFast: boolean }> = JSON.parse(output)
  t.strictSame(found, [1, 2, 5, 10, 20, 36, 60, 100].map((columns) => ({ columns, classes: 1, isFast: true })))
})
