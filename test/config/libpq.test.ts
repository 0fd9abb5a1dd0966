import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import os from 'node:os'
import { inspect } from 'node:util'
import t from 'tap'
import { readConfig } from '../../src/config/config.js'
import { KEYWORDS } from '../../src/config/libpq-keywords.js'
import type { PoolOptions } from '../../src/config/options.js'
import { errors } from '../../src/index.js'

const SECRET = 'opensesame'
const parse = (url: string, env: NodeJS.ProcessEnv = {}, options: PoolOptions = {}) => readConfig({ url, ...options }, env)

/** What is said of a URL or environment that is refused. */
function refusal (url: string | undefined, env: NodeJS.ProcessEnv = {}, options: PoolOptions = {}): string {
  try {
    readConfig({ url, ...options }, env)
  } catch (error) {
    if (!(error instanceof errors.OptionError)) throw error
    if (inspect(error).includes(SECRET)) throw new Error('the error shows the secret', { cause: error })
    return error.message
  }
  return 'accepted'
}

/** As `PQconndefaults` of PostgreSQL 18 has them. */
const LIBPQ_18 = ['service', 'user', 'password', 'passfile', 'channel_binding', 'connect_timeout', 'dbname', 'host', 'hostaddr', 'port',
  'client_encoding', 'options', 'application_name', 'fallback_application_name', 'keepalives', 'keepalives_idle', 'keepalives_interval',
  'keepalives_count', 'tcp_user_timeout', 'sslmode', 'sslnegotiation', 'sslcompression', 'sslcert', 'sslkey', 'sslcertmode', 'sslpassword',
  'sslrootcert', 'sslcrl', 'sslcrldir', 'sslsni', 'requirepeer', 'require_auth', 'min_protocol_version', 'max_protocol_version',
  'ssl_min_protocol_version', 'ssl_max_protocol_version', 'gssencmode', 'krbsrvname', 'gsslib', 'gssdelegation', 'replication',
  'target_session_attrs', 'load_balance_hosts', 'scram_client_key', 'scram_server_key', 'oauth_issuer', 'oauth_client_id',
  'oauth_client_secret', 'oauth_scope', 'sslkeylogfile']

t.test('each of libpq\'s parameters is honoured or refused by its name, and none but options is sent to the server', async (t) => {
  t.same(LIBPQ_18.filter((name) => !Object.hasOwn(KEYWORDS, name)), [], 'all are known')
  const sent = Object.keys(parse('postgres://h/d').parameters)
  for (const name of Object.keys(KEYWORDS)) {
    for (const value of [SECRET, '1', '0', 'require', 'disable', '127.0.0.1', 'random', 'true', 'latin1', '5']) {
      const url = `postgres://h/d?${name}=${value}`
      const said = refusal(url)
      if (said === 'accepted') t.same(Object.keys(parse(url).parameters).filter((each) => each !== 'options'), sent, `${name}=${value}`)
      else t.match(said, new RegExp(`^option url: ${name} `), `${name}=${value}`)
    }
  }
})

t.test('what is refused says what to do instead', async (t) => {
  const refused: Array<[query: string, says: RegExp]> = [
    ['keepalives=0', /^option url: keepalives takes 1, .*checkIdle/], ['keepalives_idle=30', /checkIdle/], ['keepalives_count=3', /checkIdle/],
    ['tcp_user_timeout=5000', /commandTimeout/], ['load_balance_hosts=random', /takes disable: hosts are tried in their order/],
    ['channel_binding=require', /takes disable, prefer: .*sslmode=verify-full/], ['gssencmode=require', /takes disable, prefer: GSSAPI/],
    ['krbsrvname=x', /GSSAPI is not supported/], ['service=x', /no such file is read/], ['passfile=x', /no such file is read/],
    ['sslnegotiation=direct', /takes postgres/], ['requirepeer=x', /is not supported/], ['client_encoding=LATIN1', /always UTF8/],
    ['replication=database', /^option url: replication takes .*not offered/], ['min_protocol_version=3.2', /3\.0/], ['oauth_issuer=x', /OAuth/],
    ['requiressl=1', /sslmode=require/], ['scram_client_key=x', /password/], ['sslkeylogfile=x', /keys are not logged/],
  ]
  for (const [query, says] of refused) t.match(refusal(`postgres://h/d?${query}`), says, query)
  const harmless = ['keepalives=1', 'keepalives_idle=0', 'tcp_user_timeout=0', 'load_balance_hosts=disable', 'channel_binding=prefer', 'gssencmode=disable',
    'sslnegotiation=postgres', 'client_encoding=UTF8', 'client_encoding=auto', 'replication=false', 'max_protocol_version=latest', 'sslcompression=0',
    'sslsni=1', 'sslcertmode=allow', 'requiressl=0']
  for (const query of harmless) t.equal(refusal(`postgres://h/d?${query}`), 'accepted', query)
})

