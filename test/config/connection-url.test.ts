import os from 'node:os'
import { inspect } from 'node:util'
import t from 'tap'
import { readConfig } from '../../src/config/config.js'
import type { PoolOptions } from '../../src/config/options.js'
import { errors } from '../../src/index.js'

const SECRET = 'opensesame'
const parse = (url: string, options: PoolOptions = {}) => readConfig({ url, ...options }, {})

t.test('a full URL', async (t) => {
  for (const scheme of ['postgres', 'postgresql']) {
    const config = parse(`${scheme}://ann:${SECRET}@db.example:6000/shop`)
    t.match(config, { hosts: [{ host: 'db.example', port: 6000 }], user: 'ann', database: 'shop', ssl: false })
    t.equal(await config.password(), SECRET)
  }
})

t.test('what a URL leaves out has its default', async (t) => {
  const { username } = os.userInfo()
  t.match(parse('postgres://db.example'), { hosts: [{ host: 'db.example', port: 5432 }], user: username, database: username })
  t.match(parse('postgres://ann@db.example'), { user: 'ann', database: 'ann' })
  t.match(parse('postgres:///shop'), { hosts: [{ host: 'localhost', port: 5432 }], database: 'shop' })
  t.match(parse('postgres://ann@/shop'), { hosts: [{ host: 'localhost', port: 5432 }], user: 'ann', database: 'shop' })
  t.equal(await parse('postgres://ann@db.example/shop').password(), '')
  t.equal(parse(`postgres://:${SECRET}@db.example/shop`).user, username, 'an empty user is no user')
})

t.test('escaped characters stand for themselves', async (t) => {
  const config = parse('postgres://an%3An:p%40ss%2Fw%3Fo%23r%25d%20%C3%A9:x@db.example/my%20shop')
  t.match(config, { user: 'an:n', database: 'my shop' })
  t.equal(await config.password(), 'p@ss/w?o#r%d é:x')
})

t.test('IPv6, several hosts and a folder of Unix sockets', async (t) => {
  t.same(parse('postgres://[::1]/d').hosts, [{ host: '::1', port: 5432 }])
  t.same(parse('postgres://u:p@[fe80::1]:6000/d').hosts, [{ host: 'fe80::1', port: 6000 }])
  t.same(parse('postgres://a:6000,b,[::1]:6001/d').hosts, [{ host: 'a', port: 6000 }, { host: 'b', port: 5432 }, { host: '::1', port: 6001 }])
  t.same(parse('postgres://%2Fvar%2Frun%2Fpostgresql/d').hosts, [{ host: '/var/run/postgresql', port: 5432 }])
  t.same(parse('postgres://%2Fvar%2Frun%2Fpostgresql:6000/d').hosts, [{ host: '/var/run/postgresql', port: 6000 }])
  t.same(parse('postgres:///d?host=/var/run/postgresql').hosts, [{ host: '/var/run/postgresql', port: 5432 }])
})

t.test('settings of the query', async (t) => {
  const config = parse(`postgres://h?user=ann&password=${SECRET}&dbname=shop&application_name=shop-api&target_session_attrs=read-write`)
  t.match(config, { user: 'ann', database: 'shop', applicationName: 'shop-api', targetSessionAttrs: 'read-write' })
  t.equal(config.parameters['application_name'], 'shop-api')
  t.equal(await config.password(), SECRET)
})

t.test('sslmode in all its values', async (t) => {
  const modes = { disable: false, false: false, allow: 'prefer', prefer: 'prefer', require: 'require', 'verify-ca': true, 'verify-full': true, true: true }
  for (const [mode, ssl] of Object.entries(modes)) {
    t.equal(parse(`postgres://h/d?sslmode=${mode}`).ssl, ssl, mode)
    t.equal(parse(`postgres://h/d?ssl=${mode}`).ssl, ssl, mode)
  }
  for (const mode of ['', 'yes', 'REQUIRE', SECRET, 'constructor', '__proto__']) {
    t.throws(() => parse(`postgres://h/d?sslmode=${mode}`), { code: 'FST_PG_OPTION', message: /^option url: sslmode takes one of disable, / }, mode)
  }
  t.throws(() => parse('postgres://h/d?target_session_attrs=master'), { code: 'FST_PG_OPTION', message: /target_session_attrs takes one of any, read-write/ })
})

t.test('files that cannot be read are named by their parameter, not by their path', async (t) => {
  const certificate = 'sslcert=a&sslkey=b'
  for (const [name, query] of [['sslrootcert', ''], ['sslcrl', ''], ['sslcert', '&sslkey=b'], ['sslkey', `&${certificate}`]] as const) {
    const error = t.throws(() => parse(`postgres://h/d?sslmode=verify-full${query}&${name}=${SECRET}`), { code: 'FST_PG_OPTION', message: /^option url: ssl\w+ names a file that cannot be read \(ENOENT\)/ }, name)
    t.notMatch(inspect(error), SECRET)
  }
  for (const name of ['sslpassword', 'sslcrldir']) {
    const error = t.throws(() => parse(`postgres://h/d?sslmode=verify-full&${name}=${SECRET}`), { code: 'FST_PG_OPTION', message: new RegExp(`^option url: ${name} is not supported: `) }, name)
    t.notMatch(inspect(error), SECRET)
  }
})

