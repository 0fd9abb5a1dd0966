import os from 'node:os'
import { inspect } from 'node:util'
import t from 'tap'
import { readConfig, type Config } from '../../src/config/config.js'
import type { PoolOptions } from '../../src/config/options.js'
import type { HookName } from '../../src/config/rules.js'
import { errors, createDatabase } from '../../src/index.js'

const SECRET = 'opensesame'

/** The error that `options` and `env` give; it must not show what nobody may see. */
function refusal (options: object, env: NodeJS.ProcessEnv = {}): { code: string, message: string } {
  try {
    readConfig(options as PoolOptions, env)
  } catch (error) {
    if (!(error instanceof errors.OptionError)) throw error
    if (inspect(error).includes(SECRET)) throw new Error('the error shows the secret', { cause: error })
    return error
  }
  return { code: 'none', message: 'accepted' }
}

const seconds = 'a number of seconds from 0 to 2147483, fractions allowed'
const flag = 'true or false'
type Setting = Exclude<keyof PoolOptions, 'url' | 'log'>

const defaults: Array<[name: keyof Config, value: unknown]> = [
  ['hosts', [{ host: 'localhost', port: 5432 }]],
  ['user', os.userInfo().username],
  ['database', os.userInfo().username],
  ['ssl', false],
  ['applicationName', 'fastify-postgres-js'],
  ['targetSessionAttrs', 'any'],
  ['min', 10],
  ['max', 50],
  ['acquireTimeout', 30],
  ['commandTimeout', 60],
  ['connectTimeout', 5],
  ['startupTimeout', 8],
  ['required', true],
  ['maxQueries', 50_000],
  ['idleTimeout', 300],
  ['checkIdle', 30],
  ['maxWaiting', 0],
  ['leakWarning', 30],
  ['instances', 1],
  ['maxLifetime', 1800],
  ['closeTimeout', 10],
  ['prepare', true],
  ['pipeline', true],
  ['reset', 'auto'],
  ['hasOnConnect', false],
  ['requireAuth', undefined],
  ['debug', false],
]

t.test('without options and environment, everything has its default', async (t) => {
  const config = readConfig({}, {})
  for (const [name, value] of defaults) t.same(config[name], value, name)
  t.equal(config.password(), '')
  t.same(Object.keys(config).sort(), [...defaults.map(([name]) => name), 'notesTakers', 'parameters', 'dispensable', 'password'].sort(), 'no option is untested')
})

t.test('each option is taken over', async (t) => {
  const given: Array<[name: Setting & keyof Config, value: unknown]> = [
    ['user', 'ann'], ['database', 'shop'], ['ssl', 'require'], ['ssl', { rejectUnauthorized: false }], ['applicationName', 'shop-api'],
    ['targetSessionAttrs', 'prefer-standby'], ['min', 0], ['max', 10_000], ['acquireTimeout', 0.5], ['commandTimeout', 0], ['connectTimeout', 0.25],
    ['startupTimeout', 60], ['required', false], ['maxQueries', 0], ['idleTimeout', 1.5], ['checkIdle', 0], ['maxWaiting', 100], ['leakWarning', 0.5], ['instances', 4], ['maxLifetime', 0], ['closeTimeout', 0],
    ['prepare', false], ['pipeline', false],
  ]
  for (const [name, value] of given) t.same(readConfig({ [name]: value }, {})[name], value, name)
  t.equal(readConfig({ onConnect: () => {} }, {}).hasOnConnect, true, 'onConnect')
  const debugs: Array<[given: NonNullable<PoolOptions['debug']>, shown: Config['debug']]> =
    [[false, false], [true, { parameters: false }], [{}, { parameters: false }], [{ parameters: false }, { parameters: false }], [{ parameters: true }, { parameters: true }]]
  for (const [debug, shown] of debugs) t.same(readConfig({ debug }, {}).debug, shown, 'debug')
})

t.test('who takes a connection is noted for transactions where leakWarning is given', async (t) => {
  t.same([{}, { leakWarning: 0 }, { leakWarning: 30 }].map((options) => readConfig(options, {}).notesTakers), [false, false, true])
})

