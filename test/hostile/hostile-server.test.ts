import t, { type Test } from 'tap'
import { createDatabase, type Database, type DatabaseOptions } from '../../src/index.js'
import { memoryLog, until } from '../support/database.js'
import {
  authentication, column, complete, dataRow, errorResponse, FakeServer, field, header, int16, int32, LATER, LET_IN, message, parameter, ready, rowDescription,
  type Script, SERVER_INFO
} from '../support/fake-server.js'

t.jobs = 8

const PROTOCOL = 'FST_PG_PROTOCOL'
const QUERY = 'SELECT $1::int'

/** A pool of one connection at such a server. */
function pool (t: Test, server: FakeServer, options: DatabaseOptions = {}): Database {
  const db = createDatabase({ url: server.url, min: 0, max: 1, log: memoryLog(), connectTimeout: 5, commandTimeout: 5, closeTimeout: 0, ...options }, {})
  t.teardown(() => db.close())
  return db
}

/** What was written to stderr in the meantime: postgres.js prints messages that it does not know. */
const printed: string[] = []
const write = process.stderr.write
process.stderr.write = (text: string | Uint8Array) => {
  printed.push(String(text))
  return true
}
t.teardown(() => { process.stderr.write = write })

const once = (script: Script) => (connection: number): Script => connection === 0 ? script : () => undefined

t.test('the fake server is one that the pool can use', async (t) => {
  const server = await FakeServer.start(t, () => () => undefined)
  const db = pool(t, server)
  for (let n = 0; n < 3; n++) t.equal(await db.fetchVal(QUERY, n), n)
  t.match(db.stats(), { size: 1, created: 1, errors: 0 })
  t.equal(server.accepted, 1)
})

/** Answers to a start-up message that cannot be. */
const STARTUPS: Readonly<Record<string, Buffer[]>> = {
  'an authentication message without a kind': [message('R')],
  'an authentication message with half a kind': [message('R', int16(0))],
  'a request for MD5 without its salt': [authentication(5)],
  'a request for MD5 with a short salt': [authentication(5, 'abc')],
  'a challenge of SCRAM out of turn': [authentication(11, 'r=abc,s=c2FsdA==,i=4096')],
  'the end of SCRAM out of turn': [authentication(12, 'v=abc')],
  'AuthenticationOk twice': [authentication(0), authentication(0)],
  'ReadyForQuery before anything': [ready()],
  'a key before authentication': [message('K', int32(1), int32(2))],
  'a key that is too short': [authentication(0), message('K', int32(1), int16(2)), ready()],
  'a key that is too long': [authentication(0), message('K', int32(1), Buffer.alloc(257)), ready()],
  'a row': [authentication(0), dataRow('1')],
  'a row description': [authentication(0), rowDescription(column('a', 23))],
  'a result before ReadyForQuery': [authentication(0), complete('SELECT 1'), ready()],
  CopyInResponse: [authentication(0), message('G', Buffer.from([0]), int16(0))],
  CopyBothResponse: [authentication(0), message('W', Buffer.from([0]), int16(0))],
  'ReadyForQuery without its status': [authentication(0), message('Z')],
  'ReadyForQuery with an unknown status': [authentication(0), message('Z', 'X')],
  'ReadyForQuery that is too long': [authentication(0), message('Z', 'II')],
  'a parameter that does not end': [authentication(0), message('S', 'TimeZone')],
  'NegotiateProtocolVersion that is too short': [message('v', int32(0))],
  'NegotiateProtocolVersion that announces more than it has': [message('v', int32(0), int32(2), 'a\0')],
  'an unknown type': [message('!', 'what')],
  'a NUL for a type': [header('\0', 8), Buffer.alloc(4)],
  'a length of 0': [header('R', 0)],
  'a length of 3': [header('R', 3)],
  'a negative length': [header('R', -5)],
  'an authentication message of 400 MB': [header('R', 400_000_000)],
  'an error of 400 MB': [header('E', 400_000_000)],
  'a parameter of 2 GB': [header('S', 0x7fffffff)],
  'an error without a code': [message('E', 'SERROR\0Mmade up\0\0')],
  'an error that is empty': [message('E')],
  HTTP: [Buffer.from('HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n')],
  SSH: [Buffer.from('SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n')],
  MySQL: [Buffer.from('4a0000000a382e302e333600', 'hex'), Buffer.alloc(60, 1)],
  Redis: [Buffer.from("-ERR unknown command 'user'\r\n")],
  'random bytes': [Buffer.from('8f3a11c07e99d2aa01'.repeat(20), 'hex')],
}

