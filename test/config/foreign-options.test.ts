import { inspect } from 'node:util'
import t from 'tap'
import { readConfig } from '../../src/config/config.js'
import type { PoolOptions } from '../../src/config/options.js'
import { type HookName, POOL_OPTION_NAMES } from '../../src/config/rules.js'
import { rejectUnknown } from '../../src/config/unknown-option.js'
import { createDatabase, errors } from '../../src/index.js'

const SECRET = 'opensesame'

function refusalOf (name: string): string {
  try {
    readConfig({ [name]: SECRET } as PoolOptions, {})
  } catch (error) {
    if (!(error instanceof errors.OptionError)) throw error
    if (inspect(error).includes(SECRET)) throw new Error('the error shows the value', { cause: error })
    return error.message
  }
  return 'accepted'
}

const SECONDS = /seconds/

t.test('what other libraries call an option is answered with ours, and with its unit', async (t) => {
  const answers: Array<[meant: keyof PoolOptions | HookName, names: string]> = [
    ['url', 'connectionString connection_string connectionURI dsn uri jdbcUrl databaseUrl datasourceUrl clientUrl conninfo'],
    ['host', 'hostname server hosts hostaddr socketPath path serverName Host HOST'],
    ['port', 'portNumber Port'],
    ['database', 'dbname dbName db databaseName DATABASE'],
    ['user', 'username userName User'],
    ['password', 'pass passwd pwd'],
    ['ssl', 'sslmode sslMode ssl_mode tls useSSL SSL sslrootcert sslcert sslkey ca rejectUnauthorized sslaccept'],
    ['applicationName', 'application_name ApplicationName fallback_application_name poolName appName'],
    ['targetSessionAttrs', 'target_session_attrs targetServerType'],
    ['requireAuth', 'require_auth'],
    ['parameters', 'server_settings connection options search_path schema currentSchema lock_timeout idle_in_transaction_session_timeout timezone'],
    ['min', 'minSize min_size minPoolSize minimumIdle minimumPoolSize poolMin pool_min_conns'],
    ['max', 'poolSize pool_size maxSize max_size maxPoolSize maximumPoolSize connectionLimit connection_limit max_overflow maxConnections'],
    ['pipeline', 'pipelineMode max_pipeline'],
    ['prepare', 'prepared_statements prepareThreshold statement_cache_size pgbouncer no_prepare'],
    ['onConnect', 'afterCreate init connectionInitSql'],
    ['onAcquire', 'setup beforeAcquire'],
    ['onRelease', 'afterRelease'],
    ['onNotice', 'onnotice notice_processor'],
    ['onParameter', 'onparameter onParameterStatus'],
    ['reset', 'resetConnection'],
    ['log', 'logger logging'],
    ['maxQueries', 'maxUses max_queries'],
    ['maxWaiting', 'queueLimit max_waiting'],
  ]
  for (const [meant, names] of answers) {
    for (const name of names.split(' ')) t.match(refusalOf(name), new RegExp(`^unknown option ${name}: .*\\b${meant}\\b`), name)
  }
})

t.test('of a duration the unit is said', async (t) => {
  const durations: Array<[meant: keyof PoolOptions, names: string]> = [
    ['commandTimeout', 'statement_timeout query_timeout statementTimeout command_timeout socket_timeout socketTimeout commandTimeoutMs'],
    ['idleTimeout', 'idle_timeout idleTimeoutMillis idleTimeoutMS idle max_inactive_connection_lifetime maxIdleTime reapIntervalMillis evict'],
    ['maxLifetime', 'max_lifetime maxLifetimeSeconds maxLifetimeMillis maximumConnectionAge pool_recycle conn_max_age'],
    ['connectTimeout', 'connect_timeout connectionTimeout connectionTimeoutMillis connectTimeoutMS createTimeoutMillis loginTimeout connection_timeout'],
    ['acquireTimeout', 'acquire acquireTimeoutMillis acquireConnectionTimeout pool_timeout checkoutTimeout connectionTimeoutMillis'],
    ['leakWarning', 'leakDetectionThreshold'],
    ['closeTimeout', 'gracefulTerminationTimeout destroyTimeoutMillis'],
    ['checkIdle', 'keepAlive keep_alive keepAliveInitialDelayMillis keepaliveTime validationTimeout'],
    ['startupTimeout', 'startup_timeout retryDelay'],
  ]
  for (const [meant, names] of durations) {
    for (const name of names.split(' ')) {
      t.match(refusalOf(name), new RegExp(`^unknown option ${name}: .*\\b${meant}\\b`), name)
      t.match(refusalOf(name), SECONDS, `${name}: the unit`)
    }
  }
})

