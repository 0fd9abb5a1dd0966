import t from 'tap'
import {
  MessageReader, readColumns, readCommand, readCount, readError, readParameter, readParameterTypes, SESSION_LIMITS, STARTUP_LIMITS
} from '../../src/protocol/message-reader.js'
import { closeStatement, MessageWriter, unsyncedStatement } from '../../src/protocol/message-writer.js'

/** A message as the server sends it. */
function message (type: string, body: Buffer | string): Buffer {
  const content = Buffer.from(body)
  const head = Buffer.alloc(5, type)
  head.writeUInt32BE(content.length + 4, 1)
  return Buffer.concat([head, content])
}

const int16 = (value: number): Buffer => Buffer.from([value >> 8, value & 255])
const int32 = (value: number): Buffer => Buffer.concat([int16(value >>> 16), int16(value & 0xffff)])

/** Of any type: both sides' messages are looked at here. */
const ANY = new Uint32Array(256).fill(0x7fffffff)

/** A reader that notes what it is told, as `P:…` for each message. */
function noting (messages: string[]): MessageReader {
  return new MessageReader(ANY, {
    received: (type, bytes, start, end) => messages.push(`${String.fromCharCode(type)}:${bytes.toString('latin1', start + 5, end)}`),
  })
}

/** What was sent. */
function sent (bytes: Buffer): string[] {
  const messages: string[] = []
  noting(messages).read(bytes)
  return messages
}

t.test('messages arrive whole, wherever the network cuts them', async (t) => {
  const parts = [message('1', ''), message('D', 'row'), message('C', 'SELECT 1\0'), message('Z', 'I'), message('D', 'x'.repeat(1000))]
  const stream = Buffer.concat(parts)
  const ends = parts.map((_, index) => Buffer.concat(parts.slice(0, index + 1)).length)
  const expected = ['1:', 'D:row', 'C:SELECT 1\0', 'Z:I', `D:${'x'.repeat(1000)}`]
  t.strictSame(sent(stream), expected)
  for (let size = 1; size < 12; size++) {
    const messages: string[] = []
    const reader = noting(messages)
    for (let at = 0; at < stream.length; at += size) reader.read(stream.subarray(at, at + size))
    t.strictSame(messages, expected, `pieces of ${size}`)
  }
  for (let cut = 0; cut <= 40; cut++) {
    const messages: string[] = []
    const reader = noting(messages)
    reader.read(stream.subarray(0, cut))
    const complete = ends.filter((end) => end <= cut).length
    t.equal(messages.length, complete, `cut at ${cut}: what is whole is told, and no more`)
    reader.read(stream.subarray(cut))
    t.strictSame(messages, expected, `cut at ${cut}`)
  }
})

t.test('a length that cannot be is refused', async (t) => {
  for (const length of [0, 3]) {
    const bytes = Buffer.concat([Buffer.from('D'), int32(length)])
    t.throws(() => new MessageReader(SESSION_LIMITS, { received () {} }).read(bytes), { code: 'FST_PG_PROTOCOL', advice: /of type 'D' with an impossible length/ }, `${length}`)
  }
  t.strictSame(sent(Buffer.concat([Buffer.from('n'), int32(4)])), ['n:'], 'the shortest')
})

