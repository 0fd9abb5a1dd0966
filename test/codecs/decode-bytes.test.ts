import fc, { type Arbitrary } from 'fast-check'
import t from 'tap'
import type { ScalarFamily } from '../../src/codecs/built-in-types.js'
import { decoders } from '../../src/codecs/decode.js'
import { readers } from '../../src/codecs/decode-bytes.js'
import { seeded } from '../support/random.js'

/** A value, or the error that there was instead. */
function outcomeOf (read: () => unknown): unknown {
  try {
    return read()
  } catch (error) {
    return `${error}`
  }
}

/** The field of a text lies between bytes that must not be taken for a part of it. */
function readField (family: ScalarFamily, text: string, around: string): unknown {
  const field = Buffer.from(text)
  const beside = Buffer.from(around)
  const bytes = Buffer.concat([beside, field, beside])
  return outcomeOf(() => readers[family](bytes, beside.length, beside.length + field.length))
}

function isSame (one: unknown, other: unknown): boolean {
  if (one instanceof Date && other instanceof Date) return Object.is(one.getTime(), other.getTime())
  if (Buffer.isBuffer(one) && Buffer.isBuffer(other)) return one.equals(other)
  if (typeof one === 'object' && one !== null) return JSON.stringify(one) === JSON.stringify(other)
  return Object.is(one, other)
}

/** Reads bytes and text, and compares. */
function isReadAlike (family: ScalarFamily, text: string): boolean {
  const wanted = outcomeOf(() => decoders[family] === undefined ? text : decoders[family](text))
  return ['', '7', '-', '.', '\n', '\0\0\0\x03', 'é'].every((around) => isSame(readField(family, text, around), wanted))
}

const digits = (most: number): Arbitrary<string> => fc.stringMatching(new RegExp(`^\\d{1,${most}}$`))
const signed = (text: Arbitrary<string>): Arbitrary<string> => fc.tuple(fc.constantFrom('', '', '-', '+'), text).map((parts) => parts.join(''))
const two = (from: number, to: number): Arbitrary<string> => fc.integer({ min: from, max: to }).map((each) => String(each).padStart(2, '0'))
const timestamp = fc.tuple(
  fc.oneof(fc.integer({ min: 0, max: 9999 }), fc.integer({ min: 1, max: 275_760 })).map((year) => String(year).padStart(4, '0')), two(1, 12), two(1, 31),
  two(0, 23), two(0, 59), two(0, 60), fc.oneof(fc.constant(''), digits(6).map((fraction) => `.${fraction}`)),
  fc.constantFrom('', '', '+00', '+00', '-00', '+01', '-07', '+05:45', '+00:53:28', '-00:30', '+00:00'), fc.constantFrom('', '', '', ' BC')
).map(([year, month, day, hours, minutes, seconds, ...rest]) => `${year}-${month}-${day} ${hours}:${minutes}:${seconds}${rest.join('')}`)

/** A character is changed, left out or doubled: what a server would not send, or only with other settings. */
const damaged = (text: Arbitrary<string>): Arbitrary<string> => fc.tuple(text, fc.nat(30), fc.constantFrom('', '0', '9', '-', '.', ':', '+', ' ', 'e', '/', 'x', 'é', '\0'))
  .map(([text, at, by]) => text.slice(0, at) + by + text.slice(at + 1))

const short = fc.oneof(fc.string({ maxLength: 30 }), fc.string({ unit: 'grapheme', maxLength: 30 }), fc.string({ unit: 'binary', maxLength: 30 }))
  .filter((text) => text.isWellFormed())
const number = fc.oneof(
  signed(digits(20)), signed(fc.tuple(digits(18), digits(20)).map((parts) => parts.join('.'))), fc.double().map(String), fc.float().map(String),
  fc.integer().map(String), fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map(String),
  // Nearly in the middle between two numbers, and in the middle.
  fc.tuple(fc.bigInt({ min: 2n ** 53n, max: 2n ** 56n }), fc.integer({ min: 0, max: 16 }))
    .map(([each, places]) => String(each).replace(new RegExp(`(?=\\d{${places}}$)`), places === 0 ? '' : '.'))
)
const SPECIAL = ['', '-', '+', '.', '-.', '0', '-0', '0.0', '-0.0', '.5', '5.', '00', '007', '1e5', '1E-5', 'NaN', 'Infinity', '-Infinity', 'infinity',
  '-infinity', '1.7976931348623157e+308', '5e-324', '9007199254740991', '9007199254740992', '9007199254740993', '-9007199254740991', '-9007199254740993',
  '9999999999999999', '123456789', '1234567890', '2147483647', '-2147483648', '4294967295', '9223372036854775807', '0x10', '1_000', ' 1', '1 ', '１',
  '0.1', '0.30000000000000004', '1e-07', '123456789012345.67', '12345678901234567', '0.00012345678901234567', '0000000000000000000000000.1', 't', 'f', 'true', 'é']