t.test('other settings become session settings', async (t) => {
  const { parameters } = parse('postgres://h/d?search_path=app%2Cpublic&work_mem=8MB&options=-c%20jit%3Doff&connect_timeout=5')
  t.match(parameters, { search_path: 'app,public', work_mem: '8MB', options: '-c jit=off' })
  t.notOk('connect_timeout' in parameters, 'what is for libpq stays away from the server')
})

t.test('an option beats its part of the URL', async (t) => {
  const url = `postgres://ann:${SECRET}@a:6000,b/shop?sslmode=require&application_name=one&target_session_attrs=standby&jit=off`
  t.equal(parse(url, { user: 'bob' }).user, 'bob')
  t.equal(parse(url, { database: 'other' }).database, 'other')
  t.equal(await parse(url, { password: 'x' }).password(), 'x')
  t.same(parse(url, { host: 'c' }).hosts, [{ host: 'c', port: 5432 }])
  t.same(parse(url, { port: 7000 }).hosts, [{ host: 'a', port: 7000 }, { host: 'b', port: 7000 }])
  t.equal(parse(url, { ssl: false }).ssl, false)
  t.equal(parse(url, { applicationName: 'two' }).applicationName, 'two')
  t.equal(parse(url, { targetSessionAttrs: 'any' }).targetSessionAttrs, 'any')
  t.equal(parse(url, { parameters: { jit: true } }).parameters['jit'], 'true')
  t.match(parse(url, { user: 'bob' }), { database: 'shop', ssl: 'require', applicationName: 'one', targetSessionAttrs: 'standby' })
})

t.test('a URL beats the single variables, and an option beats DATABASE_URL', async (t) => {
  const env = { DATABASE_URL: `postgres://ann:${SECRET}@a/shop`, DATABASE_HOST: 'z', DATABASE_PORT: '9', DATABASE_NAME: 'z', DATABASE_USER: 'z', DATABASE_PASSWORD: 'z' }
  const config = readConfig({}, env)
  t.match(config, { hosts: [{ host: 'a', port: 5432 }], database: 'shop', user: 'ann' })
  t.equal(await config.password(), SECRET)
  t.match(readConfig({ url: 'postgres://bob@b/other' }, env), { hosts: [{ host: 'b', port: 5432 }], database: 'other', user: 'bob' })
  t.match(readConfig({ database: 'other' }, env), { hosts: [{ host: 'a' }], database: 'other', user: 'ann' })
  t.match(readConfig({ url: 'postgres://b' }, { DATABASE_URL: 'nonsense' }), { hosts: [{ host: 'b' }] })
})

t.test('a malformed URL is one error that does not quote it', async (t) => {
  const malformed: Array<[what: string, url: string, says: RegExp]> = [
    ['no scheme', `ann:${SECRET}@host/db`, /is not a Postgres URL: it takes postgres:\/\/user:password@host:5432\/database/],
    ['another scheme', `http://ann:${SECRET}@host/db`, /is not a Postgres URL/],
    ['a scheme in capitals that is another', `MYSQL://ann:${SECRET}@host/db`, /is not a Postgres URL/],
    ['one slash', `postgres:/ann:${SECRET}@host/db`, /is not a Postgres URL/],
    ['no host before the port', `postgres://ann:${SECRET}@:5432/db`, /has no valid host/],
    ['no host between commas', `postgres://ann:${SECRET}@a,,b/db`, /has no valid host/],
    ['a port of letters', `postgres://ann:${SECRET}@host:abc/db`, /has no valid host/],
    ['port 0', `postgres://ann:${SECRET}@host:0/db`, /has no valid host/],
    ['port 65536', `postgres://ann:${SECRET}@host:65536/db`, /has no valid host/],
    ['a negative port', `postgres://ann:${SECRET}@host:-1/db`, /has no valid host/],
    ['an open bracket', `postgres://ann:${SECRET}@[::1/db`, /has no valid host/],
    ['a space in the host', `postgres://ann:${SECRET}@my host/db`, /has no valid host/],
    ['a bad escape in the password', `postgres://ann:${SECRET}%zz@host/db`, /holds a % that is not followed by two hexadecimal digits/],
    ['a lone % at the end', `postgres://ann:${SECRET}%@host/db`, /holds a %/],
    ['a bad escape in the name of the database', 'postgres://ann@host/d%b', /holds a %/],
    ['/ in the password', `postgres://ann:${SECRET}/x@host/db`, /option url/],
    ['/ behind digits in the password', `postgres://ann:123/${SECRET}@host/db`, /is not a Postgres URL/],
    ['? in the password', `postgres://ann:${SECRET}?x@host/db`, /option url/],
    ['? behind digits in the password', `postgres://ann:123?${SECRET}@host/db`, /is not a Postgres URL/],
    ['# in the password', `postgres://ann:${SECRET}#x@host/db`, /is not a Postgres URL: .*%23/],
    ['@ in the password', `postgres://ann:x@${SECRET}@host/db`, /option url/],
  ]
  for (const [what, url, says] of malformed) {
    for (const [options, env, source] of [[{ url }, {}, 'option url'], [{}, { DATABASE_URL: url }, 'DATABASE_URL']] as const) {
      let error: Error | undefined
      try {
        readConfig(options, env)
      } catch (thrown) {
        error = thrown as Error
      }
      if (!t.ok(error instanceof errors.OptionError, `${what}: refused`) || error === undefined) continue
      t.match(error.message.replace('DATABASE_URL', 'option url'), says, what)
      t.match(error.message, source, `${what}: names ${source}`)
      t.notMatch(inspect(error), SECRET, `${what}: hides the password`)
    }
  }
})