t.test('descriptions, tags and errors are read', async (t) => {
  const column = (name: string,
    type: number): Buffer => Buffer.concat([Buffer.from(`${name}\0`), int32(7), int16(1), int32(type), int16(8), int32(-1 >>> 0), int16(0)])
  const description = message('T', Buffer.concat([int16(2), column('id', 23), column('größe', 70_000)]))
  t.strictSame(readColumns(description), [{ name: 'id', type: 23, table: 7, number: 1 }, { name: 'größe', type: 70_000, table: 7, number: 1 }])
  t.strictSame(readColumns(message('T', int16(0))), [])
  t.strictSame(readParameterTypes(message('t', Buffer.concat([int16(3), int32(23), int32(25), int32(70_000)]))), [23, 25, 70_000])
  t.strictSame(readParameterTypes(message('t', int16(0))), [])
  const tags: Array<[string, number | null]> = [
    ['INSERT 0 1', 1], ['INSERT 0 1234567', 1234567], ['UPDATE 0', 0], ['SELECT 10', 10], ['CREATE TABLE', null], ['BEGIN', null],
    ['COPY 905', 905]]
  for (const [tag, count] of tags) {
    const bytes = message('C', `${tag}\0`)
    t.equal(readCount(bytes, bytes.length), count, tag)
  }
  const fields = ['SFEHLER', 'VERROR', 'C23505', 'Mduplicate', 'DKey', 'Hhint', 'P12', 'Wwhere', 'spublic', 'tusers', 'cemail', 'dcitext',
    'nusers_key', 'R_bt_check_unique', 'Xunknown', '\0'].join('\0')
  t.strictSame({ ...readError(message('E', fields)) }, {
    message: 'duplicate',
    code: '23505',
    severity_local: 'FEHLER',
    severity: 'ERROR',
    detail: 'Key',
    hint: 'hint',
    position: '12',
    where: 'where',
    schema_name: 'public',
    table_name: 'users',
    column_name: 'email',
    'data type_name': 'citext',
    constraint_name: 'users_key',
    routine: '_bt_check_unique'
  })
  t.throws(() => readError(message('E', '\0')), { code: 'FST_PG_PROTOCOL', advice: /an error without a code/ })
})

t.test('the name of a command tag, and a parameter', async (t) => {
  for (const [tag, name] of [['INSERT 0 1', 'INSERT'], ['SELECT 10', 'SELECT'], ['CREATE TABLE', 'CREATE TABLE'], ['DEALLOCATE ALL', 'DEALLOCATE ALL'], ['', '']]) {
    const bytes = message('C', `${tag}\0`)
    t.equal(readCommand(bytes, 0, bytes.length), name)
  }
  t.throws(() => readCommand(message('C', 'SELECT 1'), 0, 13), { code: 'FST_PG_PROTOCOL' }, 'a tag that does not end')
  t.strictSame(readParameter(message('S', 'TimeZone\0Europe/Oslo\0')), ['TimeZone', 'Europe/Oslo'])
  t.strictSame(readParameter(message('S', 'search_path\0\0')), ['search_path', ''])
  for (const body of ['', 'TimeZone', 'TimeZone\0Europe/Oslo']) t.throws(() => readParameter(message('S', body)), { code: 'FST_PG_PROTOCOL' }, body)
})

t.test('messages of a type that cannot come, or larger than it can be, are refused by their header', async (t) => {
  const refused = (limits: Uint32Array, type: string, length: number): boolean => {
    try {
      new MessageReader(limits, { received () {} }).read(Buffer.concat([Buffer.from(type), int32(length)]))
      return false
    } catch {
      return true
    }
  }
  for (const type of 'RKSvENZ') t.notOk(refused(STARTUP_LIMITS, type, 1024), `${type} while starting`)
  for (const type of 'DTtC12nsIAGHWcd\0H') t.equal(refused(STARTUP_LIMITS, type, 1024), true, `${type} while starting`)
  for (const type of 'SZC123tTnsIAGHWcDdEN') t.notOk(refused(SESSION_LIMITS, type, 1024), `${type} in a session`)
  for (const type of 'RKvPBQpX\0') t.equal(refused(SESSION_LIMITS, type, 1024), true, `${type} in a session`)
  for (const type of 'SZCTt') t.ok(refused(SESSION_LIMITS, type, 1024 * 1024 + 1) && !refused(SESSION_LIMITS, type, 1024 * 1024), `${type} of a megabyte`)
  for (const type of 'EN') t.ok(refused(SESSION_LIMITS, type, 400_000_000) && refused(STARTUP_LIMITS, type, 2_000_000), `${type} of 400 MB`)
  t.notOk(refused(SESSION_LIMITS, 'D', 1_000_000_000), 'a row may be large')
})

