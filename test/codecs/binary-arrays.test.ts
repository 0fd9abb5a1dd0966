import { randomBytes } from 'node:crypto'
import pg from 'pg'
import t from 'tap'
import { binaryArray } from '../../src/codecs/binary-arrays.js'
import { TypeRegistry } from '../../src/codecs/type-registry.js'
import { textOrRefusal } from '../../src/driver/argument.js'
import { freshDatabase } from '../support/database.js'
import { seeded } from '../support/random.js'

/*
 * What is sent in binary has to be what the server makes of the text form; what it would refuse must not be taken.
 * To repeat a run that failed: SEED=… npm test -- test/codecs/binary-arrays.test.ts
 */
const seed = process.env['SEED'] ?? randomBytes(4).toString('hex')
const random = seeded(seed)
const RANDOM = 300

const TYPES: Readonly<Record<string, number>> = {
  bool: 16,
  int2: 21,
  int4: 23,
  int8: 20,
  float4: 700,
  float8: 701,
  date: 1082,
  timestamp: 1114,
  timestamptz: 1184,
  uuid: 2950,
  text: 25,
  varchar: 1043,
  bpchar: 1042,
  bytea: 17,
}
/** Of each type, one value that goes in binary. */
const PLAIN: Readonly<Record<string, unknown>> = {
  bool: false,
  int2: -32768,
  int4: 2147483647,
  int8: 2 ** 53 - 1,
  float4: 0.1,
  float8: -0,
  date: new Date(0),
  timestamp: new Date(-1),
  timestamptz: new Date(1e12),
  uuid: 'A0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11',
  text: 'ü',
  varchar: '',
  bpchar: 'x  ',
  bytea: new Uint8Array([0, 92]),
}

class OwnDate extends Date { override toISOString (): string { return '2001-02-03T04:05:06.000Z' } }

const HOSTILE: readonly unknown[] = [
  0, -0, 1, -1, 1.5, 32767, 32768, -32768, -32769, 2147483647, 2147483648, -2147483648, -2147483649, 2 ** 53, 2 ** 53 + 2, -(2 ** 53), 2 ** 62, 2 ** 63, -(2 ** 63),
  1e21, 1e-7, NaN, Infinity, -Infinity, Number.MIN_VALUE, 2 ** -1022, 2 ** -1074 * 3, Number.MAX_VALUE, 3.4028234663852886e38, 3.4028235677973366e38, 1e39, 1.17e-38, 1e-46,
  // Right between two of float4, and beside that.
  1 + 2 ** -24, 1 + 3 * 2 ** -24, 1 + 2 ** -24 + 2 ** -52, 16777217, 16777219, 8589973000, 1.00000017881393432617, 0.1, 0.30000001192092896,
  0n, -1n, 32768n, 2n ** 31n, 2n ** 63n - 1n, 2n ** 63n, -(2n ** 63n), -(2n ** 63n) - 1n, true, false,
  '', ' ', '12', ' 12 ', '1e3', '0x10', '1_000', '-0', '+5', 'NaN', 'inf', 't', 'yes', 'null', 'NULL', '{}', '"', '\\', '\\x00', '\0', 'a\0b', '\ud800', 'a\udc00', '😀', 'x'.repeat(39) + 'é',
  'x'.repeat(41), 'x'.repeat(40) + '\0', 'ü'.repeat(600), '😀'.repeat(1000), '\ufeff', '\u007f\u0080\u07ff\u0800\uffff',
  'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', 'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11', '{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11}', 'a0eebc999c0b4ef8bb6d6bb9bd380a11',
  'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a1g', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11\n', ':0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11',
  '2024-02-03', '2024-02-03 04:05:06.123456+07', 'infinity', 'epoch', '0044-03-15 BC',
  new Date(0), new Date(-1), new Date(NaN), new Date(8.64e15), new Date(-8.64e15), new Date('0001-01-01T00:00:00Z'), new Date(Date.parse('0001-01-01T00:00:00Z') - 1),
  new Date('0099-12-31T23:59:59.999Z'), new Date('9999-12-31T23:59:59.999Z'), new Date('+010000-01-01T00:00:00Z'), new Date('1999-12-31T23:59:59.999Z'), new Date('2000-02-29T12:00:00Z'),
  new OwnDate(0), Object.assign(new Date(0), { toISOString: () => '2001-02-03T04:05:06.000Z' }), Object.create(Date.prototype),
  new Uint8Array(0), Buffer.from([0, 1, 92, 34, 255]), new Uint8Array([9, 8, 7, 6]).subarray(1, 3), new Float64Array(2), new ArrayBuffer(2),
  {}, [], [1], [null], { toString: () => '5' }, Symbol('s'), () => 1, new Proxy({}, { get () { throw new Error('no') } }),
]