t.test('what cannot be an answer to a start-up ends that connect, and the next one serves the caller', async (t) => {
  for (const [name, answer] of Object.entries(STARTUPS)) {
    t.test(name, async (t) => {
      const server = await FakeServer.start(t, once((sent) => sent === 'startup' ? answer : undefined))
      const log = memoryLog()
      const db = pool(t, server, { log })
      t.equal(await db.fetchVal(QUERY, 7), 7)
      t.match(db.stats(), { connectFailures: 1, created: 1, errors: 0 })
      t.match(log.lines.find(({ level }) => level === 'warn'), { object: { err: { code: PROTOCOL } } })
    })
  }

  t.test('an echo', async (t) => {
    const server = await FakeServer.start(t, once((_sent, body) => [Buffer.concat([int32(body.length + 8), int32(196608), body])]))
    const db = pool(t, server)
    t.equal(await db.fetchVal(QUERY, 7), 7)
    t.match(db.stats(), { connectFailures: 1, created: 1 })
  })

  t.test('a server that closes in the middle of a message', async (t) => {
    const server = await FakeServer.start(t, once((_sent, _body, socket) => {
      socket.end(authentication(0).subarray(0, 7))
      return []
    }))
    const db = pool(t, server)
    t.equal(await db.fetchVal(QUERY, 7), 7)
    t.match(db.stats(), { connectFailures: 1, created: 1 })
  })
})

const SCRAM = authentication(10, 'SCRAM-SHA-256\0\0')
/** A server's part of SCRAM: its challenge is made of the client's nonce. */
const scram = (challenge: (nonce: string) => string, ...then: Buffer[]): Script => {
  let step = 0
  return (sent, body) => {
    if (sent === 'startup') return [SCRAM]
    if (sent !== 'p') return undefined
    const nonce = /r=(.*)$/.exec(body.toString('latin1'))?.[1] ?? ''
    return step++ === 0 ? [authentication(11, challenge(nonce))] : then
  }
}

/** Ways to authenticate that are not accepted: trying again does not help. */
const REFUSED: Readonly<Record<string, readonly [script: Script, message: RegExp, options?: DatabaseOptions]>> = {
  GSSAPI: [(sent) => sent === 'startup' ? [authentication(7)] : undefined, /by GSSAPI, which is not supported/],
  SSPI: [(sent) => sent === 'startup' ? [authentication(9)] : undefined, /by SSPI, which is not supported/],
  'Kerberos V5': [(sent) => sent === 'startup' ? [authentication(2)] : undefined, /by Kerberos V5/],
  'an unknown method': [(sent) => sent === 'startup' ? [authentication(99)] : undefined, /a method of number 99/],
  'OAuth alone': [(sent) => sent === 'startup' ? [authentication(10, 'OAUTHBEARER\0\0')] : undefined, /by OAUTHBEARER, and not by SCRAM-SHA-256/],
  'no mechanism': [(sent) => sent === 'startup' ? [authentication(10, '\0')] : undefined, /by nothing, and not by/],
  '0 iterations': [scram((nonce) => `r=${nonce}more,s=c2FsdA==,i=0`), /a challenge that cannot be read/],
  '100,000,000 iterations': [scram((nonce) => `r=${nonce}more,s=c2FsdA==,i=100000000`), /100000000 iterations/],
  'no salt': [scram((nonce) => `r=${nonce}more,s=,i=4096`), /a challenge that cannot be read/],
  'no nonce': [scram(() => 's=c2FsdA==,i=4096'), /a challenge that cannot be read/],
  'garbage for a challenge': [scram(() => '\0\0\0'), /a challenge that cannot be read/],
  'an extension that has to be understood': [scram((nonce) => `m=ext,r=${nonce}more,s=c2FsdA==,i=4096`), /a challenge that cannot be read/],
  'the nonce of somebody else': [scram(() => 'r=another,s=c2FsdA==,i=4096'), /a nonce that does not continue ours/],
  'our nonce and no more': [scram((nonce) => `r=${nonce},s=c2FsdA==,i=4096`), /a nonce that does not continue ours/],
  'a wrong signature': [scram((nonce) => `r=${nonce}more,s=c2FsdA==,i=4096`, authentication(12, 'v=AAAA'), authentication(0)), /does not prove that it knows the password/],
  'an error for a signature': [scram((nonce) => `r=${nonce}more,s=c2FsdA==,i=4096`, authentication(12, 'e=other-error')), /does not prove/],
  'no signature': [scram((nonce) => `r=${nonce}more,s=c2FsdA==,i=4096`, authentication(0), ready()), /without proving that it knows the password/],
  'AuthenticationOk instead of a challenge': [(sent) => sent === 'startup' ? [SCRAM, authentication(0), ready()] : [], /without proving that it knows the password/],
  'a clear password that requireAuth does not accept': [(sent) => sent === 'startup' ? [authentication(3)] : undefined, /by password, which requireAuth does not accept/, { requireAuth: 'scram-sha-256' }],
  'MD5 that requireAuth does not accept': [(sent) => sent === 'startup' ? [authentication(5, 'salt')] : undefined, /by md5, which requireAuth does not/, { requireAuth: '!md5' }],
  'no authentication where requireAuth wants some': [() => undefined, /no authentication, which requireAuth does not accept/, { requireAuth: 'md5, scram-sha-256' }],
  'a password where none was given': [(sent) => sent === 'startup' ? [authentication(3)] : undefined, /none was given/, { password: () => '' }],
}