t.test('descriptions that do not hold what they announce are refused', async (t) => {
  const protocol = { code: 'FST_PG_PROTOCOL' }
  const whole = Buffer.concat([int16(1), Buffer.from('id\0'), int32(7), int16(1), int32(23), int16(8), int32(0), int16(0)])
  t.strictSame(readColumns(message('T', whole)), [{ name: 'id', type: 23, table: 7, number: 1 }])
  for (let cut = 0; cut < whole.length; cut++) t.throws(() => readColumns(message('T', whole.subarray(0, cut))), protocol, `cut at ${cut}`)
  t.throws(() => readColumns(message('T', Buffer.concat([whole, Buffer.from([0])]))), protocol, 'with more than its columns')
  t.throws(() => readColumns(message('T', Buffer.concat([int16(2), whole.subarray(2)]))), protocol, 'with fewer columns')
  t.throws(() => readColumns(message('T', Buffer.concat([int16(1), Buffer.from('no end of its name')]))), protocol, 'without its NUL')
  t.throws(() => readColumns(message('T', Buffer.concat([whole.subarray(0, -1), Buffer.from([1])]))), protocol, 'in binary')
  for (const body of ['', '\0', '\0\x01', '\0\x01\0\0\0', '\0\0x']) t.throws(() => readParameterTypes(message('t', body)), protocol)
})

t.test('a batch is written as Parse, Describe, many Bind and Execute, Flush or Sync', async (t) => {
  const parts: Buffer[] = []
  const writer = new MessageWriter((part) => parts.push(Buffer.from(part)))
  writer.parse('SELECT $1, $2 AS ö')
  t.equal(parts.length, 0, 'nothing is written before it is asked for, or a part is full')
  writer.execute(['1', null])
  writer.flush()
  t.equal(parts.length, 1)
  writer.execute(['é', ''])
  writer.sync()
  t.equal(parts.length, 2)
  const bind = (...parameters: Array<string | null>): string => Buffer.concat([
    int16(0), int16(0), int16(parameters.length),
    ...parameters.map((text) => text === null
      ? int32(0xffffffff)
      : Buffer.concat([int32(Buffer.byteLength(text)), Buffer.from(text)])),
    int16(0),
  ]).toString('latin1')
  t.strictSame(sent(Buffer.concat(parts)), [
    `P:\0${Buffer.from('SELECT $1, $2 AS ö').toString('latin1')}\0\0\0`, 'D:S\0', `B:${bind('1', null)}`, 'E:\0\0\0\0\0', 'H:',
    `B:${bind('é', '')}`, 'E:\0\0\0\0\0', 'S:',
  ])
})

t.test('parts are written as they are filled, and what is larger than a part gets one of its own', async (t) => {
  const parts: Buffer[] = []
  const writer = new MessageWriter((part) => parts.push(Buffer.from(part)))
  writer.parse('SELECT $1')
  const texts = ['a'.repeat(30_000), 'ü'.repeat(30_000), 'b'.repeat(200_000), 'c', 'é'.repeat(999), 'd'.repeat(1000)]
  for (const text of texts) writer.execute([text])
  writer.sync()
  t.ok(parts.length >= 3)
  t.ok(parts.every((part) => part.length > 0))
  const binds = sent(Buffer.concat(parts)).filter((text) => text.startsWith('B:'))
  t.strictSame(binds.map((text) => Buffer.from(text.slice(12, -2), 'latin1').toString()), texts)
  for (let count = 0; count < 3000; count++) writer.execute(['x'.repeat(count % 50)])
  writer.flush()
  t.ok(parts.every((part) => part.length <= 64 * 1024 || part.length > 200_000))
  t.equal(sent(Buffer.concat(parts)).filter((text) => text.startsWith('E:')).length, 3006)
})

t.test('a statement without Sync is one group with what follows it', async (t) => {
  t.strictSame(sent(unsyncedStatement('BEGIN')), ['P:\0BEGIN\0\0\0', 'B:\0\0\0\0\0\0\0\0', 'E:\0\0\0\0\0'])
  t.strictSame(sent(unsyncedStatement('SELECT $1, $2', ['ä', ''])), ['P:\0SELECT $1, $2\0\0\0', 'B:\0\0\0\0\0\x02\0\0\0\x02\xc3\xa4\0\0\0\0\0\0', 'E:\0\0\0\0\0'])
  t.strictSame(sent(closeStatement('s1')), ['C:Ss1\0'])
})
