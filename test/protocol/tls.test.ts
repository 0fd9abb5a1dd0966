import { once } from 'node:events'
import net, { type AddressInfo } from 'node:net'
import t, { type Test } from 'tap'
import { createDatabase, type Database, type DatabaseOptions } from '../../src/index.js'
import { memoryLog, until } from '../support/database.js'
import { TlsServer } from '../support/tls-server.js'

t.jobs = 1 // one server, which shows one certificate at a time

const server = await TlsServer.start(t)
const { ca, stranger, client, forged } = server.certificates

/** A database under test that may well fail to open. */
function database (t: Test, options: DatabaseOptions): Database {
  const db = createDatabase({ url: server.url(), min: 1, max: 2, log: memoryLog(), ...options }, {})
  t.teardown(() => db.close())
  return db
}

const SESSION = 'SELECT ssl, version, cipher, client_dn FROM pg_stat_ssl WHERE pid = pg_backend_pid()'

async function isEncrypted (db: Database): Promise<boolean> {
  const session = await db.fetchOne<{ ssl: boolean, version: string | null, cipher: string | null }>(SESSION)
  if (session === null) throw new Error('the server knows nothing of the session')
  if (session.ssl && (!/^TLSv1\.[23]$/.test(session.version ?? '') || session.cipher === null)) throw new Error('encrypted, but how?')
  return session.ssl
}

/** The start is given up at once, by a coded error with the cause: repeating it is of no use. */
async function refused (t: Test, options: DatabaseOptions, cause: object, name: string): Promise<void> {
  const db = database(t, options)
  await t.rejects(db.open(), { code: /^FST_PG_CONNECT$/, statusCode: 503, cause }, name)
  t.match(db.stats(), { connectFailures: 1, created: 0, size: 0, opening: 0 }, `${name}: once`)
}

t.test('a server without TLS', async (t) => {
  await refused(t, { ssl: true }, { code: 'TLS_REFUSED', message: /does not support TLS/ }, 'true')
  await refused(t, { ssl: 'require' }, { code: 'TLS_REFUSED' }, 'require')
  await refused(t, { ssl: { ca: ca.cert } }, { code: 'TLS_REFUSED' }, 'an authority')
  await refused(t, { url: server.url({ search: 'sslmode=verify-full' }) }, { code: 'TLS_REFUSED' }, 'the URL')
  t.equal(await isEncrypted(database(t, { ssl: 'prefer' })), false, 'prefer goes on in clear')
})