t.test('a way to authenticate that is not accepted is named, and not tried again', async (t) => {
  for (const [name, [script, said, options]] of Object.entries(REFUSED)) {
    t.test(name, async (t) => {
      const sent: string[] = []
      const server = await FakeServer.start(t, () => (type, body, socket) => {
        if (type === 'p') sent.push(body.toString('latin1'))
        return script(type, body, socket)
      })
      const db = pool(t, server, options)
      await t.rejects(db.fetchVal(QUERY, 7), { code: 'FST_PG_CONNECT', cause: { code: 'AUTHENTICATION', message: said } })
      t.equal(server.accepted, 1)
      t.notMatch(sent.join(), /password/, 'no password was sent')
    })
  }
})

const OK = [message('2'), dataRow('7'), complete('SELECT 1'), ready()]

/** Answers to Bind, Execute and Sync of a statement with one column that cannot be. */
const ANSWERS: Readonly<Record<string, Buffer[]>> = {
  'ReadyForQuery without an answer': [ready()],
  'BindComplete alone': [message('2'), ready()],
  'a row before BindComplete': [dataRow('7'), message('2'), complete('SELECT 1'), ready()],
  'a row without its result': [message('2'), dataRow('7'), ready()],
  'two answers to one request': [...OK, ...OK],
  'two results': [message('2'), dataRow('7'), complete('SELECT 1'), complete('SELECT 1'), ready()],
  'a row behind its result': [message('2'), complete('SELECT 0'), dataRow('7'), ready()],
  'a row with too many fields': [message('2'), dataRow('7', '8'), complete('SELECT 1'), ready()],
  'a row with too few fields': [message('2'), message('D', int16(0)), complete('SELECT 1'), ready()],
  'a row without its number of fields': [message('2'), message('D'), complete('SELECT 1'), ready()],
  'a field of a negative length': [message('2'), message('D', int16(1), int32(-2)), complete('SELECT 1'), ready()],
  'a field that is longer than its row': [message('2'), message('D', int16(1), int32(400_000_000), '7'), complete('SELECT 1'), ready()],
  'a field without its length': [message('2'), message('D', int16(1), int16(0)), complete('SELECT 1'), ready()],
  'a row with more than its fields': [message('2'), message('D', int16(1), field('7'), 'x'), complete('SELECT 1'), ready()],
  'a description that was not asked for': [message('2'), rowDescription(column('a', 25)), dataRow('7'), complete('SELECT 1'), ready()],
  'other parameters that nobody asked for': [message('2'), message('t', int16(0)), complete('SELECT 1'), ready()],
  'ParseComplete for nothing': [message('1'), ...OK],
  'CloseComplete for nothing': [message('3'), ...OK],
  NoData: [message('2'), message('n'), complete('SELECT 1'), ready()],
  PortalSuspended: [message('2'), message('s'), ready()],
  'a result without its end': [message('2'), message('C', 'SELECT 1'), ready()],
  CopyBothResponse: [message('2'), message('W', Buffer.from([0]), int16(0))],
  CopyData: [message('2'), message('d', 'data'), ready()],
  CopyDone: [message('2'), message('c'), ready()],
  'a request for a password': [authentication(3)],
  'a request for MD5': [authentication(5, 'salt')],
  AuthenticationOk: [authentication(0), ...OK],
  'another key': [message('K', int32(1), int32(2)), ...OK],
  'another protocol version': [message('v', int32(0), int32(0)), ...OK],
  'an unknown type': [message('!', 'what'), ...OK],
  'a function result': [message('V', int32(-1)), ...OK],
  'a length of 0': [header('2', 0)],
  'a result of 400 MB': [message('2'), header('C', 400_000_000)],
  'a description of 400 MB': [header('T', 400_000_000)],
  'an error of 400 MB': [header('E', 400_000_000)],
  'a notice of 400 MB': [header('N', 400_000_000)],
  'an error without a code': [message('E', 'SERROR\0Mmade up\0\0'), ready()],
  'an error behind which the answer goes on': [message('2'), errorResponse('ERROR', '22012'), dataRow('7'), complete('SELECT 1'), ready()],
  'a status that does not exist': [message('2'), dataRow('7'), complete('SELECT 1'), message('Z', '!')],
  HTTP: [Buffer.from('HTTP/1.1 200 OK\r\n\r\n')],
}