t.test('connect_timeout and fallback_application_name are honoured', async (t) => {
  t.equal(parse('postgres://h/d?connect_timeout=12').connectTimeout, 12)
  t.equal(parse('postgres://h/d?connect_timeout=0').connectTimeout, 0)
  t.equal(parse('postgres://h/d?connect_timeout=-1').connectTimeout, 0, 'no limit, as in libpq')
  t.equal(parse('postgres://h/d?connect_timeout=12', {}, { connectTimeout: 3 }).connectTimeout, 3)
  t.match(refusal('postgres://h/d?connect_timeout=5s'), /^option url: connect_timeout takes a number of seconds/)
  t.equal(parse('postgres://h/d?fallback_application_name=psql').applicationName, 'psql')
  t.equal(parse('postgres://h/d?fallback_application_name=psql&application_name=shop').applicationName, 'shop')
  t.equal(parse('postgres://h/d?fallback_application_name=psql', { PGAPPNAME: 'shop' }).applicationName, 'shop')
})

t.test('hosts and ports of the query count', async (t) => {
  const hosts = (url: string, env: NodeJS.ProcessEnv = {}) => parse(url, env).hosts.map(({ host, port }) => `${host} ${port}`)
  t.same(hosts('postgres:///d?host=a&port=6000'), ['a 6000'])
  t.same(hosts('postgres://a/d?port=6000'), ['a 6000'])
  t.same(hosts('postgres://a:1/d?port=6000'), ['a 6000'], 'the query wins, as in libpq')
  t.same(hosts('postgres://a:6000/d?host=b'), ['b 6000'], 'as in libpq')
  t.same(hosts('postgres:///d?host=a,b&port=6000'), ['a 6000', 'b 6000'])
  t.same(hosts('postgres:///d?host=a,b,c&port=6000,,6002'), ['a 6000', 'b 5432', 'c 6002'])
  t.same(hosts('postgres://a,b/d?port=6000,6001'), ['a 6000', 'b 6001'])
  t.same(hosts('postgres:///d?host=/var/run/postgresql&port=6000'), ['/var/run/postgresql 6000'])
  t.same(hosts('postgres:///d?host=%2Frun%2Fa,b&port=6000,6001'), ['/run/a 6000', 'b 6001'])
  t.same(hosts('postgres:///d?host=::1,[fe80::1]&port=6000'), ['::1 6000', 'fe80::1 6000'])
  t.same(hosts('postgres:///d?host=a:6001,b&port=6000'), ['a 6001', 'b 6000'], 'a port of its own is nearer')
  t.same(hosts('postgres:///d?port=6000'), ['localhost 6000'])
  t.same(hosts('postgres:///d?host=&port='), ['localhost 5432'], 'empty is left out')
  t.same(parse('postgres://a/d?host=b&port=1', {}, { host: 'c' }).hosts, [{ host: 'c', port: 5432 }], 'the ports of a URL are those of its hosts')
  for (const query of ['port=0', 'port=65536', 'port=abc', `port=${SECRET}`, 'port=-1', 'port=1.5', 'host=a,b,c&port=1,2', 'port=1,2']) {
    t.match(refusal(`postgres://h/d?${query}`), /^option url: port takes a whole number from 1 to 65535, for several hosts one for all or one for each$/, query)
  }
  t.match(refusal('postgres://h/d?host=a,,b'), /^option url: host has no valid host/)
})