t.test('undefined is as good as leaving an option out', async (t) => {
  const options = Object.fromEntries(defaults.map(([name]) => [{ hosts: 'host', hasOnConnect: 'onConnect' }[name as string] ?? name, undefined]))
  t.same(Object.entries(readConfig(options, {})).filter(([name]) => name !== 'password'), Object.entries(readConfig({}, {})).filter(([name]) => name !== 'password'))
})

const variables: Array<[variable: string, text: string, option: Setting & keyof Config, expected: unknown, other: unknown]> = [
  ['DATABASE_NAME', 'shop', 'database', 'shop', 'other'],
  ['DATABASE_USER', 'ann', 'user', 'ann', 'bob'],
  ['DB_MIN_POOL_SIZE', '3', 'min', 3, 4],
  ['DB_MAX_POOL_SIZE', '30', 'max', 30, 40],
  ['DB_COMMAND_TIMEOUT', '60.5', 'commandTimeout', 60.5, 1],
  ['DB_MAX_QUERIES', '1000', 'maxQueries', 1000, 1],
  ['DB_MAX_INACTIVE_CONNECTION_LIFETIME', '12.5', 'idleTimeout', 12.5, 1],
]

t.test('each variable is taken over, an option wins, and an empty variable counts as unset', async (t) => {
  for (const [variable, text, option, expected, other] of variables) {
    t.same(readConfig({}, { [variable]: text })[option], expected, variable)
    t.same(readConfig({ [option]: other }, { [variable]: text })[option], other, `${option} over ${variable}`)
    t.same(readConfig({}, { [variable]: '' })[option], readConfig({}, {})[option], `${variable} empty`)
  }
})

t.test('host, port and password come from variables too, and the options win', async (t) => {
  const env = { DATABASE_HOST: 'a.example', DATABASE_PORT: '6000', DATABASE_PASSWORD: SECRET }
  t.same(readConfig({}, env).hosts, [{ host: 'a.example', port: 6000 }])
  t.equal(await readConfig({}, env).password(), SECRET)
  t.same(readConfig({ host: 'b.example' }, env).hosts, [{ host: 'b.example', port: 6000 }])
  t.same(readConfig({ port: 7000 }, env).hosts, [{ host: 'a.example', port: 7000 }])
  t.equal(await readConfig({ password: 'other' }, env).password(), 'other')
  t.equal(await readConfig({ password: '' }, env).password(), '', 'an empty password is one')
  t.equal(await readConfig({ password: async () => 'fresh' }, env).password(), 'fresh')
  t.same(readConfig({ host: ['a', 'b:6001', '[::1]:6002'] }, {}).hosts, [{ host: 'a', port: 5432 }, { host: 'b', port: 6001 }, { host: '::1', port: 6002 }])
  t.same(readConfig({}, { DATABASE_HOST: 'a,b:6001' }).hosts, [{ host: 'a', port: 5432 }, { host: 'b', port: 6001 }])
})

