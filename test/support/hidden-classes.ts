// Run with --allow-natives-syntax and --expose-gc: how many hidden classes the rows of two statements with the same columns have.
import vm from 'node:vm'
import { TypeRegistry } from '../../src/codecs/type-registry.js'
import { RowReader } from '../../src/driver/row-reader.js'
import { dataRow } from './fake-server.js'

// As a text, because only V8 knows these.
const haveSameMap: (a: object, b: object) => boolean = vm.runInThisContext('(a, b) => %HaveSameMap(a, b)')
const hasFastProperties: (row: object) => boolean = vm.runInThisContext('(row) => %HasFastProperties(row)')

const registry = new TypeRegistry(() => {})
/** An integer, a number that is none, NULL, and numbers again: each is kept in another way. */
const TEXTS = ['1', '0.5', null, '1e300', '2', '-0', '3']

const found = [1, 2, 5, 10, 20, 36, 60, 100].map((columns) => {
  const names = Array.from({ length: columns }, (_, index) => `column ${index}`)
  const readers = [0, 1].map(() => new RowReader(names.map((name) => ({ name, type: 701, table: 0, number: 0 })), registry))
  const read = (reader: RowReader, text: string | null): object => {
    const bytes = dataRow(...names.map(() => text))
    return reader.row(bytes, 0, bytes.length)
  }
  // Of many more columns than an object has room for the first row is a hash table: only then is the shape made.
  if (columns > 72) for (const reader of readers) read(reader, '0')
  const rows: object[] = []
  for (const text of TEXTS) {
    for (const reader of readers) rows.push(read(reader, text))
    globalThis.gc?.()
  }
  const classes: object[] = []
  for (const row of rows) if (!classes.some((other) => haveSameMap(row, other))) classes.push(row)
  return { columns, classes: classes.length, isFast: rows.every(hasFastProperties) }
})
console.log(JSON.stringify(found))