const special = fc.constantFrom(...SPECIAL)
const json = fc.oneof(fc.json({ maxDepth: 2 }), special, fc.constantFrom('null', 'true', '{}', '[]', '""', '{"a": 1}', '{"__proto__": 1}'))
const bytea = fc.oneof(fc.uint8Array({ maxLength: 30 }).map((each) => `\\x${Buffer.from(each).toString('hex')}`), fc.constantFrom('', '\\x', 'a\\\\b\\000\\377', '\\\\101'))
const date = fc.oneof(timestamp.map((text) => text.slice(0, text.indexOf(' '))), fc.constantFrom('infinity', '-infinity', '0044-03-15 BC', '24/11/2026', '12345-01-01'))
const instants = fc.oneof(timestamp, damaged(timestamp), fc.constantFrom('infinity', '-infinity', 'Tue Nov 24 12:42:16 2026', '24/11/2026 12:42:16.00 CET',
  '24.11.2026 12:42:16.5', '2026-11-24 12:42', '2026-11-24', '2026-11-24T12:42:16Z', '294276-12-31 23:59:59', '2026-00-24 12:42:16', '2026-13-24 12:42:16'))

const TEXTS: Readonly<Record<ScalarFamily, Arbitrary<string>>> = {
  bool: fc.oneof(fc.constantFrom('t', 'f', 'true', 'T', '', '1'), short),
  integer: fc.oneof(number, special, damaged(number)),
  bigint: fc.oneof(number, special).filter((text) => /^[-+]?\d+$/.test(text)),
  float: fc.oneof(number, special, damaged(number)),
  numeric: fc.oneof(number, special),
  json,
  bytea,
  date,
  timestamp: fc.oneof(instants, damaged(instants)),
  timestamptz: fc.oneof(instants, damaged(instants)),
  text: fc.oneof(short, special, timestamp),
}

for (const [family, texts] of Object.entries(TEXTS) as Array<[ScalarFamily, Arbitrary<string>]>) {
  t.test(`${family}: what is read from bytes is what is read from their text`, async () => {
    fc.assert(fc.property(texts, (text) => isReadAlike(family, text)), { numRuns: 3_000, seed: 20_261_127 })
  })
}

t.test('texts of each length, of ASCII and with a character in each place that is not', async (t) => {
  const wrong: string[] = []
  for (let length = 0; length <= 40; length++) {
    const text = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRST'.slice(0, length)
    t.equal(readField('text', text, '!'), text)
    for (let at = 0; at < length; at++) {
      for (const other of ['é', '€', '🐘', '\x7f', '\x80', '\0']) {
        const mixed = text.slice(0, at) + other + text.slice(at + 1)
        if (readField('text', mixed, '!') !== mixed) wrong.push(mixed)
      }
    }
  }
  t.strictSame(wrong, [])
})

t.test('bytes that are no UTF-8 are replaced as a text decoder does', async (t) => {
  for (const bytes of [[0x80], [0xff, 0x41], [0x41, 0xc3], [0xe2, 0x82], [0xf0, 0x9f, 0x90], [0xed, 0xa0, 0x80]]) {
    const buffer = Buffer.from([...bytes, 0x42])
    t.equal(readers.text(buffer, 0, bytes.length), new TextDecoder().decode(buffer.subarray(0, bytes.length)), buffer.toString('hex'))
  }
})

t.test('200,000 numbers with as many digits as a server prints are read as Number reads them', async (t) => {
  const random = seeded('numbers')
  const words = new Uint32Array(2)
  const [double] = [new Float64Array(words.buffer)]
  const wrong: string[] = []
  let inBetween = 0
  for (let count = 0; count < 200_000; count++) {
    words[0] = random.integer(0, 0xffffffff)
    words[1] = random.integer(0x3f000000, 0x44000000) | (random.chance(0.5) ? 0x80000000 : 0)
    const shortest = String(double[0])
    const some = (double[0] ?? 0).toPrecision(random.integer(1, 17))
    for (const text of [shortest, some]) {
      const value = readField('float', text, '0')
      if (!Object.is(value, Number(text))) wrong.push(`${text} is read as ${value}`)
    }
    if (shortest.length > 17) inBetween++
  }
  t.strictSame(wrong.slice(0, 10), [])
  t.ok(inBetween > 50_000, 'most of them have too many digits for one division')
})

t.test('each day of 800 years, and each month of a thousand others', async (t) => {
  const wrong: string[] = []
  const check = (text: string): void => {
    const value = readField('timestamp', text, '1')
    if (!(value instanceof Date) || !isSame(value, decoders.timestamp?.(text))) wrong.push(`${text} is read as ${value}`)
  }
  for (let day = new Date('1599-12-31T00:00:00Z'); day.getUTCFullYear() < 2401; day = new Date(day.getTime() + 86_400_000)) {
    check(day.toISOString().replace('T', ' ').replace('.000Z', ''))
  }
  for (let year = 0; year < 10_000; year += 9) {
    for (let month = 1; month <= 12; month++) check(`${String(year).padStart(4, '0')}-${String(month).padStart(2, '0')}-28 23:59:59.999999+00`)
  }
  t.strictSame(wrong.slice(0, 10), [])
})