t.test('each bad option is one error that names it, and what it takes, and not the value', async (t) => {
  const notSeconds = ['abc', '', '5', 2_147_484, -1, -0.001, NaN, Infinity, -Infinity, null, true, [], {}, 5n]
  const notCounts = ['abc', '', '5', -1, 1.5, NaN, Infinity, null, true, [5], {}, 5n, 2 ** 60]
  const notFlags = ['true', '', 0, 1, null, NaN, [], {}]
  const notText = ['', 5, null, true, {}, [], 'a\0b']
  const bad: Array<[names: Array<keyof PoolOptions | HookName>, takes: string, values: unknown[]]> = [
    [['acquireTimeout', 'commandTimeout', 'connectTimeout', 'startupTimeout', 'idleTimeout', 'checkIdle', 'leakWarning', 'maxLifetime', 'closeTimeout'], seconds, notSeconds],
    [['min'], 'a whole number from 0 to 10000', [...notCounts, 10_001]],
    [['max'], 'a whole number from 1 to 10000', [...notCounts, 0, 10_001]],
    [['port'], 'a whole number from 1 to 65535', [...notCounts, 0, 65_536]],
    [['maxQueries', 'maxWaiting'], 'a whole number from 0 to', notCounts],
    [['instances'], 'a whole number from 1 to 10000', [...notCounts, 0, 10_001]],
    [['required', 'prepare', 'pipeline'], flag, notFlags],
    [['url'], 'a postgres:// URL', notText],
    [['database'], 'the name of a database', notText],
    [['user'], 'the name of a user', notText],
    [['applicationName'], 'a name', notText],
    [['host'], 'a host name or address, or a list of them', [...notText, ['a', ''], ['a', 5]]],
    [['password'], 'a string, or a function that returns one', [5, null, true, {}, []]],
    [['ssl'], "true, false, 'prefer', 'require', 'verify-full' or options of tls.connect", [SECRET, '', 'verify', 1, null, ['require']]],
    [['targetSessionAttrs'], 'one of any, read-write, read-only, primary, standby, prefer-standby', [SECRET, '', 'master', null, 1, true, ['any']]],
    [['debug'], 'true, false or { parameters: true or false }', [SECRET, '', 1, null, [], { parameter: true }, { parameters: 1 }]],
    [['parameters'], 'an object of session settings', [SECRET, '', 1, null, true, [], { a: null }, { a: {} }, { a: [1] }]],
    [['onConnect', 'onAcquire', 'onRelease', 'onNotice', 'onParameter'], 'a function', [SECRET, '', 1, null, {}]],
    [['log'], 'a pino-like logger with debug, info, warn and error', [SECRET, '', 1, null, true, {}, { debug () {}, info () {}, warn () {} }]],
  ]
  for (const [names, takes, values] of bad) {
    for (const name of names) {
      for (const value of values) {
        const error = refusal({ [name]: value }, { DATABASE_URL: `postgres://u:${SECRET}@h/d` })
        const label = `${name}: ${inspect(value)}`
        t.equal(error.code, 'FST_PG_OPTION', label)
        t.match(error.message, `option ${name} takes ${takes}`, label)
      }
    }
  }
})

t.test('a bad value is not shown', async (t) => {
  for (const name of ['min', 'acquireTimeout', 'required', 'ssl', 'targetSessionAttrs', 'parameters', 'onConnect', 'log', 'port', 'url']) {
    t.match(refusal({ [name]: SECRET }), { code: 'FST_PG_OPTION', message: name })
  }
  for (const variable of ['DB_MIN_POOL_SIZE', 'DB_COMMAND_TIMEOUT', 'DATABASE_PORT', 'DATABASE_URL']) {
    t.match(refusal({}, { [variable]: SECRET }), { code: 'FST_PG_OPTION', message: variable })
  }
  t.match(refusal({ host: `${SECRET}:x` }), { code: 'FST_PG_OPTION', message: /^option host/ })
  t.match(refusal({}, { DATABASE_HOST: `${SECRET}:x` }), { code: 'FST_PG_OPTION', message: /^DATABASE_HOST/ })
})

t.test('each bad variable is one error that names it, and what it takes, and not the value', async (t) => {
  const notSeconds = ['abc', ' ', '-1', 'NaN', 'Infinity', '1,5', '5s']
  const notCounts = [...notSeconds, '1.5', '1e400', '99999999999999999999']
  const bad: Array<[variable: string, takes: string, values: string[]]> = [
    ['DB_COMMAND_TIMEOUT', seconds, notSeconds],
    ['DB_MAX_INACTIVE_CONNECTION_LIFETIME', seconds, notSeconds],
    ['DB_MIN_POOL_SIZE', 'a whole number from 0 to 10000', notCounts],
    ['DB_MAX_POOL_SIZE', 'a whole number from 1 to 10000', [...notCounts, '0']],
    ['DB_MAX_QUERIES', 'a whole number from 0 to', notCounts],
    ['DATABASE_PORT', 'a whole number from 1 to 65535', [...notCounts, '0', '65536']],
  ]
  for (const [variable, takes, values] of bad) {
    for (const value of values) {
      const error = refusal({}, { [variable]: value, DATABASE_PASSWORD: SECRET })
      t.equal(error.code, 'FST_PG_OPTION')
      t.match(error.message, `environment variable ${variable} takes ${takes}`, `${variable}=${value}`)
    }
  }
})

t.test('min must not be above max', async (t) => {
  for (const [options, env] of [
    [{ min: 5, max: 4 }, {}],
    [{ min: 5 }, { DB_MAX_POOL_SIZE: '4' }],
    [{ max: 4 }, { DB_MIN_POOL_SIZE: '5' }],
    [{}, { DB_MIN_POOL_SIZE: '5', DB_MAX_POOL_SIZE: '4' }],
  ] as Array<[PoolOptions, NodeJS.ProcessEnv]>) {
    const { message } = refusal(options, env)
    for (const name of ['min', 'max', 'DB_MIN_POOL_SIZE', 'DB_MAX_POOL_SIZE']) t.match(message, name)
  }
  t.match(readConfig({ min: 4, max: 4 }, {}), { min: 4, max: 4 })
})