t.test('what is not offered is said to be so', async (t) => {
  const answers: Array<[RegExp, string]> = [
    [/UTF8/, 'client_encoding'],
    [/README/, 'binary fetch_types'],
    [/did you mean types\?/, 'typeParsers parsers parseInt8'],
    [/did you mean transform\?/, 'postProcessResponse camelCase'],
    [/own/, 'replication publications'],
    [/verify-full/, 'channelBinding enableChannelBinding channel_binding'],
    [/password/, 'passfile service'],
    [/side by side/, 'pool connection'],
    [/postgres\.js/, 'client driverFactory dialect pg'],
    [/close/, 'allowExitOnIdle'],
    [/in their order/, 'load_balance_hosts loadBalanceHosts'],
    [/transaction/, 'isolationLevel readOnly autoCommit'],
    [/commandTimeout/, 'timeout tcp_user_timeout'],
  ]
  for (const [says, names] of answers) for (const name of names.split(' ')) t.match(refusalOf(name), says, name)
})

t.test('our own options are known by other spellings, and by their own they are accepted', async (t) => {
  for (const name of POOL_OPTION_NAMES) {
    const snake = name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
    for (const spelling of [snake, name.toUpperCase()]) {
      if (spelling !== name) t.match(refusalOf(spelling), `unknown option ${spelling}: did you mean ${name}?`, spelling)
    }
    t.notMatch(refusalOf(name), 'unknown option', name)
  }
})

t.test('options of a call and of a transaction', async (t) => {
  const answers: Array<[prefix: string, says: RegExp, names: string]> = [
    ['query.', /did you mean query\.timeout\? It takes seconds/, 'query_timeout statement_timeout timeoutMs Timeout'],
    ['query.', /did you mean query\.text/, 'sql query'],
    ['query.', /follow the query/, 'params bindings args'],
    ['query.', /prepared by themselves/, 'name'],
    ['query.', /query\.signal/, 'abortSignal'],
    ['transaction.', /did you mean transaction\.isolation/, 'isolationLevel isolation_level'],
    ['transaction.', /did you mean transaction\.readOnly/, 'readonly accessMode'],
    ['transaction.', /seconds.*acquireTimeout/, 'timeout maxWait'],
  ]
  for (const [prefix, says, names] of answers) {
    for (const name of names.split(' ')) {
      const known = prefix === 'query.' ? ['text', 'timeout', 'signal', 'prepare'] : ['isolation', 'readOnly', 'deferrable']
      t.throws(() => rejectUnknown({ [name]: SECRET }, known, prefix), { code: 'FST_PG_OPTION', message: says }, `${prefix}${name}`)
    }
  }
  t.throws(() => rejectUnknown({ connectionString: SECRET }, ['timeout', 'cache'], 'health.'), { message: /known are timeout, cache/ }, 'elsewhere nothing of it is said')
})

t.test('a URL instead of the options', async (t) => {
  for (const given of [`postgres://u:${SECRET}@h/d`, null, 5]) {
    const error = t.throws(() => createDatabase(given as never, {}), { code: 'FST_PG_OPTION', message: /takes its options in an object: createDatabase\(\{ url/ })
    t.notMatch(inspect(error), SECRET)
  }
})
