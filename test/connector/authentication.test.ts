import t from 'tap'
import { startEmbeddedPostgres } from '../../tools/embedded-postgres/embedded-postgres.js'
import { createDatabase, type DatabaseOptions } from '../../src/index.js'
import { readRequireAuth } from '../../src/config/require-auth.js'
import { authenticate, isLoopback } from '../../src/connector/authentication.js'
import { SocketOwner } from '../../src/driver/socket-owner.js'
import { connectSocket } from '../../src/protocol/socket.js'
import { SaltedPasswords } from '../../src/protocol/scram.js'
import { memoryLog, Observer } from '../support/database.js'
import { authentication, FakeServer, LET_IN } from '../support/fake-server.js'

t.test('authentication by a real server', async (t) => {
  const server = await startEmbeddedPostgres({
    settings: { max_connections: 200 },
    hba: `host all postgres 127.0.0.1/32 trust
      host all by_md5 127.0.0.1/32 md5
      host all by_password 127.0.0.1/32 password
      host all trusted 127.0.0.1/32 trust
      host all all 127.0.0.1/32 scram-sha-256`,
  })
  t.teardown(() => server.close())
  const observer = await new Observer(Object.assign(new URL(server.url), { username: 'postgres' }).href).open()
  t.teardown(() => observer.close())
  const create = async (user: string, password: string, encryption = 'scram-sha-256'): Promise<void> => {
    await observer.rows(`SET password_encryption = '${encryption}'`)
    await observer.rows(`CREATE ROLE "${user}" LOGIN PASSWORD '${password.replaceAll("'", "''")}'`)
  }
  /** What comes of a connect: the user's name, or the code of the failure. */
  const connect = async (user: string, password: string, options: DatabaseOptions = {}): Promise<unknown> => {
    const { hostname, port } = new URL(server.url)
    const db = createDatabase({ host: hostname, port: Number(port), user, password, database: 'postgres', min: 1, max: 1, log: memoryLog(), ...options }, {})
    try {
      await db.open()
      return await db.fetchVal('SELECT current_user')
    } catch (error) {
      return (error as { cause?: { code?: unknown } }).cause?.code
    } finally {
      await db.close()
    }
  }

  t.test('by SCRAM, with passwords that SASLprep changes, prohibits or leaves as they are', async (t) => {
    const passwords = ['plain', 'with space', "quote'd", 'e\u0301', '\u00e9', 'no\u00a0break', '\ufb01ligature', 'x\u00b2', 'so\u00adft', '\uff21\uff22', '\u2168',
      'emoji \u{1f600}', '\u0627\u0628', 'a\u0627', '\u200bzero', 'tab\there', 'x'.repeat(500), '日本語', '%2F:@', '\\', ',=,']
    for (const [index, password] of passwords.entries()) {
      const user = `by_scram_${index}`
      await create(user, password)
      t.equal(await connect(user, password), user, JSON.stringify(password))
      t.equal(await connect(user, `${password}x`), '28P01', `${JSON.stringify(password)} and more`)
    }
    await create('composed', '\u00e9\u00a0')
    t.equal(await connect('composed', 'e\u0301 '), 'composed', 'the same to SASLprep')
  })

  t.test('by MD5, with the password as it is', async (t) => {
    await create('by_md5', 'e\u0301', 'md5')
    t.equal(await connect('by_md5', 'e\u0301'), 'by_md5')
    t.equal(await connect('by_md5', '\u00e9'), '28P01')
  })

  t.test('by a password in clear text, within this machine', async (t) => {
    await create('by_password', 'clear')
    t.equal(await connect('by_password', 'clear'), 'by_password')
    t.equal(await connect('by_password', 'wrong'), '28P01')
  })

  t.test('requireAuth accepts what it names, as an option and in the URL', async (t) => {
    await create('trusted', 'unused')
    await create('strict', 'secret')
    const accepted: Array<[user: string, password: string, requireAuth: string, outcome: string]> = [
      ['strict', 'secret', 'scram-sha-256', 'strict'], ['strict', 'secret', 'md5,scram-sha-256', 'strict'], ['strict', 'secret', '!md5,!password', 'strict'],
      ['strict', 'secret', 'md5', 'AUTHENTICATION'], ['strict', 'secret', '!scram-sha-256', 'AUTHENTICATION'], ['by_md5', 'e\u0301', 'scram-sha-256', 'AUTHENTICATION'],
      ['by_password', 'clear', 'password', 'by_password'], ['by_password', 'clear', '!password', 'AUTHENTICATION'], ['trusted', '', 'none', 'trusted'],
      ['trusted', '', 'scram-sha-256', 'AUTHENTICATION'], ['trusted', '', '!none', 'AUTHENTICATION'],
    ]
    for (const [user, password, requireAuth, outcome] of accepted) t.equal(await connect(user, password, { requireAuth }), outcome, `${user}: ${requireAuth}`)
    const { hostname, port } = new URL(server.url)
    const inUrl = (list: string): DatabaseOptions => ({ url: `postgres://strict:secret@${hostname}:${port}/postgres?require_auth=${list}`, min: 1, max: 1, log: memoryLog() })
    const db = createDatabase(inUrl('scram-sha-256'), {})
    t.equal(await db.fetchVal('SELECT current_user'), 'strict')
    await db.close()
    const other = createDatabase(inUrl('md5'), {})
    await t.rejects(other.fetchVal('SELECT 1'), { code: 'FST_PG_CONNECT', cause: { code: 'AUTHENTICATION' } })
    await other.close()
    for (const wrong of ['', 'scram', 'md5,md5', 'md5,!password', 'SCRAM-SHA-256']) {
      t.throws(() => createDatabase({ requireAuth: wrong }, {}), { code: 'FST_PG_OPTION', message: /requireAuth takes libpq's require_auth/ }, wrong)
    }
    t.throws(() => createDatabase(inUrl('scram'), {}), { code: 'FST_PG_OPTION', message: /require_auth takes/ })
  })

  t.test('no password given is said', async (t) => {
    t.equal(await connect('strict', ''), 'AUTHENTICATION')
  })

  t.test('a hundred connects at once', async (t) => {
    const { hostname, port } = new URL(server.url)
    const db = createDatabase({ host: hostname, port: Number(port), user: 'strict', password: 'secret', database: 'postgres', min: 100, max: 100, log: memoryLog(), startupTimeout: 60 }, {})
    t.teardown(() => db.close())
    await db.open()
    t.equal(db.stats().size, 100)
  })
})

t.test('in clear text a password only goes where nobody else reads it', async (t) => {
  for (const address of [undefined, '127.0.0.1', '127.1.2.3', '::1', '::ffff:127.0.0.1']) t.equal(isLoopback(address), true, String(address))
  for (const address of ['10.0.0.1', '192.168.1.127', '::2', '::ffff:10.127.0.1', 'fe80::1', '1127.0.0.1']) t.equal(isLoopback(address), false, address)
  let sent = ''
  const server = await FakeServer.start(t, () => (type, body) => {
    if (type === 'startup') return [authentication(3)]
    sent += body.toString()
    return type === 'p' ? LET_IN : undefined
  })
  const outcome = async (isPrivate: boolean, requireAuth?: string): Promise<unknown> => {
    sent = ''
    const target = { host: '127.0.0.1', port: Number(new URL(server.url).port) }
    const { socket, incoming } = await connectSocket(target, false, new AbortController().signal)
    const owner = new SocketOwner(socket, incoming)
    t.teardown(() => owner.destroy())
    const methods = requireAuth === undefined ? undefined : readRequireAuth(requireAuth)
    const credentials = { user: 'user', database: 'db', password: 'opensesame', parameters: {}, salted: new SaltedPasswords(), requireAuth: methods, isPrivate, debug: false as const }
    return await authenticate(owner, credentials).then(() => sent, (error) => `${error.code} ${sent}`)
  }
  t.equal(await outcome(true), 'opensesame\0')
  t.equal(await outcome(false), 'AUTHENTICATION ', 'nothing was sent')
  t.equal(await outcome(false, 'password'), 'opensesame\0', 'if it is allowed')
  t.equal(await outcome(false, 'scram-sha-256'), 'AUTHENTICATION ')
})