t.test('hostaddr is where to connect, and host the name of the server', async (t) => {
  t.same(parse('postgres://db.example:6000/d?hostaddr=10.0.0.1').hosts, [{ host: 'db.example', port: 6000, address: '10.0.0.1' }])
  t.same(parse('postgres:///d?hostaddr=10.0.0.1,::1&port=6000,6001').hosts,
    [{ host: '10.0.0.1', port: 6000, address: '10.0.0.1' }, { host: '::1', port: 6001, address: '::1' }])
  t.same(parse('postgres://a/d?hostaddr=10.0.0.1', {}, { host: 'b' }).hosts, [{ host: 'b', port: 5432 }])
  for (const value of ['db.example', SECRET, '10.0.0.1,10.0.0.2', '10.0.0']) {
    t.match(refusal(`postgres://h/d?hostaddr=${value}`), /^option url: hostaddr takes an IP address/, value)
  }
})

const variables: Array<[variable: string, text: string, of: string, expected: unknown, option: PoolOptions, query: string, database?: [string, string]]> = [
  ['PGUSER', 'ann', 'user', 'ann', { user: 'bob' }, 'user=bob', ['DATABASE_USER', 'bob']],
  ['PGDATABASE', 'shop', 'database', 'shop', { database: 'other' }, 'dbname=other', ['DATABASE_NAME', 'other']],
  ['PGAPPNAME', 'api', 'applicationName', 'api', { applicationName: 'other' }, 'application_name=other'],
  ['PGSSLMODE', 'require', 'ssl', 'require', { ssl: 'prefer' }, 'sslmode=prefer'],
  ['PGTARGETSESSIONATTRS', 'standby', 'targetSessionAttrs', 'standby', { targetSessionAttrs: 'primary' }, 'target_session_attrs=primary'],
  ['PGCONNECT_TIMEOUT', '12', 'connectTimeout', 12, { connectTimeout: 3 }, 'connect_timeout=3'],
]

t.test('each variable of libpq is read if neither an option nor the URL nor a DATABASE_ variable says otherwise', async (t) => {
  const at = (config: object, name: string): unknown => Reflect.get(config, name)
  for (const [variable, text, name, expected, option, query, database] of variables) {
    const env = { [variable]: text }
    const other = at(readConfig(option, {}), name)
    t.same(at(readConfig({}, env), name), expected, variable)
    t.same(at(parse('postgres://', env), name), expected, `${variable} beside a URL that does not say it`)
    t.same(at(readConfig(option, env), name), other, `an option over ${variable}`)
    t.same(at(readConfig({}, { ...env, DATABASE_URL: `postgres://h/?${query}` }), name), other, `DATABASE_URL over ${variable}`)
    t.same(at(readConfig({}, { [variable]: '' }), name), at(readConfig({}, {}), name), `${variable} empty`)
    if (database !== undefined) t.same(at(readConfig({}, { ...env, [database[0]]: database[1] }), name), other, `${database[0]} over ${variable}`)
  }
})

