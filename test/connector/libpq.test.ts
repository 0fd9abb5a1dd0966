import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { createDatabase, type Database, type DatabaseOptions } from '../../src/index.js'
import { memoryLog } from '../support/database.js'
import { TlsServer } from '../support/tls-server.js'

t.jobs = 1 // one server, which shows one certificate at a time

const server = await TlsServer.start(t)
const { host, port, user, password } = server.postgres
const { ca, stranger, client } = server.certificates
const folder = mkdtempSync(join(tmpdir(), 'libpq-'))
t.teardown(() => rmSync(folder, { recursive: true }))

function file (name: string, text: string): string {
  writeFileSync(join(folder, name), text)
  return join(folder, name)
}

function database (t: Test, options: DatabaseOptions, env: NodeJS.ProcessEnv = {}): Database {
  const db = createDatabase({ min: 1, max: 1, log: memoryLog(), ...options }, env)
  t.teardown(() => db.close())
  return db
}

const who = 'SELECT current_user AS user, current_database() AS database, current_setting(\'application_name\') AS name, current_setting(\'jit\') AS jit'
const environment = { PGHOST: host, PGPORT: String(port), PGUSER: user, PGPASSWORD: password, PGDATABASE: 'postgres', PGAPPNAME: 'by-variables', PGOPTIONS: '-c jit=off', PGCONNECT_TIMEOUT: '7' }

t.test('the variables of libpq lead to the server', async (t) => {
  const db = database(t, {}, environment)
  t.same(await db.fetchOne(who), { user, database: 'postgres', name: 'by-variables', jit: 'off' })
})

t.test('a stray PGHOST and PGPORT lead nobody astray who says where to connect', async (t) => {
  const stray = { ...environment, PGHOST: 'nowhere.invalid', PGPORT: '1', PGDATABASE: 'nowhere', PGUSER: 'nobody', PGPASSWORD: 'wrong' }
  t.equal(await database(t, { url: server.postgres.url }, stray).fetchVal('SELECT 1'), 1, 'url')
  t.equal(await database(t, { host, port, user, password, database: 'postgres' }, stray).fetchVal('SELECT 1'), 1, 'options')
  const env = { DATABASE_HOST: host, DATABASE_PORT: String(port), DATABASE_USER: user, DATABASE_PASSWORD: password, DATABASE_NAME: 'postgres' }
  t.equal(await database(t, {}, { ...stray, ...env }).fetchVal('SELECT 1'), 1, 'DATABASE_ variables')
})

t.test('host, port, user, password and dbname in the query lead to the server, and what is for libpq is not sent', async (t) => {
  const where = `host=${host}&port=${port}&user=${user}&password=${encodeURIComponent(password)}&dbname=postgres`
  const url = `postgres:///?${where}&keepalives=1&connect_timeout=5&load_balance_hosts=disable&gssencmode=prefer&target_session_attrs=any&tcp_user_timeout=0`
  t.equal(await database(t, { url }).fetchVal('SELECT 1'), 1)
})

t.test('hostaddr is where to connect, whatever host stands for', async (t) => {
  const url = server.url({ hostname: 'localhost', search: '?hostaddr=127.0.0.1' }).replace('localhost', 'nowhere.invalid')
  t.equal(await database(t, { url }).fetchVal('SELECT 1'), 1)
})

t.test('certificates by files', async (t) => {
  await server.show('local')
  const root = file('root.crt', ca.cert)
  const wrong = file('stranger.crt', stranger.cert)
  const encrypted = (db: Database): Promise<boolean | null> => db.fetchVal('SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()')
  const local = { hostname: 'localhost' }

  t.equal(await encrypted(database(t, { url: server.url({ ...local, search: `?sslmode=verify-full&sslrootcert=${root}` }) })), true)
  t.equal(await encrypted(database(t, { url: server.url(local) }, { PGSSLMODE: 'verify-full', PGSSLROOTCERT: root })), true)
  t.equal(await encrypted(database(t, { url: server.url(local) }, { PGSSLROOTCERT: root })), true, 'without a mode')
  await t.rejects(database(t, { url: server.url({ ...local, search: `?sslmode=require&sslrootcert=${wrong}` }) }).open(), { code: 'FST_PG_CONNECT' }, 'require with authorities verifies')

  const certificate = `sslcert=${file('client.crt', client.cert)}&sslkey=${file('client.key', client.key)}`
  const certified = database(t, { url: server.url({ hostname: '127.0.0.1', username: 'certified', search: `?sslmode=verify-full&sslrootcert=${root}&${certificate}` }) })
  t.equal(await certified.fetchVal('SELECT current_user::text'), 'certified')

  const address = server.url({ ...local, search: `?sslmode=verify-full&sslrootcert=${root}&hostaddr=127.0.0.1` })
  t.equal(await encrypted(database(t, { url: address })), true, 'the certificate is for the host, not for its address')
  await server.show('elsewhere')
  await t.rejects(database(t, { url: address }).open(), { code: 'FST_PG_CONNECT' })
  t.equal(await encrypted(database(t, { url: server.url({ ...local, search: `?sslmode=require&sslrootcert=${root}` }) })), true, 'require does not look at the name')
})