for (const [how, pieces] of Object.entries<(bytes: Buffer) => Buffer[]>({
  'in one piece': (bytes) => [bytes],
  'byte by byte': (bytes) => Array.from(bytes, (byte) => Buffer.from([byte])),
  'its last byte late': (bytes) => [bytes.subarray(0, -1), LATER, bytes.subarray(-1)],
})) {
  t.test(`what cannot be an answer ends that connection, and the next caller has another one (${how})`, async (t) => {
    for (const [name, answer] of Object.entries(ANSWERS)) {
      t.test(name, async (t) => {
        let syncs = 0
        let isHostile = false
        // The first Sync is that of the first call, which is usual.
        const script: Script = (sent) => {
          if (sent === 'S') syncs++
          if (syncs > 0 && sent === 'B') isHostile = true
          if (!isHostile) return undefined
          return sent === 'S' ? pieces(Buffer.concat(answer)) : []
        }
        const server = await FakeServer.start(t, once(script))
        const db = pool(t, server)
        t.equal(await db.fetchVal({ text: QUERY, prepare: true }, 1), 1)
        const outcome = await db.fetchVal({ text: QUERY, prepare: true }, 7).then((value) => ({ value }), (error) => error)
        // What follows a whole answer is another matter: the caller has its own.
        const isAnswered = ['two answers to one request', 'a function result behind'].includes(name)
        if (isAnswered) t.match(outcome, { value: 7 })
        else t.match(outcome, { code: PROTOCOL, statusCode: 503 })
        await until(() => db.stats().closed.lost === 1)
        t.equal(await db.fetchVal(QUERY, 3), 3)
        t.match(db.stats(), { size: 1, created: 2 })
      })
    }
  })
}

/** Answers to a statement of which two rows are wanted that cannot be. */
const LIMITED: Readonly<Record<string, Buffer[]>> = {
  'without the end of its portal': [message('2'), dataRow('7'), dataRow('8'), message('s'), ready()],
  'with two ends of its portal': [message('2'), dataRow('7'), dataRow('8'), message('s'), message('3'), message('3'), ready()],
  'with the end of its portal before its rows': [message('2'), message('3'), dataRow('7'), dataRow('8'), message('s'), ready()],
  'suspended before it has begun': [message('s'), message('2'), dataRow('7'), dataRow('8'), message('3'), ready()],
  'suspended too early': [message('2'), dataRow('7'), message('s'), message('3'), ready()],
  'suspended too late': [message('2'), dataRow('7'), dataRow('8'), dataRow('9'), message('s'), message('3'), ready()],
  'suspended twice': [message('2'), dataRow('7'), dataRow('8'), message('s'), message('s'), message('3'), ready()],
  'suspended and complete': [message('2'), dataRow('7'), dataRow('8'), message('s'), complete('SELECT 2'), message('3'), ready()],
  'with a row behind its suspension': [message('2'), dataRow('7'), dataRow('8'), message('s'), dataRow('9'), message('3'), ready()],
}