t.test('PGPASSWORD, PGREQUIREAUTH and PGOPTIONS likewise', async (t) => {
  t.equal(await readConfig({}, { PGPASSWORD: SECRET }).password(), SECRET)
  t.equal(await parse('postgres://ann@h/d', { PGPASSWORD: SECRET }).password(), SECRET, 'as psql does it')
  t.equal(await parse('postgres://ann:x@h/d', { PGPASSWORD: SECRET }).password(), 'x')
  t.equal(await readConfig({}, { PGPASSWORD: SECRET, DATABASE_PASSWORD: 'x' }).password(), 'x')
  t.equal(await readConfig({ password: '' }, { PGPASSWORD: SECRET }).password(), '')
  t.notMatch(inspect(readConfig({}, { PGPASSWORD: SECRET }), { depth: Infinity, showHidden: true }), SECRET)
  t.same([...readConfig({}, { PGREQUIREAUTH: 'scram-sha-256' }).requireAuth ?? []], ['scram-sha-256'])
  t.match(refusal(undefined, { PGREQUIREAUTH: SECRET }), /^environment variable PGREQUIREAUTH takes libpq's require_auth/)
  t.equal(readConfig({}, { PGOPTIONS: '-c jit=off' }).parameters['options'], '-c jit=off')
  t.equal(parse('postgres://h/d?options=-c%20jit%3Don', { PGOPTIONS: '-c jit=off' }).parameters['options'], '-c jit=on')
  t.equal(readConfig({ parameters: { options: '-c jit=on' } }, { PGOPTIONS: '-c jit=off' }).parameters['options'], '-c jit=on')
})

t.test('PGHOST and PGPORT', async (t) => {
  const hosts = (env: NodeJS.ProcessEnv, options: PoolOptions = {}) => readConfig(options, env).hosts.map(({ host, port }) => `${host} ${port}`)
  const env = { PGHOST: 'a', PGPORT: '6000' }
  t.same(hosts(env), ['a 6000'])
  t.same(hosts({ PGPORT: '6000' }), ['localhost 6000'])
  t.same(hosts({ PGHOST: '/var/run/postgresql' }), ['/var/run/postgresql 5432'])
  t.same(hosts({ PGHOST: 'a,b', PGPORT: '6000,6001' }), ['a 6000', 'b 6001'])
  t.same(hosts({ PGHOST: 'a,b', PGPORT: '6000' }), ['a 6000', 'b 6000'])
  t.same(hosts({ PGHOST: '::1' }), ['::1 5432'])
  t.same(hosts({ ...env, DATABASE_HOST: 'b' }), ['b 6000'], 'part by part, as DATABASE_PORT beside the option host')
  t.same(hosts({ ...env, DATABASE_HOST: 'b', DATABASE_PORT: '7000' }), ['b 7000'])
  t.same(hosts({ ...env, DATABASE_HOST: 'b:7000' }), ['b 7000'])
  t.same(hosts(env, { host: 'b', port: 7000 }), ['b 7000'])
  t.same(hosts(env, { host: ['b', 'c:7000'] }), ['b 6000', 'c 7000'])
  // A URL: as psql does it.
  t.same(hosts(env, { url: 'postgres://b:7000/d' }), ['b 7000'], 'what the URL says, no variable changes')
  t.same(hosts(env, { url: 'postgres:///d?host=b&port=7000' }), ['b 7000'])
  t.same(hosts(env, { url: 'postgres://b/d' }), ['b 6000'], 'the port of one host that has none')
  t.same(hosts(env, { url: 'postgres://b,c:7000/d' }), ['b 5432', 'c 7000'], 'but not of one among several')
  t.same(hosts(env, { url: 'postgres://b,c/d' }), ['b 5432', 'c 5432'])
  t.same(hosts(env, { url: 'postgres:///d' }), ['a 6000'])
  t.same(hosts(env, { url: 'postgres:///d?hostaddr=10.0.0.1' }), ['10.0.0.1 6000'], 'PGHOST is not the name of that address')
  t.same(hosts({ PGHOST: 'a', PGPORT: SECRET }, { url: 'postgres://b:7000/d' }), ['b 7000'], 'what is not used is not looked at')
  t.match(refusal(undefined, { PGPORT: SECRET }), /^environment variable PGPORT takes a whole number from 1 to 65535/)
  t.match(refusal(undefined, { PGHOST: 'a', PGPORT: '1,2' }), /^environment variable PGPORT takes/)
  t.match(refusal(undefined, { PGHOST: `${SECRET} x` }), /^environment variable PGHOST has no valid host/)
})

t.test('PGHOSTADDR belongs to PGHOST only', async (t) => {
  const env = { PGHOST: 'a', PGHOSTADDR: '10.0.0.1' }
  t.same(readConfig({}, env).hosts, [{ host: 'a', port: 5432, address: '10.0.0.1' }])
  t.same(parse('postgres://b/d', env).hosts, [{ host: 'b', port: 5432 }])
  t.same(readConfig({ host: 'b' }, env).hosts, [{ host: 'b', port: 5432 }])
  t.same(readConfig({}, { ...env, DATABASE_HOST: 'b' }).hosts, [{ host: 'b', port: 5432 }])
  t.match(refusal(undefined, { PGHOSTADDR: SECRET }), /^environment variable PGHOSTADDR takes an IP address/)
})

t.test('a bad variable is one error that names it, and not its value', async (t) => {
  for (const [variable, says] of Object.entries({
    PGSSLMODE: /takes one of disable/,
    PGTARGETSESSIONATTRS: /takes one of any/,
    PGCONNECT_TIMEOUT: /takes a number of seconds/,
    PGSSLROOTCERT: /names a file that cannot be read/,
    PGSSLSNI: /accepted/,
    PGSSLMINPROTOCOLVERSION: /accepted/,
  })) {
    const said = refusal(undefined, { [variable]: SECRET })
    t.match(said, says, variable)
    if (said !== 'accepted') t.match(said, new RegExp(`^environment variable ${variable} `))
  }
})

t.test('variables that would change where or how securely we connect are refused by name', async (t) => {
  const refused = {
    PGSERVICE: 'x',
    PGCHANNELBINDING: 'require',
    PGGSSENCMODE: 'require',
    PGREQUIREPEER: 'x',
    PGSSLNEGOTIATION: 'direct',
    PGLOADBALANCEHOSTS: 'random',
    PGREQUIRESSL: '1',
    PGSSLCRLDIR: 'x',
    PGSSLCERTMODE: 'require',
    PGMINPROTOCOLVERSION: '3.2',
    PGSSLCOMPRESSION: '1'
  }
  for (const [variable, value] of Object.entries(refused)) {
    t.match(refusal(undefined, { [variable]: value }), new RegExp(`^environment variable ${variable} (is not supported|takes .*): `), variable)
  }
  t.equal(refusal('postgres://h/d', { PGSERVICE: 'x' }), 'accepted', 'where it is said already')
  t.equal(refusal(undefined, { PGSERVICE: 'x' }, { host: 'h' }), 'accepted')
  t.equal(refusal('postgres://h/d?sslmode=disable', { PGREQUIRESSL: '1' }), 'accepted')
  t.equal(refusal(undefined, { PGSSLCRLDIR: 'x' }, { ssl: true }), 'accepted')
  for (const variable of ['PGPASSFILE', 'PGSERVICEFILE', 'PGSYSCONFDIR', 'PGTZ', 'PGDATESTYLE', 'PGGEQO', 'PGCLIENTENCODING', 'PGKRBSRVNAME', 'PGLOCALEDIR']) {
    t.same(Object.entries(readConfig({}, { [variable]: 'x' })).filter(([name]) => name !== 'password'),
      Object.entries(readConfig({}, {})).filter(([name]) => name !== 'password'), `${variable} is not read`)
  }
})

t.test('certificates are read from files', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'libpq-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const [root, cert, key, crl] = ['root.crt', 'client.crt', 'client.key', 'root.crl'].map((name) => {
    writeFileSync(join(folder, name), `the text of ${name}`)
    return join(folder, name)
  })
  const text = (name: string): Buffer => Buffer.from(`the text of ${name}`)
  const ssl = (query: string, env: NodeJS.ProcessEnv = {}): unknown => parse(`postgres://h/d?${query}`, env).ssl
  t.same(ssl(`sslmode=verify-full&sslrootcert=${root}`), { ca: text('root.crt') })
  t.same(ssl(`sslmode=verify-ca&sslrootcert=${root}`), { ca: text('root.crt') })
  t.same(ssl(`sslrootcert=${root}`), { ca: text('root.crt') }, 'without sslmode: verify-full')
  t.same(ssl('', { PGSSLROOTCERT: root }), { ca: text('root.crt') })
  t.same(ssl('sslmode=verify-full', { PGSSLROOTCERT: root }), { ca: text('root.crt') })
  t.same(readConfig({}, { PGSSLMODE: 'verify-full', PGSSLROOTCERT: root }).ssl, { ca: text('root.crt') })
  t.equal(ssl('sslmode=disable', { PGSSLROOTCERT: root }), false)
  t.equal(parse('postgres://h/d', { PGSSLROOTCERT: root }, { ssl: 'require' }).ssl, 'require', 'the option ssl wins over all of it')
  const required = ssl(`sslmode=require&sslrootcert=${root}`) as { checkServerIdentity: () => unknown }
  t.match(required, { ca: text('root.crt') })
  t.equal(required.checkServerIdentity(), undefined, 'require with authorities is verify-ca, as in libpq')
  t.notOk('rejectUnauthorized' in required)
  t.same(ssl(`sslmode=require&sslcert=${cert}&sslkey=${key}`), { cert: text('client.crt'), key: text('client.key'), rejectUnauthorized: false })
  t.same(ssl(`sslmode=verify-full&sslcert=${cert}&sslkey=${key}&sslcrl=${crl}`), { cert: text('client.crt'), key: text('client.key'), crl: text('root.crl') })
  t.same(ssl('sslmode=verify-full&ssl_min_protocol_version=TLSv1.3&ssl_max_protocol_version=tlsv1.3&sslsni=0'),
    { minVersion: 'TLSv1.3', maxVersion: 'TLSv1.3', servername: '' })
  t.equal(ssl('sslmode=verify-full&sslrootcert=system'), true)
  t.match(refusal('postgres://h/d?sslmode=require&sslrootcert=system'), /^option url: sslrootcert: system takes sslmode=verify-full/)
  t.match(refusal(`postgres://h/d?sslmode=prefer&sslrootcert=${root}`), /^option url: sslrootcert takes sslmode=require, verify-ca or verify-full/)
  t.match(refusal('postgres://h/d?sslmode=prefer', { PGSSLMINPROTOCOLVERSION: 'TLSv1.3' }), /^environment variable PGSSLMINPROTOCOLVERSION takes sslmode=require/)
  t.match(refusal(`postgres://h/d?sslcert=${cert}`), /^option url: sslcert takes sslkey beside it/)
  t.match(refusal('postgres://h/d?sslmode=require&ssl_min_protocol_version=1.3'), /takes one of TLSv1, TLSv1\.1, TLSv1\.2, TLSv1\.3/)
  t.match(refusal('postgres://h/d?sslmode=no-verify'), /no-verify of pg is require/)
})