t.test('a server with a certificate for localhost', async (t) => {
  await server.show('local')

  t.test('is verified against the authority, by its name and by its address', async (t) => {
    for (const hostname of ['localhost', '127.0.0.1']) {
      const db = database(t, { url: server.url({ hostname }), ssl: { ca: ca.cert } })
      t.equal(await isEncrypted(db), true, hostname)
    }
    t.equal(await isEncrypted(database(t, { ssl: { ca: [stranger.cert, ca.cert], minVersion: 'TLSv1.3' } })), true, 'one of several authorities')
  })

  t.test('is refused where its authority is not known', async (t) => {
    const cause = { code: 'SELF_SIGNED_CERT_IN_CHAIN' }
    await refused(t, { ssl: true }, cause, 'true')
    await refused(t, { ssl: 'verify-full' }, cause, 'verify-full')
    await refused(t, { ssl: { ca: stranger.cert } }, cause, 'another authority')
    await refused(t, { ssl: {} }, cause, 'no options')
    for (const mode of ['verify-full', 'verify-ca', 'true']) await refused(t, { url: server.url({ search: `sslmode=${mode}` }) }, cause, `sslmode=${mode}`)
  })

  t.test('is used without being verified by require and prefer', async (t) => {
    t.equal(await isEncrypted(database(t, { ssl: 'require' })), true)
    t.equal(await isEncrypted(database(t, { ssl: 'prefer' })), true)
    t.equal(await isEncrypted(database(t, { ssl: { rejectUnauthorized: false } })), true)
    for (const mode of ['require', 'prefer', 'allow']) t.equal(await isEncrypted(database(t, { url: server.url({ search: `sslmode=${mode}` }) })), true, `sslmode=${mode}`)
    t.equal(await isEncrypted(database(t, { url: server.url({ search: 'sslmode=disable' }) })), false)
  })

  t.test('an option for TLS beats sslmode, and brings what the URL has no room for', async (t) => {
    t.equal(await isEncrypted(database(t, { url: server.url({ search: 'sslmode=disable' }), ssl: { ca: ca.cert } })), true)
    await refused(t, { url: server.url({ search: 'sslmode=disable' }), ssl: true }, { code: 'SELF_SIGNED_CERT_IN_CHAIN' }, 'true')
  })

  t.test('a user who may only come encrypted', async (t) => {
    const url = server.url({ username: 'guarded' })
    t.equal(await isEncrypted(database(t, { url, ssl: { ca: ca.cert } })), true)
    t.equal(await isEncrypted(database(t, { url, ssl: 'prefer' })), true)
    await refused(t, { url }, { code: '28000' }, 'in clear')
  })

  t.test('a user that is known by a certificate', async (t) => {
    const url = server.url({ username: 'certified' })
    const db = database(t, { url, ssl: { ca: ca.cert, ...client } })
    t.match(await db.fetchOne(SESSION), { ssl: true, client_dn: '/CN=certified' })
    t.equal(await db.fetchVal('SELECT current_user'), 'certified')
    await refused(t, { url, ssl: { ca: ca.cert } }, { code: '28000' }, 'no certificate')
    // With TLS 1.3 the server says so only after the handshake, and the end of the connection may overtake it.
    const stranded = database(t, { url, ssl: { ca: ca.cert, ...forged }, startupTimeout: 1 })
    await t.rejects(stranded.open(), { code: /^FST_PG_(CONNECT|STARTUP)$/, cause: { code: /UNKNOWN_CA|ECONNRESET|EPIPE|CONNECTION_LOST/ } }, 'a certificate of a stranger')
    t.equal(stranded.stats().created, 0)
  })

  t.test('options that cannot be used are told at once', async (t) => {
    await refused(t, { ssl: { ca: 'no certificate' } }, { code: 'SELF_SIGNED_CERT_IN_CHAIN' }, 'an authority that is no PEM')
    await refused(t, { ssl: { ca: ca.cert, cert: 'no certificate', key: client.key } }, { code: /^ERR_OSSL/ }, 'a certificate that is no PEM')
    await refused(t, { ssl: { ca: ca.cert, cert: client.cert, key: forged.key } }, { code: /^ERR_OSSL/ }, 'the key of another certificate')
    await refused(t, { ssl: { ca: ca.cert, minVersion: 'TLSv9' as 'TLSv1.3' } }, { code: 'ERR_TLS_INVALID_PROTOCOL_VERSION' }, 'a version that does not exist')
    await refused(t, { ssl: { ca: 5 as unknown as string } }, { code: 'ERR_INVALID_ARG_TYPE' }, 'a number')
  })
})

t.test('a server with a certificate for another host', async (t) => {
  await server.show('elsewhere')
  const url = server.url({ hostname: 'localhost' })
  await refused(t, { url, ssl: { ca: ca.cert } }, { code: 'ERR_TLS_CERT_ALTNAME_INVALID' }, 'by name')
  await refused(t, { ssl: { ca: ca.cert } }, { code: 'ERR_TLS_CERT_ALTNAME_INVALID' }, 'by address')
  const [logged] = (await opened(t, { url, ssl: { ca: ca.cert } })).lines
  t.match(logged, { level: 'warn', object: { err: { code: 'ERR_TLS_CERT_ALTNAME_INVALID' } } }, 'the log says why')
  t.equal(await isEncrypted(database(t, { url, ssl: { ca: ca.cert, servername: 'db.elsewhere.test' } })), true, 'servername says which host is meant')
  t.equal(await isEncrypted(database(t, { ssl: { ca: ca.cert, servername: 'db.elsewhere.test' } })), true, 'for an address too')
  t.equal(await isEncrypted(database(t, { url, ssl: { ca: ca.cert, checkServerIdentity: () => undefined } })), true, 'what verify-ca of libpq does')
  await refused(t, { url, ssl: { ca: stranger.cert, checkServerIdentity: () => undefined } }, { code: 'SELF_SIGNED_CERT_IN_CHAIN' }, 'the authority counts all the same')
  const cause = Object.assign(new Error('a check of the user'), { code: 'ERR_TLS_CHECK' })
  await refused(t, { url, ssl: { ca: ca.cert, checkServerIdentity: () => { throw cause } } }, cause, 'a check that throws refuses')
})

