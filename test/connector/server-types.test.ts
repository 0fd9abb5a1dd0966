import { once } from 'node:events'
import net, { type AddressInfo, type Socket } from 'node:net'
import t, { type Test } from 'tap'
import { createDatabase } from '../../src/index.js'
import { startEmbeddedPostgres } from '../../tools/embedded-postgres/embedded-postgres.js'
import { freshDatabase, memoryLog, openDatabase, uniqueName, until } from '../support/database.js'
import { query } from '../support/streaming-pair.js'

const ENUMS = Array.from({ length: 8 }, (_, i) => `CREATE TYPE mood${i} AS ENUM ('sad', 'happy')`)
const DOMAINS = Array.from({ length: 8 }, (_, i) => `CREATE DOMAIN doc${i} AS jsonb; CREATE DOMAIN big${i} AS bigint`)
const TABLE = 'CREATE TABLE things (id int, mood mood0, moods mood3[], doc doc0, big big1, pair record_of); '

/** Leads to one server, then to the other one. */
async function startSwitch (t: Test, ports: readonly number[]): Promise<{ port: number, to: (index: number) => void }> {
  const sockets = new Set<Socket>()
  let target = 0
  const server = net.createServer((near) => {
    const far = net.connect(ports[target] ?? 0, '127.0.0.1')
    for (const [from, to] of [[near, far], [far, near]] as const) {
      sockets.add(from)
      from.on('error', () => {}).on('close', () => { sockets.delete(from); to.destroy() }).pipe(to)
    }
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const cut = (): void => { for (const socket of sockets) socket.destroy() }
  t.teardown(async () => {
    cut()
    server.close()
    await once(server, 'close')
  })
  return { port: (server.address() as AddressInfo).port, to: (index) => { target = index; cut() } }
}

t.test('types belong to a server: after a switch to one restored from a dump, with other OIDs, values are what they are', async (t) => {
  const hba = 'host all all 127.0.0.1/32 trust'
  const servers = await Promise.all([0, 1].map(() => startEmbeddedPostgres({ hba })))
  t.teardown(() => Promise.all(servers.map((server) => server.close())))
  const scripts = [[...ENUMS, ...DOMAINS], [...DOMAINS, ...ENUMS].reverse()]
  for (const [index, { url }] of servers.entries()) {
    await query(url, [...scripts[index] ?? [], 'CREATE TYPE record_of AS (a int, b text)', TABLE].join('; '))
  }
  const oids = await Promise.all(servers.map(({ url }) => query(url, "SELECT 'mood0'::regtype::oid AS mood, 'doc0'::regtype::oid AS doc")))
  t.notSame(oids[0], oids[1], 'the OIDs are others')
  const { port, to } = await startSwitch(t, servers.map(({ port }) => port))
  const db = createDatabase({ url: `postgres://postgres@127.0.0.1:${port}/postgres`, min: 1, max: 3, log: memoryLog() })
  t.teardown(() => db.close())
  const row = { id: 1, mood: 'sad', moods: ['sad', 'happy', null], doc: { a: ['text'] }, big: 7, pair: '(1,b)' }
  const check = async (): Promise<void> => {
    await db.execute('DELETE FROM things')
    for (let use = 0; use < 3; use++) {
      await db.execute('INSERT INTO things VALUES ($1, $2, $3, $4, $5, $6)', ...Object.values(row))
      await db.executeMany('INSERT INTO things VALUES ($1, $2, $3, $4, $5, $6)', Array.from({ length: 60 }, () => Object.values(row)))
    }
    const rows = await db.fetchAll('SELECT * FROM things WHERE mood = $1 AND doc = $2', 'sad', row.doc)
    t.equal(rows.length, 183)
    for (const read of rows) t.strictSame(read, row)
    t.strictSame(await db.fetchAll('SELECT DISTINCT doc::text, moods::text FROM things'), [{ doc: '{"a": ["text"]}', moods: '{sad,happy,NULL}' }])
  }
  for (const server of [0, 1, 0, 1]) {
    to(server)
    await until(() => db.fetchVal('SELECT 1').then(() => true, () => false))
    await check()
  }
})

t.test('a role that may not ask which server it is has types of its own on each connection', async (t) => {
  const observer = await freshDatabase(t)
  const role = uniqueName('nosy')
  await observer.rows(`CREATE ROLE ${role} LOGIN PASSWORD 'nosy-password'; CREATE TYPE mood AS ENUM ('sad'); REVOKE EXECUTE ON FUNCTION pg_control_system() FROM PUBLIC`)
  t.teardown(() => observer.rows(`DROP ROLE ${role}`).catch(() => {}))
  const url = Object.assign(new URL(observer.url), { username: role, password: 'nosy-password' }).href
  const db = await openDatabase(t, observer, { url, min: 2, max: 2 })
  await Promise.all([1, 2, 3].map(async () => t.strictSame(await db.fetchVal('SELECT ARRAY[$1::mood], pg_sleep(0.05)', 'sad'), ['sad'])))
  t.match(db.stats(), { created: 2, errors: 0 })
})

t.test('a type that is dropped and made again, as something else', async (t) => {
  const observer = await freshDatabase(t)
  const db = await openDatabase(t, observer, { min: 1, max: 2 })
  const kinds: Array<[make: string, value: unknown]> = [["ENUM ('a')", 'a'], ['(a int, b text)', '(1,a)'], ["ENUM ('b', 'c')", 'c']]
  for (const [make, value] of [...kinds, ...kinds]) {
    await observer.rows(`DROP TABLE IF EXISTS kept; DROP TYPE IF EXISTS made; CREATE TYPE made AS ${make}; CREATE TABLE kept (v made, vs made[])`)
    for (let use = 0; use < 3; use++) {
      t.equal(await db.fetchVal('SELECT $1::made', value), value)
      await db.execute('INSERT INTO kept VALUES ($1, $2)', value, [value, null])
      t.strictSame(await db.fetchOne('SELECT * FROM kept WHERE v = $1::made', value), { v: value, vs: [value, null] })
    }
  }
  for (const [base, value] of [['jsonb', { a: 1 }], ['text', 'x'], ['int[]', [1, 2]], ['jsonb', ['x']]] as const) {
    await observer.rows(`DROP DOMAIN IF EXISTS thing; CREATE DOMAIN thing AS ${base}`)
    for (let use = 0; use < 3; use++) t.strictSame(await db.fetchVal('SELECT $1::thing', value), value)
    await db.transaction(async (tx) => t.strictSame(await tx.fetchVal('SELECT $1::thing', value), value))
  }
  t.match(db.stats(), { errors: 0 })
})
