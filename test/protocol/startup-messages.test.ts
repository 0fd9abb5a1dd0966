import { createHash } from 'node:crypto'
import t from 'tap'
import {
  md5Answer, passwordAnswer, readAuthentication, readBackend, readNegotiation, saslFirst, saslNext, startupMessage
} from '../../src/protocol/startup-messages.js'
import { authentication, int32, message } from '../support/fake-server.js'

const protocol = { code: 'FST_PG_PROTOCOL' }

t.test('a StartupMessage has no type, the version 3.0, and names with values', async (t) => {
  const bytes = startupMessage({ user: 'ann', database: 'größe' })
  t.equal(bytes.readInt32BE(0), bytes.length)
  t.equal(bytes.readInt32BE(4), 196608)
  t.equal(bytes.toString('utf8', 8), 'user\0ann\0database\0größe\0\0')
  t.equal(startupMessage({}).toString('latin1', 8), '\0')
})

t.test('what answers a request for authentication is a PasswordMessage', async (t) => {
  const sent = (bytes: Buffer): string => {
    t.equal(bytes.toString('latin1', 0, 1), 'p')
    t.equal(bytes.readInt32BE(1), bytes.length - 1)
    return bytes.toString('utf8', 5)
  }
  t.equal(sent(passwordAnswer('pässword')), 'pässword\0')
  const md5 = (data: string | Buffer): string => createHash('md5').update(data).digest('hex')
  const salt = Buffer.from([1, 2, 0xff, 0])
  t.equal(sent(md5Answer('ann', 'secret', salt)), `md5${md5(Buffer.concat([Buffer.from(md5('secretann')), salt]))}\0`)
  t.equal(sent(saslFirst('SCRAM-SHA-256', 'n,,n=,r=é')), 'SCRAM-SHA-256\0\0\0\0\x0an,,n=,r=é')
  t.equal(sent(saslNext('c=biws')), 'c=biws')
})

t.test('what a server says during the start-up is read, or refused where it does not hold what it announces', async (t) => {
  t.match(readAuthentication(authentication(10, 'SCRAM-SHA-256\0\0')), { kind: 10, data: Buffer.from('SCRAM-SHA-256\0\0') })
  t.match(readAuthentication(authentication(0)), { kind: 0, data: Buffer.alloc(0) })
  for (const length of [0, 1, 3]) t.throws(() => readAuthentication(message('R', Buffer.alloc(length))), protocol, `a kind of ${length} bytes`)
  for (const length of [4, 32, 256]) {
    t.same(readBackend(message('K', int32(77), Buffer.alloc(length, 'k'))), { pid: 77, key: Buffer.alloc(length, 'k') }, `a key of ${length} bytes`)
  }
  t.equal(readBackend(message('K', int32(-1), int32(1))).pid, 4294967295)
  for (const length of [0, 3, 257]) t.throws(() => readBackend(message('K', int32(77), Buffer.alloc(length))), protocol, `a key of ${length} bytes`)
  t.strictSame(readNegotiation(message('v', int32(0), int32(2), 'a\0bc\0')), { minor: 0, unknown: ['a', 'bc'] })
  t.strictSame(readNegotiation(message('v', int32(2), int32(0))), { minor: 2, unknown: [] })
  for (const body of [[int32(0)], [int32(0), int32(1)], [int32(0), int32(1), 'a'], [int32(0), int32(0), 'a\0'], [int32(0), int32(1), 'a\0b\0']]) {
    t.throws(() => readNegotiation(message('v', ...body)), protocol)
  }
})