t.test('where only one of min and max is given, the other one follows', async (t) => {
  t.match(readConfig({ max: 3 }, {}), { min: 3, max: 3 })
  t.match(readConfig({}, { DB_MAX_POOL_SIZE: '3' }), { min: 3, max: 3 })
  t.match(readConfig({ min: 60 }, {}), { min: 60, max: 60 })
})

t.test('an unknown option names the nearest known one', async (t) => {
  const near = { mim: 'min', maxx: 'max', pasword: 'password', acquiretimeout: 'acquireTimeout', connectionTimeout: 'connectTimeout' }
  for (const [unknown, nearest] of Object.entries(near)) {
    const { message } = refusal({ [unknown]: SECRET })
    t.match(message, `unknown option ${unknown}: did you mean ${nearest}?`)
  }
  t.match(refusal({ xyzzyPlugh: 1 }).message, /^unknown option xyzzyPlugh: known are url, host, port/)
  t.throws(() => createDatabase({ mni: 1 } as object, {}), { code: 'FST_PG_OPTION', message: 'unknown option mni: did you mean min?' })
})

t.test('session settings are sent as text, and ours do not get in the way of them', async (t) => {
  const { parameters } = readConfig({ parameters: { search_path: 'app', jit: false, work_mem: 4096, statement_timeout: '5s' }, applicationName: 'shop' }, {})
  t.match(parameters, { search_path: 'app', jit: 'false', work_mem: '4096', statement_timeout: '5s', application_name: 'shop' })
  t.equal(parameters['array_nulls'], 'on')
  t.match(refusal({ parameters: { Array_Nulls: false } }).message, /^option parameters: array_nulls is always on$/)
  t.match(refusal({ url: 'postgres://h/d?array_nulls=off' }).message, /^option parameters: array_nulls is always on$/)
  t.equal(readConfig({ commandTimeout: 0.0001 }, {}).parameters['statement_timeout'], '1', 'never rounded to 0, which is no limit')
  t.equal(readConfig({ commandTimeout: 2_147_483 }, {}).parameters['statement_timeout'], '2147483000', 'the most')
  t.equal(readConfig({ commandTimeout: 0 }, {}).parameters['statement_timeout'], '0')
})

t.test('a configuration cannot be changed', async (t) => {
  const config = readConfig({ url: 'postgres://a,b/d', parameters: { jit: true } }, {})
  for (const part of [config, config.parameters, config.hosts, ...config.hosts]) t.ok(Object.isFrozen(part), inspect(part))
})

t.test('printing a configuration prints no password', async (t) => {
  const configs = [
    readConfig({ url: `postgres://u:${SECRET}@h/d` }, {}),
    readConfig({ url: `postgres://h/d?user=u&password=${SECRET}` }, {}),
    readConfig({ password: SECRET }, {}),
    readConfig({}, { DATABASE_PASSWORD: SECRET }),
    readConfig({ password: () => SECRET }, {}),
  ]
  for (const config of configs) {
    t.equal(await config.password(), SECRET)
    t.notMatch(inspect(config, { depth: Infinity, showHidden: true }), SECRET)
    t.notMatch(JSON.stringify(config), SECRET)
  }
})

t.test('bad options of the health check name the option', async (t) => {
  for (const name of ['timeout', 'cache']) {
    for (const value of ['1', '', -1, NaN, Infinity, null, true]) {
      t.throws(() => createDatabase({ health: { [name]: value } }, {}), { code: 'FST_PG_OPTION', message: `option health.${name} takes ${seconds}` }, `${name}: ${inspect(value)}`)
    }
  }
  t.throws(() => createDatabase({ health: { timeout: 0 } }, {}), { code: 'FST_PG_OPTION', message: /^option health\.timeout takes more than 0 seconds/ })
  for (const health of [5, 'yes', null, true]) t.throws(() => createDatabase({ health } as object, {}), { code: 'FST_PG_OPTION', message: /option health takes/ })
})
