import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import net, { type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import t, { type Test } from 'tap'
import { createDatabase } from '../../src/index.js'
import { memoryLog, until } from '../support/database.js'
import { runScript } from '../support/script.js'
import { TlsServer, type Shown } from '../support/tls-server.js'

t.jobs = 1 // one server, which shows one certificate at a time

const SSL_REQUEST = 80877103
const server = await TlsServer.start(t)
const { ca } = server.certificates

t.test('with the authorities of the system, true and verify-full hold the certificate against the name of the host', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'fastify-postgres-js-ca-'))
  t.teardown(() => rm(folder, { recursive: true }))
  const file = join(folder, 'ca.crt')
  await writeFile(file, ca.cert)
  /** What comes of a connect, in a process whose Node trusts the authority beside those that it brings along. */
  const outcome = async (ssl: true | 'verify-full'): Promise<string> => {
    const script = `
      import { createDatabase } from './src/index.ts'
      const log = { debug () {}, info () {}, warn () {}, error () {} }
      const url = ${JSON.stringify(server.url({ hostname: 'localhost' }))}
      const db = createDatabase({ url, ssl: ${JSON.stringify(ssl)}, min: 1, max: 1, log }, {})
      await db.open().then(() => console.log('open'), (error) => console.log(error.cause.code))
      await db.close()`
    return (await text(runScript(script, { NODE_EXTRA_CA_CERTS: file }).stdout)).trim()
  }
  const expected: Array<[shown: Shown, outcome: string]> = [['local', 'open'], ['elsewhere', 'ERR_TLS_CERT_ALTNAME_INVALID']]
  for (const [shown, wanted] of expected) {
    await server.show(shown)
    for (const ssl of [true, 'verify-full'] as const) t.equal(await outcome(ssl), wanted, `${ssl}: ${shown}`)
  }
})

/** Forwards to the server, and notes what each connection begins with: the code of its first message. */
async function noting (t: Test): Promise<{ url: string, firstCodes: number[] }> {
  const firstCodes: number[] = []
  const sockets = new Set<net.Socket>()
  const { port } = new URL(server.url())
  const proxy = net.createServer((near) => {
    const far = net.connect(Number(port), '127.0.0.1')
    near.once('data', (data) => firstCodes.push(data.readUInt32BE(4)))
    for (const socket of [near, far]) sockets.add(socket.on('error', () => {}))
    near.pipe(far).pipe(near)
  }).listen(0, '127.0.0.1')
  await once(proxy, 'listening')
  t.teardown(() => {
    for (const socket of sockets) socket.destroy()
    proxy.close()
  })
  return { url: Object.assign(new URL(server.url()), { port: (proxy.address() as AddressInfo).port }).href, firstCodes }
}

t.test('a CancelRequest is encrypted where the connection is', async (t) => {
  await server.show('local')
  const { url, firstCodes } = await noting(t)
  const db = createDatabase({ url, ssl: { ca: ca.cert }, min: 1, max: 1, log: memoryLog() }, {})
  t.teardown(() => db.close())
  await db.open()
  const controller = new AbortController()
  const call = db.fetchVal({ text: 'SELECT pg_sleep(60)', signal: controller.signal })
  const isRunning = async (): Promise<boolean> =>
    (await server.observer.rows("SELECT FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(60)' AND state = 'active'")).length > 0
  await until(isRunning)
  controller.abort()
  await t.rejects(call, { code: 'FST_PG_ABORTED' })
  await until(async () => !await isRunning())
  t.equal(await db.fetchVal('SELECT 1'), 1)
  t.equal(db.stats().created, 1, 'on the same connection: the statement was cancelled')
  t.ok(firstCodes.length >= 2, 'the CancelRequest went on a connection of its own')
  t.same(new Set(firstCodes), new Set([SSL_REQUEST]), 'and each of them asked for TLS first')
})
