import t from 'tap'
import { arrayDecoder, decoders } from '../../src/codecs/decode.js'
import type { ScalarFamily } from '../../src/codecs/built-in-types.js'

const utc = (iso: string): Date => new Date(iso)

t.test('each family is read from the text form of its type', async (t) => {
  const cases: Array<[family: ScalarFamily, text: string, value: unknown]> = [
    ['bool', 't', true], ['bool', 'f', false], ['integer', '-5', -5], ['float', 'NaN', NaN], ['float', '-Infinity', -Infinity],
    ['float', '1e+300', 1e300],
    ['bigint', '9007199254740991', 9007199254740991], ['bigint', '9007199254740992', 9007199254740992n],
    ['bigint', '-9007199254740993', -9007199254740993n],
    ['json', '{"a":[1,null]}', { a: [1, null] }], ['json', 'null', null],
    ['bytea', '\\x00ff', Buffer.from([0, 255])], ['bytea', '\\x', Buffer.alloc(0)],
    ['bytea', 'a\\\\b\\000\\377', Buffer.from([97, 92, 98, 0, 255])],
    ['bytea', '\\\\101', Buffer.from('\\101')],
    ['date', '2026-07-01', '2026-07-01'], ['date', 'infinity', Infinity], ['date', '-infinity', -Infinity],
    ['date', '0044-03-15 BC', '0044-03-15 BC'],
  ]
  for (const [family, text, value] of cases) t.strictSame(decoders[family]?.(text), value, `${family} ${text}`)
  t.equal(decoders.text, undefined, 'a text is its own value')
  t.equal(decoders.numeric, undefined, 'so is a numeric: nothing of it is lost')
})

t.test('timestamps are read as UTC, with or without a zone', async (t) => {
  const cases: Array<[text: string, value: unknown]> = [
    ['2026-11-24 12:42:16', utc('2026-11-24T12:42:16Z')], ['2026-11-24 12:42:16.8', utc('2026-11-24T12:42:16.8Z')],
    ['2026-11-24 12:42:16.83', utc('2026-11-24T12:42:16.83Z')], ['2026-11-24 12:42:16.833', utc('2026-11-24T12:42:16.833Z')],
    ['2026-11-24 12:42:16.833142', utc('2026-11-24T12:42:16.833Z')], ['2026-11-24 12:42:16.999999', utc('2026-11-24T12:42:16.999Z')],
    ['2026-11-24 12:42:16+00', utc('2026-11-24T12:42:16Z')], ['2026-11-24 12:42:16.833142+00', utc('2026-11-24T12:42:16.833Z')],
    ['2026-01-01 00:00:00', utc('2026-01-01T00:00:00Z')], ['2026-12-31 23:59:59', utc('2026-12-31T23:59:59Z')],
    ['2024-02-29 01:02:03', utc('2024-02-29T01:02:03Z')],
    ['2026-11-24 12:42:16+02', utc('2026-11-24T10:42:16Z')], ['2026-11-24 12:42:16-05:30', utc('2026-11-24T18:12:16Z')],
    ['2026-11-24 12:42:16.5+05:45', utc('2026-11-24T06:57:16.5Z')], ['1800-01-01 00:00:00+00:53:28', utc('1799-12-31T23:06:32Z')],
    ['0100-01-01 00:00:00', utc('0100-01-01T00:00:00Z')], ['0099-12-31 00:00:00', utc('0099-12-31T00:00:00Z')],
    ['0001-01-01 00:00:00', utc('0001-01-01T00:00:00Z')],
    ['0044-03-15 12:00:00 BC', utc('-000043-03-15T12:00:00Z')], ['0001-01-01 00:00:00+00 BC', utc('0000-01-01T00:00:00Z')],
    ['0044-03-15 12:00:00+01 BC', utc('-000043-03-15T11:00:00Z')], ['9999-12-31 00:00:00', utc('9999-12-31T00:00:00Z')],
    ['10000-01-01 00:00:00', utc('+010000-01-01T00:00:00Z')], ['10000-01-01 00:00:00.25+00', utc('+010000-01-01T00:00:00.25Z')],
    ['infinity', Infinity], ['-infinity', -Infinity], ['294276-12-31 23:59:59', '294276-12-31 23:59:59'],
    ['275760-09-13 00:00:00', new Date(8.64e15)], ['275760-09-13 00:00:00-02:30', '275760-09-13 00:00:00-02:30'],
    ['Tue Nov 24 12:42:16 2026', 'Tue Nov 24 12:42:16 2026'], ['24/11/2026 12:42:16.00', '24/11/2026 12:42:16.00'], ['', ''],
    ['2026-11-24 12:42:16.8x', '2026-11-24 12:42:16.8x'], ['2026-11-24 12:42:16.83:', '2026-11-24 12:42:16.83:'],
    ['2026-11-24 12:42:16,83', '2026-11-24 12:42:16,83'],
    ['2026-11-24 12:42', '2026-11-24 12:42'], ['x2026-11-24 12:42:16+02', 'x2026-11-24 12:42:16+02'],
    ['2026-11-24 12:42:16+02 CEST', '2026-11-24 12:42:16+02 CEST'],
  ]
  for (const family of ['timestamp', 'timestamptz'] as const) {
    for (const [text, value] of cases) t.strictSame(decoders[family]?.(text), value, `${family} ${text}`)
  }
})

t.test('arrays: NULL elements, nesting, bounds, quotes, other delimiters', async (t) => {
  const integers = arrayDecoder(decoders.integer, ',')
  t.strictSame(integers('{1,NULL,-3}'), [1, null, -3])
  t.strictSame(integers('{{1,2},{3,4}}'), [[1, 2], [3, 4]])
  t.strictSame(integers('[0:1]={1,2}'), [1, 2])
  t.strictSame(integers('{}'), [])
  const texts = arrayDecoder(undefined, ',')
  t.strictSame(texts('{a,"b,c","d\\"e","f\\\\g",NULL,"NULL"}'), ['a', 'b,c', 'd"e', 'f\\g', null, 'NULL'])
  const boxes = arrayDecoder(undefined, ';')
  t.strictSame(boxes('{(1,1),(0,0);(2,2),(1,1)}'), ['(1,1),(0,0)', '(2,2),(1,1)'])
  t.strictSame(boxes('{(1,1);NULL;"a;b";"c\\";d"}'), ['(1,1)', null, 'a;b', 'c";d'])
  t.strictSame(boxes('{{(1,1)};{(2,2)}}'), [['(1,1)'], ['(2,2)']])
  t.strictSame(boxes('[2:3]={(1,1);(2,2)}'), ['(1,1)', '(2,2)'])
  t.strictSame(arrayDecoder(undefined, '|')('{a|b,c}'), ['a', 'b,c'], 'a delimiter that a regular expression would take for its own')
})