/** Values by chance: of numbers any bits. */
function byChance (): unknown {
  const bits = Buffer.from(Array.from({ length: 8 }, () => random.integer(0, 255)))
  switch (random.integer(0, 6)) {
    case 0: return bits.readDoubleBE()
    case 1: return bits.readFloatBE()
    case 2: return bits.readFloatBE() * (1 + 2 ** -24) // often right between two of float4
    case 3: return bits.readInt32BE() * (random.chance(0.5) ? 1 : 2 ** random.integer(-20, 20))
    case 4: return bits.readBigInt64BE()
    case 5: return new Date(bits.readInt32BE() * 2 ** random.integer(0, 20))
    default: return String.fromCharCode(...Array.from({ length: random.integer(0, 60) }, () => random.chance(0.9) ? random.integer(1, 127) : random.integer(0, 0xffff)))
  }
}

t.test('what is sent in binary is what the server makes of the text', async (t) => {
  const observer = await freshDatabase(t)
  const client = new pg.Client({ connectionString: observer.url, application_name: 'observer' })
  await client.connect()
  t.teardown(() => client.end())
  t.comment(`SEED=${seed}`)
  const registry = new TypeRegistry(() => {})

  /** What the server makes of a parameter, bit by bit, or undefined where it refuses it. */
  async function stored (text: string, parameter: string | Buffer, type: string): Promise<string | undefined> {
    const send = type === 'bpchar' ? 'bpcharsend' : type === 'varchar' ? 'varcharsend' : type === 'timestamp' || type === 'timestamptz' || type === 'date' || type === 'uuid' ? `${type}_send` : `${type}send`
    return await client.query({ name: `${send} ${text}`, text: `SELECT ${send}(${text}) AS bits`, values: [parameter] }).then(({ rows: [{ bits }] }) => bits.toString('hex'), () => undefined)
  }

  for (const [name, oid] of Object.entries(TYPES)) {
    await t.test(name, async (t) => {
      const type = registry.get(oid)!
      t.ok(binaryArray(oid, [[PLAIN[name]]], 0), 'there is a binary form')
      let taken = 0
      for (const value of [PLAIN[name], ...HOSTILE, ...Array.from({ length: RANDOM }, byChance)]) {
        let binary: Buffer | undefined
        try {
          binary = binaryArray(oid, [[value]], 0)
        } catch {} // it is refused when it is written as text
        if (binary === undefined) continue
        taken++
        const text = textOrRefusal(type, value)
        const shown = `${typeof value} ${value instanceof Date ? value.getTime() : String(value)}`
        if (typeof text !== 'string') t.fail(`${shown} has no text form, and is sent in binary`)
        else {
          const wanted = await stored(`$1::${name}`, text, name)
          if (wanted === undefined) t.fail(`${shown} is refused as text, and sent in binary`)
          else if (await stored(`($1::${name}[])[1]`, binary, name) !== wanted) t.fail(`${shown} is another value in binary`)
        }
      }
      t.ok(taken > 1, `${taken} values`)
    })
  }

  t.test('many, of any length, and NULL', async (t) => {
    const rows = Array.from({ length: 3000 }, (_, index) => [index % 7 === 0 ? null : 'é'.repeat(index % 300) + index, index % 5 === 0 ? null : index])
    const { rows: read } = await client.query('SELECT * FROM ROWS FROM (unnest($1::text[]), unnest($2::int4[])) AS r (s, n)', [binaryArray(25, rows, 0), binaryArray(23, rows, 1)])
    t.strictSame(read.map(({ s, n }) => [s, n]), rows)
    t.equal(binaryArray(23, [[1], [null], ['2']], 0), undefined, 'one value that is not plain')
    t.equal(binaryArray(3802, [[{}]], 0), undefined, 'a type that has none')
  })
})