t.test('an answer to a limit that cannot be ends that connection', async (t) => {
  const answered = (answer: Buffer[]): Script => {
    let syncs = 0
    return (sent) => {
      if (sent === 'S') syncs++
      if (syncs < 1 || sent === 'P' || sent === 'D') return undefined
      return sent === 'S' && syncs > 1 ? answer : sent === 'S' ? undefined : []
    }
  }
  for (const [name, answer] of Object.entries({ right: [message('2'), dataRow('7'), dataRow('8'), message('s'), message('3'), ready()], ...LIMITED })) {
    t.test(name, async (t) => {
      const server = await FakeServer.start(t, once(answered(answer)))
      const db = pool(t, server)
      t.equal(await db.fetchVal({ text: QUERY, prepare: true }, 1), 1)
      const outcome = await db.fetchColumn({ text: QUERY, prepare: true, limit: 2 }, 7).catch((error) => error.code)
      t.strictSame(outcome, name === 'right' ? [7, 8] : PROTOCOL)
      if (name === 'right') return
      t.equal(await db.fetchVal(QUERY, 3), 3)
      t.match(db.stats(), { size: 1, created: 2 })
    })
  }
})

/** Descriptions of a new statement that cannot be. */
const DESCRIPTIONS: Readonly<Record<string, Buffer[]>> = {
  'without its NUL': [message('t', int16(1), int32(23)), message('T', int16(1), 'no end')],
  'with columns that are not there': [message('t', int16(1), int32(23)), message('T', int16(1000), column('a', 23))],
  'with more than its columns': [message('t', int16(1), int32(23)), message('T', int16(1), column('a', 23), 'x')],
  'in binary': [message('t', int16(1), int32(23)), message('T', int16(1), column('a', 23).subarray(0, -1), Buffer.from([1]))],
  'before the parameters': [rowDescription(column('a', 23))],
  twice: [message('t', int16(1), int32(23)), rowDescription(column('a', 23)), rowDescription(column('b', 25))],
  'with parameters that are not there': [message('t', int16(5), int32(23))],
  'with half a number of parameters': [message('t', Buffer.from([0]))],
  'and a result that nobody asked for': [message('t', int16(1), int32(23)), rowDescription(column('a', 23)), complete('SELECT 1')],
  'and ReadyForQuery without a Sync': [message('t', int16(1), int32(23)), rowDescription(column('a', 23)), ready()],
}

t.test('a description that cannot be ends that connection', async (t) => {
  for (const [name, answer] of Object.entries(DESCRIPTIONS)) {
    t.test(name, async (t) => {
      const server = await FakeServer.start(t, once((sent) => sent === 'D' ? answer : sent === 'B' || sent === 'S' ? [] : undefined))
      const db = pool(t, server)
      await t.rejects(db.fetchVal({ text: QUERY, prepare: true }, 7), { code: PROTOCOL })
      t.equal(await db.fetchVal(QUERY, 3), 3)
      t.match(db.stats(), { size: 1, created: 2 })
    })
  }
})

t.test('a description that fails when it has begun is an error of the statement', async (t) => {
  const refusal = errorResponse('ERROR', '55P03')
  const unknown = [message('t', int16(1), int32(99_999)), refusal]
  const known = [message('t', int16(1), int32(23)), refusal]
  for (const [name, answer] of Object.entries({ unknown, known, 'at once': [refusal], together: [Buffer.concat(unknown)] })) {
    let failures = 1
    let hasFailed = false
    const server = await FakeServer.start(t, () => (sent) => {
      if (sent === 'D' && failures-- > 0) {
        hasFailed = true
        return answer
      }
      if (!hasFailed) return undefined
      if (sent !== 'S') return [] // skipped
      hasFailed = false
      return undefined
    })
    const db = pool(t, server)
    await t.rejects(db.fetchVal({ text: QUERY, prepare: true }, 7), { code: '55P03' }, name)
    t.equal(await db.fetchVal({ text: QUERY, prepare: true }, 3), 3, name)
    t.match(db.stats(), { created: 1, size: 1 })
  }
})

t.test('an encoding that cannot be read is refused, whenever it is announced', async (t) => {
  const latin1 = parameter('client_encoding', 'LATIN1')
  const scripts: Script[] = [
    (sent) => sent === 'startup' ? [authentication(0), latin1, message('K', int32(1), int32(2)), ready()] : undefined,
    (sent) => sent === 'S' ? [latin1, ready()] : undefined,
  ]
  for (const script of scripts) {
    const server = await FakeServer.start(t, once(script))
    const db = pool(t, server)
    const value = await db.fetchVal(QUERY, 7).catch((error) => error.cause.code)
    t.ok(value === 7 || value === 'CLIENT_ENCODING', String(value))
    t.equal(await db.fetchVal(QUERY, 3), 3)
    t.equal(server.accepted, 2)
  }
})