t.test('parameters of other libraries are refused in a URL, and settings of the server are sent', async (t) => {
  const refused: Array<[query: string, says: RegExp]> = [
    ['schema=app', /^option url: schema is .*parameters: \{ search_path/], ['pgbouncer=true', /prepare/], ['connection_limit=5', /max/],
    ['pool_timeout=5', /acquireTimeout.*seconds/], ['socket_timeout=5', /commandTimeout.*seconds/], ['statement_cache_size=0', /prepare/],
    ['max=20', /max/], ['idleTimeoutMillis=5000', /idleTimeout.*seconds/], ['applicationName=x', /applicationName/], ['pool_max_conns=5', /max/],
    ['currentSchema=app', /search_path/], ['sslaccept=strict', /ssl/], ['targetServerType=primary', /targetSessionAttrs/], ['keepAlive=true', /keepalives/],
    ['uselibpqcompat=true', /sslmode/], [`pass=${SECRET}`, /password/], ['timeout=5', /connectTimeout/], ['prepare=false', /prepare/],
  ]
  for (const [query, says] of refused) t.match(refusal(`postgres://h/d?${query}`), says, query)
  for (const name of ['statement_timeout', 'lock_timeout', 'search_path', 'TimeZone', 'transaction_read_only', 'app.tenant', 'work_mem', 'jit', 'role']) {
    t.equal(parse(`postgres://h/d?${name}=5`).parameters[name], '5', name)
  }
})

t.test('the docs name each parameter and each variable', async (t) => {
  const [, section = ''] = readFileSync('docs/patterns.md', 'utf8').split('## A URL and variables as of libpq\n')
  const named = new Set([...section.slice(0, section.indexOf('\n## ')).matchAll(/`(\w+)`/g)].map(([, name]) => name))
  const all = Object.entries(KEYWORDS).flatMap(([name, { env }]) => env === undefined ? [name] : [name, env])
  t.same(all.filter((name) => !named.has(name)), [])
})

t.test('without anything the defaults stand', async (t) => {
  t.match(readConfig({}, { PATH: '/bin' }), { hosts: [{ host: 'localhost', port: 5432 }], user: os.userInfo().username, ssl: false, connectTimeout: 5 })
})