/** The log of a database that could not be opened. */
async function opened (t: Test, options: DatabaseOptions): Promise<ReturnType<typeof memoryLog>> {
  const log = memoryLog()
  await database(t, { ...options, log }).open().catch(() => {})
  return log
}

t.test('a server with a certificate that has expired', async (t) => {
  await server.show('expired')
  await refused(t, { ssl: { ca: ca.cert } }, { code: 'CERT_HAS_EXPIRED' }, 'an authority')
  t.equal(await isEncrypted(database(t, { ssl: 'require' })), true)
})

t.test('where the certificate becomes a wrong one later, the pool goes on trying and is well again with a right one', async (t) => {
  await server.show('local')
  const log = memoryLog()
  const db = database(t, { ssl: { ca: ca.cert }, acquireTimeout: 8, log })
  t.equal(await isEncrypted(db), true)
  await server.show('expired')
  await server.observer.kill()
  await until(() => db.stats().connectFailures > 1)
  await t.rejects(db.fetchVal('SELECT 1'), { code: /^FST_PG_CONNECT$/, cause: { code: 'CERT_HAS_EXPIRED' } })
  t.match(await db.health(), { status: 'unavailable', database: { pool_size: 0 } })
  t.match(log.lines.filter(({ level }) => level === 'error'), [{ object: { code: 'CERT_HAS_EXPIRED' }, message: /health check/ }])
  await server.show('local')
  await until(() => db.stats().size === 1)
  t.equal(await isEncrypted(db), true)
})

/** Answers the request for TLS with `answer`, and notes whatever comes after it. */
async function pretender (t: Test, answer: string | null): Promise<{ url: string, heard: Buffer[] }> {
  const heard: Buffer[] = []
  const sockets = new Set<net.Socket>()
  const impostor = net.createServer((socket) => {
    sockets.add(socket.on('error', () => {}))
    socket.once('data', () => {
      socket.on('data', (data) => heard.push(data))
      if (answer === null) socket.end()
      else socket.write(answer)
    })
  })
  impostor.listen(0, '127.0.0.1')
  await once(impostor, 'listening')
  t.teardown(() => {
    for (const socket of sockets) socket.destroy()
    impostor.close()
  })
  const url = new URL(server.url())
  url.port = String((impostor.address() as AddressInfo).port)
  return { url: url.href, heard }
}

t.test('somebody between us and the server', async (t) => {
  const cases: Array<[what: string, answer: string | null, cause: RegExp]> = [
    ['puts an answer of its own behind that of the server (CVE-2021-23222)', 'SR\0\0\0\x08\0\0\0\0', /unexpected answer/],
    ['the same behind a refusal', 'NR\0\0\0\x08\0\0\0\0', /unexpected answer/],
    ['sends an error in clear', 'E\0\0\0\x30SFATAL\0C28000\0Mgive me your password\0\0', /unexpected answer/],
    ['closes the connection', null, /closed the connection/],
  ]
  for (const [what, answer, message] of cases) {
    for (const ssl of ['verify-full', 'require', 'prefer'] as const) {
      const { url, heard } = await pretender(t, answer)
      const db = database(t, { url, ssl, startupTimeout: 0.2 })
      await t.rejects(db.open(), { code: 'FST_PG_STARTUP', cause: { message } }, `${what}: ${ssl}`)
      t.same(heard, [], 'and hears nothing')
    }
  }
  const { url, heard } = await pretender(t, 'N')
  await t.rejects(database(t, { url, ssl: true }).open(), { code: /^FST_PG_CONNECT$/, cause: { code: 'TLS_REFUSED' } })
  t.same(heard, [], 'who says that there is no TLS hears nothing either')
})
