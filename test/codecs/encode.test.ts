import t from 'tap'
import { arrayEncoder, encoders, Refusal } from '../../src/codecs/encode.js'
import type { ScalarFamily } from '../../src/codecs/built-in-types.js'

const FIRST_JULY = new Date('2026-07-01T12:34:56.789Z')
const [BYTES, JSON_LOOP] = [Buffer.from([0, 1, 0xab, 0xff]), {} as Record<string, unknown>]
JSON_LOOP['self'] = JSON_LOOP

t.test('each family is written in the text form of its type', async (t) => {
  const cases: Array<[family: ScalarFamily, value: unknown, text: string]> = [
    ['bool', true, 't'], ['bool', false, 'f'], ['bool', 'yes', 'yes'], ['bool', 1, '1'], ['bool', 0, '0'],
    ['integer', 5, '5'], ['integer', -0, '-0'], ['integer', 0, '0'], ['integer', 5n, '5'], ['integer', '6', '6'],
    ['bigint', 2n ** 62n, '4611686018427387904'], ['bigint', '7', '7'],
    ['float', NaN, 'NaN'], ['float', -Infinity, '-Infinity'], ['float', 1e300, '1e+300'], ['numeric', 0.1, '0.1'],
    ['json', null, 'null'], ['json', true, 'true'], ['json', 'a"b', '"a\\"b"'], ['json', [1, { a: null }], '[1,{"a":null}]'],
    ['json', 1.5, '1.5'],
    ['json', FIRST_JULY, '"2026-07-01T12:34:56.789Z"'],
    ['bytea', BYTES, '\\x0001abff'], ['bytea', new Uint8Array(BYTES.buffer, BYTES.byteOffset + 1, 2), '\\x01ab'],
    ['bytea', '\\xAbCd', '\\xAbCd'],
    ['bytea', '\\x', '\\x'],
    ['date', FIRST_JULY, '2026-07-01'], ['date', 'today', 'today'], ['date', Infinity, 'infinity'], ['date', -Infinity, '-infinity'],
    ['timestamp', FIRST_JULY, '2026-07-01T12:34:56.789Z'], ['timestamptz', FIRST_JULY, '2026-07-01T12:34:56.789Z'],
    ['timestamp', new Date('9999-12-31T23:59:59.999Z'), '9999-12-31T23:59:59.999Z'],
    ['timestamp', new Date('+010000-01-01T00:00:00Z'), '10000-01-01T00:00:00.000Z'],
    ['timestamp', new Date('0001-01-01T00:00:00Z'), '0001-01-01T00:00:00.000Z'],
    ['timestamp', new Date('0000-01-01T00:00:00Z'), '0001-01-01T00:00:00.000Z BC'],
    ['date', new Date('-000043-03-15T00:00:00Z'), '0044-03-15 BC'],
    ['text', 'a', 'a'], ['text', '', ''], ['text', 5, '5'], ['text', 5n, '5'], ['text', true, 'true'],
  ]
  for (const [family, value, text] of cases) t.equal(encoders[family](value), text, `${family} ${String(value)}`)
})

t.test('what cannot be sent is refused, and its kind is named, never its value', async (t) => {
  const cases: Array<[family: ScalarFamily, value: unknown, reason: string]> = [
    ['bool', {}, 'an object is not a boolean'], ['integer', [], 'an array is not an integer'],
    ['bigint', true, 'a boolean is not an integer'],
    ['float', FIRST_JULY, 'a Date is not a number'], ['numeric', {}, 'an object is not a number'],
    ['integer', undefined, 'an undefined is not an integer'],
    ['text', {}, 'an object is not text'], ['text', Symbol('secret'), 'a symbol is not text'],
    ['json', NaN, 'NaN is not a JSON value'], ['json', Infinity, 'Infinity is not a JSON value'],
    ['json', () => 1, 'a function is not JSON'],
    ['json', JSON_LOOP, 'JSON.stringify refuses it (is it circular, or is there a bigint inside?): TypeError'],
    ['json', { a: 1n }, 'JSON.stringify refuses it (is it circular, or is there a bigint inside?): TypeError'],
    // eslint-disable-next-line no-throw-literal
    ['json', { toJSON () { throw 'secret' } }, 'JSON.stringify refuses it (is it circular, or is there a bigint inside?): error'],
    ['bytea', 'secret', 'a string is not bytea (a Buffer, a Uint8Array; for text: Buffer.from(text))'],
    ['bytea', '\\xabc', 'a string is not bytea (a Buffer, a Uint8Array; for text: Buffer.from(text))'],
    ['bytea', ' \\xab', 'a string is not bytea (a Buffer, a Uint8Array; for text: Buffer.from(text))'],
    ['bytea', '\\xabzz', 'a string is not bytea (a Buffer, a Uint8Array; for text: Buffer.from(text))'],
    ['date', 5, 'a number is not a date (a Date or a string)'], ['timestamp', {}, 'an object is not a timestamp (a Date or a string)'],
    ['timestamptz', true, 'a boolean is not a timestamp (a Date or a string)'], ['date', new Date(NaN), 'it is an Invalid Date'],
  ]
  for (const [family, value, reason] of cases) {
    const error = caught(() => encoders[family](value))
    t.ok(error instanceof Refusal, `${family}: ${reason}`)
    t.equal(error?.message, reason)
  }
})

t.test('arrays: elements in quotes, NULL, nesting where that is a further dimension', async (t) => {
  const texts = arrayEncoder(encoders.text, ',', true)
  const cases: Array<[value: unknown, text: string]> = [
    [[], '{}'], [['a', 'b'], '{"a","b"}'], [['a"b', 'c\\d', ''], '{"a\\"b","c\\\\d",""}'], [[null, 'NULL'], '{NULL,"NULL"}'],
    [[['a'], ['b']], '{{"a"},{"b"}}'], [[[[[[['a']]]]]], '{{{{{{"a"}}}}}}'], ['{raw}', '{raw}'], [[1, true], '{"1","true"}'],
  ]
  for (const [value, text] of cases) t.equal(texts(value), text)
  t.equal(arrayEncoder(encoders.text, ';', true)(['a', 'b']), '{"a";"b"}', 'the delimiter of the type')
  t.equal(arrayEncoder(encoders.json, ',', false)([[1, 2]]), '{"[1,2]"}', 'a list in a jsonb[] is one value')
})

t.test('arrays that cannot be sent are refused, and the next one is written as ever', async (t) => {
  const texts = arrayEncoder(encoders.text, ',', true)
  const loop: unknown[] = []
  loop.push(loop)
  const sparse = ['a']
  sparse[2] = 'c'
  const cases: Array<[value: unknown, reason: string]> = [
    [{}, 'an object is not an array'], [5, 'a number is not an array'], [[undefined],
      'element 0 of the array is undefined (use null for NULL)'],
    [sparse, 'element 1 of the array is undefined (use null for NULL)'], [[{}], 'an object is not text'],
    [loop, 'the array has more than 6 dimensions (is it circular?)'], [[[[[[[['a']]]]]]],
      'the array has more than 6 dimensions (is it circular?)'],
  ]
  for (const [value, reason] of cases) {
    t.equal(caught(() => texts(value))?.message, reason)
    t.equal(texts([['a']]), '{{"a"}}', `after: ${reason}`)
  }
})

function caught (work: () => unknown): Error | undefined {
  try {
    work()
    return undefined
  } catch (error) {
    return error instanceof Error ? error : undefined
  }
}