t.test('what a server may say at any time changes nothing', async (t) => {
  const noise = [message('N', 'SNOTICE\0VNOTICE\0C00000\0Mhello\0\0'), parameter('TimeZone', 'UTC'), message('A', int32(1), 'channel\0payload\0')]
  const noisy = (answer: Buffer[]): Buffer[] => answer.flatMap((part) => [...noise, part, ...noise])
  const server = await FakeServer.start(t, () => (sent) => {
    switch (sent) {
      case 'startup': return [noise[0] ?? Buffer.alloc(0), ...LET_IN, ...noise]
      case 'Q': return noisy(SERVER_INFO)
      case 'S': return noisy([ready()])
      default: return undefined
    }
  })
  const db = pool(t, server)
  for (let n = 0; n < 3; n++) t.equal(await db.fetchVal(QUERY, n), n)
  t.match(db.stats(), { created: 1, errors: 0 })
})

t.test('an error that nobody asked for: with FATAL it is why the connection is closed, without it is no protocol', async (t) => {
  for (const [severity, code, expected] of [['FATAL', '57P01', '57P01'], ['PANIC', '57P02', '57P02'], ['ERROR', '22012', PROTOCOL]] as const) {
    let close: () => void = () => {}
    const server = await FakeServer.start(t, once((_sent, _body, socket) => {
      close = () => socket.write(errorResponse(severity, code))
      return undefined
    }))
    const log = memoryLog()
    const db = pool(t, server, { log })
    t.equal(await db.fetchVal(QUERY, 1), 1)
    close()
    await until(() => db.stats().closed.lost === 1)
    t.match(log.lines.find(({ message }) => message === 'database connection lost'), { object: { err: { code: expected } } })
    t.equal(await db.fetchVal(QUERY, 3), 3)
  }
})

t.test('a session that is ended in the same breath in which it begins', async (t) => {
  for (const [name, end, code] of [['FATAL', errorResponse('FATAL', '57P03'), '57P03'], ['garbage', message('!'), PROTOCOL]] as const) {
    const server = await FakeServer.start(t, once((sent) => sent === 'startup' ? [Buffer.concat([...LET_IN, end])] : undefined))
    const log = memoryLog()
    const db = pool(t, server, { log, connectTimeout: 60 })
    t.equal(await db.fetchVal(QUERY, 7), 7, name)
    t.match(db.stats(), { connectFailures: 1, created: 1 })
    t.match(log.lines.find(({ level }) => level === 'warn'), { object: { err: { code } } })
  }
})

t.test('without a key nothing is cancelled: the connection is ended instead, and says so', async (t) => {
  let cancels = 0
  const server = await FakeServer.start(t, (connection) => (sent) => {
    if (sent === 'startup') return connection === 0 ? [authentication(0), ready()] : undefined
    if (connection > 0) cancels += sent === 'startup' ? 1 : 0
    return connection === 0 && sent === 'S' ? [] : undefined
  })
  const log = memoryLog()
  const db = pool(t, server, { log })
  await t.rejects(db.fetchVal({ text: QUERY, prepare: true, timeout: 0.1 }, 1), { code: 'FST_PG_QUERY_TIMEOUT' })
  await until(() => db.stats().closed.cancel === 1)
  t.match(log.lines.find(({ message }) => message === 'database connection lost'), { object: { err: { code: 'NO_CANCEL_KEY', message: /no key/ } } })
  t.equal(cancels, 0)
  t.equal(await db.fetchVal(QUERY, 3), 3)
})

t.test('a key of 256 bytes is used whole', async (t) => {
  const key = Buffer.alloc(256, 'k')
  let cancelled: Buffer | undefined
  const server = await FakeServer.start(t, (connection) => (sent, body, socket) => {
    if (sent === 'startup' && connection === 0) return [authentication(0), message('K', int32(77), key), ready()]
    if (sent === 'startup' && connection === 1) {
      cancelled = Buffer.from(body)
      socket.end()
      return []
    }
    return connection === 0 && sent === 'S' && cancelled === undefined ? [] : undefined
  })
  const db = pool(t, server)
  await t.rejects(db.fetchVal({ text: QUERY, prepare: true, timeout: 0.1 }, 1), { code: 'FST_PG_QUERY_TIMEOUT' })
  await until(() => cancelled !== undefined)
  t.same(cancelled, Buffer.concat([int32(77), key]))
})

t.test('nothing of all this is printed', { buffered: false }, async (t) => {
  t.strictSame(printed, [])
})
